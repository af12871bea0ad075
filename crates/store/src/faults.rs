//! Errors of the crates below as faults of the catalogue. Told apart once, here.

use std::io::ErrorKind;

use base::fault::Code;
use base::{ChunkId, Fault, PackName};
use format::pack::PackError;
use format::seal::OpenChunkError;
use format::tree::{NodeError, TreeError};
use objects::{DeleteError, GetError, ListError, PutError};

use crate::durable::FindPackError;
use crate::index::IndexError;

impl From<IndexError> for Fault {
    fn from(error: IndexError) -> Self {
        if let Some(fault) = Fault::of_exhaustion(&error) {
            return fault.because(error);
        }
        match &error {
            IndexError::Directory { path, source } => Self::new(Code::DataDirectoryUnwritable)
                .with("path", path.display())
                .with("reason", source.kind()),
            IndexError::Database(below) if has_no_room(below) => {
                Self::new(Code::DataDirectoryUnwritable)
                    .with("path", "index.redb")
                    .with("reason", reason(&error))
            }
            IndexError::Database(_) | IndexError::Row => {
                Self::new(Code::Internal).with("detail", &error)
            }
        }
        .because(error)
    }
}

/// Says whether the index may not grow: the disk, the owner's share of it, or what the process may write is full.
fn has_no_room(error: &redb::Error) -> bool {
    matches!(error, redb::Error::Io(error) if matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    ))
}

/// Returns the fault of a failed write to the place called `path`.
pub(crate) fn put(path: &str, free: Option<u64>, error: PutError) -> Fault {
    if let Some(fault) = Fault::of_exhaustion(&error) {
        return fault.because(error);
    }
    let fault = match &error {
        PutError::Full { .. } => Fault::new(Code::PoolFull)
            .with("free", free.map_or_else(|| "?".into(), |n| n.to_string())),
        PutError::ReadOnly { .. } => Fault::new(Code::PoolReadOnly),
        PutError::Exists { .. }
        | PutError::Unsure { .. }
        | PutError::TooLarge { .. }
        | PutError::Failed { .. } => {
            Fault::new(Code::PoolUnwritable).with("reason", reason(&error))
        }
    };
    fault.with("path", path).because(error)
}

/// Returns the fault of a failed read that nothing better can be said of.
pub(crate) fn get(path: &str, error: GetError) -> Fault {
    match &error {
        GetError::Away { volume, .. } => Fault::new(Code::VolumeMissing)
            .with("volume", volume)
            .with("path", format_args!("{path}/volumes/{volume}"))
            .because(error),
        _ => unreadable(path, error),
    }
}

/// Returns the fault of a failed listing.
pub(crate) fn list(path: &str, error: ListError) -> Fault {
    unreadable(path, error)
}

fn unreadable(path: &str, error: impl std::error::Error + Send + Sync + 'static) -> Fault {
    if let Some(fault) = Fault::of_exhaustion(&error) {
        return fault.because(error);
    }
    Fault::new(Code::PoolUnreadable)
        .with("path", path)
        .with("reason", reason(&error))
        .because(error)
}

/// Returns what the system said, which is what a person can act on: the innermost cause.
pub(crate) fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// Returns the fault of a failed removal.
pub(crate) fn delete(path: &str, error: DeleteError) -> Fault {
    if let Some(fault) = Fault::of_exhaustion(&error) {
        return fault.because(error);
    }
    let fault = match &error {
        DeleteError::ReadOnly { .. } => Fault::new(Code::PoolReadOnly),
        DeleteError::Missing { .. } | DeleteError::Failed { .. } => {
            Fault::new(Code::PoolUnwritable).with("reason", reason(&error))
        }
    };
    fault.with("path", path).because(error)
}

/// Returns the fault of a chunk that does not open.
pub(crate) fn open_chunk(chunk: &ChunkId, pack: &PackName, error: OpenChunkError) -> Fault {
    Fault::new(Code::ChunkDamaged)
        .with("chunk", chunk)
        .with("pack", pack)
        .because(error)
}

/// Returns the fault of a tree that could not be read or written.
pub(crate) fn tree(error: TreeError) -> Fault {
    match error {
        TreeError::Read { fault, .. } | TreeError::Save { fault } => fault,
        TreeError::Damaged { id, ref source } => Fault::new(Code::TreeDamaged)
            .with("chunk", id)
            .with("reason", source)
            .because(error),
        TreeError::Unsorted | TreeError::Refused { .. } => Fault::new(Code::Internal)
            .with("detail", &error)
            .because(error),
    }
}

/// Returns the fault of a tree node that makes no sense.
pub(crate) fn node(id: &ChunkId, error: NodeError) -> Fault {
    Fault::new(Code::TreeDamaged)
        .with("chunk", id)
        .with("reason", error)
        .because(error)
}

/// Returns the fault of a pack that is not what was written.
pub(crate) fn pack(name: &PackName, error: PackError) -> Fault {
    Fault::new(Code::PackDamaged)
        .with("pack", name)
        .with("reason", &error)
        .because(error)
}

/// Returns the fault of a pack that cannot be read, if that is the pack's fault.
///
/// # Errors
/// The place does not answer: nothing is known of the pack.
pub(crate) fn get_pack(path: &str, name: &PackName, error: GetError) -> Result<Fault, Fault> {
    match error {
        GetError::Missing { .. } => Ok(Fault::new(Code::PackMissing)
            .with("pack", name)
            .because(error)),
        GetError::Failed { .. } | GetError::Away { .. } => Err(get(path, error)),
        GetError::TooShort { .. } | GetError::TooLarge { .. } | GetError::Unreadable { .. } => {
            Ok(Fault::new(Code::PackDamaged)
                .with("pack", name)
                .with("reason", reason(&error))
                .because(error))
        }
    }
}

/// As [`get_pack`], for a pack whose trailer was wanted.
///
/// # Errors
/// As [`get_pack`].
pub(crate) fn find_pack(path: &str, name: &PackName, error: FindPackError) -> Result<Fault, Fault> {
    match error {
        FindPackError::Get(error) => get_pack(path, name, error),
        FindPackError::Pack(error) => Ok(pack(name, error)),
        FindPackError::Settle(error) => Err(put(path, None, error)),
    }
}
