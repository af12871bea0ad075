//! What can be wrong with a tree.

use base::{ChunkId, Code, Fault};

use crate::wire::WireError;

/// Why bytes are not a tree node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The header is not that of a tree node.
    #[error("no tree node header")]
    Header,
    /// A format this program does not know.
    #[error("tree node of an unknown version")]
    Version,
    /// Not the value type asked for.
    #[error("tree node holds another type of value")]
    ValueType,
    /// A level too high, or not one below the parent's.
    #[error("tree node has the wrong level")]
    Level,
    /// A field that is cut short, malformed or too long, or bytes left over.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A number, length or count above its limit.
    #[error("tree node passes a limit")]
    Limit,
    /// Columns that do not fit together: a reference to something the node does not have, or something
    /// nothing refers to.
    #[error("tree node has columns that do not fit together")]
    Reference,
    /// A key that is no key of this value type.
    #[error("tree node has a malformed key")]
    Key,
    /// Keys that do not ascend.
    #[error("tree node has keys out of order")]
    Order,
    /// A value that contradicts itself.
    #[error("tree node has a malformed value: {0}")]
    Value(&'static str),
    /// Not what its parent says it is.
    #[error("tree node differs from what its parent says")]
    Parent,
}

/// Why reading or changing a tree failed.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A node could not be read.
    #[error("cannot read tree node {id}")]
    Read {
        /// Which.
        id: ChunkId,
        /// What the reader said.
        #[source]
        fault: Fault,
    },
    /// A node could not be saved.
    #[error("cannot save a tree node")]
    Save {
        /// What the sink said.
        #[source]
        fault: Fault,
    },
    /// A node's bytes are not what a writer makes.
    #[error("tree node {id} is damaged")]
    Damaged {
        /// Which.
        id: ChunkId,
        /// How.
        #[source]
        source: NodeError,
    },
    /// Keys given to an editor did not ascend: the caller is wrong.
    #[error("keys of a change do not ascend")]
    Unsorted,
    /// A key or value that no tree takes.
    #[error("entry cannot be stored: {what}")]
    Refused {
        /// What is wrong with it.
        what: &'static str,
    },
}

impl From<TreeError> for Fault {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Read { fault, .. } | TreeError::Save { fault } => fault,
            TreeError::Damaged { id, source } => Self::new(Code::TreeDamaged)
                .with("chunk", id)
                .with("reason", source),
            TreeError::Refused { what } => Self::new(Code::EntryRefused).with("reason", what),
            TreeError::Unsorted => Self::new(Code::Internal).with("detail", error),
        }
    }
}
