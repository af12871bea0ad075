//! What travels between the stages of a backup.

use std::sync::{Arc, OnceLock};

use base::{ChunkHash, ChunkId, Fault};
use crossbeam_channel::Receiver;
use format::entry::{Content, Extent, FileEntry, FileKey};
use sources::files::Handle;

use super::count::Share;
use super::read::{Expected, LargeFile};

/// A chunk's name, set by the tree stage before any entry that needs it arrives there.
pub(crate) type ChunkSlot = Arc<OnceLock<ChunkId>>;

/// A file's content, set by the tree stage when it has written the first entry that has it.
pub(crate) type ContentSlot = Arc<OnceLock<Written>>;

/// A content that was written, for the file's other links.
#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) content: Content,
    /// How much that is: the file may have had another size when the walk saw it.
    pub(crate) size: u64,
}

/// Where the links of one file meet: the first to be read leaves its content's slot here.
pub(crate) type Link = Arc<OnceLock<ContentSlot>>;

/// From the comparison to the bundler: changes in walk order. One reader reads what is new in them, because each thing sent
/// from thread to thread costs as much as looking at a file.
pub(crate) struct Changes {
    pub(crate) changes: Vec<Change>,
    /// An answer for each [`Change::Put`]; nothing is sent where there is none.
    pub(crate) answered: Receiver<Vec<Answer>>,
}

/// A change.
pub(crate) enum Change {
    /// The entry is gone from the source.
    Delete(FileKey),
    /// The entry is new or differs: a reader is at work on it.
    Put {
        key: FileKey,
        /// What the reader may hold of the bytes in flight, given back by the bundler.
        held: usize,
    },
}

/// What a reader answers: what it made of an entry, and how much of it it has counted.
pub(crate) type Answer = (Outcome, Share);

/// What a reader made of an entry.
pub(crate) enum Outcome {
    /// The entry with all its metadata, and its bytes.
    Read(Box<FileEntry>, Body),
    /// Another link of a file that came before in this run: not read, unless that one could not be.
    Linked(Box<FileEntry>, Handle, Link, Option<Expected>),
    /// It was read beside what the store has, and is the same: nothing is written.
    Same,
    /// It was doubted, and is the same: the entry as it is to be stored, with the content that the store has, where its
    /// other links look for it.
    Settled(Box<FileEntry>, Option<Link>),
    /// It is gone or has become something else, which was warned of: what the earlier tree has under its key
    /// goes.
    Gone,
    /// It could not be read, which was warned of: what the earlier tree has under its key stays, so that the newest
    /// point has at least what the one before had.
    Unreadable,
}

/// The bytes of an entry.
pub(crate) enum Body {
    /// The entry is whole: no regular file, or one whose content is inside.
    Whole,
    /// A file small enough to be bundled. If it has other links, they look for its content at the link.
    Small(Vec<u8>, ChunkHash, Option<Link>),
    /// A file that is read while it is chunked.
    Large(Box<LargeFile>),
}

impl Body {
    /// Returns where the file's other links look for its content.
    pub(crate) fn into_link(self) -> Option<Link> {
        match self {
            Self::Whole => None,
            Self::Small(_, _, link) => link,
            Self::Large(file) => file.link,
        }
    }
}

/// From the bundler to the sealing threads.
pub(crate) struct ToSeal {
    pub(crate) plain: Vec<u8>,
    pub(crate) named: crossbeam_channel::Sender<ChunkId>,
}

/// From the bundler to the tree, in walk order.
pub(crate) enum ToTree {
    /// A chunk that later items speak of; its name arrives when it is sealed.
    Chunk(ChunkSlot, Receiver<ChunkId>),
    /// The entry is gone.
    Delete(FileKey),
    /// The entry as it is.
    Put(FileKey, Box<FileEntry>),
    /// The entry, whose content is one piece of a chunk.
    Bundled(FileKey, Box<FileEntry>, Piece, Option<ContentSlot>),
    /// The entry, whose content came before in this run; what the earlier tree has, if that was doubted.
    Same(FileKey, Box<FileEntry>, ContentSlot, Option<Expected>),
    /// A file's content starts: its pieces follow.
    Open,
    /// The next piece of the open file.
    Piece(Piece),
    /// A hole in the open file.
    Hole(u64),
    /// The open file ends; this is its entry.
    Close(FileKey, Box<FileEntry>, Option<ContentSlot>),
}

impl ToTree {
    /// Returns the bytes of extended attributes that it carries: the one part of an entry that may be large.
    pub(crate) fn xattr_bytes(&self) -> usize {
        match self {
            Self::Put(_, entry)
            | Self::Bundled(_, entry, ..)
            | Self::Same(_, entry, ..)
            | Self::Close(_, entry, _) => {
                let sizes = entry.xattrs.iter();
                sizes.map(|(name, value)| name.len() + value.len()).sum()
            }
            Self::Chunk(..) | Self::Delete(_) | Self::Open | Self::Piece(_) | Self::Hole(_) => 0,
        }
    }
}

/// A piece of a chunk whose name may not be known yet.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) chunk: ChunkSlot,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

impl Piece {
    /// Returns the extent it is.
    ///
    /// # Errors
    /// The chunk was never named: the sealing threads ended.
    pub(crate) fn extent(&self) -> Result<Extent, Fault> {
        let chunk = *self
            .chunk
            .get()
            .ok_or_else(|| internal("a chunk was used before it was named"))?;
        Ok(Extent::Data {
            chunk,
            offset: self.offset,
            len: self.len,
        })
    }
}

/// Returns the fault of a stage that broke a promise to the next.
pub(crate) fn internal(detail: &str) -> Fault {
    Fault::new(base::fault::Code::Internal).with("detail", detail)
}
