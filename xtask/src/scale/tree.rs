//! A made-up tree in a store of its own: 100 files a directory, 100 directories in each above.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base::{ChunkId, Env, SourceId};
use format::entry::{Content, Extent, FileEntry, FileKey, Node};
use format::keys::{KeyFile, NewSlot, Unlock};
use format::replica::ReplicaWriter;
use format::tree::{self, Cursor};
use store::{CommitSpec, Reading, Store};

use super::figures::TreeFigures;
use super::memory::{forget_peak, make_cold, peak_bytes};
use crate::bench::data::chance::Chance;
use crate::bench::environment::monotonic_s;
use crate::bench::place::amount;

/// Files of a directory, and directories of one above.
const FAN: u64 = 100;
/// Files that differ in the second tree.
const CHANGED: u64 = 100;
/// Cold measurements; the median counts.
const TIMES: u64 = 5;
/// Whose tree it is.
const SOURCE: SourceId = SourceId([1; 16]);

struct Place {
    pool: PathBuf,
    index: PathBuf,
    key: KeyFile,
    env: Env,
}

/// Builds a tree of `entries` files and a second one that differs, and looks into both.
///
/// # Errors
/// The store cannot be made, or does not show what was put into it.
pub(super) fn measure(dir: &Path, entries: u64) -> Result<TreeFigures> {
    let env = Env::system();
    let place = Place {
        pool: dir.join("pool"),
        index: dir.join("index"),
        key: KeyFile::random(&env),
        env,
    };
    let slots = [NewSlot::KeyFile(place.key.clone())];
    let store = Store::create_at(
        &place.pool,
        &slots,
        &place.env,
        place.index.as_path(),
        "scale",
    )?;
    forget_peak()?;
    let began = monotonic_s();
    let first = build(&store, SOURCE, entries)?;
    let build_s = monotonic_s() - began;
    let build_peak_bytes = peak_bytes()?;
    let node_bytes = store.status()?.tree_bytes;
    let second = change(&store, SOURCE, first, entries)?;
    let update_bytes = store.status()?.tree_bytes - node_bytes;
    drop(store);
    forget_peak()?;
    let (mut open, mut list, mut diff) = (Vec::new(), Vec::new(), Vec::new());
    for time in 0..TIMES {
        list.push(timed_open(&place, &mut open, |tree| {
            let directory = entries / FAN * time / TIMES;
            expect(count_listed(tree, directory)?, FAN)
        })?);
        diff.push(timed_open(&place, &mut open, |tree| {
            // Nothing collects the earlier tree here.
            let changes = tree::diff::<FileEntry>(tree, Some(&first), Some(&second))?;
            let found = changes.collect::<Result<Vec<_>, _>>()?;
            expect(found.len() as u64, CHANGED)
        })?);
    }
    Ok(TreeFigures {
        entries,
        build_s,
        build_peak_bytes,
        node_bytes,
        update_bytes,
        open_s: median(open),
        list_cold_s: median(list),
        diff_cold_s: median(diff),
        log_bytes: amount(&place.pool.join("log"))?.bytes,
        index_bytes: amount(&place.index)?.bytes,
        look_peak_bytes: peak_bytes()?,
    })
}

/// Times `look` in a store that was just opened, with nothing in memory; the opening is timed by itself.
fn timed_open(
    place: &Place,
    open: &mut Vec<f64>,
    look: impl Fn(&Reading) -> Result<()>,
) -> Result<f64> {
    make_cold()?;
    let began = monotonic_s();
    let unlock = Unlock::KeyFile(place.key.clone());
    let index = place.index.as_path();
    let store = Store::open_at(&place.pool, &unlock, &place.env, index, "scale")?;
    let opened = monotonic_s();
    open.push(opened - began);
    let tree = store.read_replica(&SOURCE)?.context("no replica")?;
    look(&tree)?;
    Ok(monotonic_s() - opened)
}

fn expect(found: u64, wanted: u64) -> Result<()> {
    match found == wanted {
        true => Ok(()),
        false => bail!("{found} entries were found instead of {wanted}"),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn count_listed(tree: &Reading, directory: u64) -> Result<u64> {
    let prefix = directory_key(directory)?.dir_prefix();
    let mut count = 0;
    for item in Cursor::<FileEntry>::range(tree, &tree.root(), &prefix, None)? {
        let (key, _) = item?;
        if !key.starts_with(&prefix) {
            break;
        }
        count += 1;
    }
    Ok(count)
}

fn upper_name(number: u64) -> Vec<u8> {
    format!("t{number:06}").into_bytes()
}

/// Returns the key of the `number`th directory of files.
fn directory_key(number: u64) -> Result<FileKey> {
    let upper = FileKey::root().child(&upper_name(number / FAN))?;
    Ok(upper.child(format!("d{number:08}").as_bytes())?)
}

/// Returns the `number`th file, with what its source would know of it.
fn file(number: u64) -> (Vec<u8>, FileEntry) {
    let mut chance = Chance::new(number);
    let name = format!("f{:03}-{:08x}.dat", number % FAN, chance.next() >> 32);
    let size = 200 + chance.below(20_000);
    // Small files share a chunk with their neighbours.
    let chunk = chunk_id(number / 64);
    let data = Extent::Data {
        chunk,
        offset: (number % 64 * 20_200) as u32,
        len: size as u32,
    };
    let node = Node::File(Content::Extents(vec![data]));
    (name.into_bytes(), entry(node, size, number, &mut chance))
}

fn directory(number: u64) -> FileEntry {
    entry(Node::Directory, 0, number, &mut Chance::new(number))
}

fn entry(node: Node, size: u64, inode: u64, chance: &mut Chance) -> FileEntry {
    let mtime_ns = 1_700_000_000_000_000_000 + chance.below(31_536_000_000_000_000) as i64;
    FileEntry {
        mode: if node == Node::Directory {
            0o755
        } else {
            0o644
        },
        node,
        uid: 1000,
        gid: 1000,
        user: b"user".to_vec(),
        group: b"user".to_vec(),
        mtime_ns,
        ctime_ns: mtime_ns + chance.below(1_000_000_000) as i64,
        inode,
        device: 8 << 32 | 1,
        links: 1,
        size,
        xattrs: Vec::new(),
    }
}

/// Returns the id of the `number`th chunk: as even as a hash.
fn chunk_id(number: u64) -> ChunkId {
    let mut id = [0; 32];
    Chance::new(number ^ 0x5ca1_ab1e << 32).fill(&mut id);
    ChunkId(id)
}

fn build(store: &Store, source: SourceId, entries: u64) -> Result<ChunkId> {
    let session = store.begin(source, None)?;
    let directories = entries / FAN;
    session.put_entry(&FileKey::root(), &directory(0))?;
    let uppers = directories.div_ceil(FAN);
    for upper in 0..uppers {
        let key = FileKey::root().child(&upper_name(upper))?;
        session.put_entry(&key, &directory(upper))?;
    }
    for upper in 0..uppers {
        let inside = upper * FAN..directories.min((upper + 1) * FAN);
        for number in inside.clone() {
            session.put_entry(&directory_key(number)?, &directory(number))?;
        }
        for number in inside {
            let prefix = directory_key(number)?.dir_prefix();
            for file_number in number * FAN..(number + 1) * FAN {
                let (name, entry) = file(file_number);
                session.put_entry(&FileKey::in_dir(prefix.clone(), &name)?, &entry)?;
            }
        }
    }
    Ok(session.commit(CommitSpec::sync_only())?.root)
}

/// Changes files that lie evenly over the whole tree: the worst there is.
fn change(store: &Store, source: SourceId, base: ChunkId, entries: u64) -> Result<ChunkId> {
    let session = store.begin(source, Some(base))?;
    for time in 0..CHANGED {
        let number = entries * time / CHANGED;
        let prefix = directory_key(number / FAN)?.dir_prefix();
        let (name, mut entry) = file(number);
        entry.mtime_ns += 1;
        session.put_entry(&FileKey::in_dir(prefix, &name)?, &entry)?;
    }
    let committed = session.commit(CommitSpec::sync_only());
    Ok(committed.context("the second tree")?.root)
}
