//! What a backup writes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::Ordering;

use base::ChunkId;
use base::fault::Code;
use base::limits;
use format::entry::{Content, Extent, FileEntry, FileKey, Node};
use format::replica::ChunkReader;
use format::tree::{Cursor, get};
use testkit::{TempDir, tempdir, trees};

use crate::memory::{Memory, back_up, cancelled, fail_to_back_up};

pub(crate) fn entries(memory: &Memory, root: &ChunkId) -> BTreeMap<Vec<u8>, FileEntry> {
    Cursor::<FileEntry>::new(memory, root)
        .unwrap()
        .map(|item| {
            let (key, entry) = item.unwrap();
            (FileKey(key).to_path().unwrap(), entry)
        })
        .collect()
}

fn content(memory: &Memory, entry: &FileEntry) -> Vec<u8> {
    let Node::File(content) = &entry.node else {
        panic!("no file")
    };
    let extents: Vec<Extent> = match content {
        Content::Inline(bytes) => return bytes.clone(),
        Content::Extents(list) => list.clone(),
        Content::Map(root) => Cursor::<Extent>::new(memory, root)
            .unwrap()
            .map(|i| i.unwrap().1)
            .collect(),
    };
    let mut out = Vec::new();
    for extent in extents {
        match extent {
            Extent::Hole { len } => out.resize(out.len() + len as usize, 0),
            Extent::Data { chunk, offset, len } => {
                let bytes = memory.read_chunk(&chunk).unwrap();
                out.extend_from_slice(&bytes[offset as usize..][..len as usize]);
            }
        }
    }
    out
}

/// Compares a tree with the directory it was made from, file by file.
pub(crate) fn assert_holds(memory: &Memory, root: &ChunkId, source: &Path) {
    let mut found = entries(memory, root);
    let mut pending = vec![Vec::new()];
    while let Some(path) = pending.pop() {
        let entry = found
            .remove(&path)
            .unwrap_or_else(|| panic!("{path:?} is missing"));
        let at = source.join(std::str::from_utf8(&path).unwrap());
        let meta = fs::symlink_metadata(&at).unwrap();
        assert_eq!(u32::from(entry.mode), meta.mode() & 0o7777, "{path:?}");
        assert_eq!(
            entry.mtime_ns,
            meta.mtime() * 1_000_000_000 + meta.mtime_nsec()
        );
        if meta.is_dir() {
            for child in fs::read_dir(&at).unwrap() {
                let name = child.unwrap().file_name().into_encoded_bytes();
                let slash = if path.is_empty() { "" } else { "/" };
                pending.push([path.as_slice(), slash.as_bytes(), &name].concat());
            }
        } else if meta.is_file() {
            assert!(
                content(memory, &entry) == fs::read(&at).unwrap(),
                "{path:?} differs"
            );
        }
    }
    assert!(found.is_empty(), "{:?} are not in the source", found.keys());
}

/// A directory with a file for each way content is stored.
fn every_way() -> TempDir {
    let dir = tempdir().unwrap();
    let mut dice = testkit::Dice::new(1);
    let mut noise = |len: usize| (0..len).map(|_| dice.index(256) as u8).collect::<Vec<_>>();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    write("empty", b"");
    write("inline", &noise(limits::INLINE_BYTES_MAX));
    write("bundled", &noise(limits::INLINE_BYTES_MAX + 1));
    write("a/largest-bundled", &noise(limits::BUNDLED_FILE_BYTES_MAX));
    write(
        "a/smallest-chunked",
        &noise(limits::BUNDLED_FILE_BYTES_MAX + 1),
    );
    write("a/b/chunked", &noise(9 << 20));
    symlink("no/where", dir.path().join("link")).unwrap();
    fs::hard_link(
        dir.path().join("bundled"),
        dir.path().join("a/b/bundled-again"),
    )
    .unwrap();
    fs::hard_link(
        dir.path().join("a/b/chunked"),
        dir.path().join("z-chunked-again"),
    )
    .unwrap();
    dir
}

#[test]
fn everything_a_source_has_is_in_the_tree() {
    let source = every_way();
    let memory = Memory::default();
    let run = back_up(&memory, source.path(), None, false);
    assert_holds(&memory, &run.root, source.path());
    assert_eq!(
        (run.report.entries, run.report.files, run.report.warnings),
        (12, 8, 0)
    );
    assert_eq!(run.report.changed, 12);
}

#[test]
fn a_file_of_many_extents_has_a_map() {
    let source = tempdir().unwrap();
    let file = fs::File::create(source.path().join("holes")).unwrap();
    let hundred = 100;
    for n in 0..hundred {
        std::os::unix::fs::FileExt::write_all_at(&file, &[n as u8 + 1; 4096], n * (1 << 20))
            .unwrap();
    }
    drop(file);
    let memory = Memory::default();
    let run = back_up(&memory, source.path(), None, false);
    let key = FileKey::from_path(b"holes").unwrap();
    let entry: FileEntry = get(&memory, &run.root, &key.0).unwrap().unwrap();
    assert!(matches!(entry.node, Node::File(Content::Map(_))));
    assert_holds(&memory, &run.root, source.path());
    assert!(
        memory.stored_bytes.load(Ordering::Relaxed) <= hundred * 4096,
        "holes are not read"
    );
}

/// A file of `blocks` blocks of 4 KiB, each different, with a hole of a block after each but the last.
fn fragmented(path: &Path, blocks: u64) {
    let file = fs::File::create(path).unwrap();
    let mut dice = testkit::Dice::new(blocks);
    for n in 0..blocks {
        std::os::unix::fs::FileExt::write_all_at(&file, &dice.bytes(4096), n * 8192).unwrap();
    }
}

#[test]
fn holes_end_no_chunk() {
    let source = tempdir().unwrap();
    let path = source.path().join("image");
    fragmented(&path, 3000);
    let memory = Memory::default();
    let run = back_up(&memory, source.path(), None, false);
    assert_holds(&memory, &run.root, source.path());
    let key = FileKey::from_path(b"image").unwrap();
    let entry: FileEntry = get(&memory, &run.root, &key.0).unwrap().unwrap();
    let Node::File(Content::Map(map)) = entry.node else {
        panic!("a map")
    };
    let (mut chunks, mut holes) = (std::collections::HashSet::new(), 0);
    for item in Cursor::<Extent>::new(&memory, &map).unwrap() {
        match item.unwrap().1 {
            Extent::Data { chunk, .. } => drop(chunks.insert(chunk)),
            Extent::Hole { .. } => holes += 1,
        }
    }
    assert_eq!(holes, 2999, "every hole is kept");
    assert!(
        chunks.len() <= 3000 * 4096 / limits::CHUNK_BYTES_MIN,
        "{} chunks",
        chunks.len()
    );
    memory.reads.store(0, Ordering::Relaxed);
    let check = back_up(&memory, source.path(), Some(run.root), true);
    assert_eq!((check.root, check.report.differed), (run.root, 0));
    // Chunks and the nodes of the map, once each.
    let reads = memory.reads.load(Ordering::Relaxed);
    assert!(reads < 100, "{reads} reads for 5999 extents");
}

#[test]
fn a_hole_that_is_filled_changes_the_chunks_around_it_only() {
    let source = tempdir().unwrap();
    let path = source.path().join("image");
    fragmented(&path, 8000);
    let memory = Memory::default();
    let first = back_up(&memory, source.path(), None, false);
    let stored = memory.stored_bytes.load(Ordering::Relaxed);
    let file = fs::File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[7; 4096], 4000 * 8192 + 4096).unwrap();
    let second = back_up(&memory, source.path(), Some(first.root), false);
    assert_holds(&memory, &second.root, source.path());
    let new = memory.stored_bytes.load(Ordering::Relaxed) - stored;
    assert!(
        new <= 3 * limits::CHUNK_BYTES_MAX as u64,
        "{new} new bytes for 4096"
    );
}

#[test]
fn a_terabyte_of_holes_is_no_work() {
    let source = tempdir().unwrap();
    let file = fs::File::create(source.path().join("thin")).unwrap();
    let tail = (1 << 40) - 4096;
    std::os::unix::fs::FileExt::write_all_at(&file, &[1; 4096], tail).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[2; 4096], 1 << 30).unwrap();
    let memory = Memory::default();
    let run = back_up(&memory, source.path(), None, false);
    let Node::File(Content::Extents(extents)) =
        &entries(&memory, &run.root)[b"thin".as_slice()].node
    else {
        panic!("extents")
    };
    let (mut chunks, mut shape) = (Vec::new(), Vec::new());
    for extent in extents {
        if let Extent::Data { chunk, .. } = extent {
            chunks.push(*chunk);
        }
        shape.push(extent.len());
    }
    assert_eq!(shape, [1 << 30, 4096, tail - (1 << 30) - 4096, 4096]);
    assert_eq!(chunks[0], chunks[1], "both pieces are in one chunk");
    assert_eq!(run.report.read_bytes, 8192);
}

#[test]
fn a_small_file_with_holes_keeps_them() {
    let source = tempdir().unwrap();
    fs::File::create(source.path().join("hole"))
        .unwrap()
        .set_len(300_000)
        .unwrap();
    let memory = Memory::default();
    let run = back_up(&memory, source.path(), None, false);
    let hole = &entries(&memory, &run.root)[b"hole".as_slice()];
    assert_eq!(
        hole.node,
        Node::File(Content::Extents(vec![Extent::Hole { len: 300_000 }]))
    );
}

#[test]
fn an_unchanged_source_costs_nothing() {
    let source = every_way();
    let memory = Memory::default();
    let first = back_up(&memory, source.path(), None, false);
    let second = back_up(&memory, source.path(), Some(first.root), false);
    assert_eq!(second.root, first.root);
    assert!(second.written.is_empty());
    assert_eq!((second.report.changed, second.report.read_bytes), (0, 0));
}

#[test]
fn only_what_changed_is_read_and_written() {
    let source = every_way();
    let memory = Memory::default();
    let first = back_up(&memory, source.path(), None, false);
    fs::write(source.path().join("empty"), b"no more").unwrap();
    fs::remove_file(source.path().join("inline")).unwrap();
    fs::set_permissions(source.path().join("a"), fs::Permissions::from_mode(0o750)).unwrap();
    let second = back_up(&memory, source.path(), Some(first.root), false);
    let mut written: Vec<_> = second
        .written
        .iter()
        .map(|k| k.to_path().unwrap())
        .collect();
    written.sort();
    // The root's times changed with the file that went.
    assert_eq!(written, [&b""[..], b"a", b"empty", b"inline"]);
    assert_holds(&memory, &second.root, source.path());
}

#[test]
fn the_tree_does_not_depend_on_the_way_to_it() {
    let source = tempdir().unwrap();
    trees::build(
        source.path(),
        3,
        trees::Shape {
            dirs: 20,
            files: 300,
            ..trees::Shape::default()
        },
    )
    .unwrap();
    let memory = Memory::default();
    let mut root = None;
    for round in 0..4 {
        trees::change(source.path(), round, 40).unwrap();
        root = Some(back_up(&memory, source.path(), root, false).root);
    }
    let keys = |root: &ChunkId| entries(&memory, root).into_keys().collect::<Vec<_>>();
    let anew = back_up(&memory, source.path(), None, false).root;
    assert_eq!(keys(&root.unwrap()), keys(&anew));
}

#[test]
fn copies_and_links_are_stored_once() {
    let source = tempdir().unwrap();
    let mut dice = testkit::Dice::new(2);
    let bytes: Vec<u8> = (0..100_000).map(|_| dice.index(256) as u8).collect();
    for name in ["a", "b", "c"] {
        fs::write(source.path().join(name), &bytes).unwrap();
    }
    fs::hard_link(source.path().join("a"), source.path().join("d")).unwrap();
    let memory = Memory::default();
    let run = back_up(&memory, source.path(), None, false);
    assert_eq!(memory.stored_bytes.load(Ordering::Relaxed), 100_000);
    assert_holds(&memory, &run.root, source.path());
}

#[test]
fn a_check_of_a_sound_replica_changes_nothing() {
    let source = every_way();
    let memory = Memory::default();
    let first = back_up(&memory, source.path(), None, false);
    let check = back_up(&memory, source.path(), Some(first.root), true);
    assert_eq!(check.root, first.root);
    assert_eq!((check.report.changed, check.report.differed), (0, 0));
    assert!(check.written.is_empty(), "{:?}", check.written);
}

#[test]
fn a_check_stores_again_what_the_store_has_lost() {
    let source = every_way();
    let memory = Memory::default();
    let first = back_up(&memory, source.path(), None, false);
    let all = entries(&memory, &first.root);
    for name in [&b"bundled"[..], b"a/b/chunked"] {
        let Node::File(Content::Extents(extents)) = &all[name].node else {
            panic!("extents")
        };
        let Extent::Data { chunk, .. } = extents[0] else {
            panic!("data")
        };
        memory.damage(chunk);
    }
    let check = back_up(&memory, source.path(), Some(first.root), true);
    assert_holds(&memory, &check.root, source.path());
}

#[test]
fn a_store_that_is_away_for_the_moment_is_no_difference() {
    let source = every_way();
    for name in [&b"bundled"[..], b"a/b/chunked"] {
        let memory = Memory::default();
        let first = back_up(&memory, source.path(), None, false);
        let all = entries(&memory, &first.root);
        let Node::File(Content::Extents(extents)) = &all[name].node else {
            panic!("extents")
        };
        let Extent::Data { chunk, .. } = extents[0] else {
            panic!("data")
        };
        memory.take_away(chunk);
        let fault = fail_to_back_up(&memory, source.path(), Some(first.root), true);
        assert_eq!(fault.code, Code::PoolUnreadable);
    }
}

#[test]
fn a_check_notices_a_change_that_left_no_trace() {
    let source = every_way();
    let memory = Memory::default();
    let first = back_up(&memory, source.path(), None, false);
    // The tree says something else than the source, under the same times: as after a change that the file
    // system's clock was too coarse to show.
    let key = FileKey::from_path(b"bundled").unwrap();
    let mut entry: FileEntry = get(&memory, &first.root, &key.0).unwrap().unwrap();
    let wrong = memory_chunk(&memory, &vec![0; entry.size as usize]);
    entry.node = Node::File(Content::Extents(vec![Extent::Data {
        chunk: wrong,
        offset: 0,
        len: entry.size as u32,
    }]));
    let session = crate::memory::Session::new(&memory, Some(first.root));
    format::replica::ReplicaWriter::put_entry(&session, &key, &entry).unwrap();
    let lying = session.finish();
    let blind = back_up(&memory, source.path(), Some(lying), false);
    assert_eq!(blind.root, lying);
    let check = back_up(&memory, source.path(), Some(lying), true);
    assert_eq!(check.report.differed, 1);
    assert_holds(&memory, &check.root, source.path());
}

/// A large file that was backed up, where it is, and its first chunk.
fn one_large_file() -> (TempDir, std::path::PathBuf, Memory, ChunkId, ChunkId) {
    let source = tempdir().unwrap();
    let path = source.path().join("large");
    let mut dice = testkit::Dice::new(4);
    fs::write(&path, dice.bytes(6 << 20)).unwrap();
    let memory = Memory::default();
    let root = back_up(&memory, source.path(), None, false).root;
    let key = FileKey::from_path(b"large").unwrap();
    let entry: FileEntry = get(&memory, &root, &key.0).unwrap().unwrap();
    let Node::File(Content::Extents(extents)) = entry.node else {
        panic!("extents")
    };
    let Extent::Data { chunk, .. } = extents[0] else {
        panic!("data")
    };
    (source, path, memory, root, chunk)
}

#[test]
fn what_is_changed_while_it_is_checked_was_no_difference() {
    let (source, path, memory, root, chunk) = one_large_file();
    let change = move || {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"changed", 5 << 20).unwrap();
    };
    *memory.on_read.lock().unwrap() = Some((chunk, Box::new(change)));
    let check = back_up(&memory, source.path(), Some(root), true);
    assert!(memory.on_read.lock().unwrap().is_none());
    assert_eq!((check.report.changed, check.report.differed), (1, 0));
    assert_holds(&memory, &check.root, source.path());
}

#[test]
fn what_is_deleted_while_it_is_checked_was_no_difference() {
    let (source, path, memory, root, chunk) = one_large_file();
    let gone = move || fs::remove_file(&path).unwrap();
    *memory.on_read.lock().unwrap() = Some((chunk, Box::new(gone)));
    let check = back_up(&memory, source.path(), Some(root), true);
    assert_eq!(check.report.differed, 0);
}

fn memory_chunk(memory: &Memory, bytes: &[u8]) -> ChunkId {
    format::tree::NodeSink::save(memory, bytes).unwrap()
}

#[test]
fn a_cancelled_run_says_so() {
    let source = tempdir().unwrap();
    trees::build(
        source.path(),
        5,
        trees::Shape {
            dirs: 30,
            files: 500,
            ..trees::Shape::default()
        },
    )
    .unwrap();
    let memory = Memory::default();
    for asked in [0, 1, 10, 100, 500] {
        let fault = cancelled(&memory, source.path(), asked).unwrap_err();
        assert_eq!(fault.code, Code::JobCancelled);
    }
}

#[test]
fn a_missing_source_is_refused_before_anything_is_read() {
    let memory = Memory::default();
    let fault = cancelled(&memory, Path::new("/no/such/place"), 1000).unwrap_err();
    assert_eq!(fault.code, Code::SourcePathMissing);
}

/// Runs `part` in a thread that has given up root: privileges belong to a thread on Linux, and threads it
/// starts inherit what it has.
fn as_nobody<T: Send>(part: impl FnOnce() -> T + Send) -> T {
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    std::thread::scope(|scope| {
        let part = scope.spawn(move || {
            if rustix::process::geteuid().is_root() {
                let (uid, gid) = (
                    rustix::fs::Uid::from_raw(65_534),
                    rustix::fs::Gid::from_raw(65_534),
                );
                set_thread_groups(&[]).unwrap();
                set_thread_res_gid(gid, gid, gid).unwrap();
                set_thread_res_uid(uid, uid, uid).unwrap();
            }
            part()
        });
        part.join().unwrap()
    })
}

#[test]
fn what_cannot_be_looked_at_stays_in_the_replica() {
    let source = every_way();
    let mode = |path: &str, mode| {
        fs::set_permissions(source.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("", 0o755);
    let memory = Memory::default();
    let first = back_up(&memory, source.path(), None, false);
    mode("a", 0);
    fs::write(source.path().join("inline"), "new, and not for everybody").unwrap();
    mode("inline", 0);
    fs::remove_file(source.path().join("empty")).unwrap();
    let second = as_nobody(|| back_up(&memory, source.path(), Some(first.root), false));
    mode("a", 0o755);
    assert_eq!(second.report.warnings, 2);
    let (before, kept) = (
        entries(&memory, &first.root),
        entries(&memory, &second.root),
    );
    for name in ["a/b/chunked", "a/largest-bundled", "a/b", "inline"] {
        assert_eq!(
            kept.get(name.as_bytes()),
            before.get(name.as_bytes()),
            "{name}"
        );
    }
    assert!(
        !kept.contains_key(b"empty".as_slice()),
        "what is gone is gone"
    );
}

#[test]
fn a_file_that_changed_while_it_was_read_is_read_again_by_the_next_run() {
    let source = tempdir().unwrap();
    let path = source.path().join("busy");
    // Takes longer to read than the coarsest clock of a file system's times takes to tick.
    fs::write(&path, vec![1; 40 << 20]).unwrap();
    let memory = Memory::default();
    let (started, done) = (
        std::sync::Barrier::new(2),
        std::sync::atomic::AtomicBool::new(false),
    );
    let first = std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = fs::File::options().write(true).open(&path).unwrap();
            started.wait();
            while !done.load(Ordering::Relaxed) {
                std::os::unix::fs::FileExt::write_all_at(&file, &[2; 64], 100).unwrap();
            }
        });
        started.wait();
        let first = back_up(&memory, source.path(), None, false);
        done.store(true, Ordering::Relaxed);
        first
    });
    assert_eq!(first.report.warnings, 1, "it changed all the time");
    let second = back_up(&memory, source.path(), Some(first.root), false);
    assert_eq!(second.written, [FileKey::from_path(b"busy").unwrap()]);
    assert_holds(&memory, &second.root, source.path());
}

#[test]
fn progress_is_told_in_steps_and_never_passes_the_whole() {
    let source = every_way();
    for n in 0..1000 {
        fs::write(source.path().join(format!("small-{n:04}")), vec![1; 2000]).unwrap();
    }
    let memory = Memory::default();
    let first = back_up(&memory, source.path(), None, false);
    assert!(first.progress.iter().all(|p| p.bytes_total.is_none()));
    // The source grows, shrinks and changes.
    fs::write(source.path().join("a/grown"), vec![3; 20 << 20]).unwrap();
    fs::remove_file(source.path().join("a/b/chunked")).unwrap();
    fs::write(source.path().join("bundled"), "smaller").unwrap();
    for check in [false, true] {
        let run = back_up(&memory, source.path(), Some(first.root), check);
        assert!(run.progress.len() < 200, "{} reports", run.progress.len());
        for p in &run.progress {
            assert!(p.bytes <= p.bytes_total.unwrap(), "{p:?}");
        }
        let last = run.progress.last().unwrap();
        assert_eq!(last.bytes_total, Some(last.bytes), "in the end all is done");
        assert_eq!(
            (last.bytes, last.entries),
            (run.report.bytes, run.report.entries)
        );
    }
}

#[test]
fn a_check_counts_what_it_reads() {
    let source = every_way();
    let memory = Memory::default();
    let first = back_up(&memory, source.path(), None, false);
    let check = back_up(&memory, source.path(), Some(first.root), true);
    assert_eq!(check.report.read_bytes, check.report.bytes);
}
