//! What everything of an open store shares: the place, the keys, the index, the log.
//!
//! Invariants: records are folded into the index in log order, under the log's lock; a source has at most one
//! session; a session that could not be closed is closed before the next one begins.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use base::fault::Code;
use base::limits::{COLLECT_LOOKS_EVERY, LOG_PACKS_MAX, PACKS_IN_FLIGHT};
use base::{Env, Fault, PackName, SessionId, SourceId, StoreId};
use format::chunker::ChunkerKey;
use format::log::{Body, Commit};
use format::pack::Class;
use format::tree::Boundary;
use objects::{Objects, PutError};

use crate::durable::DurablePack;
use crate::faults;
use crate::generation::Generations;
use crate::index::{Entry, Index};
use crate::keys::Keys;
use crate::log::Log;
use crate::own::Ownership;
use crate::reader::Caches;
use crate::reading::Pins;
use crate::volumes::Registry;

/// An open store.
pub(crate) struct Core {
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) env: Env,
    pub(crate) id: StoreId,
    pub(crate) keys: Keys,
    pub(crate) generations: Generations,
    pub(crate) packs_in_flight: usize,
    pub(crate) boundary: Boundary,
    pub(crate) index: Index,
    pub(crate) caches: Caches,
    pub(crate) pins: Pins,
    /// What messages call the place.
    pub(crate) place: String,
    /// The volumes of a pool in a directory.
    pub(crate) volumes: Option<Registry>,
    /// Whether there is a collection.
    pub(crate) is_collected: AtomicBool,
    log: Mutex<Log>,
    /// Rung whenever a session has ended in the log.
    session_ended: Condvar,
    sessions: Mutex<Sessions>,
    _ownership: Option<Ownership>,
}

#[derive(Default)]
struct Sessions {
    /// Sources that a session works on.
    busy: HashSet<SourceId>,
    /// Sessions that ended without a commit and could not say so in the log, with their durable packs.
    unclosed: Vec<(SessionId, Vec<(Class, PackName)>)>,
}

/// The parts a core is made of.
pub(crate) struct Parts {
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) env: Env,
    pub(crate) keys: Keys,
    pub(crate) index: Index,
    pub(crate) log: Log,
    pub(crate) place: String,
    pub(crate) ownership: Option<Ownership>,
    pub(crate) generations: Generations,
    pub(crate) volumes: Option<Registry>,
    pub(crate) packs_in_flight: usize,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        let domain = parts.keys.ring.first_domain();
        Self {
            id: parts.keys.ring.store,
            generations: parts.generations,
            packs_in_flight: parts.packs_in_flight.clamp(1, PACKS_IN_FLIGHT),
            boundary: Boundary::new(&domain.chunker_key().node_key()),
            objects: parts.objects,
            env: parts.env,
            keys: parts.keys,
            index: parts.index,
            caches: Caches::default(),
            pins: Pins::default(),
            place: parts.place,
            volumes: parts.volumes,
            is_collected: AtomicBool::new(false),
            log: Mutex::new(parts.log),
            session_ended: Condvar::new(),
            sessions: Mutex::default(),
            _ownership: parts.ownership,
        }
    }

    /// Returns the key that decides where content is cut.
    pub(crate) fn chunker_key(&self) -> ChunkerKey {
        self.keys.ring.first_domain().chunker_key()
    }

    /// Appends a record, durably, and folds it into the index.
    ///
    /// # Errors
    /// Nothing was appended; or, if the fault is that of the index, it was, and the store must be reopened.
    pub(crate) fn append(&self, body: Body) -> Result<Entry, Fault> {
        self.append_to(&mut lock(&self.log), body)
    }

    /// As [`Self::append`], for who holds the log.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub(crate) fn append_to(&self, log: &mut Log, body: Body) -> Result<Entry, Fault> {
        let ends_session = matches!(
            body,
            Body::Close { .. } | Body::Fence { .. } | Body::Commit(_)
        );
        let entry = log.append(&*self.objects, &self.env, &self.place, body)?;
        // What a record names has been indexed before it was written, so nothing is read here.
        let logged = |class, name| DurablePack::logged(&*self.objects, &self.sealer(), class, name);
        match self
            .index
            .apply(&entry, |class, name| Ok(logged(class, name).ok()))
        {
            Ok(()) => {
                if ends_session {
                    self.session_ended.notify_all();
                }
                Ok(entry)
            }
            Err(fault) => Err(log.stop(fault)),
        }
    }

    /// Waits until a session ends in the log, or for a moment.
    pub(crate) fn await_session_end(&self) {
        let log = lock(&self.log);
        drop(self.session_ended.wait_timeout(log, COLLECT_LOOKS_EVERY));
    }

    /// Appends a commit, if the replica is still the one its session started from, and the packs that it relied upon, by
    /// ordinal, are still there: a collection waits for every session, and the session looks all the same (R10).
    ///
    /// # Errors
    /// As [`Self::append`]; `ReplicaBusy` if somebody else has advanced the replica; `SessionOvertaken` if such a pack is gone.
    pub(crate) fn append_commit(
        &self,
        commit: Commit,
        relied_upon: &BTreeSet<u32>,
    ) -> Result<Entry, Fault> {
        let mut log = lock(&self.log);
        if !self.index.has_all(relied_upon)? {
            return Err(Fault::new(Code::SessionOvertaken).with("source", commit.source));
        }
        let replica = self.index.replica(&commit.source)?;
        if replica.map(|replica| replica.root) != commit.base {
            return Err(Fault::new(Code::ReplicaBusy).with("source", commit.source));
        }
        self.append_to(&mut log, Body::Commit(commit))
    }

    /// Logs durable packs, so that they may be relied upon by everyone.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub(crate) fn log_packs(
        &self,
        session: &SessionId,
        packs: &[(Class, PackName)],
    ) -> Result<(), Fault> {
        for packs in packs.chunks(LOG_PACKS_MAX) {
            self.append(Body::Packs {
                session: *session,
                packs: packs.to_vec(),
            })?;
        }
        Ok(())
    }

    /// Logs that a session ended without a commit, after giving its durable packs to everyone. If that is not
    /// possible now (the place is full, say), it is done before the next session begins, or by the next opening.
    pub(crate) fn close_session(&self, session: SessionId, packs: Vec<(Class, PackName)>) {
        if let Err(fault) = self.try_close(session, &packs) {
            tracing::warn!(%session, fault = ?fault, "a session that ended could not be closed yet");
            lock(&self.sessions).unclosed.push((session, packs));
        }
    }

    fn try_close(&self, session: SessionId, packs: &[(Class, PackName)]) -> Result<(), Fault> {
        self.log_packs(&session, packs)?;
        self.append(Body::Close { session }).map(drop)
    }

    /// Closes the sessions that ended and could not be closed then.
    ///
    /// # Errors
    /// One still cannot be.
    pub(crate) fn close_unclosed(&self) -> Result<(), Fault> {
        let mut sessions = lock(&self.sessions);
        while let Some((session, packs)) = sessions.unclosed.last() {
            self.try_close(*session, packs)?;
            sessions.unclosed.pop();
        }
        Ok(())
    }

    /// Takes a source for a session.
    ///
    /// # Errors
    /// `ReplicaBusy` if it has one; or a session that ended earlier still cannot be closed.
    pub(crate) fn take(&self, source: SourceId) -> Result<(), Fault> {
        self.close_unclosed()?;
        let mut sessions = lock(&self.sessions);
        if sessions.busy.insert(source) {
            Ok(())
        } else {
            Err(Fault::new(Code::ReplicaBusy).with("source", source))
        }
    }

    /// Gives a source back.
    pub(crate) fn release(&self, source: &SourceId) {
        lock(&self.sessions).busy.remove(source);
    }

    /// Returns the fault of a failed write.
    pub(crate) fn write_fault(&self, error: PutError) -> Fault {
        let space = self.objects.space().ok().flatten();
        let free = space.map(|space| space.free);
        faults::put(&self.place, free, error)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use base::{ChunkId, SessionId};
    use format::keys::{KeyFile, NewSlot};
    use objects::Memory;

    use super::*;
    use crate::{Place, Store};

    /// A source has one session at a time, and a collection waits for every session: that a commit looks all the same is seen
    /// only by whoever goes past both.
    #[test]
    fn a_commit_looks_whether_what_it_stands_on_is_still_there() {
        let (env, _) = testkit::env(1);
        let slots = [NewSlot::KeyFile(KeyFile::random(&env))];
        let place = Arc::new(Memory::new());
        let store = Store::create(place, &slots, &env, Place::Memory).unwrap();
        let core = store.core();
        let source = SourceId::random(&env);
        let commit = |base: Option<u8>, root: u8| {
            let session = SessionId::random(&env);
            core.append(Body::Open { session, source }).unwrap();
            Commit {
                session,
                source,
                base: base.map(|byte| ChunkId([byte; 32])),
                root: ChunkId([root; 32]),
                packs: Vec::new(),
                point: None,
            }
        };
        let nothing = BTreeSet::new();
        core.append_commit(commit(None, 1), &nothing).unwrap();
        for base in [None, Some(7)] {
            let refused = core.append_commit(commit(base, 2), &nothing);
            assert_eq!(refused.unwrap_err().code, Code::ReplicaBusy, "{base:?}");
        }
        let gone = BTreeSet::from([999]);
        let refused = core.append_commit(commit(Some(1), 2), &gone);
        assert_eq!(refused.unwrap_err().code, Code::SessionOvertaken);
        core.append_commit(commit(Some(1), 2), &nothing).unwrap();
        let replica = store.replica(&source).unwrap().unwrap();
        assert_eq!(replica.root, ChunkId([2; 32]));
    }
}
