//! The texts of the catalogue, rendered.
//!
//! Parameters are put in as they are, without isolation marks, except that a plain number chooses the plural
//! and gets its thousands separated as `count`, is bytes as `free`, `needed` or `total`, and is seconds as
//! `age`, `limit`, `promise` or `skew`: so one fault can be told in either language. A time as `since` is shown to the
//! minute.

use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use jiff::tz::TimeZone;

use super::{Code, Fault, Lang};
use crate::{Timestamp, units};

/// The parameter that is a time, in RFC 3339.
const SINCE: &str = "since";
/// The only parameter that is a number to Fluent.
const COUNT: &str = "count";
/// Parameters that are sizes: plain bytes are shown with a unit.
const SIZES: [&str; 3] = ["free", "needed", "total"];
/// Parameters that are durations: plain seconds are shown with units, in the text's language.
const DURATIONS: [&str; 4] = ["age", "limit", "promise", "skew"];

type Bundle = FluentBundle<FluentResource>;

static EN: LazyLock<Bundle> = LazyLock::new(|| load(Lang::En, include_str!("texts/en.ftl")));
static JA: LazyLock<Bundle> = LazyLock::new(|| load(Lang::Ja, include_str!("texts/ja.ftl")));

/// A fault in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// What happened, in one line.
    pub what: String,
    /// Why it happens.
    pub why: String,
    /// What to do, the best first; at least one.
    pub actions: Vec<String>,
    /// Which fault it is.
    pub code: Code,
}

/// A code of the catalogue in words, as `dozo explain` shows it; its parameters appear as their names in
/// capitals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What happened, why, and what to do.
    pub text: Text,
    /// The language of the text.
    pub lang: Lang,
}

impl Fault {
    /// Returns the fault in words.
    pub fn render(&self, lang: Lang) -> Text {
        render(self.code, lang, |name| {
            self.param(name)
                .map_or_else(|| label(lang, "label-unknown"), str::to_owned)
        })
    }

    /// Returns only the line that says what happened.
    pub fn what(&self, lang: Lang) -> String {
        self.render(lang).what
    }
}

impl Code {
    /// Returns what the code means, without a fault having happened.
    pub fn explain(self, lang: Lang) -> Explanation {
        let text = render(self, lang, |name| name.to_uppercase());
        Explanation { text, lang }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Text {
            what,
            why,
            actions,
            code,
        } = &self.text;
        let word = |id: &str| label(self.lang, id);
        let severity = word(&format!("label-severity-{}", code.severity().name()));
        writeln!(f, "{code} ({severity})\n")?;
        writeln!(f, "{}\n  {what}", word("label-what"))?;
        writeln!(f, "{}\n  {why}", word("label-why"))?;
        writeln!(f, "{}", word("label-try"))?;
        for action in actions {
            writeln!(f, "  - {action}")?;
        }
        writeln!(f, "{}\n  {}", word("label-exit"), code.exit())?;
        let items = code.guide().iter().map(|item| format!("S{item:02}"));
        let also: Vec<String> = items
            .chain(code.compat().iter().map(|id| (*id).to_owned()))
            .collect();
        if !also.is_empty() {
            writeln!(f, "{}\n  {}", word("label-compat"), also.join(", "))?;
        }
        Ok(())
    }
}

fn render(code: Code, lang: Lang, value: impl Fn(&str) -> String) -> Text {
    let mut args = FluentArgs::new();
    for name in code.params() {
        let value = value(name);
        match value.parse::<u64>() {
            Ok(n) if *name == COUNT => args.set(*name, n),
            Ok(n) => args.set(*name, in_words(name, n, lang).unwrap_or(value)),
            Err(_) if *name == SINCE => args.set(*name, minute(value)),
            // A value keeps to its line, whatever a file is called.
            Err(_) => args.set(*name, shown(&value)),
        }
    }
    let say = |part: &str| format(lang, &format!("{}-{part}", code.name()), Some(&args));
    Text {
        what: say("what"),
        // A reason is written as the middle of a sentence, and may have become its beginning.
        why: capitalized(say("why")),
        actions: say("try").lines().map(str::to_owned).collect(),
        code,
    }
}

fn capitalized(text: String) -> String {
    match text.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + rest,
        None => text,
    }
}

/// Returns a time to the minute; what is none stays as it is.
fn minute(text: String) -> String {
    match text.parse::<Timestamp>() {
        Ok(time) => units::time(time, &TimeZone::UTC),
        Err(_) => shown(&text),
    }
}

/// Returns a size in bytes or a duration in seconds as people of that language write it.
fn in_words(name: &str, n: u64, lang: Lang) -> Option<String> {
    if SIZES.contains(&name) {
        return Some(units::bytes(n));
    }
    DURATIONS
        .contains(&name)
        .then(|| units::duration(Duration::from_secs(n), lang))
}

fn label(lang: Lang, id: &str) -> String {
    format(lang, id, None)
}

/// Formats one message; its id stands for it if it is not there, which the tests rule out.
fn format(lang: Lang, id: &str, args: Option<&FluentArgs<'_>>) -> String {
    let bundle: &Bundle = match lang {
        Lang::En => &EN,
        Lang::Ja => &JA,
    };
    let Some(pattern) = bundle.get_message(id).and_then(|message| message.value()) else {
        return id.to_owned();
    };
    let mut errors = Vec::new();
    let text = bundle.format_pattern(pattern, args, &mut errors);
    debug_assert!(errors.is_empty(), "{id}: {errors:?}");
    text.into_owned()
}

fn load(lang: Lang, source: &'static str) -> Bundle {
    let id = lang.tag().parse().expect("a tag of ours is a language tag");
    let resource = FluentResource::try_new(source.to_owned())
        .map_err(|(_, errors)| errors)
        .expect("the texts are Fluent: a test reads every one of them");
    let mut bundle = Bundle::new_concurrent(vec![id]);
    bundle.set_use_isolating(false);
    bundle.set_formatter(Some(|value, _| match value {
        FluentValue::Number(number) => Some(units::count(number.value as u64)),
        _ => None,
    }));
    bundle
        .add_resource(resource)
        .expect("every text has an id of its own");
    bundle
}

/// Returns a value as a terminal may show it: what controls one is written out, so that a file's name can
/// neither forge a line nor paint the screen.
fn shown(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}
