//! Garbage collection of a pool half of which is dead: files of one chunk each, of which a second tree has every other one, and the
//! first one's point is deleted. So every pack is half dead, which is the worst there is: all of it is copied.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result};
use base::{Env, SourceId};
use format::entry::{Content, Extent, FileEntry, FileKey, Node};
use format::keys::{KeyFile, NewSlot, Unlock};
use format::point::Consistency;
use format::replica::ReplicaWriter;
use format::seal::Sealer;
use store::{CommitSpec, NewPoint, Store};

use super::figures::GarbageFigures;
use super::memory::{forget_peak, make_cold, peak_bytes};
use crate::bench::data::chance::Chance;
use crate::bench::environment::monotonic_s;

/// Files a directory.
const FAN: u64 = 100;
/// Bytes of a chunk: what is marked is chunks, not bytes, and a small pool will do.
const CHUNK_BYTES: usize = 1024;
const SOURCE: SourceId = SourceId([1; 16]);
const KEY: &str = "key";
const POOL: &str = "pool";
const INDEX: &str = "index";

/// Makes a pool of so many chunks, half of them dead. In a process of its own: what that leaves in memory is not the collection's.
///
/// # Errors
/// The directory cannot be written, or the store failed.
pub(super) fn make(dir: &Path, chunks: u64) -> Result<u64> {
    let env = Env::system();
    let key = KeyFile::random(&env);
    std::fs::write(dir.join(KEY), &*key.to_text())?;
    let slots = [NewSlot::KeyFile(key)];
    let index = dir.join(INDEX);
    let store = Store::create_at(&dir.join(POOL), &slots, &env, index.as_path(), "scale")?;
    let first = write(&store, 0..chunks, |_| true)?;
    write(&store, 0..chunks, |number| number % 2 == 1)?;
    store.delete_point(&first)?;
    Ok(store.status()?.chunks)
}

/// Measures the collection of a pool that [`make`] has made.
///
/// # Errors
/// The directory cannot be written, or the store failed.
pub(super) fn measure(dir: &Path, chunks: u64) -> Result<GarbageFigures> {
    let env = Env::system();
    let unlock = Unlock::KeyFile(KeyFile::parse(&std::fs::read_to_string(dir.join(KEY))?)?);
    let index = dir.join(INDEX);
    make_cold()?;
    let store = Store::open_at(&dir.join(POOL), &unlock, &env, index.as_path(), "scale")?;
    let go_on = &mut |_| ControlFlow::Continue(());
    let began = monotonic_s();
    let collection = store.plan_collection(go_on)?;
    let mark_s = monotonic_s() - began;
    let mark_peak_bytes = peak_bytes()?;
    let plan = collection.plan().clone();
    forget_peak()?;
    let began = monotonic_s();
    let report = collection.execute(go_on)?;
    Ok(GarbageFigures {
        chunks,
        live: plan.live_chunks,
        packs: plan.packs,
        mark_s,
        mark_peak_bytes,
        pool_bytes: plan.bytes,
        freed_bytes: report.freed_bytes,
        copied_bytes: report.copied_bytes,
        execute_s: monotonic_s() - began,
        execute_peak_bytes: peak_bytes()?,
    })
}

/// Makes a point of the files that are wanted, and deletes the others.
fn write(
    store: &Store,
    numbers: std::ops::Range<u64>,
    is_wanted: impl Fn(u64) -> bool,
) -> Result<base::PointId> {
    let base = store.replica(&SOURCE)?.map(|replica| replica.root);
    let session = store.begin(SOURCE, base)?;
    for number in numbers {
        let key = FileKey::root()
            .child(format!("d{:06}", number / FAN).as_bytes())?
            .child(format!("f{number:09}").as_bytes())?;
        match (base, is_wanted(number)) {
            (None, true) => session.put_entry(&key, &file(&session, number)?)?,
            (Some(_), false) => session.delete_entry(&key)?,
            _ => {}
        }
    }
    let point = NewPoint {
        address: String::from("here:/made/up"),
        group: String::from("default"),
        time_ns: None,
        consistency: Consistency::Live,
        warnings: 0,
        changed: 0,
    };
    let committed = session.commit(CommitSpec::with_point(point))?;
    Ok(committed.point.context("a point")?.id)
}

fn file(session: &store::Session, number: u64) -> Result<FileEntry> {
    let mut chance = Chance::new(number);
    let mut plain = vec![0; CHUNK_BYTES];
    chance.fill(&mut plain);
    let chunk = session.put_chunk(&Sealer::hash(&plain), &plain)?;
    let extent = Extent::Data {
        chunk,
        offset: 0,
        len: CHUNK_BYTES as u32,
    };
    Ok(FileEntry {
        node: Node::File(Content::Extents(vec![extent])),
        mode: 0o644,
        uid: 1000,
        gid: 1000,
        user: b"user".to_vec(),
        group: b"user".to_vec(),
        mtime_ns: 1_700_000_000_000_000_000 + number as i64,
        ctime_ns: 1_700_000_000_000_000_000 + number as i64,
        inode: number,
        device: 8 << 32 | 1,
        links: 1,
        size: CHUNK_BYTES as u64,
        xattrs: Vec::new(),
    })
}
