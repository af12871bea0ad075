//! All of a store: every byte of every pack that the log names, every log record, every point's object, and that what the
//! trees of points and replicas refer to is there.
//!
//! A pack is compared with its name by the hashes in its trailer, without a key: what stands there was opened and compared
//! with the source's bytes before it was stored. Trees are opened and read; content only where its pack is damaged.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use base::fault::Code;
use base::limits::{TREE_DEPTH_MAX, VERIFY_THREADS};
use base::{ChunkId, Fault, PackName};
use format::log::{LogKey, RecordHash};

use super::{OnProgress, Run, VerifyReport, unless_unreachable};
use crate::Store;

use crate::durable::{self, FindPackError};
use crate::faults;
use crate::index::{PackRow, PackState};
use crate::log::{damaged_record, read_slot};

/// A pack that was read, and what was wrong with it.
type Read<'a> = (&'a PackRow, Result<(), FindPackError>);

impl Store {
    /// Reads everything that the store has, and says what is damaged and which points that hurts. Packs that nothing needs
    /// any more because all of their chunks were stored anew are passed over.
    ///
    /// # Errors
    /// `JobCancelled`; the place does not answer at all. Damage is no error but the report's content.
    pub fn verify(&self, on_progress: OnProgress<'_>) -> Result<VerifyReport, Fault> {
        let mut run = Run::new(self.core(), on_progress);
        let mut packs = run.core.index.packs()?;
        packs.retain(|pack| pack.state != PackState::Loose && !pack.is_superseded());
        run.progress.bytes_total = packs.iter().map(|pack| pack.bytes).sum();
        let bad = run.read_packs(&packs)?;
        run.read_log(self.log_seq())?;
        let trees = Trees {
            run,
            bad,
            known: HashMap::new(),
        };
        trees.read(self)
    }
}

impl Run<'_> {
    /// Reads packs whole, several at a time; returns those that are not what was written.
    fn read_packs(&mut self, packs: &[PackRow]) -> Result<HashSet<PackName>, Fault> {
        let core = self.core;
        let next = &AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let (sender, results) = channel();
            for thread in 0..VERIFY_THREADS.min(packs.len()) {
                let sender = sender.clone();
                let work = move || {
                    while let Some(pack) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let read = durable::verify(&*core.objects, pack.class, &pack.name);
                        // Nobody listens once it is over.
                        if sender.send((pack, read)).is_err() {
                            return;
                        }
                    }
                };
                match std::thread::Builder::new().spawn_scoped(scope, work) {
                    Err(error) if thread == 0 => return Err(Fault::exhausted(error)),
                    // Fewer only take longer.
                    _ => {}
                }
            }
            drop(sender);
            self.collect(results)
        })
    }

    fn collect(&mut self, results: Receiver<Read<'_>>) -> Result<HashSet<PackName>, Fault> {
        let mut bad = HashSet::new();
        for (pack, read) in results {
            if let Err(error) = read
                && !self.core.index.is_deleted(&pack.name)?
            {
                match faults::find_pack(&self.core.place, &pack.name, error) {
                    Ok(fault) => {
                        self.core.doubt(&pack.name);
                        self.report.add(fault);
                        bad.insert(pack.name);
                    }
                    Err(fault) if fault.code == Code::VolumeMissing => {
                        self.report.packs_away += 1;
                        continue;
                    }
                    Err(fault) => return Err(fault),
                }
            }
            self.report.packs += 1;
            self.read(pack.bytes)?;
        }
        Ok(bad)
    }

    /// Reads every record up to `last`: each was sealed by this store for its place, and names the one before it.
    fn read_log(&mut self, last: u64) -> Result<(), Fault> {
        let core = self.core;
        let key = LogKey::new(&core.keys.ring);
        let mut previous = None;
        for seq in 1..=last {
            let read = read_slot(&*core.objects, &core.place, seq).and_then(|bytes| {
                let record = key.open(&bytes).map_err(|e| damaged_record(seq, e))?;
                let follows = previous.is_none_or(|hash| record.previous == hash);
                Ok((RecordHash::of(&bytes), record.seq == seq && follows))
            });
            previous = match read {
                Ok((hash, true)) => Some(hash),
                Ok((_, false)) => {
                    let fault = Fault::new(Code::LogDamaged).with("sequence", seq);
                    let reason = "it does not follow the record before it";
                    self.report.add(fault.with("reason", reason));
                    None
                }
                Err(fault) if fault.code == Code::LogDamaged => {
                    self.report.add(fault);
                    None
                }
                Err(fault) => return Err(fault),
            };
            self.report.records += 1;
            self.read(0)?;
        }
        Ok(())
    }
}

/// The trees of a store, each node looked at once however many points share it.
struct Trees<'a> {
    run: Run<'a>,
    /// Packs that are not what was written: what is needed of one is read.
    bad: HashSet<PackName>,
    /// Whether something below a node is missing or damaged.
    known: HashMap<ChunkId, bool>,
}

impl Trees<'_> {
    fn read(mut self, store: &Store) -> Result<VerifyReport, Fault> {
        for replica in store.replicas()? {
            if let Some(reading) = store.read_replica(&replica.source)? {
                self.is_hurt(&reading.root(), 0)?;
            }
        }
        for point in store.points()? {
            let read = store.read_point(&point.id);
            let read = read.and_then(|reading| Ok((reading, store.point_object(&point.id)?)));
            let is_hurt = match read {
                Ok((reading, _)) => self.is_hurt(&reading.root(), 0)?,
                // Deleted meanwhile.
                Err(fault) if fault.code == Code::PointUnknown => continue,
                Err(fault) if fault.code == Code::PointDamaged => {
                    self.run.report.add(fault);
                    true
                }
                Err(fault) => return Err(fault),
            };
            self.run.report.points += 1;
            if is_hurt {
                self.run.report.points_hurt.push(point.id);
            }
        }
        Ok(self.run.report)
    }

    /// Returns whether a node cannot be read, or something that it refers to cannot.
    fn is_hurt(&mut self, id: &ChunkId, depth: usize) -> Result<bool, Fault> {
        if let Some(is_hurt) = self.known.get(id) {
            return Ok(*is_hurt);
        }
        // A tree of entries and, below an entry, a tree of its extents: no deeper one was ever written.
        let is_deep = depth >= 2 * TREE_DEPTH_MAX;
        let is_hurt = match self.run.node(id)? {
            None => true,
            Some(_) if is_deep => {
                let fault = Fault::new(Code::TreeDamaged).with("chunk", id);
                self.run
                    .report
                    .add(fault.with("reason", "the tree is too deep"));
                true
            }
            Some(below) => {
                let mut is_hurt = false;
                for node in below.nodes.iter().chain(&below.maps) {
                    is_hurt |= self.is_hurt(node, depth + 1)?;
                }
                for chunk in &below.chunks {
                    is_hurt |= self.is_bad(chunk)?;
                }
                is_hurt
            }
        };
        self.known.insert(*id, is_hurt);
        Ok(is_hurt)
    }

    /// Returns whether a chunk of content cannot be read.
    fn is_bad(&mut self, id: &ChunkId) -> Result<bool, Fault> {
        let Some(place) = self.run.find(id)? else {
            return Ok(true);
        };
        if !self.bad.contains(&place.pack) {
            return Ok(false);
        }
        match self.run.core.read_stored(id) {
            Ok(_) => Ok(false),
            // The pack has been reported.
            Err(fault) => unless_unreachable(fault).map(|_| true),
        }
    }
}
