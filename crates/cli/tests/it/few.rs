//! A machine that gives little: the real program under limits of the system.

use std::fs;
use std::process::Command;

use testkit::trees::describe;

use crate::program::{Answer, Place};

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
