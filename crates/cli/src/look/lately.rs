//! Contents of files that were listed lately: whoever lists a directory reads what is in it next, and finding an entry anew
//! costs decoding the node that it stands in.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base::ChunkId;
use base::limits::LOOK_CONTENTS_MAX;
use format::entry::{Content, FileEntry, Node};

/// See the module. Trees never change, so nothing of it is ever wrong.
#[derive(Default)]
pub(super) struct Lately(Mutex<Contents>);

/// Content and size by tree and key.
type Contents = HashMap<(ChunkId, Vec<u8>), (Content, u64)>;

impl Lately {
    /// Remembers a file's content and size.
    pub(super) fn remember(&self, root: &ChunkId, key: &[u8], entry: &FileEntry) {
        let Node::File(content) = &entry.node else {
            return;
        };
        let mut known = self.lock();
        if known.len() >= LOOK_CONTENTS_MAX {
            known.clear();
        }
        known.insert((*root, key.to_vec()), (content.clone(), entry.size));
    }

    /// Returns a file's content and size, if it was listed lately.
    pub(super) fn get(&self, root: &ChunkId, key: &[u8]) -> Option<(Content, u64)> {
        self.lock().get(&(*root, key.to_vec())).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
