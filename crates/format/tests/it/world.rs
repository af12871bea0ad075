//! A world that repeats itself to the byte, and the keys of a store in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::{Clock, Env, Random, StoreId, Timestamp};
use format::keys::{Keyring, MasterKey};
use format::seal::{Kind, Sealed, Sealer};

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("a time of this age")
    }

    fn since_boot(&self) -> Duration {
        Duration::from_secs(1000)
    }
}

struct Dice {
    seed: u64,
    throws: AtomicU64,
}

impl Random for Dice {
    fn fill(&self, out: &mut [u8]) {
        let throw = self.throws.fetch_add(1, Ordering::Relaxed);
        blake3::Hasher::new()
            .update(&self.seed.to_le_bytes())
            .update(&throw.to_le_bytes())
            .finalize_xof()
            .fill(out);
    }
}

/// An environment that gives the same time and the same random bytes in every run.
pub(crate) fn env(seed: u64) -> Env {
    Env {
        clock: Arc::new(Stopped),
        random: Arc::new(Dice {
            seed,
            throws: AtomicU64::new(0),
        }),
    }
}

/// A store with its keys.
pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) store: StoreId,
    pub(crate) master: MasterKey,
    pub(crate) ring: Keyring,
    pub(crate) sealer: Sealer,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let env = env(seed);
        let store = StoreId::random(&env);
        let master = MasterKey::random(&env);
        let ring = Keyring::random(&env, store);
        let sealer = ring.first_domain().sealer();
        Self {
            env,
            store,
            master,
            ring,
            sealer,
        }
    }

    pub(crate) fn seal(&self, kind: Kind, plain: &[u8]) -> Sealed {
        let id = self.sealer.id(kind, &Sealer::hash(plain));
        self.sealer.seal(&self.env, kind, &id, plain)
    }

    pub(crate) fn open(&self, chunk: &Sealed) -> Result<Vec<u8>, format::seal::OpenChunkError> {
        let Sealed {
            kind,
            domain,
            generation,
            ..
        } = *chunk;
        self.sealer
            .open(kind, domain, generation, &chunk.id, &chunk.bytes)
    }
}

/// `len` bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    env(seed).random.fill(&mut out);
    out
}

/// `len` bytes that compress well.
pub(crate) fn prose(len: usize) -> Vec<u8> {
    (0..)
        .flat_map(|n: u32| format!("line {n} of a log that says little\n").into_bytes())
        .take(len)
        .collect()
}

/// Calls `check` with `bytes` once for every single bit flipped.
pub(crate) fn for_each_flip(bytes: &[u8], mut check: impl FnMut(usize, &[u8])) {
    let mut flipped = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        check(bit, &flipped);
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
    println!("{} flipped bits", bytes.len() * 8);
}
