//! Folding many records: the packs they name are looked at by several threads, the records are folded in order.
//!
//! Building an index anew reads a trailer for every pack of the store; each is a few small reads that mostly wait for the
//! place. Memory: [`TRAILERS_AHEAD_MAX`] tables of contents, or those of one record if it names more.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use base::limits::{RECORDS_AHEAD_MAX, TRAILER_THREADS, TRAILERS_AHEAD_MAX};
use base::{Fault, PackName};
use format::pack::Class;

use crate::durable::DurablePack;
use crate::index::{Entry, Index, packs_of};

/// Records that are read and not folded yet.
#[derive(Default)]
pub(super) struct Ahead {
    entries: Vec<Entry>,
    /// Packs that they name and the index lacks.
    wanted: Vec<(Class, PackName)>,
    seen: HashSet<PackName>,
}

impl Ahead {
    /// Adds the next record; returns whether it is time to fold.
    ///
    /// # Errors
    /// The index failed.
    pub(super) fn add(&mut self, index: &Index, entry: Entry) -> Result<bool, Fault> {
        for (class, name) in packs_of(&entry.record.body) {
            if index.lacks(name)? && self.seen.insert(*name) {
                self.wanted.push((*class, *name));
            }
        }
        self.entries.push(entry);
        Ok(self.wanted.len() >= TRAILERS_AHEAD_MAX || self.entries.len() >= RECORDS_AHEAD_MAX)
    }

    /// Folds all of it into `index`; `read` gives a pack's contents, none if it cannot be used.
    ///
    /// # Errors
    /// Those of `read`; the index failed. The records before the failure may have been folded.
    pub(super) fn fold(
        &mut self,
        index: &Index,
        read: impl Fn(Class, PackName) -> Result<Option<DurablePack>, Fault> + Sync,
    ) -> Result<(), Fault> {
        let Self {
            entries, wanted, ..
        } = std::mem::take(self);
        let found = RefCell::new(read_all(&wanted, |(class, name)| read(*class, *name))?);
        for entry in &entries {
            index.apply(entry, |class, name| {
                let ready = found.borrow_mut().remove(&(class, name));
                ready.map_or_else(|| read(class, name), Ok)
            })?;
        }
        Ok(())
    }
}

/// Reads every item, several at a time.
///
/// # Errors
/// The first failure that any thread met; the others stop with it.
fn read_all<T, V>(
    items: &[T],
    read: impl Fn(&T) -> Result<V, Fault> + Sync,
) -> Result<HashMap<T, V>, Fault>
where
    T: Clone + Eq + std::hash::Hash + Sync + Send,
    V: Send,
{
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Ok(HashMap::with_capacity(items.len())));
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            let value = read(item);
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *done, value) {
                (Ok(found), Ok(value)) => {
                    found.insert(item.clone(), value);
                }
                (Err(_), _) => return,
                (first, Err(fault)) => {
                    *first = Err(fault);
                    return;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..TRAILER_THREADS.min(items.len()) {
            // Without another thread this one does it all.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use base::fault::Code;

    use super::*;

    #[test]
    fn everything_is_read_once() {
        for count in [0, 1, 7, 500] {
            let items: Vec<u32> = (0..count).collect();
            let reads = AtomicUsize::new(0);
            let found = read_all(&items, |item| {
                reads.fetch_add(1, Ordering::Relaxed);
                Ok(item * 2)
            });
            let found = found.expect("nothing fails");
            assert_eq!(reads.into_inner(), items.len());
            assert!(items.iter().all(|item| found[item] == item * 2));
        }
    }

    #[test]
    fn a_failure_ends_it() {
        let items: Vec<u32> = (0..500).collect();
        let found = read_all(&items, |item| match item {
            77 => Err(Fault::new(Code::PoolUnreadable)),
            _ => Ok(()),
        });
        assert_eq!(found.expect_err("one failed").code, Code::PoolUnreadable);
    }
}
