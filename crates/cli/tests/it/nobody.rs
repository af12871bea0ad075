//! The program without privilege: it protects what it can read, restores what it may, and lists the rest.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use testkit::trees::{self, Shape, describe};

use crate::program::{Answer, Place, is_root, shell};

/// The user that runs the program: `nobody` if this process is root, else this process's own.
struct Nobody {
    place: Place,
}

impl Nobody {
    /// Takes a place over: everything in it, and a copy of the program, for the real one may lie where only root may look.
    fn of(place: Place) -> Self {
        fs::copy(env!("CARGO_BIN_EXE_dozo"), place.path("dozo")).unwrap();
        fs::set_permissions(place.path("dozo"), Permissions::from_mode(0o755)).unwrap();
        let nobody = Self { place };
        nobody.own(".");
        nobody
    }

    fn own(&self, path: &str) {
        if rustix::process::geteuid().is_root() {
            let path = self.place.path(path);
            shell("chown -hR 65534:65534 \"$1\"", &[&path], Path::new("/"));
        }
    }

    fn dozo(&self, exit: i32, words: &[&str]) -> Answer {
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = std::process::Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
            command.arg(self.place.path("dozo"));
            command
        } else {
            std::process::Command::new(self.place.path("dozo"))
        };
        let answer = Answer::of(
            self.place
                .prepare(&mut command)
                .args(words)
                .output()
                .unwrap(),
        );
        assert_eq!(answer.exit, Some(exit), "dozo {words:?}\n{}", answer.all());
        answer
    }
}

#[test]
fn nobody_protects_and_restores_what_is_nobodys() {
    let nobody = Nobody::of(Place::new());
    let source = nobody.place.directory("source");
    trees::build(&source, 1, Shape::default()).unwrap();
    nobody.own("source");
    nobody.dozo(0, &["protect", "source"]);
    nobody.dozo(0, &["restore", "source", "--to", "restored"]);
    assert_eq!(
        describe(&nobody.place.path("restored")).unwrap(),
        describe(&source).unwrap()
    );
}

#[test]
fn what_nobody_may_read_is_a_warning_each() {
    let nobody = Nobody::of(Place::new());
    let source = nobody.place.directory("source");
    for dir in ["closed", "open"] {
        fs::create_dir(source.join(dir)).unwrap();
        fs::write(source.join(dir).join("file"), dir).unwrap();
    }
    fs::write(source.join("readable"), "for all").unwrap();
    fs::write(source.join("secret"), "for none").unwrap();
    nobody.own("source");
    for closed in ["secret", "closed"] {
        fs::set_permissions(source.join(closed), Permissions::from_mode(0o0)).unwrap();
    }
    let said = nobody.dozo(3, &["protect", "source"]);
    for path in ["secret", "closed"] {
        let line = format!("  {path}: Cannot read {path} (permission denied)\n");
        assert!(said.err.contains(&line), "{}", said.all());
    }
    assert!(said.err.contains("2 warnings"), "{}", said.all());
    nobody.dozo(0, &["restore", "source", "--to", "restored"]);
    let restored = nobody.place.path("restored");
    assert_eq!(fs::read(restored.join("readable")).unwrap(), b"for all");
    assert_eq!(fs::read(restored.join("open/file")).unwrap(), b"open");
    // Nothing stands there as if it were the file that could not be read.
    assert!(!restored.join("secret").try_exists().unwrap());
}

#[test]
fn nobody_restores_what_it_may_and_lists_the_rest() {
    if !is_root("to make what nobody may not") {
        return;
    }
    let place = Place::new();
    let source = place.directory("source");
    fs::write(source.join("mine"), "mine").unwrap();
    fs::write(source.join("roots"), "roots").unwrap();
    shell(
        "chown 65534:65534 mine; mknod device c 1 3; echo able > able; setcap cap_net_raw+ep able
         setfattr -n trusted.secret -v 1 roots; mkdir dir; echo in > dir/file; chmod 2755 dir",
        &[],
        &source,
    );
    place.point("source");
    let nobody = Nobody::of(place);
    let said = nobody.dozo(3, &["restore", "source", "--to", "restored"]);
    // Each with what could not be done to it and why; the root of the restore is `.`.
    let unset: Vec<&str> = said
        .err
        .lines()
        .filter(|line| line.starts_with("  "))
        .collect();
    for path in ["device", "able", "roots", "dir", "dir/file", "."] {
        let begin = format!("  {path}: Not restored as it was: {path} (cannot ");
        assert!(
            unset.iter().any(|line| line.starts_with(&begin)),
            "{path}\n{}",
            said.all()
        );
    }
    assert!(
        unset
            .iter()
            .all(|line| line.ends_with(": permission denied)")),
        "{}",
        said.all()
    );
    let restored = nobody.place.path("restored");
    for (path, content) in [
        ("mine", "mine"),
        ("roots", "roots"),
        ("able", "able\n"),
        ("dir/file", "in\n"),
    ] {
        assert_eq!(fs::read_to_string(restored.join(path)).unwrap(), content);
    }
}
