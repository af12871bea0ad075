//! All of a store: every byte of every pack that the log names, every log record, every point's object, and that what the
//! trees of points and replicas refer to is there.
//!
//! A pack is compared with its name by the hashes in its trailer, without a key: what stands there was opened and compared
//! with the source's bytes before it was stored. Trees are opened and read; content only where its pack is damaged.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use base::fault::Code;
use base::limits::{TREE_DEPTH_MAX, VERIFY_THREADS};
use base::{ChunkId, Fault, PackName, PointId};
use format::entry::{Extent, FileEntry, FileKey};
use format::tree::{Cursor, NodeRef, children};

use super::{Damage, OnProgress, PATHS_MAX, Run, VerifyReport, VerifySpec, unless_unreachable};
use crate::Store;
use crate::core::Core;
use crate::durable::{self, FindPackError};
use crate::faults;
use crate::index::{PackRow, PackState};
use crate::reading::Reading;

/// A pack that was read, and what was wrong with it.
type Read<'a> = (&'a PackRow, Result<(), FindPackError>);

/// Packs whose verification is noted together.
const NOTED_AT_ONCE: usize = 64;

impl Store {
    /// Reads what the store has, and says what is damaged and whom that hurts. Packs that nothing needs
    /// any more because all of their chunks were stored anew are passed over.
    ///
    /// # Errors
    /// `JobCancelled`: what was found whole until then is remembered; the place does not answer at all. Damage is no error but the
    /// report's content.
    pub fn verify(
        &self,
        spec: &VerifySpec,
        on_progress: OnProgress<'_>,
    ) -> Result<VerifyReport, Fault> {
        let mut run = Run::new(self.core(), on_progress);
        let packs = due(run.core, spec)?;
        run.progress.bytes_total = packs.iter().map(|pack| pack.bytes).sum();
        let mut bad = run.read_packs(&packs, spec.deep)?;
        if spec.repair {
            // Those that were found damaged once and are whole are relied upon again.
            let again = packs
                .iter()
                .filter(|pack| pack.is_bad())
                .map(|pack| pack.name);
            self.repair_found(&mut bad, again.collect(), &mut run.report)?;
        }
        let chunks = run.damaged_chunks(&bad)?;
        run.read_small(self.log_seq(), spec.repair && self.read_only().is_none())?;
        let trees = Trees {
            run,
            chunks,
            known: HashMap::new(),
            leaves: HashMap::new(),
        };
        trees.read(self)
    }

    /// Repairs what was found, as far as its parity goes. A collection comes first: what it leaves damaged is found again.
    fn repair_found(
        &self,
        bad: &mut HashSet<PackName>,
        again: HashSet<PackName>,
        report: &mut VerifyReport,
    ) -> Result<(), Fault> {
        let core = self.core();
        let mut packs: Vec<PackName> = again.difference(bad).copied().collect();
        for name in &*bad {
            let row = core.index.pack(name)?;
            // What was written wrong is as it was written: parity has nothing to say about that.
            if row.is_some_and(|row| durable::verify(&*core.objects, row.class, name).is_err()) {
                packs.push(*name);
            }
        }
        if packs.is_empty() || self.read_only().is_some() {
            return Ok(());
        }
        match self.repair_packs(&packs, &mut |_| ControlFlow::Continue(())) {
            Ok(repaired) => {
                let whole = repaired.repaired.iter().chain(&repaired.sound);
                for pack in whole {
                    bad.remove(pack);
                }
                report.repaired = repaired.repaired;
                Ok(())
            }
            Err(fault)
                if matches!(
                    fault.code,
                    Code::CollectionRunning | Code::PoolFull | Code::VolumeMissing
                ) =>
            {
                tracing::warn!(fault = ?fault, "damaged packs are not repaired yet");
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }
}

/// Returns the packs that are to be read, those first that were not for the longest time.
fn due(core: &Core, spec: &VerifySpec) -> Result<Vec<PackRow>, Fault> {
    let mut packs = core.index.packs()?;
    packs.retain(|pack| pack.state != PackState::Loose && !pack.is_superseded());
    if let Some(since) = spec.since_s {
        packs.retain(|pack| pack.verified_s < since || pack.is_bad());
    }
    if let Some(percent) = spec.percent {
        packs.sort_by_key(|pack| pack.verified_s);
        let total: u64 = packs.iter().map(|pack| pack.bytes).sum();
        let wanted = (total as f64 * percent / 100.0).ceil() as u64;
        let mut bytes = 0;
        packs.retain(|pack| {
            let is_wanted = bytes < wanted;
            bytes += pack.bytes;
            is_wanted
        });
    }
    Ok(packs)
}

impl Run<'_> {
    /// Reads packs whole, several at a time; returns those that are not what was written.
    fn read_packs(&mut self, packs: &[PackRow], deep: bool) -> Result<HashSet<PackName>, Fault> {
        let core = self.core;
        let next = &AtomicUsize::new(0);
        std::thread::scope(|scope| {
            // Who is told slowly reads slowly.
            let (sender, results) = sync_channel(1);
            for thread in 0..VERIFY_THREADS.min(packs.len()) {
                let sender = sender.clone();
                let work = move || {
                    while let Some(pack) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let read = match deep {
                            false => durable::verify(&*core.objects, pack.class, &pack.name),
                            true => {
                                let (objects, sealer) = (&*core.objects, core.sealer());
                                let name = &pack.name;
                                durable::verify_deep(objects, &sealer, core.id, pack.class, name)
                            }
                        };
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
        let mut whole = Vec::new();
        let told = self.hear(results, &mut bad, &mut whole);
        // Also when it is cancelled: the next one goes on from here.
        self.note(&mut whole)?;
        told.map(|()| bad)
    }

    fn hear(
        &mut self,
        results: Receiver<Read<'_>>,
        bad: &mut HashSet<PackName>,
        whole: &mut Vec<PackName>,
    ) -> Result<(), Fault> {
        for (pack, read) in results {
            match read {
                Ok(()) => whole.push(pack.name),
                Err(_) if self.core.index.is_deleted(&pack.name)? => {}
                Err(error) => match faults::find_pack(&self.core.place, &pack.name, error) {
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
                },
            }
            self.report.packs += 1;
            if whole.len() >= NOTED_AT_ONCE {
                self.note(whole)?;
            }
            self.read(pack.bytes)?;
        }
        Ok(())
    }

    fn note(&self, whole: &mut Vec<PackName>) -> Result<(), Fault> {
        let now = u64::try_from(self.core.env.now().as_second()).unwrap_or(0);
        self.core.index.note_verified(whole, now)?;
        whole.clear();
        Ok(())
    }

    /// Returns which chunks of bad packs cannot be read: most of such a pack is whole.
    fn damaged_chunks(&mut self, bad: &HashSet<PackName>) -> Result<HashSet<ChunkId>, Fault> {
        let mut damaged = HashSet::new();
        for pack in bad {
            for (id, place) in self.core.index.held_by(pack)? {
                match self.core.read_at(&id, &place) {
                    Ok(_) => {}
                    Err(fault) => {
                        unless_unreachable(fault)?;
                        damaged.insert(id);
                    }
                }
            }
        }
        Ok(damaged)
    }
}

/// The trees of a store, each node looked at once however many points share it.
struct Trees<'a> {
    run: Run<'a>,
    /// Chunks that cannot be read where they were found when their pack was read.
    chunks: HashSet<ChunkId>,
    /// Whether something below a node is missing or damaged.
    known: HashMap<ChunkId, bool>,
    /// What is hurt of the entries of a leaf: a chunk and a path.
    leaves: HashMap<ChunkId, Vec<(ChunkId, Vec<u8>)>>,
}

impl Trees<'_> {
    fn read(mut self, store: &Store) -> Result<VerifyReport, Fault> {
        for replica in store.replicas()? {
            if let Some(reading) = store.read_replica(&replica.source)? {
                self.is_hurt(&reading.root(), 0)?;
            }
        }
        let mut damage: BTreeMap<(ChunkId, Vec<u8>), Vec<PointId>> = BTreeMap::new();
        for point in store.points()? {
            let read = store.read_point(&point.id);
            let read = read.and_then(|reading| Ok((reading, self.point_object(store, &point.id)?)));
            let is_hurt = match read {
                Ok((reading, _)) => {
                    let is_hurt = self.is_hurt(&reading.root(), 0)?;
                    if is_hurt {
                        for hurt in self.hurt_below(&reading)? {
                            if damage.len() < PATHS_MAX || damage.contains_key(&hurt) {
                                damage.entry(hurt).or_default().push(point.id);
                            }
                        }
                    }
                    is_hurt
                }
                // Deleted meanwhile.
                Err(fault) if fault.code == Code::PointUnknown => continue,
                Err(fault) if fault.code == Code::PointDamaged => true,
                Err(fault) => return Err(fault),
            };
            self.run.report.points += 1;
            if is_hurt {
                self.run.report.points_hurt.push(point.id);
            }
        }
        let damage = damage.into_iter().map(|((chunk, path), points)| Damage {
            chunk,
            path,
            points,
        });
        self.run.report.damage = damage.collect();
        Ok(self.run.report)
    }

    /// Reads a point's object, and reports what is wrong with it, be it mended or not.
    fn point_object(&mut self, store: &Store, id: &PointId) -> Result<(), Fault> {
        let Err(fault) = store.point_object_itself(id) else {
            return Ok(());
        };
        if fault.code == Code::PointDamaged {
            self.run.report.add(fault.clone());
            store.point_object(id)?;
            self.run.report.mended += 1;
            return Ok(());
        }
        Err(fault)
    }

    /// Returns which chunks are damaged below a root, with a path that needs each. Goes only where something is.
    fn hurt_below(&mut self, tree: &Reading) -> Result<Vec<(ChunkId, Vec<u8>)>, Fault> {
        let mut hurt = Vec::new();
        let mut ahead = vec![tree.root()];
        while let Some(id) = ahead.pop() {
            // A node that cannot be read has been reported, and nobody knows what is below.
            let Ok(plain) = self.run.core.read(&id) else {
                continue;
            };
            let Ok(below) = children(&plain) else {
                continue;
            };
            if below.level > 0 {
                let is_hurt = |node: &ChunkId| self.known.get(node).copied().unwrap_or(false);
                ahead.extend(below.nodes.into_iter().filter(is_hurt));
            } else {
                if !self.leaves.contains_key(&id) {
                    let found = self.hurt_in_leaf(tree, &id)?;
                    self.leaves.insert(id, found);
                }
                hurt.extend(self.leaves[&id].iter().cloned());
            }
            if hurt.len() >= PATHS_MAX {
                break;
            }
        }
        Ok(hurt)
    }

    /// Returns what is damaged of the files of a leaf, which is a whole tree of one node.
    fn hurt_in_leaf(
        &mut self,
        tree: &Reading,
        leaf: &ChunkId,
    ) -> Result<Vec<(ChunkId, Vec<u8>)>, Fault> {
        let mut hurt = Vec::new();
        let Ok(mut files) = Cursor::<FileEntry>::new(tree, leaf) else {
            return Ok(hurt);
        };
        while let Ok(Some((key, file))) = files.next_ref() {
            let chunk = match file.node {
                NodeRef::Extents(extents) => self.first_bad(extents)?,
                NodeRef::Map(root) if self.known.get(&root).copied().unwrap_or(false) => {
                    Some(self.first_bad_of_map(tree, &root)?.unwrap_or(root))
                }
                _ => None,
            };
            if let Some(chunk) = chunk {
                let path = FileKey(key.to_vec()).to_path().unwrap_or_default();
                hurt.push((chunk, path));
            }
        }
        Ok(hurt)
    }

    fn first_bad_of_map(
        &mut self,
        tree: &Reading,
        root: &ChunkId,
    ) -> Result<Option<ChunkId>, Fault> {
        let Ok(mut extents) = Cursor::<Extent>::new(tree, root) else {
            return Ok(None);
        };
        while let Ok(Some((_, extent))) = extents.next_ref() {
            if let Some(bad) = self.first_bad(&[extent])? {
                return Ok(Some(bad));
            }
        }
        Ok(None)
    }

    fn first_bad(&mut self, extents: &[Extent]) -> Result<Option<ChunkId>, Fault> {
        for extent in extents {
            if let Extent::Data { chunk, .. } = extent
                && self.is_bad(chunk)?
            {
                return Ok(Some(*chunk));
            }
        }
        Ok(None)
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
        if self.run.find(id)?.is_none() {
            return Ok(true);
        }
        if !self.chunks.contains(id) {
            return Ok(false);
        }
        // It may have been stored anew meanwhile, or have another copy.
        match self.run.core.read_stored(id) {
            Ok(_) => Ok(false),
            Err(fault) => unless_unreachable(fault).map(|_| true),
        }
    }
}
