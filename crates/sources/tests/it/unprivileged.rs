//! Without root: what is allowed is done, the rest is told.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use format::entry::{FileEntry, Node};
use rustix::fs::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use sources::files::restore::{Begun, Conflict, Made};
use sources::{Op, Reason};

use crate::target::{Restored, entry, file, key, put};
use crate::tree::{is_root, make, walk_plain};

const NOBODY: u32 = 65_534;

/// Runs `part` in a thread that has given up root, in a directory of its own. Privileges belong to a thread on
/// Linux, and threads it starts inherit what it has.
fn as_nobody(part: impl FnOnce(&Path) + Send) {
    if !is_root("a part that gives root up") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let path = dir.path();
    std::thread::scope(|scope| {
        let part = scope.spawn(move || {
            let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
            set_thread_groups(&[]).unwrap();
            set_thread_res_gid(gid, gid, gid).unwrap();
            set_thread_res_uid(uid, uid, uid).unwrap();
            part(path);
        });
        part.join().unwrap();
    });
}

#[test]
fn a_restore_sets_what_it_may_and_lists_the_rest() {
    as_nobody(|root| {
        let foreign = |of: FileEntry| FileEntry {
            uid: 0,
            gid: 0,
            mode: 0o4755,
            ..of
        };
        let restored = Restored::open(root, Conflict::Skip);
        let directory = foreign(entry(Node::Directory));
        assert_eq!(
            restored.target.directory(&key("d"), &directory).unwrap(),
            Made::New
        );
        let mut privileged = foreign(file(7));
        privileged.xattrs = vec![
            (b"trusted.t".to_vec(), b"t".to_vec()),
            (b"user.u".to_vec(), b"u".to_vec()),
        ];
        let Begun::Write(writer) = restored
            .target
            .begin_file(&key("d/f"), &privileged)
            .unwrap()
        else {
            panic!()
        };
        writer.write_at(0, b"content").unwrap();
        assert_eq!(writer.finish().unwrap(), Made::New);
        let refused = restored
            .target
            .other(&key("null"), &entry(Node::CharDevice(1 << 32 | 3)))
            .unwrap_err();
        assert_eq!((refused.op, refused.reason), (Op::Create, Reason::Denied));
        put(&restored.target, "own", "mine");
        let problems: Vec<_> = restored
            .finish()
            .into_iter()
            .map(|p| (String::from_utf8(p.path).unwrap(), p.op, p.reason))
            .collect();
        let denied = |path: &str, op| (path.to_owned(), op, Reason::Denied);
        assert_eq!(
            problems,
            [
                denied("d/f", Op::SetOwner),
                denied("d/f", Op::SetXattr),
                denied("d/f", Op::SetMode),
                denied("d", Op::SetOwner),
                denied("d", Op::SetMode),
            ]
        );
        // Somebody else's privilege is not handed to whoever restores.
        let metadata = std::fs::metadata(root.join("d/f")).unwrap();
        assert_eq!(
            (metadata.uid(), metadata.mode() & 0o7777, metadata.mtime()),
            (NOBODY, 0o755, 1_000_000_000)
        );
        assert_eq!(std::fs::read(root.join("d/f")).unwrap(), b"content");
        let xattrs = walk_plain(root).handle("d/f").xattrs(&mut Vec::new());
        assert_eq!(xattrs, [(b"user.u".to_vec(), b"u".to_vec())]);
    });
}

#[test]
fn a_walk_goes_on_past_what_it_may_not_read() {
    as_nobody(|root| {
        make(root, &["a/x", "b", "c/y"]);
        let forbid = |path: &str| {
            std::fs::set_permissions(root.join(path), PermissionsExt::from_mode(0o000)).unwrap()
        };
        forbid("a");
        forbid("b");
        let met = walk_plain(root);
        assert_eq!(met.paths(), ["a", "b", "c", "c/y"]);
        let problems: Vec<_> = met
            .problems
            .iter()
            .map(|p| (p.to_string(), p.reason))
            .collect();
        assert_eq!(problems, [("cannot list a".to_owned(), Reason::Denied)]);
        let refused = met
            .handle("b")
            .read_small(10, None, &mut Vec::new(), &mut Vec::new())
            .unwrap_err();
        assert_eq!(
            (refused.to_string(), refused.reason),
            ("cannot open b".to_owned(), Reason::Denied)
        );
        std::fs::set_permissions(root.join("a"), PermissionsExt::from_mode(0o700)).unwrap();
    });
}

#[test]
fn files_of_others_are_read_though_their_access_time_cannot_be_kept() {
    as_nobody(|_| {
        let met = walk_plain(Path::new("/etc/passwd"));
        let read = met
            .handle("")
            .read_small(1 << 20, None, &mut Vec::new(), &mut Vec::new())
            .unwrap();
        assert!(!read.unwrap().changed);
    });
}
