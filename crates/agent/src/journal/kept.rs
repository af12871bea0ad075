//! The change journal where there are snapshots: what changed is what two snapshots differ in.
//!
//! The snapshot that a run was made from is kept, with a record of the tree that the replica had then. The next run
//! compares its own snapshot with it ([`sources::snapshot::Pair`]) and looks where they differ; when it
//! has made the replica equal to its own, that one is kept instead. Both are on disk, so that it makes no difference which
//! process runs, or how long nothing ran (`docs/decisions/0012`).
//!
//! Invariants:
//! - One snapshot at most is kept for a source. It bears the source's name and the tree's, and is in a record in the directory
//!   of the [`Keeper`] as long as it is there; what is in no record is dropped by the source's next run.
//! - A run that fails leaves snapshot and record as they were.
//! - Anything that speaks against the pair makes the run look at everything ([`Why`]); so does a record that is lost or
//!   damaged.
//!
//! What is read is a snapshot too, so nothing changes without being told, and nothing while it is read. The sample
//! stays: against what nobody has thought of.

mod differences;
mod record;

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base::{SourceId, limits};
use format::entry::FileKey;
use format::replica::ChunkReader;
use sources::files::Selection;
use sources::snapshot::{Pair, Snapshot, View};

use super::plan::Earlier;
use super::{Ask, Missed, Why, lock};
use crate::backup::Report;
use base::ChunkId;
use differences::{Differences, Side};
use record::{Record, Records};

/// Keeps snapshots of sources, at most one for each.
pub struct Keeper {
    records: Records,
    distrusted: Mutex<HashSet<SourceId>>,
}

/// A run under way.
pub struct Turn<'a> {
    keeper: &'a Keeper,
    source: SourceId,
    /// What was kept for it.
    old: Option<Record>,
    /// What will be, with the tree that this run makes; `None` if its snapshot cannot be kept.
    next: Option<Record>,
    scope: Result<Arc<Selection>, Why>,
}

impl Keeper {
    /// Returns one whose records are in a directory, which is made when it is needed.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            records: Records(dir),
            distrusted: Mutex::default(),
        }
    }

    /// Begins a run that reads `view`; `None` if that is no snapshot, and nothing is kept then. `reader` reads the earlier tree.
    pub fn begin(&self, ask: &Ask<'_>, view: &View, reader: &dyn ChunkReader) -> Option<Turn<'_>> {
        let Some(snapshot) = view.snapshot() else {
            self.release(&ask.source);
            return None;
        };
        let old = self.records.read(&ask.source);
        let name = old.as_ref().map(|record| record.kept.name.as_str());
        if let Err(error) = snapshot.drop_kept(&prefix(&ask.source), name) {
            tracing::warn!(%error, source = %ask.source, "a snapshot cannot be dropped");
        }
        let mut next = Record::of(ask, view, snapshot);
        let scope = self.select(ask, snapshot, (old.as_ref(), next.as_mut()), reader);
        Some(Turn {
            keeper: self,
            source: ask.source,
            old,
            next,
            scope: scope.map(Arc::new),
        })
    }

    /// Returns what a run looks at, and writes into `next` how the one after it goes on.
    fn select(
        &self,
        ask: &Ask<'_>,
        snapshot: &Snapshot,
        (old, next): (Option<&Record>, Option<&mut Record>),
        reader: &dyn ChunkReader,
    ) -> Result<Selection, Why> {
        if lock(&self.distrusted).contains(&ask.source) {
            return Err(Why::Distrusted);
        }
        let (old, next) = (old.ok_or(Why::NotKept)?, next.ok_or(Why::Subvolumes)?);
        believed(ask, old, next)?;
        let pair = Pair::open(&old.kept, snapshot)?;
        let earlier = Earlier {
            reader,
            tree: &old.tree,
        };
        let look = |side, path: &[u8]| match side {
            Side::Old => pair.in_old(path),
            Side::New => pair.in_new(path),
        };
        let differences = Differences::new(&look, snapshot.below(), ask.walk);
        let mut selection = differences.select(&pair, earlier, snapshot, &old.unsettled)?;
        next.sample_from = earlier.add_sample(&mut selection, &old.sample_from)?;
        next.whole_at = old.whole_at;
        Ok(selection)
    }

    /// Drops what is kept for a source. If that cannot be done now, its file system not being mounted for example, the
    /// record of it stays.
    pub fn release(&self, source: &SourceId) {
        if let Some(record) = self.records.read(source)
            && let Err(error) = record.kept.remove()
        {
            tracing::info!(%error, %source, top = %record.kept.top.display(), "a kept snapshot cannot be dropped");
            return;
        }
        self.records.remove(source);
    }

    /// Drops what is kept for any source but these.
    pub fn release_all_but(&self, sources: &HashSet<SourceId>) {
        for source in self.records.sources() {
            if !sources.contains(&source) {
                self.release(&source);
            }
        }
    }
}

/// Says why a record is nothing to go by, if it is not.
fn believed(ask: &Ask<'_>, old: &Record, next: &Record) -> Result<(), Why> {
    let age = ask.now.as_second().saturating_sub(old.whole_at);
    let trusted = limits::CHANGES_TRUSTED_FOR.as_secs();
    Err(match () {
        () if ask.everything => Why::Asked,
        () if Some(old.tree) != ask.earlier => Why::OtherReplica,
        () if !old.is_of_same_root(next) => Why::Replaced,
        () if old.rules != next.rules => Why::Rules,
        () if old.subvolumes != next.subvolumes => Why::Subvolumes,
        () if old.unsettled.len() > limits::UNSETTLED_MAX => Why::Trouble,
        // Also if the clock was set back: nobody knows how long it was.
        () if !u64::try_from(age).is_ok_and(|age| age < trusted) => Why::Due,
        () => return Ok(()),
    })
}

fn prefix(source: &SourceId) -> String {
    format!("kept-{source}-")
}

impl Turn<'_> {
    /// Returns what the run looks at; `None` if everything.
    pub fn only(&self) -> Option<Arc<Selection>> {
        self.scope.as_ref().ok().cloned()
    }

    /// Returns why the run looks at everything, if it does.
    pub fn why(&self) -> Option<&Why> {
        self.scope.as_ref().err()
    }

    /// Ends a run that has made the replica equal to the view: it has this tree now. The view's snapshot is kept.
    ///
    /// # Errors
    /// [`Missed`]: the run found changes that should have been told. They are in the tree; what else was missed is not.
    pub fn done(self, tree: ChunkId, report: &Report, view: View) -> Result<(), Missed> {
        if self.scope.is_ok() && !report.suspects.is_empty() {
            lock(&self.keeper.distrusted).insert(self.source);
            self.keeper.release(&self.source);
            return Err(Missed(report.suspects.clone()));
        }
        let snapshot = view.into_snapshot().filter(Snapshot::has_room);
        let (Some(mut next), Some(snapshot)) = (self.next, snapshot) else {
            self.keeper.release(&self.source);
            return Ok(());
        };
        next.tree = tree;
        next.unsettled.clone_from(&report.unsettled);
        next.kept.name = format!("{}{tree}-{}", prefix(&self.source), next.kept.short_name());
        if let Err(error) = keep(&self.keeper.records, &self.source, snapshot, &next) {
            tracing::warn!(%error, source = %self.source, "the snapshot is not kept");
            self.keeper.release(&self.source);
        }
        if let Some(old) = self.old
            && let Err(error) = old.kept.remove()
        {
            // Whoever runs next tries it again.
            tracing::warn!(%error, source = %self.source, "the snapshot before cannot be dropped");
        }
        Ok(())
    }
}

/// Keeps a snapshot with its record, or neither.
fn keep(
    records: &Records,
    source: &SourceId,
    snapshot: Snapshot,
    record: &Record,
) -> io::Result<()> {
    let kept = snapshot.keep(record.kept.name.clone())?;
    records.write(source, record).inspect_err(|_| {
        // What is in no record is dropped by the next run at the latest.
        let _ = kept.remove();
    })
}

impl Record {
    /// Returns the record of a run that begins, but for its tree; `None` if its snapshot cannot be kept.
    fn of(ask: &Ask<'_>, view: &View, snapshot: &Snapshot) -> Option<Self> {
        let subvolumes = snapshot.subvolumes()?;
        Some(Self {
            kept: snapshot.kept_as(String::new())?,
            below: snapshot.below().to_owned(),
            device: view.device_as.map_or(0, |(_, live)| live),
            tree: ChunkId([0; 32]),
            rules: record::rules(ask.walk),
            subvolumes: record::subvolumes(subvolumes),
            whole_at: ask.now.as_second(),
            sample_from: FileKey::root(),
            unsettled: Vec::new(),
        })
    }
}
