//! The real `dozo` program in a process of its own, over the real clock, chance and file system.
//!
//! Also runs the strangers: programs that others wrote and that judge what Dozo restores. One that is missing
//! fails the test; `./test` installs them all.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use testkit::TempDir;

/// A directory for one test, with a data directory in it.
pub(crate) struct Place {
    dir: TempDir,
}

/// What a program said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) exit: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            dir: testkit::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Makes an empty directory.
    pub(crate) fn directory(&self, path: &str) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Returns the program with these words, over this place's data directory, not yet started.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dozo"));
        self.prepare(&mut command).args(words);
        command
    }

    /// Gives a command the working directory, data directory and language of this place.
    pub(crate) fn prepare<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .current_dir(self.dir.path())
            .env("DOZO_DATA_DIR", self.path("data"))
            // How full the disk is that the tests run on is not what they are about.
            .env("DOZO_POOL_WARN", "100")
            .env("LC_ALL", "C.UTF-8")
    }

    /// Runs the program to its end, and wants this exit code.
    pub(crate) fn dozo(&self, exit: i32, words: &[&str]) -> Answer {
        let answer = Answer::of(self.command(words).output().unwrap());
        assert_eq!(answer.exit, Some(exit), "dozo {words:?}\n{}", answer.all());
        answer
    }

    /// Starts the program, silently.
    pub(crate) fn start(&self, words: &[&str]) -> Child {
        self.command(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Makes a recovery point of a path and returns its id.
    pub(crate) fn point(&self, path: &str) -> String {
        let out = self.dozo(0, &["protect", path]).text();
        out.split_whitespace().next().unwrap().to_owned()
    }

    /// Returns what a read answers as JSON.
    pub(crate) fn json(&self, words: &[&str]) -> serde_json::Value {
        let answer = self.dozo(0, &[words, &["--json"]].concat());
        serde_json::from_slice(&answer.out).unwrap()
    }

    /// Returns the ids of all points listed, newest first.
    pub(crate) fn points(&self) -> Vec<String> {
        let listed = self.json(&["point", "list"]);
        let points = listed["points"].as_array().unwrap();
        let ids = points.iter().map(|p| p["id"].as_str().unwrap().to_owned());
        ids.collect()
    }

    /// Makes another point of a path that has not changed since the last, and fails if any content is stored for it. The tree
    /// may be: what had changed a moment before the last one is looked at again, and settled.
    pub(crate) fn nothing_new(&self, path: &str) {
        let before = self.content_packs();
        let again = self.dozo(0, &["protect", path]);
        assert!(again.err.contains("; 0 changed, "), "{}", again.all());
        assert_eq!(self.content_packs(), before, "{}", again.all());
    }

    fn content_packs(&self) -> BTreeSet<PathBuf> {
        let mut packs = BTreeSet::new();
        for group in fs::read_dir(self.path("data/pool/packs")).unwrap() {
            for pack in fs::read_dir(group.unwrap().path()).unwrap() {
                packs.insert(pack.unwrap().path());
            }
        }
        packs
    }

    /// Restores a point of a path into a directory that is not there yet.
    pub(crate) fn restore(&self, path: &str, point: &str, to: &str) -> PathBuf {
        self.dozo(0, &["restore", &format!("{path}@{point}"), "--to", to]);
        self.path(to)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Without privilege, directories that may not be written could not be emptied.
        if !rustix::process::geteuid().is_root() {
            attempt("chmod -R u+rwX .", &[], self.dir.path());
        }
    }
}

impl Answer {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            exit: output.status.code(),
            out: output.stdout,
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub(crate) fn all(&self) -> String {
        format!("{}{}(exit {:?})", self.text(), self.err, self.exit)
    }
}

/// Runs a shell line over strangers in a directory, with these paths as `$1` and so on; it must succeed in silence.
pub(crate) fn shell(line: &str, paths: &[&Path], directory: &Path) -> Vec<u8> {
    let answer = attempt(line, paths, directory);
    assert_ne!(
        answer.exit,
        Some(127),
        "a program is missing, which ./test installs: {}",
        answer.err
    );
    assert_eq!(
        (answer.exit, &*answer.err),
        (Some(0), ""),
        "{line} in {directory:?}"
    );
    answer.out
}

/// Runs a shell line over strangers, whatever they think of it.
pub(crate) fn attempt(line: &str, paths: &[&Path], directory: &Path) -> Answer {
    let mut command = Command::new("bash");
    // Some strangers live where only root looks for programs; the order of names must not hang on the locale.
    let line = format!("set -euo pipefail; PATH=$PATH:/usr/sbin:/sbin; {line}");
    command
        .args(["-O", "extglob", "-c", &line, "bash"])
        .args(paths);
    Answer::of(
        command
            .current_dir(directory)
            .env("LC_ALL", "C")
            .output()
            .unwrap(),
    )
}

/// Returns whether this process is root, and says which part of a test needs that.
pub(crate) fn is_root(part: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("SKIPPED: {part} (needs root)");
    }
    root
}
