//! What a file tree says of one directory entry, and the key it stands under.
//!
//! Keys sort so that the entries of one directory are neighbours, and a directory's whole subtree is one
//! range; walking the keys in order is walking the tree in depth-first order, each directory listing all its
//! entries before the first subdirectory is entered. See [`FileKey`].

mod key;

pub use key::{BadKey, FileKey, check_name};

use base::ChunkId;

/// The change time stored of an entry that the next synchronization shall look at again, since it changed while it
/// was read or too shortly before. No entry has it (it is the year 1823), so nothing passes for unchanged.
pub const NEVER_THE_SAME: i64 = i64::MIN / 2;

/// What kind of thing an entry is, with what belongs to that kind alone.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Node {
    /// A directory; its entries have keys of their own.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link and the bytes it points to.
    Symlink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A socket: recorded, and made anew as an empty socket node on restore.
    Socket,
    /// A character device and its number (`major << 32 | minor`).
    CharDevice(u64),
    /// A block device and its number.
    BlockDevice(u64),
}

/// Where a regular file's bytes are.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Content {
    /// In the entry: at most [`base::limits::INLINE_BYTES_MAX`] bytes, and none of them a hole.
    Inline(Vec<u8>),
    /// In these pieces, in file order; their lengths add up to the file's size.
    Extents(Vec<Extent>),
    /// In an extent map of its own: the id of its root node.
    Map(ChunkId),
}

/// A run of a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Extent {
    /// `len` zero bytes that take no space.
    Hole {
        /// Bytes.
        len: u64,
    },
    /// `len` bytes of a chunk, from `offset` on.
    Data {
        /// The chunk.
        chunk: ChunkId,
        /// First byte in the chunk.
        offset: u32,
        /// Bytes.
        len: u32,
    },
}

impl Extent {
    /// Returns how many bytes of the file it covers.
    pub fn len(&self) -> u64 {
        match *self {
            Self::Hole { len } => len,
            Self::Data { len, .. } => u64::from(len),
        }
    }

    /// Returns whether it covers nothing (never stored).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One entry of a file tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileEntry {
    /// Kind and content.
    pub node: Node,
    /// Permission bits with setuid, setgid and sticky: the low 12 bits of `st_mode`.
    pub mode: u16,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Owner's name, empty if it had none. Restored by name where the name exists, else by number.
    pub user: Vec<u8>,
    /// Group's name, empty if it had none.
    pub group: Vec<u8>,
    /// Modification time: nanoseconds since 1970-01-01T00:00:00Z, may be negative (years 1677 to 2262: others are clamped).
    pub mtime_ns: i64,
    /// Status change time. Not restored (no system call sets it): it tells a changed file.
    pub ctime_ns: i64,
    /// Inode number at the source. Tells a changed file, and, with [`Self::device`], which entries are one file.
    pub inode: u64,
    /// Device number at the source (`major << 32 | minor`).
    pub device: u64,
    /// Hard links at the source. Entries of regular files, and other non-directories, with `links > 1` and equal
    /// (device, inode) are one file.
    pub links: u32,
    /// Size in bytes: of a regular file its length, else 0.
    pub size: u64,
    /// Extended attributes as they are, sorted by name: ACLs and capabilities are among them.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}
