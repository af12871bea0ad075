//! From plain chunks to durable, indexed packs: the write path of one session.
//!
//! A chunk is sealed and checked on the thread that brings it; packs that are full go through a [`Flow`] to
//! [`PACKS_IN_FLIGHT`](base::limits::PACKS_IN_FLIGHT) threads that make them durable, index them, and only then forget them.
//!
//! Invariants:
//! - nothing is put in a pack that has not been opened again and hashed to its own name (R9);
//! - only the index says that a chunk is known, never the presence of an object (R5);
//! - memory: [`PACKS_OPEN`] + 1 packs being filled, as many being written as there are threads; producers wait;
//! - after the first failure every call fails with that failure.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use base::fault::Code;
use base::limits::{LOG_PACKS_MAX, PACKS_OPEN};
use base::{ChunkHash, ChunkId, Fault, PackName, SessionId};
use format::pack::{Class, OpenPack};
use format::seal::{Kind, Sealed};

use crate::core::Core;
use crate::durable::DurablePack;
use crate::flow::Flow;
use crate::index::{Asker, Copies};
use crate::space::Load;

/// The write path of one session.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What producers and pack threads share.
struct Shared {
    core: Arc<Core>,
    session: SessionId,
    load: Load,
    /// Chunks that are being sealed, in an open pack, or in a pack not yet indexed: taken, but not known.
    pending: Mutex<HashSet<ChunkId>>,
    /// Packs being filled: data first, then the one for trees.
    open: [Mutex<Option<OpenPack>>; PACKS_OPEN + 1],
    full: Flow<OpenPack>,
    /// Packs that it was told of chunks in, by ordinal.
    relied_upon: Mutex<BTreeSet<u32>>,
    /// Durable and indexed packs that no log record names yet.
    loose: Mutex<Vec<(Class, PackName)>>,
    new_bytes: AtomicU64,
    new_chunks: AtomicU64,
}

impl Writer {
    /// Starts the pack threads.
    ///
    /// # Errors
    /// `ResourcesExhausted`: the system has no threads left.
    pub(crate) fn start(core: &Arc<Core>, session: SessionId, load: Load) -> Result<Self, Fault> {
        let shared = Arc::new(Shared {
            core: Arc::clone(core),
            session,
            load,
            pending: Mutex::default(),
            open: std::array::from_fn(|_| Mutex::default()),
            full: Flow::new(core.packs_in_flight),
            relied_upon: Mutex::default(),
            loose: Mutex::default(),
            new_bytes: AtomicU64::new(0),
            new_chunks: AtomicU64::new(0),
        });
        let writer = Self {
            shared,
            threads: Mutex::default(),
        };
        for _ in 0..core.packs_in_flight {
            let shared = Arc::clone(&writer.shared);
            let work = move || shared.full.work(|pack| shared.publish(pack));
            let started = std::thread::Builder::new().spawn(work);
            lock(&writer.threads).push(started.map_err(Fault::exhausted)?);
        }
        Ok(writer)
    }

    /// Stores a chunk unless it is known, and returns its id.
    ///
    /// # Errors
    /// The session is lost: see [`Self::check`].
    pub(crate) fn put(&self, kind: Kind, hash: &ChunkHash, plain: &[u8]) -> Result<ChunkId, Fault> {
        self.shared.put(kind, hash, plain)
    }

    /// Stores a chunk that was sealed and opened before, also if it is known.
    ///
    /// # Errors
    /// The session is lost.
    pub(crate) fn put_sealed(&self, sealed: Sealed) -> Result<(), Fault> {
        self.shared.full.check()?;
        self.shared.add(sealed)
    }

    /// Returns the packs that the session was told of chunks in, by ordinal.
    pub(crate) fn relied_upon(&self) -> BTreeSet<u32> {
        lock(&self.shared.relied_upon).clone()
    }

    /// Returns whether this session has taken the chunk and it cannot be read yet.
    pub(crate) fn is_pending(&self, id: &ChunkId) -> bool {
        lock(&self.shared.pending).contains(id)
    }

    /// Makes everything taken so far durable and indexed.
    ///
    /// # Errors
    /// The session is lost.
    pub(crate) fn flush(&self) -> Result<(), Fault> {
        for open in &self.shared.open {
            if let Some(pack) = lock(open).take() {
                self.shared.full.give(pack)?;
            }
        }
        self.shared.full.drain()
    }

    /// Returns the packs that are durable and that no log record names, and forgets them.
    pub(crate) fn take_loose(&self) -> Vec<(Class, PackName)> {
        std::mem::take(&mut *lock(&self.shared.loose))
    }

    /// Takes back what [`Self::take_loose`] gave, when no record came of it.
    pub(crate) fn give_back(&self, packs: Vec<(Class, PackName)>) {
        lock(&self.shared.loose).extend(packs);
    }

    /// Returns the bytes and the chunks this session has added, as stored.
    pub(crate) fn added(&self) -> (u64, u64) {
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        (
            count(&self.shared.new_bytes),
            count(&self.shared.new_chunks),
        )
    }

    /// Returns the failure that ended the session, as an error.
    ///
    /// # Errors
    /// That failure.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        self.shared.full.check()
    }

    /// Ends the session for every thread that still uses it.
    pub(crate) fn fail(&self, failure: Fault) {
        self.shared.full.fail(failure);
    }

    /// Waits until full packs are written; packs still being filled are dropped.
    pub(crate) fn stop(&self) {
        self.shared.full.close();
        for thread in lock(&self.threads).drain(..) {
            // A thread that panicked has failed the flow: the panic has been reported.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn put(&self, kind: Kind, hash: &ChunkHash, plain: &[u8]) -> Result<ChunkId, Fault> {
        self.full.check()?;
        let id = self.core.sealer().id(kind, hash);
        // First taken, then looked up: the other way round, a chunk that becomes known in between would be
        // stored again.
        if !lock(&self.pending).insert(id) {
            return Ok(id);
        }
        let known = self
            .core
            .index
            .find_for(Asker::Writer(self.session), &id)
            .map_err(|error| self.lose(error.into()))?;
        if let Some(found) = known {
            lock(&self.relied_upon).insert(found.ordinal);
            lock(&self.pending).remove(&id);
            return Ok(id);
        }
        let sealer = self.core.sealer_for_one();
        let sealer = sealer.map_err(|fault| self.lose(fault))?;
        let sealed = sealer.seal(&self.core.env, kind, &id, plain);
        self.verify(&sealed)?;
        self.add(sealed)?;
        Ok(id)
    }

    fn add(&self, sealed: Sealed) -> Result<(), Fault> {
        self.new_chunks.fetch_add(1, Ordering::Relaxed);
        self.new_bytes
            .fetch_add(sealed.bytes.len() as u64, Ordering::Relaxed);
        self.push(sealed)
    }

    /// Opens what was just sealed: a wrong hash from the caller, a compressor bug, a flipped bit in memory
    /// end here and not in the store.
    fn verify(&self, sealed: &Sealed) -> Result<(), Fault> {
        self.core.sealer().check(sealed).map_err(|error| {
            let detail = "a chunk does not open to what was sealed";
            self.lose(
                Fault::new(Code::Internal)
                    .with("detail", detail)
                    .because(error),
            )
        })
    }

    /// Puts a chunk into an open pack of its class, by chance, and hands the pack on when it is full.
    fn push(&self, sealed: Sealed) -> Result<(), Fault> {
        let class = sealed.kind.class();
        let slot = match class {
            Class::Data => usize::from(self.core.env.bytes::<1>()[0]) % PACKS_OPEN,
            Class::Meta => PACKS_OPEN,
        };
        // The slot stays locked while the pack is handed on, so that no third pack is begun meanwhile.
        let mut open = lock(&self.open[slot]);
        let mut pack = open
            .take()
            .unwrap_or_else(|| OpenPack::new(&self.core.env, self.core.id, class));
        pack.push(&sealed)
            .expect("a full pack does not stay in its slot");
        if pack.is_full() {
            return self.full.give(pack);
        }
        *open = Some(pack);
        Ok(())
    }

    /// Makes a full pack durable, then known.
    fn publish(&self, pack: OpenPack) -> Result<(), Fault> {
        self.core.check_room(self.load)?;
        let sealer = self.core.sealer_for_one()?;
        let sealed = pack.finish(&self.core.env, &sealer, self.core.keys.parity);
        let pack = DurablePack::publish(&*self.core.objects, sealed)
            .map_err(|error| self.core.write_fault(error))?;
        self.core.index.insert(&self.session, &pack, Copies::Stay)?;
        {
            let mut pending = lock(&self.pending);
            for entry in pack.entries() {
                pending.remove(&entry.id);
            }
        }
        let many = {
            let mut loose = lock(&self.loose);
            loose.push((pack.class(), pack.name()));
            (loose.len() >= LOG_PACKS_MAX).then(|| std::mem::take(&mut *loose))
        };
        many.map_or(Ok(()), |packs| self.core.log_packs(&self.session, &packs))
    }

    /// Ends the session with `failure` and returns it.
    fn lose(&self, failure: Fault) -> Fault {
        self.full.fail(failure.clone());
        failure
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
