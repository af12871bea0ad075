//! What a feed tells of, on the file system of the tests.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use sources::changes::{Event, Feed, FileAt, Root};

/// Returns the paths below `root` that the feed tells of, each once, with what happened to it. Other tests change the same
/// file system.
fn told(feed: &Feed, root: &Root) -> Vec<String> {
    let mut told = Vec::new();
    feed.drain(|event| match event {
        Event::Name {
            volume,
            dir,
            name,
            what,
        } if volume == root.id().volume() => {
            if let Ok(Some(mut path)) = root.locate(dir) {
                if name != b"." {
                    path.push(name.to_vec());
                }
                let path = path.join(&b'/').escape_ascii().to_string();
                told.push(match (what.whole, what.names) {
                    (true, _) => format!("{path}/**"),
                    (false, true) => format!("+{path}"),
                    (false, false) => path,
                });
            }
        }
        Event::Lost => told.push("lost".to_owned()),
        Event::Name { .. } | Event::File { .. } => {}
    })
    .expect("the queue can be read");
    told.sort_unstable();
    told.dedup();
    told
}

/// Returns the inodes of files that the feed tells of without a name.
fn inodes(feed: &Feed, root: &Root) -> Vec<u64> {
    let mut told = Vec::new();
    feed.drain(|event| {
        if let Event::File { file, .. } = event
            && let Ok(FileAt::Anywhere(inode)) = root.file(file)
        {
            told.push(inode);
        }
    })
    .expect("the queue can be read");
    told
}

fn feed_of(dir: &Path) -> Option<(Feed, Root)> {
    let feed = Feed::open().ok()?;
    let root = Root::open(dir).expect("the tests' file system can be followed");
    feed.follow(&root).expect("it can be followed");
    Some((feed, root))
}

macro_rules! or_skip {
    ($some:expr) => {
        match $some {
            Some(some) => some,
            None => {
                println!("skipped: following a file system takes CAP_SYS_ADMIN");
                return;
            }
        }
    };
}

#[test]
fn every_kind_of_change_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("d")).expect("made");
    fs::write(at("d/old"), "old").expect("written");
    fs::write(at("d/moved"), "moved").expect("written");
    let (feed, root) = or_skip!(feed_of(dir.path()));
    assert_eq!(told(&feed, &root), [""; 0]);
    fs::write(at("d/new"), "new").expect("written");
    assert_eq!(told(&feed, &root), ["+d/new", "d/new"]);
    let old = OpenOptions::new()
        .write(true)
        .open(at("d/old"))
        .expect("opened");
    old.write_at(b"x", 0).expect("written");
    drop(old);
    assert_eq!(told(&feed, &root), ["d/old"]);
    fs::rename(at("d/moved"), at("moved")).expect("moved");
    assert_eq!(told(&feed, &root), ["+d/moved", "+moved"]);
    fs::remove_file(at("moved")).expect("removed");
    assert_eq!(told(&feed, &root), ["+moved"]);
    fs::create_dir(at("d/sub")).expect("made");
    assert_eq!(told(&feed, &root), ["d/sub/**"]);
    fs::rename(at("d"), at("e")).expect("moved");
    assert_eq!(told(&feed, &root), ["d/**", "e/**"]);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(at("e/sub"), mode).expect("set");
    // By the name that its directory has now, not the one that it had.
    assert_eq!(told(&feed, &root), ["e/sub"]);
    fs::remove_dir(at("e/sub")).expect("removed");
    assert_eq!(told(&feed, &root), ["e/sub/**"]);
}

#[test]
fn a_hard_link_made_elsewhere_is_told_of_the_file() {
    use std::os::unix::fs::MetadataExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("in")).expect("made");
    fs::write(at("in/file"), "file").expect("written");
    let inode = fs::metadata(at("in/file")).expect("there").ino();
    let (feed, root) = or_skip!(feed_of(&at("in")));
    fs::hard_link(at("in/file"), at("out")).expect("linked");
    assert!(inodes(&feed, &root).contains(&inode));
    assert!(!inodes(&feed, &root).contains(&inode), "once");
    // With its last name elsewhere gone, the place is known.
    fs::remove_file(at("out")).expect("removed");
    let mut places = Vec::new();
    let heard = feed.drain(|event| {
        if let Event::File { file, .. } = event {
            places.extend(root.file(file));
        }
    });
    heard.expect("the queue can be read");
    assert!(
        places.contains(&FileAt::Below(vec![b"file".to_vec()])),
        "{places:?}"
    );
}

#[test]
fn what_is_written_without_an_event_is_named_as_long_as_it_is_open() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    fs::write(at("read"), "read").expect("written");
    fs::write(at("written"), "written").expect("written");
    let (_, root) = or_skip!(feed_of(dir.path()));
    let silent = || {
        let handles = root.silent().expect("the system tells");
        let mut names = Vec::new();
        for handle in handles {
            // Those of other tests are not below the root.
            if let Ok(FileAt::Below(path)) = root.file(&handle) {
                names.push(path.join(&b'/').escape_ascii().to_string());
            }
        }
        names
    };
    let reader = File::open(at("read")).expect("opened");
    assert_eq!(silent(), [""; 0]);
    let writer = OpenOptions::new()
        .append(true)
        .open(at("written"))
        .expect("opened");
    assert_eq!(silent(), ["written"]);
    drop((reader, writer));
    assert_eq!(silent(), [""; 0]);
}

#[test]
fn one_directory_in_anothers_place_is_another_root() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("root")).expect("made");
    let (feed, root) = or_skip!(feed_of(&at("root")));
    let again = Root::open(&at("root")).expect("opened");
    assert_eq!(root.id(), again.id());
    assert!(feed.follows(&again));
    fs::rename(at("root"), at("was")).expect("moved");
    fs::create_dir(at("root")).expect("made");
    let other = Root::open(&at("root")).expect("opened");
    assert_ne!(root.id(), other.id());
    feed.leave(&other);
    assert!(!feed.follows(&other));
}

#[test]
fn what_does_not_tell_of_changes_is_not_followed() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    for path in [
        Path::new("/proc"),
        file.path(),
        Path::new("/no such directory"),
    ] {
        Root::open(path).expect_err("it cannot be followed");
    }
}
