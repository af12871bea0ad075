//! Names outside of a source that its files have, had or get.

use std::fs;
use std::path::Path;

use base::limits;

use super::{Member, btrfs};

/// What happens to names in and beside a source.
type Step = (&'static str, fn(&Path));

/// Names that come to a source from elsewhere in its subvolume, or go there.
const BORDER: [Step; 9] = [
    ("a file comes", |at| {
        fs::rename(at.join("beside/file"), at.join("root/file")).unwrap()
    }),
    ("a file goes", |at| {
        fs::rename(at.join("root/file"), at.join("beside/file2")).unwrap()
    }),
    ("a directory comes", |at| {
        fs::rename(at.join("beside/dir"), at.join("root/d/dir")).unwrap()
    }),
    ("a directory goes, and another takes its place", |at| {
        fs::rename(at.join("root/d/dir"), at.join("beside/dir2")).unwrap();
        fs::rename(at.join("beside/other"), at.join("root/d/dir")).unwrap();
    }),
    (
        "what is in a directory that went changes, and it comes back",
        |at| {
            fs::rename(at.join("root/d"), at.join("beside/d")).unwrap();
            fs::write(at.join("beside/d/dir/new"), "new").unwrap();
            fs::rename(at.join("beside/d"), at.join("root/d")).unwrap();
        },
    ),
    ("two change places", |at| {
        fs::rename(at.join("root/d/dir"), at.join("tmp")).unwrap();
        fs::rename(at.join("beside/dir2"), at.join("root/d/dir")).unwrap();
        fs::rename(at.join("tmp"), at.join("beside/dir2")).unwrap();
    }),
    (
        "a file takes the place of one that stays in another directory",
        |at| {
            fs::write(at.join("beside/file3"), "another").unwrap();
            fs::rename(at.join("beside/file3"), at.join("root/d/stays")).unwrap();
        },
    ),
    (
        "a file goes that another name in the source stays of",
        |at| {
            fs::hard_link(at.join("root/d/stays"), at.join("root/link")).unwrap();
            fs::rename(at.join("root/d/stays"), at.join("beside/stays")).unwrap();
        },
    ),
    ("it comes back by another name", |at| {
        fs::rename(at.join("beside/stays"), at.join("root/stays")).unwrap()
    }),
];

/// What happens to a file by its other names: `root/a` and `root/d/b` in the source, `beside/c` out of it.
const OTHER_NAMES: [Step; 10] = [
    ("another name outside", |at| {
        fs::hard_link(at.join("beside/c"), at.join("beside/new")).unwrap()
    }),
    ("written by the name outside", |at| {
        fs::write(at.join("beside/c"), "by the name outside").unwrap()
    }),
    ("written by one of those in the source", |at| {
        fs::write(at.join("root/a"), "by a name in the source").unwrap()
    }),
    ("and by the other", |at| {
        fs::write(at.join("root/d/b"), "by the other name").unwrap()
    }),
    ("its mode changes by the name outside", |at| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        fs::set_permissions(at.join("beside/c"), mode).unwrap();
    }),
    ("a name outside is another one", |at| {
        fs::rename(at.join("beside/new"), at.join("beside/newer")).unwrap();
        fs::write(at.join("beside/newer"), "by a name that is new").unwrap();
    }),
    ("a name outside goes", |at| {
        fs::remove_file(at.join("beside/newer")).unwrap()
    }),
    ("another name in the source", |at| {
        fs::hard_link(at.join("beside/c"), at.join("root/d/again")).unwrap()
    }),
    ("a name in the source goes", |at| {
        fs::remove_file(at.join("root/a")).unwrap()
    }),
    ("the last name outside goes", |at| {
        fs::remove_file(at.join("beside/c")).unwrap()
    }),
];

fn by_steps(lay_out: impl FnOnce(&Path), steps: &[Step]) {
    let Some(image) = btrfs() else { return };
    let at = image.path();
    lay_out(&at);
    let many = at.join("root/d/many");
    fs::create_dir(&many).unwrap();
    // More than the sample holds: it would find what was missed.
    for i in 0..2 * limits::SAMPLED_ENTRIES {
        fs::write(many.join(i.to_string()), "").unwrap();
    }
    let mut member = Member::new(&image, &at.join("root"));
    for (what, happens) in steps {
        happens(&at);
        eprintln!("{what}");
        assert!(member.sync_by_journal().changed > 0);
    }
}

#[test]
fn a_name_outside_the_source_that_comes_or_goes_is_heeded() {
    let lay_out = |at: &Path| {
        for path in ["root/d", "beside/dir/sub", "beside/other"] {
            fs::create_dir_all(at.join(path)).unwrap();
        }
        for path in [
            "beside/file",
            "beside/dir/sub/file",
            "beside/other/file",
            "root/d/stays",
        ] {
            fs::write(at.join(path), path).unwrap();
        }
    };
    by_steps(lay_out, &BORDER);
}

#[test]
fn what_happens_to_a_file_by_another_name_is_heeded() {
    // Of all its names the one is told whose directory has the lowest inode number.
    for dirs in [["root", "root/d", "beside"], ["beside", "root", "root/d"]] {
        let lay_out = |at: &Path| {
            for dir in dirs {
                fs::create_dir(at.join(dir)).unwrap();
            }
            fs::write(at.join("root/a"), "before").unwrap();
            for name in ["root/d/b", "beside/c"] {
                fs::hard_link(at.join("root/a"), at.join(name)).unwrap();
            }
        };
        by_steps(lay_out, &OTHER_NAMES);
    }
}
