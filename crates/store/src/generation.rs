//! Generations of chunk keys: a key seals a limited number of chunks, then the next one begins.
//!
//! With random nonces a key may seal only so many messages ([`GENERATION_CHUNKS_MAX`]). The next generation begins with
//! a new ring object, durable before its record, which is in the log before anything is sealed with the new keys. What was
//! sealed before stays as it is, and opens with the ring in force, which keeps all generations.
//!
//! Sealed chunks are counted when they are sealed, and again by the index from the tables of the packs: what a
//! killed process had sealed and not stored is forgotten, for which the limit, half of what would be allowed, leaves room.

use std::sync::{Mutex, PoisonError, RwLock};

use base::Fault;
use base::limits::{GENERATION_CHUNKS_MAX, PACKS_IN_FLIGHT};
use format::keys::Keyring;
use format::log::Body;
use format::seal::Sealer;

use crate::core::Core;
use crate::keys;

/// What an opening may set below its usual limit. For tests: the usual ones are not reached within a lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Chunks sealed under one generation of keys, at least 1, at most [`GENERATION_CHUNKS_MAX`].
    pub generation_chunks: u64,
    /// Packs that a session makes durable at once, at least 1, at most [`PACKS_IN_FLIGHT`]. With one, the same calls come in
    /// the same order every time.
    pub packs_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            generation_chunks: GENERATION_CHUNKS_MAX,
            packs_in_flight: PACKS_IN_FLIGHT,
        }
    }
}

/// The keys that chunks are sealed under.
pub(crate) struct Generations {
    /// Opens everything, seals under the newest generation. Never locked while something is waited for.
    sealer: RwLock<Sealer>,
    newest: Mutex<Newest>,
    limit: u64,
}

struct Newest {
    ring: Keyring,
    sealed: u64,
}

impl Generations {
    /// Starts with the ring in force, under whose newest generation `sealed` chunks have been sealed.
    pub(crate) fn new(ring: &Keyring, sealed: u64, limits: Limits) -> Self {
        Self {
            sealer: RwLock::new(ring.first_domain().sealer()),
            newest: Mutex::new(Newest {
                ring: ring.clone(),
                sealed,
            }),
            limit: limits.generation_chunks.clamp(1, GENERATION_CHUNKS_MAX),
        }
    }
}

impl Core {
    /// Returns what names and opens chunks.
    pub(crate) fn sealer(&self) -> Sealer {
        let sealer = self.generations.sealer.read();
        sealer.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what seals one more chunk or table, after beginning a generation if the newest has sealed its share.
    ///
    /// # Errors
    /// A new ring, or its record, cannot be written: nothing may be sealed.
    pub(crate) fn sealer_for_one(&self) -> Result<Sealer, Fault> {
        let newest = self.generations.newest.lock();
        let mut newest = newest.unwrap_or_else(PoisonError::into_inner);
        if newest.sealed >= self.generations.limit {
            self.begin_generation(&mut newest)?;
        }
        newest.sealed += 1;
        Ok(self.sealer())
    }

    fn begin_generation(&self, newest: &mut Newest) -> Result<(), Fault> {
        let domain = newest.ring.first_domain().id;
        let next = newest.ring.next_generation(&self.env, domain);
        let ring = keys::put_ring(&*self.objects, &self.env, &self.place, &self.keys, next)?;
        let generation = ring.first_domain().current();
        self.append(Body::Generation {
            ring: ring.number,
            domain,
            generation,
        })?;
        let sealer = self.generations.sealer.write();
        *sealer.unwrap_or_else(PoisonError::into_inner) = ring.first_domain().sealer();
        tracing::info!(
            ring = ring.number,
            generation,
            "a generation of keys begins"
        );
        *newest = Newest { ring, sealed: 0 };
        Ok(())
    }
}
