//! What the golden store was made of: two states of one source, with an entry of every type and form.

use std::collections::BTreeMap;

use base::Fault;
use base::limits::{CHUNK_BYTES_MAX, EXTENTS_PER_ENTRY_MAX, INLINE_BYTES_MAX};
use format::entry::{Content, Extent, FileEntry, Node};
use format::replica::ReplicaWriter;
use format::seal::Sealer;
use store::Session;
use testkit::Dice;

/// A file's run: bytes, or a hole of a length.
#[derive(Clone)]
pub(super) enum Run {
    Bytes(Vec<u8>),
    Hole(usize),
}

/// An entry and, of a file, its runs.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) entry: FileEntry,
    runs: Vec<Run>,
}

/// Path to entry.
pub(super) type Samples = BTreeMap<Vec<u8>, Sample>;

/// A fresh entry: each has another inode, and times near the one before.
fn sample(samples: &Samples, node: Node) -> Sample {
    let count = samples.len() as u64;
    let mtime_ns = 1_700_000_000_000_000_000 + count.cast_signed() / 3 * 1_000_000_000;
    Sample {
        entry: FileEntry {
            mode: if node == Node::Directory {
                0o755
            } else {
                0o644
            },
            node,
            uid: 1000,
            gid: 100,
            user: b"user".to_vec(),
            group: b"users".to_vec(),
            mtime_ns,
            ctime_ns: mtime_ns,
            inode: 1_000_000 + count,
            device: 0x0008_0000_0001,
            links: 1,
            size: 0,
            xattrs: Vec::new(),
        },
        runs: Vec::new(),
    }
}

fn add<'a>(samples: &'a mut Samples, path: &[u8], node: Node) -> &'a mut FileEntry {
    let new = sample(samples, node);
    let slot = samples.entry(path.to_vec()).insert_entry(new);
    &mut slot.into_mut().entry
}

fn add_file<'a>(samples: &'a mut Samples, path: &[u8], runs: Vec<Run>) -> &'a mut FileEntry {
    // Where the bytes are is decided when they are written.
    let mut new = sample(samples, Node::File(Content::Inline(Vec::new())));
    new.entry.size = runs.iter().map(|run| run.len() as u64).sum();
    new.runs = runs;
    let slot = samples.entry(path.to_vec()).insert_entry(new);
    &mut slot.into_mut().entry
}

impl Run {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Hole(len) => *len,
        }
    }
}

fn noise(seed: u64, len: usize) -> Vec<Run> {
    vec![Run::Bytes(Dice::new(seed).bytes(len))]
}

fn prose(len: usize) -> Vec<Run> {
    let lines = (0..).flat_map(|n: u32| format!("{} sacks of rice\n", n % 500).into_bytes());
    vec![Run::Bytes(lines.take(len).collect())]
}

/// The first state.
pub(super) fn first() -> Samples {
    let mut samples = Samples::new();
    add(&mut samples, b"", Node::Directory).links = 9;
    contents(&mut samples);
    types(&mut samples);
    metadata(&mut samples);
    names(&mut samples);
    samples
}

/// Files of every form of content.
fn contents(samples: &mut Samples) {
    add_file(samples, b"empty", Vec::new());
    add_file(samples, b"inline", prose(INLINE_BYTES_MAX));
    add_file(samples, b"bundled-1", prose(INLINE_BYTES_MAX + 1));
    add_file(samples, b"bundled-2", prose(3000));
    add_file(samples, b"noise", noise(1, 9000));
    add_file(samples, b"two chunks", prose(CHUNK_BYTES_MAX + 12_345));
    let sparse = [
        vec![Run::Hole(70_000)],
        prose(500),
        vec![Run::Hole(1)],
        noise(2, 300),
    ];
    add_file(samples, b"sparse", sparse.concat());
    add_file(samples, b"only a hole", vec![Run::Hole(1 << 20)]);
    let row = (0..EXTENTS_PER_ENTRY_MAX as u64 / 2)
        .flat_map(|n| [vec![Run::Hole(4096)], noise(n % 3, 40)].concat());
    add_file(samples, b"as many extents as fit", row.collect());
    let map = (0..900).flat_map(|n| [noise(n % 5, 60), vec![Run::Hole(100 + n as usize)]].concat());
    add_file(samples, b"extent map", map.collect());
}

/// Entries that are no regular files.
fn types(samples: &mut Samples) {
    add(samples, b"dev", Node::Directory);
    add(
        samples,
        b"dev/link",
        Node::Symlink(b"../else/\xff where".to_vec()),
    )
    .mode = 0o777;
    add(samples, b"dev/long link", Node::Symlink(vec![b'x'; 4095]));
    add(samples, b"dev/pipe", Node::Fifo);
    add(samples, b"dev/socket", Node::Socket);
    add(samples, b"dev/null", Node::CharDevice(1 << 32 | 3)).mode = 0o666;
    add(
        samples,
        b"dev/disk",
        Node::BlockDevice(0xfff << 32 | 0xf_ffff),
    )
    .uid = 0;
    add(samples, b"dev/empty directory", Node::Directory).mode = 0o1777;
}

/// Values at their limits.
fn metadata(samples: &mut Samples) {
    add(samples, b"meta", Node::Directory);
    let first = add_file(samples, b"meta/hard-1", noise(3, 400));
    (first.links, first.inode) = (2, u64::MAX);
    let second = add_file(samples, b"meta/hard-2", noise(3, 400));
    (second.links, second.inode) = (2, u64::MAX);
    let old = add_file(samples, b"meta/old", prose(1));
    (old.mtime_ns, old.ctime_ns) = (i64::MIN, -1);
    let new = add_file(samples, b"meta/new", prose(2));
    (new.mtime_ns, new.ctime_ns) = (i64::MAX, i64::MAX - 1);
    let before = add_file(samples, b"meta/p before 1970", prose(2));
    (before.mtime_ns, before.ctime_ns) = (-2_000_000_000, -2_000_000_000);
    let odd = add_file(samples, b"meta/owner", prose(3));
    (odd.uid, odd.gid, odd.mode) = (u32::MAX, u32::MAX - 1, 0o7777);
    (odd.user, odd.group) = (Vec::new(), b"dom\xe4ne\\g r".to_vec());
    (odd.inode, odd.device, odd.links) = (0, u64::MAX, u32::MAX);
    add_file(samples, b"meta/xattrs", prose(700)).xattrs = vec![
        (b"security.capability".to_vec(), vec![1, 0, 0, 2, 0xff]),
        (b"user.empty".to_vec(), Vec::new()),
        (b"user.\xff".to_vec(), b"value".to_vec()),
    ];
    add(samples, b"meta/with acl", Node::Directory).xattrs =
        vec![(b"system.posix_acl_default".to_vec(), vec![2; 28])];
}

/// Names that readers get wrong, and a directory of more entries than a node has.
fn names(samples: &mut Samples) {
    let odd: [&[u8]; 12] = [
        b"\x01",
        b"\x02",
        b"\x02\x01",
        b"\x03",
        b" ",
        b"...",
        b"-rf",
        b"new\nline",
        b"not utf-8 \xff\xfe",
        "e\u{301}".as_bytes(),
        "é".as_bytes(),
        &[b'n'; 1024],
    ];
    add(samples, b"names", Node::Directory);
    for name in odd {
        let directory = [b"names/", name].concat();
        add(samples, &directory, Node::Directory);
        add_file(
            samples,
            &[&directory, &b"/"[..], name].concat(),
            prose(name.len()),
        );
    }
    let mut deep = b"deep".to_vec();
    for _ in 0..8 {
        add(samples, &deep, Node::Directory);
        deep.extend(b"/d");
    }
    add(samples, b"names/many", Node::Directory);
    for number in 0..1500_u64 {
        let path = format!("names/many/{:04}-{number}.txt", number * 7919 % 1500);
        let size = Dice::new(number).below(9) as usize;
        add_file(samples, path.as_bytes(), noise(number, size));
    }
}

/// The second state: changed, gone, new.
pub(super) fn second() -> Samples {
    let mut samples = first();
    samples.remove(&b"bundled-1"[..]);
    samples.remove(&b"names/many/0947-13.txt"[..]);
    samples.retain(|path, _| !path.starts_with(b"names/\x02"));
    add_file(&mut samples, b"inline", prose(20));
    add_file(&mut samples, b"two chunks", prose(CHUNK_BYTES_MAX + 12_346));
    add_file(&mut samples, b"new", noise(9, 2000));
    add_file(&mut samples, b"dev", noise(10, 5));
    samples.retain(|path, _| !path.starts_with(b"dev/"));
    let map = (0..950).flat_map(|n| [noise(n % 7, 60), vec![Run::Hole(100 + n as usize)]].concat());
    add_file(&mut samples, b"extent map", map.collect());
    samples
}

impl Sample {
    /// Returns the bytes of a file or the target of a link.
    pub(super) fn content(&self) -> Vec<u8> {
        if let Node::Symlink(target) = &self.entry.node {
            return target.clone();
        }
        let runs = self.runs.iter().map(|run| match run {
            Run::Bytes(bytes) => bytes.clone(),
            Run::Hole(len) => vec![0; *len],
        });
        runs.collect::<Vec<_>>().concat()
    }

    /// Stores the content and returns the entry that says where it is.
    pub(super) fn store(&self, session: &Session) -> Result<FileEntry, Fault> {
        let mut entry = self.entry.clone();
        if matches!(entry.node, Node::File(_)) {
            entry.node = Node::File(self.place(session)?);
        }
        Ok(entry)
    }

    fn place(&self, session: &Session) -> Result<Content, Fault> {
        let has_holes = self.runs.iter().any(|run| matches!(run, Run::Hole(_)));
        if self.entry.size <= INLINE_BYTES_MAX as u64 && !has_holes {
            return Ok(Content::Inline(self.content()));
        }
        let extents = self.extents(session)?;
        if extents.len() <= EXTENTS_PER_ENTRY_MAX {
            return Ok(Content::Extents(extents));
        }
        let mut map = session.begin_map()?;
        for extent in extents {
            map.push(extent)?;
        }
        Ok(Content::Map(map.finish()?))
    }

    /// Chunks all runs of a file together, so that its extents begin in the midst of chunks.
    fn extents(&self, session: &Session) -> Result<Vec<Extent>, Fault> {
        let mut plain = b"another file of the bundle".to_vec();
        let mut parts = Vec::new();
        for run in &self.runs {
            parts.push((plain.len(), run.len(), matches!(run, Run::Hole(_))));
            if let Run::Bytes(bytes) = run {
                plain.extend(bytes);
            }
        }
        let chunks = plain.chunks(CHUNK_BYTES_MAX);
        let chunks = chunks.map(|chunk| session.put_chunk(&Sealer::hash(chunk), chunk));
        let chunks: Vec<_> = chunks.collect::<Result<_, _>>()?;
        let mut extents = Vec::new();
        for (mut from, mut len, is_hole) in parts {
            if is_hole {
                extents.push(Extent::Hole { len: len as u64 });
                continue;
            }
            while len > 0 {
                let offset = from % CHUNK_BYTES_MAX;
                let taken = len.min(CHUNK_BYTES_MAX - offset);
                extents.push(Extent::Data {
                    chunk: chunks[from / CHUNK_BYTES_MAX],
                    offset: offset as u32,
                    len: taken as u32,
                });
                (from, len) = (from + taken, len - taken);
            }
        }
        Ok(extents)
    }
}
