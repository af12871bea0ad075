//! Plain chunks kept in memory for a while, each read by one thread however many ask for it.
//!
//! Invariants: the kept bytes never pass the limit by more than one chunk; a chunk is in at most one
//! thread's hands at a time; a failed read is not remembered.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use base::ChunkId;

/// A bounded cache of chunks with single flight.
pub(crate) struct Cache {
    state: Mutex<State>,
    landed: Condvar,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    chunks: HashMap<ChunkId, (u64, Arc<Vec<u8>>)>,
    /// Last use to chunk: the first is the one to forget.
    uses: BTreeMap<u64, ChunkId>,
    next_use: u64,
    bytes: usize,
    in_flight: HashSet<ChunkId>,
}

impl Cache {
    /// Returns an empty cache that keeps about `bytes_max` bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            landed: Condvar::new(),
            bytes_max,
        }
    }

    /// Returns the chunk, from memory or from `read`. While one thread reads, others that want the same chunk wait.
    ///
    /// # Errors
    /// Those of `read`; a waiting thread then reads for itself.
    pub(crate) fn get_or<E>(
        &self,
        id: &ChunkId,
        read: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Arc<Vec<u8>>, E> {
        let mut state = self.lock();
        loop {
            if let Some(plain) = state.touch(id) {
                return Ok(plain);
            }
            if state.in_flight.insert(*id) {
                break;
            }
            state = self
                .landed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);

        let flight = Flight { cache: self, id };
        let plain = Arc::new(read()?);
        self.lock().keep(*id, Arc::clone(&plain), self.bytes_max);
        drop(flight);
        Ok(plain)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A read under way: ends when dropped, also by an error or a panic, so that nobody waits for ever.
struct Flight<'a> {
    cache: &'a Cache,
    id: &'a ChunkId,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.cache.lock().in_flight.remove(self.id);
        self.cache.landed.notify_all();
    }
}

impl State {
    fn touch(&mut self, id: &ChunkId) -> Option<Arc<Vec<u8>>> {
        let (last_use, plain) = self.chunks.get_mut(id)?;
        self.uses.remove(last_use);
        *last_use = self.next_use;
        self.uses.insert(self.next_use, *id);
        self.next_use += 1;
        Some(Arc::clone(plain))
    }

    fn keep(&mut self, id: ChunkId, plain: Arc<Vec<u8>>, bytes_max: usize) {
        if self.touch(&id).is_some() {
            return;
        }
        self.bytes += plain.len();
        self.chunks.insert(id, (self.next_use, plain));
        self.uses.insert(self.next_use, id);
        self.next_use += 1;
        while self.bytes > bytes_max
            && let Some((_, oldest)) = self.uses.pop_first()
        {
            if let Some((_, plain)) = self.chunks.remove(&oldest) {
                self.bytes -= plain.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ChunkId {
        ChunkId([n; 32])
    }

    #[test]
    fn the_least_recently_used_chunk_goes_first() {
        let cache = Cache::new(2);
        let read = |n: u8| move || Ok::<_, ()>(vec![n]);
        cache.get_or(&id(1), read(1)).unwrap();
        cache.get_or(&id(2), read(2)).unwrap();
        cache.get_or(&id(1), || Err(())).unwrap();
        cache.get_or(&id(3), read(3)).unwrap();
        assert!(cache.get_or(&id(1), || Err(())).is_ok());
        assert!(cache.get_or(&id(2), || Err(())).is_err());
        // The failed read is not remembered.
        assert_eq!(*cache.get_or(&id(2), read(2)).unwrap(), vec![2]);
    }

    #[test]
    fn many_threads_that_want_one_chunk_read_it_once() {
        let cache = Cache::new(10);
        let reads = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let plain = cache.get_or(&id(7), || {
                        reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        Ok::<_, ()>(vec![7; 3])
                    });
                    assert_eq!(*plain.unwrap(), vec![7; 3]);
                });
            }
        });
        assert_eq!(reads.into_inner(), 1);
    }
}
