//! The catalogue is complete: every code has its texts in every language, and they speak of what the code
//! declares and of nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use base::fault::{Code, Fault, Kind, Lang, Severity};

const PARTS: [&str; 3] = ["what", "why", "try"];

/// The commands that exist; a text must not recommend any other.
const COMMANDS: [&str; 29] = [
    "dozo explain",
    "dozo group create",
    "dozo group list",
    "dozo group remove",
    "dozo group set",
    "dozo group show",
    "dozo help",
    "dozo job cancel",
    "dozo job list",
    "dozo job show",
    "dozo job watch",
    "dozo point browse",
    "dozo point create",
    "dozo point delete",
    "dozo point list",
    "dozo point release",
    "dozo pool add",
    "dozo pool drain",
    "dozo pool gc",
    "dozo pool remove",
    "dozo pool status",
    "dozo pool verify",
    "dozo protect",
    "dozo restore",
    "dozo server adopt",
    "dozo source accept",
    "dozo source check",
    "dozo source list",
    "dozo status",
];
const MORE_COMMANDS: [&str; 2] = ["dozo sync", "dozo up"];

/// Reads the texts the way a person would: id, everything up to the next id.
fn texts(lang: Lang) -> BTreeMap<String, String> {
    let source = match lang {
        Lang::En => include_str!("../../src/fault/texts/en.ftl"),
        Lang::Ja => include_str!("../../src/fault/texts/ja.ftl"),
    };
    let mut texts = BTreeMap::new();
    let mut last = String::new();
    for line in source.lines().filter(|l| !l.starts_with('#')) {
        if let Some((id, text)) = line.split_once(" =")
            && !line.starts_with(' ')
        {
            last = id.to_owned();
            let before = texts.insert(last.clone(), text.to_owned());
            assert_eq!(before, None, "{id} is there twice in {lang:?}");
        } else if !line.trim().is_empty() {
            let text: &mut String = texts.get_mut(&last).expect("a text begins with its id");
            text.push('\n');
            text.push_str(line);
        }
    }
    texts
}

fn params_in(text: &str) -> BTreeSet<&str> {
    text.split('$')
        .skip(1)
        .map(|rest| {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            &rest[..end]
        })
        .collect()
}

fn filled(code: Code) -> Fault {
    let value = |name: &'static str| {
        if name == "count" {
            "1234".to_owned()
        } else {
            format!("<{name}>")
        }
    };
    code.params().iter().fold(Fault::new(code), |fault, name| {
        fault.with(name, value(name))
    })
}

#[test]
fn every_code_has_its_three_texts_in_every_language() {
    for lang in Lang::ALL {
        let texts = texts(lang);
        for code in Code::all() {
            for part in PARTS {
                let id = format!("{code}-{part}");
                let text = texts
                    .get(&id)
                    .unwrap_or_else(|| panic!("{id} is missing in {lang:?}"));
                assert!(!text.trim().is_empty(), "{id} is empty in {lang:?}");
            }
        }
    }
}

#[test]
fn every_text_belongs_to_a_code() {
    for lang in Lang::ALL {
        for id in texts(lang)
            .into_keys()
            .filter(|id| !id.starts_with("label-"))
        {
            let (name, part) = id.split_once('-').expect("an id is CODE-PART");
            assert!(PARTS.contains(&part), "{id} in {lang:?}");
            assert!(
                Code::all().iter().any(|code| code.name() == name),
                "{id} in {lang:?}"
            );
        }
    }
}

#[test]
fn labels_are_the_same_in_every_language() {
    let labels = |lang| -> Vec<String> {
        texts(lang)
            .into_keys()
            .filter(|id| id.starts_with("label-"))
            .collect()
    };
    assert_eq!(labels(Lang::En), labels(Lang::Ja));
}

#[test]
fn texts_use_declared_parameters_only_and_say_all_of_them() {
    for lang in Lang::ALL {
        let texts = texts(lang);
        for code in Code::all() {
            let declared: BTreeSet<&str> = code.params().iter().copied().collect();
            let mut said = BTreeSet::new();
            for part in PARTS {
                let used = params_in(&texts[&format!("{code}-{part}")]);
                assert!(
                    used.is_subset(&declared),
                    "{code}-{part} in {lang:?}: {used:?}"
                );
                if part != "try" {
                    said.extend(used);
                }
            }
            assert_eq!(said, declared, "{code} in {lang:?}: what and why");
        }
    }
}

#[test]
fn a_rendered_fault_shows_every_value_and_no_machinery() {
    for lang in Lang::ALL {
        for code in Code::all() {
            let text = filled(*code).render(lang);
            let all = format!("{}\n{}\n{}", text.what, text.why, text.actions.join("\n"));
            for name in code.params() {
                let shown = if *name == "count" {
                    "1,234".to_owned()
                } else {
                    format!("<{name}>")
                };
                assert!(
                    all.contains(&shown),
                    "{code} in {lang:?} does not show {name}: {all}"
                );
            }
            assert!(
                !all.contains(['{', '}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}']),
                "{all}"
            );
            assert!(
                !text.what.contains('\n') && !text.why.contains('\n'),
                "{all}"
            );
            assert!(!text.what.ends_with(['.', '。']), "{}", text.what);
            assert!(text.why.ends_with(['.', '。']), "{}", text.why);
            assert!(
                !text.actions.is_empty()
                    && text.actions.iter().all(|a| a == a.trim() && !a.is_empty())
            );
        }
    }
}

#[test]
fn both_languages_recommend_the_same_commands() {
    let commands = |code: Code, lang| -> Vec<String> {
        let actions = code.explain(lang).text.actions.join("\n");
        let quoted = actions.split('`').skip(1).step_by(2);
        quoted
            .filter(|c| c.starts_with("dozo "))
            .map(str::to_owned)
            .collect()
    };
    for code in Code::all() {
        let mut en = commands(*code, Lang::En);
        let mut ja = commands(*code, Lang::Ja);
        en.sort();
        ja.sort();
        assert_eq!(en, ja, "{code}");
        for command in en {
            let known = COMMANDS.iter().chain(&MORE_COMMANDS).any(|c| {
                command
                    .strip_prefix(c)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            });
            assert!(
                known,
                "{code} recommends `{command}`, which is not a command"
            );
        }
    }
}

#[test]
fn names_and_alias_numbers_find_their_codes() {
    for code in Code::all() {
        assert_eq!(Code::parse(code.name()), Some(*code));
        assert_eq!(Code::parse(&code.name().to_uppercase()), Some(*code));
        for id in code.compat() {
            assert!(Code::search(id).contains(code), "{id}");
        }
    }
    assert_eq!(Code::parse(" poolfull "), Some(Code::PoolFull));
    assert_eq!(Code::parse("33515"), Some(Code::PoolFull));
    assert_eq!(Code::parse("s44"), Some(Code::RetentionBelowMinimum));
    assert_eq!(Code::parse("0X80070015"), Some(Code::SourceDeviceNotReady));
    assert_eq!(
        Code::search("109"),
        [Code::FileAccessBlocked, Code::ReplicaInconsistent]
    );
    for nothing in ["", "s", "S99", "Pool", "999999"] {
        assert_eq!(Code::parse(nothing), None, "{nothing}");
    }
}

#[test]
fn a_full_pool_says_what_it_keeps_free() {
    let (percent, most) = base::limits::POOL_STOP;
    let bounds = [base::limits::POOL_RESERVE_BYTES, most].map(base::units::bytes);
    for lang in Lang::ALL {
        let why = Code::PoolFull.explain(lang).text.why;
        let says = |what: &str| assert!(why.contains(what), "{why}");
        says(&format!("{percent} %"));
        bounds.iter().for_each(|bound| says(bound));
    }
}

#[test]
fn a_time_is_told_to_the_minute() {
    let told = |since: &str| {
        let fault = Fault::new(Code::DataDirectoryBusy).with("since", since);
        fault.render(Lang::En).why
    };
    let why = told("2026-11-26T07:50:57.814250433Z");
    assert!(why.contains("started at 2026-11-26 07:50 UTC and"), "{why}");
    assert!(told("?").contains("started at ? and"));
}

#[test]
fn exit_codes_agree_with_kinds_and_severities() {
    for code in Code::all() {
        assert!(code.exit() <= 9, "{code}");
        let exit = code.exit();
        assert_eq!(
            exit == 0,
            code.severity() == Severity::Information,
            "{code}"
        );
        assert!(!matches!(code.exit_failed(), 0 | 3), "{code}");
        assert!(
            code.exit_failed() == exit || matches!(exit, 0 | 3),
            "{code}"
        );
        assert_eq!(exit == 4, code.kind() == Kind::NotFound, "{code}");
        assert_eq!(exit == 8, code.kind() == Kind::Damaged, "{code}");
        assert!(exit != 2 || code.kind() == Kind::FixInput, "{code}");
        if code.kind() == Kind::Denied {
            assert!(matches!(exit, 3 | 5), "{code}");
        }
    }
}

#[test]
fn the_plural_follows_the_count() {
    let say = |count: &str, lang| {
        let fault = Fault::new(Code::ProtectionWarnings)
            .with("source", "web:/etc")
            .with("count", count);
        fault.what(lang)
    };
    assert_eq!(
        say("1", Lang::En),
        "The recovery point of web:/etc was made without 1 entry"
    );
    assert_eq!(
        say("12000", Lang::En),
        "The recovery point of web:/etc was made without 12,000 entries"
    );
    assert_eq!(
        say("many", Lang::En),
        "The recovery point of web:/etc was made without many entries"
    );
    assert_eq!(
        say("2", Lang::Ja),
        "web:/etc の回復ポイントを作成しましたが、2 件の項目は含まれていません"
    );
}

#[test]
fn sizes_and_durations_are_told_in_the_language_of_the_text() {
    let low = Fault::new(Code::PoolFull)
        .with("path", "/pool")
        .with("free", 1_503_238_553);
    assert_eq!(low.what(Lang::En), "The pool /pool is full (1.40 GiB free)");
    let late = Fault::new(Code::SlaMissed)
        .with("source", "web:files/etc")
        .with("age", 93_600)
        .with("promise", 86_400);
    assert_eq!(
        late.what(Lang::En),
        "The newest good recovery point of web:files/etc is 1 d 2 h old; 1 d was promised"
    );
    assert_eq!(
        late.what(Lang::Ja),
        "web:files/etc の最新の正常な回復ポイントは 1 日 2 時間前のもので、目標の 1 日を超えています"
    );
}

#[test]
fn a_missing_value_is_said_to_be_unknown() {
    let fault = Fault::new(Code::SourcePathMissing);
    assert_eq!(fault.what(Lang::En), "There is nothing at (unknown)");
    assert_eq!(fault.what(Lang::Ja), "(不明) が見つかりません");
}

#[test]
fn a_value_cannot_forge_a_line() {
    let fault = Fault::new(Code::SourcePathMissing).with("path", "/a\nTry: { $x }");
    assert_eq!(fault.what(Lang::En), r"There is nothing at /a\nTry: { $x }");
}

#[test]
fn a_value_cannot_paint_the_screen() {
    let fault = Fault::new(Code::SourcePathMissing).with("path", "/\x1b[31mred");
    assert_eq!(fault.what(Lang::En), r"There is nothing at /\u{1b}[31mred");
}

#[test]
fn a_fault_is_an_error_with_a_cause() {
    let cause = std::io::Error::other("disk on fire");
    let fault = Fault::new(Code::PoolReadOnly)
        .with("path", "/pool")
        .because(cause);
    assert_eq!(
        fault.to_string(),
        "Nothing can be protected: the pool /pool is read-only"
    );
    assert_eq!(
        fault.source().map(ToString::to_string),
        Some("disk on fire".to_owned())
    );
    assert_eq!(
        (fault.kind(), fault.exit(), fault.severity()),
        (Kind::Denied, 5, Severity::Critical)
    );
    assert_eq!(fault.param("path"), Some("/pool"));
}

#[test]
fn explain_shows_parameters_as_words_to_replace() {
    let expected = "\
PoolFull (critical)

What happened
  The pool PATH is full (FREE free)
Why
  5 % of its file system are kept free (at least 64.0 MiB, at most 32.0 GiB), so that recovery points can still be deleted and their space given back. The job stopped before it could do harm: no recovery point is lost and no replica became inconsistent. What was stored counts when it is tried again.
Try
  - Run `dozo pool status` to see what takes the space.
  - Delete what is not needed, `dozo point delete POINT`, or shorten the retention of a group, `dozo group set GROUP`; then run `dozo pool gc`.
  - Enlarge the file system.
Exit code
  1
Also known as
  S18, 33515, 58, 4222
";
    assert_eq!(Code::PoolFull.explain(Lang::En).to_string(), expected);
}

#[test]
fn locales_choose_the_language() {
    for (locale, lang) in [
        ("ja_JP.UTF-8", Lang::Ja),
        ("ja", Lang::Ja),
        ("JA-jp", Lang::Ja),
        ("en_GB.UTF-8", Lang::En),
        ("C.UTF-8", Lang::En),
        ("jav", Lang::En),
        ("", Lang::En),
    ] {
        assert_eq!(Lang::from_locale(locale), lang, "{locale}");
    }
}
