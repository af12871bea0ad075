//! Restores what a walk found, straight from one directory to another.

use std::path::Path;
use std::sync::{Arc, Mutex};

use format::entry::{Content, FileEntry, FileKey, Node};
use sources::Problem;
use sources::files::restore::{Begun, Conflict, FileWriter, Made, RootMeta, Target, TargetOptions};
use sources::files::{Handle, Segment};

use crate::tree::{Met, walk_plain};

/// A target with the problems it reported.
pub(crate) struct Restored {
    pub(crate) target: Target,
    problems: Arc<Mutex<Vec<Problem>>>,
}

impl Restored {
    pub(crate) fn open(root: &Path, conflict: Conflict) -> Self {
        Self::open_with(root, conflict, RootMeta::IfMade)
    }

    pub(crate) fn open_with(path: &Path, conflict: Conflict, root: RootMeta) -> Self {
        let problems = Arc::<Mutex<Vec<Problem>>>::default();
        let heard = problems.clone();
        let options = TargetOptions {
            conflict,
            root,
            follow: true,
            token: 7,
            on_problem: Arc::new(move |problem| heard.lock().unwrap().push(problem)),
        };
        Self {
            target: Target::open(path, options).unwrap(),
            problems,
        }
    }

    /// Sets what is left and returns the problems met.
    pub(crate) fn finish(self) -> Vec<Problem> {
        settle(&self.target, None);
        self.problems.lock().unwrap().drain(..).collect()
    }
}

/// Makes durable and sets what lies before `before`, or everything.
pub(crate) fn settle(target: &Target, before: Option<&FileKey>) {
    target.settle(target.sync(target.checkpoint(before)).unwrap());
}

/// Returns a plain entry of root's, or of whoever runs the tests.
pub(crate) fn entry(node: Node) -> FileEntry {
    FileEntry {
        mode: if node == Node::Directory {
            0o750
        } else {
            0o640
        },
        node,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        user: Vec::new(),
        group: Vec::new(),
        mtime_ns: 1_000_000_000_000_000_001,
        ctime_ns: 0,
        inode: 1,
        device: 1,
        links: 1,
        size: 0,
        xattrs: Vec::new(),
    }
}

/// Returns a file's entry.
pub(crate) fn file(size: u64) -> FileEntry {
    FileEntry {
        size,
        ..entry(Node::File(Content::Extents(Vec::new())))
    }
}

/// Returns the key of a path, as it would be in a tree.
pub(crate) fn key(path: &str) -> FileKey {
    let escaped = |part: &str| {
        part.replace('\u{2}', "\u{2}\u{2}")
            .replace('\u{1}', "\u{2}\u{1}")
    };
    match path.rsplit_once('/') {
        _ if path.is_empty() => FileKey(Vec::new()),
        None => FileKey(format!("\0{path}").into_bytes()),
        Some((dir, name)) => {
            let dir: Vec<_> = dir.split('/').map(escaped).collect();
            FileKey(format!("{}\0{name}", dir.join("\u{1}")).into_bytes())
        }
    }
}

/// Writes a small file whole.
pub(crate) fn put(target: &Target, path: &str, content: &str) -> Made {
    match target
        .begin_file(&key(path), &file(content.len() as u64))
        .unwrap()
    {
        Begun::Write(writer) => {
            writer.write_at(0, content.as_bytes()).unwrap();
            writer.finish().unwrap()
        }
        Begun::Same(existing) => existing.keep(),
        Begun::Kept => Made::Kept,
    }
}

/// Restores all that `met` holds to `to`, in key order, settling on the way.
pub(crate) fn restore(met: &Met, to: &Path, conflict: Conflict) -> Vec<Problem> {
    let restored = Restored::open(to, conflict);
    for (i, path) in met.order.iter().enumerate() {
        let (entry, handle) = &met.entries[path];
        if i % 7 == 0 {
            settle(&restored.target, Some(&handle.key()));
        }
        restore_one(&restored.target, entry, handle);
    }
    restored.finish()
}

fn restore_one(target: &Target, entry: &FileEntry, handle: &Handle) {
    let key = handle.key();
    let mut entry = entry.clone();
    entry.xattrs = handle.xattrs(&mut Vec::new());
    if entry.node != Node::Directory && entry.links > 1 && target.meet(&entry) {
        target.link(&key, &entry).unwrap();
        return;
    }
    match &mut entry.node {
        Node::Directory => drop(target.directory(&key, &entry).unwrap()),
        Node::File(_) => match target.begin_file(&key, &entry).unwrap() {
            Begun::Write(writer) => {
                copy(handle, &writer);
                writer.finish().unwrap();
            }
            Begun::Same(existing) => drop(existing.keep()),
            Begun::Kept => {}
        },
        node => {
            if let Node::Symlink(link) = node {
                *link = handle.link_target().unwrap();
            }
            target.other(&key, &entry).unwrap();
        }
    }
}

fn copy(handle: &Handle, writer: &FileWriter) {
    let mut file = handle.open().unwrap();
    let (mut data, mut offset) = (Vec::new(), 0);
    while let Some(segment) = file.next(&mut data, 1 << 20).unwrap() {
        match segment {
            Segment::Data(len) => {
                writer.write_at(offset, &data).unwrap();
                offset += len as u64;
            }
            Segment::Hole(len) => offset += len,
        }
        data.clear();
    }
}

/// Restores a walk of `from` to `to`, which has to go without a problem.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    let met = walk_plain(from);
    assert_eq!(met.problems, []);
    assert_eq!(restore(&met, to, Conflict::Skip), []);
}

/// Asserts that rsync finds no difference.
pub(crate) fn assert_rsync_finds_no_difference(from: &Path, to: &Path) {
    let mut from = from.as_os_str().to_owned();
    from.push("/");
    let output = std::process::Command::new("rsync")
        .args([
            "-aHAX",
            "--checksum",
            "--delete",
            "--dry-run",
            "--itemize-changes",
            "--devices",
            "--specials",
        ])
        .args([from.as_os_str(), to.as_os_str()])
        .output();
    match output {
        Err(_) => eprintln!("SKIP (no rsync): comparison by rsync"),
        Ok(output) => assert_eq!(
            (
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
            ("".into(), "".into())
        ),
    }
}
