//! The bundler: one thread that turns what was read, in walk order, into chunks.
//!
//! Small files go one after the other into a bundle, which ends at a content-defined file boundary, so that an
//! equal run of files gives an equal bundle wherever it stands. Large files are cut by content. An entry
//! leaves for the tree only after the chunks it speaks of have left for sealing: the tree stage waits for
//! names and must never wait for a bundle that nobody will finish.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use base::{ChunkHash, limits};
use crossbeam_channel::{Receiver, Sender, bounded};
use format::chunker::Chunker;
use format::entry::{FileEntry, FileKey, NEVER_THE_SAME, Node};

use super::count::{Counts, Share};
use super::cut::{Part, Run};
use super::read::{Ended, LargeFile};
use super::stages::{
    Answer, Body, Change, Changes, ChunkSlot, ContentSlot, Link, Outcome, Piece, ToSeal, ToTree,
    Written,
};
use super::warn;
use crate::flow::{Flow, Stopped};

pub(crate) struct Bundler<'a> {
    flow: &'a Flow<'a>,
    counts: &'a Counts,
    chunker: &'a Chunker,
    seal: Sender<ToSeal>,
    tree: Sender<ToTree>,
    bundle: Vec<u8>,
    /// The open bundle's name; entries in `held` speak of it.
    slot: ChunkSlot,
    held: Vec<ToTree>,
    /// Bytes of their extended attributes.
    held_xattrs: usize,
    /// Contents of this run by hash: a copy is stored as a reference. Collisions are those of BLAKE3.
    seen: HashMap<ChunkHash, Piece>,
}

impl<'a> Bundler<'a> {
    pub(crate) fn new(
        flow: &'a Flow<'a>,
        counts: &'a Counts,
        chunker: &'a Chunker,
        seal: Sender<ToSeal>,
        tree: Sender<ToTree>,
    ) -> Self {
        Self {
            flow,
            counts,
            chunker,
            seal,
            tree,
            bundle: Vec::with_capacity(limits::BUNDLE_BYTES_MAX),
            slot: ChunkSlot::default(),
            held: Vec::new(),
            held_xattrs: 0,
            seen: HashMap::new(),
        }
    }

    /// Takes changes until there are no more.
    pub(crate) fn run(mut self, all: &Receiver<Changes>) -> Result<(), Stopped> {
        for Changes { changes, answered } in all {
            self.take_all(changes, &answered)?;
        }
        self.end_bundle()
    }

    fn take_all(
        &mut self,
        changes: Vec<Change>,
        answered: &Receiver<Vec<Answer>>,
    ) -> Result<(), Stopped> {
        let mut answers = Vec::new().into_iter();
        for change in changes {
            self.flow.go_on()?;
            match change {
                Change::Delete(key) => self.hold(ToTree::Delete(key))?,
                Change::Put { key, held } => {
                    if answers.len() == 0 {
                        answers = answered.recv().map_err(|_| Stopped)?.into_iter();
                    }
                    let (outcome, mut share) = answers.next().ok_or(Stopped)?;
                    let taken = self.take(key, outcome, &mut share);
                    self.flow.give_back(held);
                    taken?;
                    share.close(self.counts, self.flow);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, key: FileKey, outcome: Outcome, share: &mut Share) -> Result<(), Stopped> {
        match outcome {
            Outcome::Same | Outcome::Unreadable => Ok(()),
            Outcome::Gone => self.hold(ToTree::Delete(key)),
            Outcome::Read(entry, Body::Whole) => self.hold(ToTree::Put(key, entry)),
            Outcome::Settled(entry, link) => {
                if let (Some(link), Node::File(content)) = (link, &entry.node) {
                    // Set already if another link was settled before.
                    let _ = leave(&link).set(Written {
                        content: content.clone(),
                        size: entry.size,
                    });
                }
                match entry.ctime_ns {
                    // As it stands in the tree.
                    NEVER_THE_SAME => Ok(()),
                    _ => self.hold(ToTree::Put(key, entry)),
                }
            }
            Outcome::Read(entry, Body::Small(bytes, hash, link)) => {
                let content = link.map(|link| leave(&link));
                self.small(key, entry, &bytes, hash, content)
            }
            Outcome::Read(_, Body::Large(file)) => self.large(key, &file, share),
            Outcome::Linked(mut entry, handle, link, expected) => match link.get() {
                Some(content) => {
                    let mut problems = Vec::new();
                    entry.xattrs = handle.xattrs(&mut problems);
                    problems.iter().for_each(|p| warn(self.flow, p));
                    self.hold(ToTree::Same(key, entry, Arc::clone(content), expected))
                }
                // The link that came first could not be read; this one may be.
                None => {
                    let mut count = |bytes| share.read(bytes, self.counts, self.flow);
                    let outcome = super::read::read(
                        self.flow,
                        *entry,
                        (&handle, None),
                        Some(link),
                        &mut count,
                    );
                    if expected.is_some() && !matches!(outcome, Outcome::Unreadable) {
                        self.counts.changed();
                    }
                    self.take(key, outcome, share)
                }
            },
        }
    }

    /// Puts a small file into the bundle, unless its content came before.
    fn small(
        &mut self,
        key: FileKey,
        entry: Box<FileEntry>,
        bytes: &[u8],
        hash: ChunkHash,
        content: Option<ContentSlot>,
    ) -> Result<(), Stopped> {
        if let Some(piece) = self.seen.get(&hash).cloned() {
            return self.hold(ToTree::Bundled(key, entry, piece, content));
        }
        if self.bundle.len() + bytes.len() > limits::BUNDLE_BYTES_MAX {
            self.end_bundle()?;
        }
        let piece = Piece {
            chunk: Arc::clone(&self.slot),
            offset: u32::try_from(self.bundle.len()).expect("a bundle is small"),
            len: u32::try_from(bytes.len()).expect("a bundled file is small"),
        };
        if self.seen.len() < limits::CONTENTS_REMEMBERED_MAX {
            self.seen.insert(hash, piece.clone());
        }
        self.bundle.extend_from_slice(bytes);
        self.hold(ToTree::Bundled(key, entry, piece, content))?;
        if self.bundle.len() >= limits::BUNDLE_BYTES_MIN && self.chunker.is_bundle_end(&hash) {
            self.end_bundle()?;
        }
        Ok(())
    }

    /// Chunks a file of its own. What is held leaves first: walk order.
    fn large(&mut self, key: FileKey, file: &LargeFile, share: &mut Share) -> Result<(), Stopped> {
        self.end_bundle()?;
        for number in 1.. {
            share.again();
            self.send(ToTree::Open)?;
            let ended = file.attempt(number, self.chunker, self.flow, &mut |part| {
                self.part(part, share)
            })?;
            match ended {
                Ended::Again => {}
                Ended::Gone => return self.send(ToTree::Delete(key)),
                Ended::Unreadable => return Ok(()),
                Ended::Whole(entry) => {
                    let content = file.link.as_ref().map(leave);
                    return self.send(ToTree::Close(key, entry, content));
                }
            }
        }
        Ok(())
    }

    fn part(&self, part: Part, share: &mut Share) -> Result<(), Stopped> {
        match part {
            Part::Hole(len) => self.hole(len, share),
            Part::Chunk(plain, runs) => {
                share.read(plain.len() as u64, self.counts, self.flow);
                let chunk = ChunkSlot::default();
                self.dispatch(plain, &chunk)?;
                let mut offset = 0;
                for run in runs {
                    match run {
                        Run::Hole(len) => self.hole(len, share)?,
                        Run::Data(len) => {
                            let chunk = Arc::clone(&chunk);
                            self.send(ToTree::Piece(Piece { chunk, offset, len }))?;
                            offset += len;
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn hole(&self, len: u64, share: &mut Share) -> Result<(), Stopped> {
        share.hole(len, self.counts, self.flow);
        self.send(ToTree::Hole(len))
    }

    /// Keeps an item until the open bundle has left.
    fn hold(&mut self, item: ToTree) -> Result<(), Stopped> {
        if self.bundle.is_empty() {
            return self.send(item);
        }
        self.held_xattrs += item.xattr_bytes();
        self.held.push(item);
        if self.held.len() >= limits::BUNDLE_ENTRIES_MAX
            || self.held_xattrs > limits::BUNDLE_XATTR_BYTES_MAX
        {
            self.end_bundle()?;
        }
        Ok(())
    }

    fn end_bundle(&mut self) -> Result<(), Stopped> {
        if self.bundle.is_empty() {
            return Ok(());
        }
        let plain = std::mem::replace(
            &mut self.bundle,
            Vec::with_capacity(limits::BUNDLE_BYTES_MAX),
        );
        let slot = std::mem::replace(&mut self.slot, Arc::new(OnceLock::new()));
        self.dispatch(plain, &slot)?;
        self.held_xattrs = 0;
        for item in std::mem::take(&mut self.held) {
            self.send(item)?;
        }
        Ok(())
    }

    fn dispatch(&self, plain: Vec<u8>, slot: &ChunkSlot) -> Result<(), Stopped> {
        let (named, name) = bounded(1);
        self.seal
            .send(ToSeal { plain, named })
            .map_err(|_| Stopped)?;
        self.send(ToTree::Chunk(Arc::clone(slot), name))
    }

    fn send(&self, item: ToTree) -> Result<(), Stopped> {
        // The tree gives them back. Nobody who could wait for that is waited for here.
        self.flow.charge(item.xattr_bytes());
        self.tree.send(item).map_err(|_| Stopped)
    }
}

/// Leaves a place for a content where the file's other links look for it.
fn leave(link: &Link) -> ContentSlot {
    // Set already if this link was read because an earlier one could not be: any will do.
    Arc::clone(link.get_or_init(ContentSlot::default))
}
