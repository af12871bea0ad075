//! A machine that gives little: the real program under limits of the system.

use std::fs;
use std::process::Command;

use testkit::trees::describe;

use crate::program::{Answer, Place, is_root, shell};

#[test]
fn a_backup_works_with_few_open_files() {
    let place = Place::new();
    let source = place.directory("source");
    for n in 0..600 {
        let dir = source.join(format!("{}/{}/{n}", n % 7, n % 31));
        fs::create_dir_all(&dir).unwrap();
        for m in 0..5 {
            fs::write(dir.join(format!("{m}")), vec![m; 500 + n]).unwrap();
        }
    }
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 64; exec \"$0\" protect source"]);
    limited.arg(env!("CARGO_BIN_EXE_dozo"));
    let answer = Answer::of(place.prepare(&mut limited).output().unwrap());
    assert_eq!(answer.exit, Some(0), "{}", answer.all());
    let point = answer.text().split_whitespace().next().unwrap().to_owned();
    let restored = place.restore("source", &point, "restored");
    assert_eq!(describe(&restored).unwrap(), describe(&source).unwrap());
}

/// Runs the program under a limit of the shell.
fn limited(place: &Place, limit: &str, words: &[&str]) -> Answer {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit {limit}; exec \"$0\" \"$@\"")]);
    limited.arg(env!("CARGO_BIN_EXE_dozo")).args(words);
    Answer::of(place.prepare(&mut limited).output().unwrap())
}

#[test]
fn a_limit_on_the_size_of_files_is_told_and_keeps_nobody_from_looking() {
    let place = Place::new();
    let source = place.directory("source");
    fs::write(source.join("small"), "small").unwrap();
    place.dozo(0, &["protect", "source"]);
    let mut dice = testkit::Dice::new(8);
    fs::write(source.join("large"), dice.bytes(3 << 20)).unwrap();
    for limit in ["-f 0", "-f 20", "-f 2000"] {
        let answer = limited(&place, limit, &["protect", "source"]);
        let told = answer.err.contains("File too large");
        assert_eq!((answer.exit, told), (Some(5), true), "{}", answer.all());
        let answer = limited(&place, limit, &["point", "list"]);
        assert_eq!(answer.exit, Some(0), "{}", answer.all());
    }
    place.dozo(0, &["protect", "source"]);
}

#[test]
fn whatever_file_is_the_last_one_a_command_says_so_and_ends() {
    let place = Place::new();
    fs::write(place.directory("source").join("file"), "content").unwrap();
    place.dozo(0, &["protect", "source"]);
    let mut ends = Vec::new();
    // With fewer not even the libraries of the program can be opened.
    for files in 5..64 {
        let answer = limited(&place, &format!("-n {files}"), &["protect", "source"]);
        let told = answer.err.contains("ResourcesExhausted");
        match answer.exit {
            Some(0) => {}
            Some(1) if told => {}
            _ => panic!("{files} files: {}", answer.all()),
        }
        ends.push(answer.exit);
    }
    assert_eq!(ends[0], Some(1), "{ends:?}");
    assert_eq!(ends.last(), Some(&Some(0)), "{ends:?}");
}

#[test]
fn a_data_directory_that_is_a_file_is_called_one() {
    let place = Place::new();
    place.directory("source");
    fs::write(place.path("file"), "mine").unwrap();
    for directory in ["file", "file/below", "/dev/null"] {
        for words in [&["status"][..], &["protect", "source"], &["up"]] {
            let refused = place.dozo(5, &[words, &["--data-dir", directory]].concat());
            let code = "DataDirectoryNotADirectory";
            assert!(refused.err.contains(code), "{}", refused.all());
        }
    }
    assert_eq!(fs::read(place.path("file")).unwrap(), b"mine");
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure_whatever_it_is() {
    let place = Place::new();
    for words in ["--help", "--version", "explain", "point --help"] {
        let mut command = place.command(&words.split(' ').collect::<Vec<_>>());
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let answer = Answer::of(command.stdout(full).output().unwrap());
        let told = answer.err.contains("OutputUnwritable");
        assert_eq!((answer.exit, told), (Some(1), true), "{}", answer.all());
    }
}

#[test]
fn a_number_below_nothing_is_no_option() {
    let place = Place::new();
    fs::write(place.directory("source").join("file"), "content").unwrap();
    place.dozo(0, &["protect", "source"]);
    for (option, value, told) in [
        ("--keep-days", "-1", "whole number from 0 to"),
        ("--keep-weekly", "40000", "whole number from 0 to"),
        ("--keep-yearly", "many", "whole number from 0 to"),
        ("--sync", "-1", "SyncFrequencyInvalid"),
        ("--at", "-1", "ScheduleInvalid"),
    ] {
        let refused = place.dozo(2, &["group", "set", "default", option, value]);
        assert!(refused.err.contains(told), "{}", refused.all());
    }
}

#[test]
fn whatever_thread_is_the_last_one_a_command_says_so_and_ends() {
    if !is_root("limits on the threads of another user") {
        return;
    }
    let place = Place::new();
    let source = place.directory("source");
    for n in 0..50 {
        fs::write(source.join(format!("{n}")), vec![n; 20_000]).unwrap();
    }
    // A user without processes, who may come here and write nothing but one directory.
    let user = 1_900_000_000 + std::process::id() % 1_000_000;
    let data = place.directory("data");
    std::os::unix::fs::chown(&data, Some(user), Some(user)).unwrap();
    shell("chmod a+rx . && chmod 700 data", &[], &place.path("."));
    // Where it was built not everybody may go.
    let program = place.path("dozo");
    fs::copy(env!("CARGO_BIN_EXE_dozo"), &program).unwrap();
    let mut ends = Vec::new();
    for threads in (1..40).step_by(3) {
        let mut limited = Command::new("setpriv");
        limited.args(["--clear-groups", &format!("--reuid={user}"), "prlimit"]);
        limited.arg(format!("--nproc={threads}"));
        limited.arg(&program).args(["protect", "source"]);
        let answer = Answer::of(place.prepare(&mut limited).output().unwrap());
        let told = answer.err.contains("Resource temporarily unavailable");
        match answer.exit {
            Some(0) => {}
            Some(1) if told && !answer.err.contains("panicked") => {}
            _ => panic!("{threads} threads: {}", answer.all()),
        }
        ends.push(answer.exit);
    }
    assert_eq!(
        (ends[0], ends[ends.len() - 1]),
        (Some(1), Some(0)),
        "{ends:?}"
    );
}

#[test]
fn a_hole_larger_than_the_disk_is_not_read_when_it_stands_there_already() {
    let place = Place::new();
    let source = place.directory("source");
    let sparse = fs::File::create(source.join("sparse")).unwrap();
    sparse.set_len(8 << 40).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", 1 << 40).unwrap();
    let point = place.point("source");
    place.restore("source", &point, "restored");
    // Compared byte by byte this would take hours.
    let again = place.dozo(0, &["restore", "source", "--to", "restored"]);
    assert!(again.err.contains("restored 0 files"), "{}", again.all());
}
