//! The stranger and stores that are damaged, exchanged, unfinished or new: what verifies is read, all else refused.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use format::keys::{KeyFile, NewSlot, Unlock};
use store::{Place, Store};

use super::whole::{as_the_stranger_reads, secrets};
use super::{copy, path};
use crate::stranger::keys::Secret;
use crate::stranger::{Read, Stranger};

/// A copy of the golden store.
struct Copy(testkit::TempDir);

impl Copy {
    fn new() -> Self {
        let directory = testkit::tempdir().unwrap();
        copy(&path("pool"), directory.path());
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn record(&self, seq: u64) -> PathBuf {
        self.path().join(format!("log/{seq:020}"))
    }

    /// Opens it, which verifies all but the trees, and reads the points' objects.
    fn heads(&self) -> Read<usize> {
        let [secret, _] = secrets();
        let stranger = Stranger::open(self.path(), &secret)?;
        let points = stranger.points();
        points
            .iter()
            .try_for_each(|id| stranger.point(id).map(drop))?;
        Ok(points.len())
    }
}

fn files(directory: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.insert(path);
        }
    }
}

#[test]
fn no_changed_byte_gets_past_the_stranger() {
    let copy = Copy::new();
    assert_eq!(copy.heads(), Ok(2));
    let mut all = BTreeSet::new();
    files(copy.path(), &mut all);
    // The slot of the secret that is not asked for may be damaged.
    all.remove(&copy.path().join("keys/slot-2"));
    assert!(all.len() > 20);
    for file in all {
        let whole = fs::read(&file).unwrap();
        for at in [
            0,
            9,
            30,
            70,
            whole.len() / 2,
            whole.len() - 50,
            whole.len() - 1,
        ] {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            fs::write(&file, &damaged).unwrap();
            assert!(copy.heads().is_err(), "byte {at} of {}", file.display());
        }
        fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        assert!(copy.heads().is_err(), "{} without its end", file.display());
        fs::write(&file, [&whole[..], b"\0"].concat()).unwrap();
        assert!(copy.heads().is_err(), "{} with more", file.display());
        fs::write(&file, whole).unwrap();
    }
    assert_eq!(copy.heads(), Ok(2));
}

#[test]
fn a_damaged_slot_does_not_matter_if_another_opens() {
    let copy = Copy::new();
    let slot = copy.path().join("keys/slot-1");
    let mut damaged = fs::read(&slot).unwrap();
    damaged[150] ^= 1;
    fs::write(&slot, damaged).unwrap();
    let [key_file, passphrase] = secrets();
    assert!(Stranger::open(copy.path(), &key_file).is_err());
    assert!(Stranger::open(copy.path(), &passphrase).is_ok());
}

#[test]
fn records_that_are_gone_or_exchanged_are_noticed_except_for_the_last() {
    let copy = Copy::new();
    let last = fs::read_dir(copy.path().join("log")).unwrap().count() as u64;
    fs::remove_file(copy.record(last)).unwrap();
    assert_eq!(
        copy.heads(),
        Ok(1),
        "going back to an older state is not noticed"
    );
    let third = fs::read(copy.record(3)).unwrap();
    let fourth = fs::read(copy.record(4)).unwrap();
    fs::write(copy.record(3), &fourth).unwrap();
    assert!(copy.heads().is_err());
    fs::write(copy.record(3), third).unwrap();
    fs::remove_file(copy.record(4)).unwrap();
    assert!(copy.heads().is_err());
}

#[test]
fn what_is_no_object_is_passed_over() {
    let copy = Copy::new();
    fs::create_dir_all(copy.path().join(".tmp")).unwrap();
    for name in [
        ".lock",
        ".tmp/draft",
        "log/note",
        "keys/notes",
        "keys/slot-one",
        "packs/x",
    ] {
        let file = copy.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, b"of no meaning").unwrap();
    }
    assert_eq!(copy.heads(), Ok(2));
}

#[test]
fn a_new_store_reads_as_empty_even_after_an_interrupted_making() {
    let directory = testkit::tempdir().unwrap();
    let pool = directory.path().join("pool");
    let (env, _) = testkit::env(5);
    let key = KeyFile::random(&env);
    let secret = || Secret::from_key_file(&key.to_text()).unwrap();
    let slots = [NewSlot::KeyFile(key.clone())];
    let create = || Store::create_at(&pool, &slots, &env, Place::Memory, "golden").unwrap();
    drop(create());
    // As if the power had failed: the `format` object is written last.
    fs::remove_file(pool.join("format")).unwrap();
    assert!(Stranger::open(&pool, &secret()).is_err());
    drop(create());
    assert!(fs::exists(pool.join("keys/ring-2")).unwrap());
    let stranger = Stranger::open(&pool, &secret()).unwrap();
    assert_eq!(as_the_stranger_reads(&stranger), "");

    // A third one stays unfinished beside it: its newer ring is passed over, by today's store too.
    let other = directory.path().join("other");
    let create = || Store::create_at(&other, &slots, &env, Place::Memory, "golden").unwrap();
    drop(create());
    fs::copy(other.join("keys/slot-1"), pool.join("keys/slot-3")).unwrap();
    fs::copy(other.join("keys/ring-1"), pool.join("keys/ring-3")).unwrap();
    assert!(Stranger::open(&pool, &secret()).is_ok());
    let unlock = Unlock::KeyFile(key.clone());
    assert!(Store::open_at(&pool, &unlock, &env, Place::Memory, "golden").is_ok());
}
