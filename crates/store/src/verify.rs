//! Reading everything back: a point's whole content, or all that the store has.
//!
//! Verifying changes nothing but what writers trust (what is found damaged is doubted), and may run beside everything. It
//! reads past the caches: what counts is what the place holds now. Chunks are read pack by pack in the order they lie
//! there, not in the order of files. Memory: four bytes a chunk of a point, forty a tree node of a store, and a set of
//! what is damaged.

mod everything;
mod small;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use base::fault::Code;
use base::{ChunkId, Fault, PackName, PointId};
use format::entry::{Extent, FileEntry, FileKey};
use format::seal::Kind;
use format::tree::{Children, Cursor, FileRef, NodeRef, children};

use crate::Store;
use crate::core::Core;
use crate::durable::DurablePack;
use crate::faults;
use crate::index::{Asker, Location};
use crate::reading::Reading;

/// Affected paths that a report names; the rest is counted.
pub(crate) const PATHS_MAX: usize = 1000;
/// Damage that a report describes; the rest is counted.
const FAULTS_MAX: usize = 100;

/// How far a verification has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes read, as stored.
    pub bytes_done: u64,
    /// Bytes to read; may grow as more is found to be read.
    pub bytes_total: u64,
}

/// What to verify of a store, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VerifySpec {
    /// Open every chunk with its key too, and compare it with its own name. Otherwise packs are compared with their names, which needs
    /// no key and notices every changed bit.
    pub deep: bool,
    /// Read packs until so many percent of their bytes were read, those first that were not for the longest time; `None`:
    /// all.
    pub percent: Option<f64>,
    /// Pass over packs that were found whole at this time or later, in seconds since 1970: what an interrupted verification did.
    pub since_s: Option<u64>,
    /// Give damaged packs back what their parity tells.
    pub repair: bool,
}

/// A damaged chunk, and what that hurts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The chunk.
    pub chunk: ChunkId,
    /// A path that needs it, below its source.
    pub path: Vec<u8>,
    /// The points in which it does, oldest first.
    pub points: Vec<PointId>,
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Bytes read, as stored.
    pub bytes: u64,
    /// Tree nodes read.
    pub nodes: u64,
    /// Chunks of content read.
    pub chunks: u64,
    /// Packs read whole.
    pub packs: u64,
    /// Packs that were not read because their volume is away.
    pub packs_away: u64,
    /// Log records read.
    pub records: u64,
    /// Recovery points looked at.
    pub points: u64,
    /// How many chunks, packs, log records and points' objects are damaged or missing.
    pub damaged: u64,
    /// What is wrong, the first hundred.
    pub faults: Vec<Fault>,
    /// Paths of a point that cannot be restored in full, the first thousand.
    pub paths: Vec<Vec<u8>>,
    /// How many such paths there are, as far as the tree could be read.
    pub paths_count: u64,
    /// Recovery points of a store that cannot be restored in full.
    pub points_hurt: Vec<PointId>,
    /// What that comes to, chunk by chunk and path by path; the first thousand.
    pub damage: Vec<Damage>,
    /// Packs that were damaged and have their bytes back.
    pub repaired: Vec<PackName>,
    /// How many of what is too small to mend itself were damaged and have their bytes back, from the other copy.
    pub mended: u64,
}

impl VerifyReport {
    /// Returns whether everything is as it was written.
    pub fn is_sound(&self) -> bool {
        self.damaged == 0
    }

    fn add(&mut self, fault: Fault) {
        self.damaged += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}

/// Told after every read; breaking ends the verification with `JobCancelled`.
pub type OnProgress<'a> = &'a mut dyn FnMut(&VerifyProgress) -> ControlFlow<()>;

impl Store {
    /// Reads every node and every chunk that a point needs, and says what cannot be restored.
    ///
    /// # Errors
    /// `PointUnknown`; `JobCancelled`; the place does not answer at all. Damage is no error but the report's content.
    pub fn verify_point(
        &self,
        point: &PointId,
        on_progress: OnProgress<'_>,
    ) -> Result<VerifyReport, Fault> {
        let reading = self.read_point(point)?;
        let mut run = Run::new(self.core(), on_progress);
        run.verify(&reading)?;
        Ok(run.report)
    }
}

struct Run<'a> {
    core: &'a Core,
    on_progress: OnProgress<'a>,
    progress: VerifyProgress,
    report: VerifyReport,
    /// Where the chunks to be read lie.
    wanted: HashMap<PackName, Vec<u32>>,
    /// Packs whose wanted chunks have been read.
    done: HashSet<PackName>,
    bad_places: HashSet<(PackName, u32)>,
    bad_chunks: HashSet<ChunkId>,
}

impl<'a> Run<'a> {
    fn new(core: &'a Core, on_progress: OnProgress<'a>) -> Self {
        Self {
            core,
            on_progress,
            progress: VerifyProgress::default(),
            report: VerifyReport::default(),
            wanted: HashMap::new(),
            done: HashSet::new(),
            bad_places: HashSet::new(),
            bad_chunks: HashSet::new(),
        }
    }

    fn read(&mut self, bytes: u64) -> Result<(), Fault> {
        self.progress.bytes_done += bytes;
        self.report.bytes += bytes;
        match (self.on_progress)(&self.progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Fault::new(Code::JobCancelled)),
        }
    }

    fn verify(&mut self, tree: &Reading) -> Result<(), Fault> {
        self.walk(tree.root())?;
        while self.read_chunks()? {
            // Some were copied to other packs before their turn came: now those are read that were not.
            self.walk(tree.root())?;
        }
        match self.report.is_sound() {
            true => Ok(()),
            false => self.find_paths(tree),
        }
    }

    /// Reads every node beneath `root`, and collects where the chunks lie.
    fn walk(&mut self, root: ChunkId) -> Result<(), Fault> {
        let mut seen = HashSet::from([root]);
        let mut ahead = vec![root];
        while let Some(id) = ahead.pop() {
            let Some(below) = self.node(&id)? else {
                continue;
            };
            let nodes = below.nodes.into_iter().chain(below.maps);
            ahead.extend(nodes.filter(|node| seen.insert(*node)));
            for chunk in below.chunks {
                self.want(&chunk)?;
            }
        }
        Ok(())
    }

    /// Reads a node and returns what it refers to; none if it cannot be read, which is reported.
    fn node(&mut self, id: &ChunkId) -> Result<Option<Children>, Fault> {
        let read = self.core.read_stored(id);
        self.report.nodes += 1;
        let bytes = read.as_ref().map_or(0, |(_, found)| found.place.len);
        self.progress.bytes_total += u64::from(bytes);
        self.read(u64::from(bytes))?;
        let below =
            read.and_then(|(plain, _)| children(&plain).map_err(|error| faults::node(id, error)));
        below.map(Some).or_else(|fault| {
            let fault = unless_unreachable(fault)?;
            if self.bad_chunks.insert(*id) {
                self.report.add(fault);
            }
            Ok(None)
        })
    }

    fn find(&mut self, id: &ChunkId) -> Result<Option<Location>, Fault> {
        let found = self.core.index.find_for(Asker::Reader, id)?;
        if found.is_none() && self.bad_chunks.insert(*id) {
            self.report
                .add(Fault::new(Code::ChunkMissing).with("chunk", id));
        }
        Ok(found.map(|found| found.place))
    }

    fn want(&mut self, id: &ChunkId) -> Result<(), Fault> {
        if let Some(place) = self.find(id)?
            && !self.done.contains(&place.pack)
        {
            self.wanted
                .entry(place.pack)
                .or_default()
                .push(place.offset);
        }
        Ok(())
    }

    /// Reads the chunks collected, pack by pack. Returns whether a pack with some of them was deleted meanwhile.
    fn read_chunks(&mut self) -> Result<bool, Fault> {
        let mut wanted: Vec<_> = std::mem::take(&mut self.wanted).into_iter().collect();
        wanted.sort_unstable();
        let mut have_moved = false;
        for (name, mut offsets) in wanted {
            self.done.insert(name);
            offsets.sort_unstable();
            offsets.dedup();
            let core = self.core;
            let class = Kind::Data.class();
            let pack = match DurablePack::logged(&*core.objects, &core.sealer(), class, name) {
                Ok(pack) => pack,
                Err(_) if core.index.is_deleted(&name)? => {
                    have_moved = true;
                    continue;
                }
                Err(error) => {
                    let fault = faults::find_pack(&core.place, &name, error)?;
                    core.doubt(&name);
                    self.report.add(fault);
                    self.bad_places
                        .extend(offsets.into_iter().map(|offset| (name, offset)));
                    continue;
                }
            };
            for entry in pack.entries() {
                if offsets.binary_search(&entry.offset).is_err() {
                    continue;
                }
                self.progress.bytes_total += u64::from(entry.len);
                let place = Location::of(name, entry);
                if let Err(fault) = core.read_at(&entry.id, &place) {
                    let fault = unless_unreachable(fault)?;
                    if core.index.is_deleted(&name)? {
                        have_moved = true;
                        break;
                    }
                    self.report.add(fault);
                    self.bad_places.insert((name, entry.offset));
                }
                self.report.chunks += 1;
                self.read(u64::from(entry.len))?;
            }
        }
        Ok(have_moved)
    }

    /// Finds the files that need something damaged. Ends where the tree itself cannot be read.
    fn find_paths(&mut self, tree: &Reading) -> Result<(), Fault> {
        let Ok(mut files) = Cursor::<FileEntry>::new(tree, &tree.root()) else {
            return Ok(());
        };
        while let Ok(Some((key, file))) = files.next_ref() {
            if self.is_bad(tree, &file)? {
                self.report.paths_count += 1;
                if self.report.paths.len() < PATHS_MAX {
                    let path = FileKey(key.to_vec()).to_path();
                    self.report
                        .paths
                        .push(path.unwrap_or_else(|_| key.to_vec()));
                }
            }
        }
        Ok(())
    }

    fn is_bad(&self, tree: &Reading, file: &FileRef<'_>) -> Result<bool, Fault> {
        match file.node {
            NodeRef::Extents(extents) => self.any_bad(extents),
            NodeRef::Map(root) => {
                let Ok(mut map) = Cursor::<Extent>::new(tree, &root) else {
                    return Ok(true);
                };
                loop {
                    match map.next_ref() {
                        Ok(Some((_, extent))) if self.any_bad(&[extent])? => return Ok(true),
                        Ok(Some(_)) => {}
                        Ok(None) => return Ok(false),
                        Err(_) => return Ok(true),
                    }
                }
            }
            _ => Ok(false),
        }
    }

    fn any_bad(&self, extents: &[Extent]) -> Result<bool, Fault> {
        for extent in extents {
            if let Extent::Data { chunk, .. } = extent {
                let found = self.core.index.find_for(Asker::Reader, chunk)?;
                let place = found.map(|found| (found.place.pack, found.place.offset));
                let bad = place.is_none_or(|place| self.bad_places.contains(&place));
                if bad || self.bad_chunks.contains(chunk) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Tells damage, which is reported, from a place that does not answer, which ends the verification.
fn unless_unreachable(fault: Fault) -> Result<Fault, Fault> {
    match fault.code {
        Code::ChunkMissing | Code::ChunkDamaged | Code::TreeDamaged => Ok(fault),
        _ => Err(fault),
    }
}
