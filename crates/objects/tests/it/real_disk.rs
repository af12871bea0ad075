//! What only a real file system shows.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use objects::disk::{Publishing, RealDisk};
use objects::{GetError, Local, ObjectName, Objects, OpenError, fan_out};
use testkit::tempdir;

fn name(text: &str) -> ObjectName {
    text.parse().expect("valid")
}

fn mode(path: &Path) -> u32 {
    let meta = fs::symlink_metadata(path).expect("there");
    meta.permissions().mode() & 0o7777
}

#[test]
fn only_the_owner_can_read_what_is_stored() {
    let root = tempdir().expect("a temporary directory");
    for (i, how) in [Publishing::Unnamed, Publishing::Link, Publishing::Rename]
        .into_iter()
        .enumerate()
    {
        let root = root.path().join(format!("above-{i}/pool"));
        let disk = RealDisk::create(&root).expect("created").publishing(how);
        let place = Local::create(disk).expect("fit");
        place
            .put_new(&name("packs/ab/abcd"), b"bytes")
            .expect("put");
        for dir in ["", "packs", "packs/ab", ".tmp", ".."] {
            assert_eq!(mode(&root.join(dir)), 0o700, "{dir}");
        }
        assert_eq!(mode(&root.join("packs/ab/abcd")), 0o600);
        let drafts = fs::read_dir(root.join(".tmp")).expect("listed").count();
        assert_eq!(drafts, 0, "{how:?}");
    }
}

#[test]
fn the_fan_out_is_made_at_once() {
    let root = tempdir().expect("a temporary directory");
    let place = Local::create_at(root.path()).expect("created");
    place
        .prepare(&fan_out("packs").expect("valid"))
        .expect("prepared");
    let dirs = fs::read_dir(root.path().join("packs"))
        .expect("listed")
        .count();
    assert_eq!(dirs, 256);
    assert!(
        place
            .space()
            .expect("known")
            .is_some_and(|space| space.free > 0 && space.total >= space.free)
    );
}

#[test]
fn what_is_not_ours_is_neither_listed_nor_read() {
    let root = tempdir().expect("a temporary directory");
    let place = Local::create_at(root.path()).expect("created");
    place.put_new(&name("dir/ours"), b"bytes").expect("put");
    let path = |rest: &str| root.path().join(rest);
    fs::write(path("dir/.hidden"), b"").expect("written");
    fs::write(path("dir/Capitals"), b"").expect("written");
    fs::create_dir(path("lost+found")).expect("made");
    symlink("/etc/passwd", path("dir/link")).expect("linked");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path("dir/fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("made");
    let listed = place.list("").expect("listed");
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert!(matches!(
        place.get(&name("dir/fifo")),
        Err(GetError::Missing { .. })
    ));
    assert!(place.get(&name("dir/link")).is_err());
}

#[test]
fn a_place_that_is_not_there_is_said_to_be_missing() {
    let root = tempdir().expect("a temporary directory");
    let nowhere = root.path().join("nowhere");
    assert!(matches!(
        Local::open_at(&nowhere),
        Err(OpenError::Missing { .. })
    ));
    assert!(matches!(
        Local::read_only_at(&nowhere),
        Err(OpenError::Missing { .. })
    ));
    fs::write(&nowhere, b"a file").expect("written");
    assert!(matches!(
        Local::open_at(&nowhere),
        Err(OpenError::Failed { .. })
    ));
}

#[test]
fn drafts_of_killed_processes_are_removed_at_open() {
    let root = tempdir().expect("a temporary directory");
    drop(Local::create_at(root.path()).expect("created"));
    fs::write(root.path().join(".tmp/draft-1-0"), b"half").expect("written");
    drop(Local::read_only_at(root.path()).expect("opened"));
    assert_eq!(
        fs::read_dir(root.path().join(".tmp"))
            .expect("listed")
            .count(),
        1
    );
    drop(Local::open_at(root.path()).expect("opened"));
    assert_eq!(
        fs::read_dir(root.path().join(".tmp"))
            .expect("listed")
            .count(),
        0
    );
}

#[test]
fn several_threads_store_through_one_handle() {
    let root = tempdir().expect("a temporary directory");
    let place = Local::create_at(root.path()).expect("created");
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let place = &place;
            scope.spawn(move || {
                for i in 0..8 {
                    let name = name(&format!("packs/{i:02x}/{thread}-{i}"));
                    place.put_new(&name, &[thread; 5000]).expect("put");
                }
            });
        }
    });
    assert_eq!(place.list("packs/").expect("listed").len(), 32);
}

#[test]
fn objects_of_every_length_come_back_as_they_were() {
    let directory = tempdir().unwrap();
    let local = Local::create_at(directory.path()).unwrap();
    // Around the pieces in which large ones are written, and the blocks that devices write.
    let lengths = [
        0,
        1,
        4096,
        (1 << 20) - 1,
        1 << 20,
        (1 << 20) + 1,
        (2 << 20) + 4096,
        (5 << 20) + 123,
    ];
    for (i, len) in lengths.into_iter().enumerate() {
        let bytes: Vec<u8> = (0..len).map(|n| ((n * 31) >> 3) as u8).collect();
        let object = ObjectName::new(format!("packs/{i}")).unwrap();
        local.put_new(&object, &bytes).unwrap();
        assert!(local.get(&object).unwrap() == bytes, "{len} bytes");
    }
}
