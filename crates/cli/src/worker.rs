//! Carries out the engine's orders on this machine: joins the agent's pipelines to the store.

mod device;
mod restore;
mod watch;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use agent::backup::{self, Backup};
use agent::journal::kept::{self, Keeper};
use agent::journal::{self, Ask, Journal, Missed, Why};
use agent::place::{self, Before};
use agent::{Monitor as _, Warning};
use base::fault::Code;
use base::{ChunkId, Env, Fault, SourceId};
use engine::jobs::Step;
use engine::model::FileOptions;
use engine::worker::{
    BackupOrder, BackupReport, CheckOrder, CheckReport, RestoreOrder, RestorePlan, RestoreReport,
};
use engine::{JobContext, NewVolume, Worker};
use format::entry::FileEntry;
use format::point::Consistency;
use format::replica::ChunkReader;
use format::tree;
use sources::files::{Selection, WalkOptions};
use sources::place::Place;
use sources::snapshot::{self, Level, SnapshotError, View};
use store::{CommitSpec, Committed, NewPoint, Reading, Store};

use watch::Watch;

/// The worker of the machine that the server runs on.
pub(crate) struct LocalWorker {
    pub(crate) store: Store,
    pub(crate) env: Env,
    /// Directories that are left out of every source: the data directory, and the pool if that is elsewhere.
    pub(crate) own: Vec<PathBuf>,
    /// Where disks of the pool are mounted.
    pub(crate) mounts: PathBuf,
    /// What hears of changes, if the system allows it; empty in a process that ends with its job.
    pub(crate) journal: OnceLock<io::Result<Journal>>,
    /// What keeps the snapshots of sources, where there are any.
    pub(crate) keeper: Keeper,
}

/// A run by one journal or the other.
enum Turn<'a> {
    /// What changed was heard.
    Heard(journal::Turn<'a>),
    /// What changed is what two snapshots differ in.
    Kept(kept::Turn<'a>),
}

impl Turn<'_> {
    fn only(&self) -> Option<Arc<Selection>> {
        match self {
            Self::Heard(turn) => turn.only(),
            Self::Kept(turn) => turn.only(),
        }
    }

    fn why(&self) -> Option<&Why> {
        match self {
            Self::Heard(turn) => turn.why(),
            Self::Kept(turn) => turn.why(),
        }
    }

    fn done(self, tree: ChunkId, report: &backup::Report, view: View) -> Result<(), Missed> {
        match self {
            Self::Heard(turn) => turn.done(tree, report),
            Self::Kept(turn) => turn.done(tree, report, view),
        }
    }
}

/// What a run through a source came to.
struct Run {
    report: backup::Report,
    committed: Committed,
    /// Why everything was looked at, if it was.
    everything_because: Option<String>,
    missed: u64,
    /// Which file system the source is on.
    file_system: Option<String>,
}

/// What there is to read of a source without a replica.
struct NoTree;

impl ChunkReader for NoTree {
    fn read_chunk(&self, id: &ChunkId) -> Result<Arc<Vec<u8>>, Fault> {
        Err(Fault::new(Code::ChunkMissing).with("chunk", id))
    }
}

impl LocalWorker {
    /// Follows the changes of sources from now on, where the system allows it.
    pub(crate) fn follow_changes(&self) {
        let journal = self.journal.get_or_init(Journal::start);
        if let Err(error) = journal {
            tracing::info!(%error, "changes are not followed: every run looks at everything");
        }
    }

    /// Takes the view to read, and begins a run by what is known of changes, if anything is.
    fn begin<'a>(
        &'a self,
        order: &BackupOrder,
        earlier: &'a dyn ChunkReader,
    ) -> (View, Option<SnapshotError>, Option<Turn<'a>>) {
        let ask = Ask {
            source: order.source,
            root: &order.path,
            walk: &self.walk_options(order, &View::live(&order.path)),
            earlier: order.previous,
            everything: order.read_unchanged,
            now: self.env.now(),
        };
        // Before the snapshot: what is heard from now on is for the next run.
        let journal = self.journal.get().and_then(|journal| journal.as_ref().ok());
        let heard = journal.map(|journal| journal.begin(&ask, earlier));
        let (view, refused) = snapshot::take(&order.path, order.options.one_file_system);
        let kept = self.keeper.begin(&ask, &view, earlier);
        let turn = kept.map(Turn::Kept).or(heard.map(Turn::Heard));
        (view, refused, turn)
    }

    /// Returns why a run looks at everything, if it does.
    fn why_everything(&self, turn: Option<&Turn<'_>>) -> Option<String> {
        match (turn, self.journal.get()) {
            (Some(turn), _) => turn.why().map(ToString::to_string),
            (None, Some(Err(error))) => Some(format!("changes cannot be followed: {error}")),
            (None, _) => Some("only a server that stays follows changes".to_owned()),
        }
    }

    /// Returns which file system the source is on, if it is the source that is there.
    fn file_system(
        order: &BackupOrder,
        earlier: &dyn ChunkReader,
    ) -> Result<Option<String>, Fault> {
        // A single file that is not mounted is not there. What cannot be opened, the walk says better.
        let Ok(place) = Place::open(&order.path) else {
            return Ok(None);
        };
        if let (Some(before), Some(tree)) = (&order.file_system, order.previous) {
            let before = Before {
                place: before,
                tree,
                reader: earlier,
            };
            place::check(&place, &before).map_err(|fault| {
                fault
                    .with("source", &order.address)
                    .with("path", order.path.display())
            })?;
        }
        Ok(Some(place.name().to_owned()))
    }

    fn synchronize(&self, order: &BackupOrder, context: &JobContext) -> Result<Run, Fault> {
        let watch = Watch::new(context);
        // What the replica holds now is read to the end of the run, also when it has advanced.
        let earlier = self.store.read_replica(&order.source)?;
        let earlier = earlier
            .as_ref()
            .map_or(&NoTree as &dyn ChunkReader, |tree| tree);
        let file_system = Self::file_system(order, earlier)?;
        context.step(Step::Snapshot);
        // The moment that the point will show: nothing read later is older. What changes from now on is doubted.
        let began_ns = nanoseconds(&self.env);
        let (view, refused, turn) = self.begin(order, earlier);
        if let Some(why) = refused {
            no_snapshot(&watch, order, &why);
        }
        context.step(if order.read_unchanged {
            Step::Compare
        } else {
            Step::Transfer
        });
        let session = self.store.begin(order.source, order.previous)?;
        let report = backup::run(&Backup {
            root: &view.path,
            walk: &WalkOptions {
                only: turn.as_ref().and_then(Turn::only),
                ..self.walk_options(order, &view)
            },
            earlier: order.previous,
            read_unchanged: order.read_unchanged,
            began_ns,
            reader: earlier,
            writer: &session,
            chunker: &self.store.chunker(),
            monitor: &watch,
        });
        let report = match report {
            Ok(report) => report,
            Err(fault) => {
                session.abandon();
                return Err(named(fault, context));
            }
        };
        // It may have been unmounted before anything of it was open.
        if let Err(fault) = Self::file_system(order, earlier) {
            session.abandon();
            return Err(fault);
        }
        context.step(Step::Commit);
        let committed = session.commit(CommitSpec {
            point: order.point.as_ref().map(|point| NewPoint {
                address: order.address.clone(),
                group: point.group.clone(),
                time_ns: Some(began_ns),
                consistency: match view.level {
                    Level::Live => Consistency::Live,
                    Level::FileSystem => Consistency::FileSystem,
                },
                warnings: report.warnings,
                changed: report.changed + report.deleted,
            }),
        })?;
        Ok(Run {
            everything_because: self.why_everything(turn.as_ref()),
            missed: turn.map_or(0, |turn| missed(turn, &committed, &report, view)),
            report,
            committed,
            file_system,
        })
    }

    fn walk_options(&self, order: &BackupOrder, view: &View) -> WalkOptions {
        let options = &order.options;
        let mut leave_out = self.own.clone();
        leave_out.extend(self.store.volume_paths());
        leave_out.extend(view.leave_out.iter().cloned());
        WalkOptions {
            exclude: options.excludes.clone(),
            exclude_if_present: options
                .exclude_if_present
                .iter()
                .map(|name| name.clone().into_bytes())
                .collect(),
            cachedir_tag: options.exclude_caches,
            one_file_system: options.one_file_system,
            leave_out,
            device_as: view.device_as,
            ..WalkOptions::default()
        }
    }
}

/// Ends a run by the journal, and returns how many changes the journal has missed.
fn missed(turn: Turn<'_>, committed: &Committed, report: &backup::Report, view: View) -> u64 {
    match turn.done(committed.root, report, view) {
        Ok(()) => 0,
        Err(missed) => {
            tracing::warn!(%missed, "the change journal cannot be believed");
            missed.0.len() as u64
        }
    }
}

/// Warns that the live tree is read although a snapshot should have been possible. That there is none to be
/// had is the rule, and shows in the point's consistency.
fn no_snapshot(watch: &Watch<'_>, order: &BackupOrder, why: &SnapshotError) {
    tracing::info!(error = %why, "no snapshot: the live tree is read");
    if matches!(
        why,
        SnapshotError::Unsupported { .. } | SnapshotError::Denied { .. }
    ) {
        return;
    }
    watch.warn(Warning {
        path: Vec::new(),
        fault: Fault::new(Code::SnapshotProviderUnavailable)
            .with("path", order.path.display())
            .with("provider", "btrfs")
            .with("reason", why),
    });
}

/// Tells a job how much there is, as a tree tells.
fn expect(tree: &Reading, context: &JobContext) -> Result<(), Fault> {
    let totals = tree::summary::<FileEntry>(tree, &tree.root())?;
    context.totals(None, Some(totals.bytes));
    Ok(())
}

/// Returns a pipeline's fault with what only the job knows: which one was cancelled.
fn named(fault: Fault, context: &JobContext) -> Fault {
    match fault.code {
        Code::JobCancelled => Fault::new(Code::JobCancelled).with("job", context.job().id),
        _ => fault,
    }
}

fn nanoseconds(env: &Env) -> i64 {
    i64::try_from(env.now().as_nanosecond()).unwrap_or(i64::MAX)
}

impl Worker for LocalWorker {
    fn check_options(&self, options: &FileOptions) -> Result<(), Fault> {
        backup::check_patterns(&options.excludes)
    }

    fn backup(&self, order: &BackupOrder, context: &JobContext) -> Result<BackupReport, Fault> {
        let run = self.synchronize(order, context)?;
        Ok(BackupReport {
            point: run.committed.point.map(|point| point.id),
            entries: run.committed.totals.entries,
            files: run.committed.totals.files,
            bytes: run.committed.totals.bytes,
            changed: run.report.changed + run.report.deleted,
            differences: run.report.differed,
            bytes_read: run.report.read_bytes,
            new_bytes: run.committed.new_bytes,
            looked: run.report.looked,
            everything_because: run.everything_because,
            missed: run.missed,
            file_system: run.file_system,
        })
    }

    fn check(&self, order: &CheckOrder, context: &JobContext) -> Result<CheckReport, Fault> {
        let run = self.synchronize(&order.backup, context)?;
        Ok(CheckReport {
            entries: run.report.entries,
            bytes: run.report.bytes,
            differences: run.report.differed,
            changed: run.report.changed + run.report.deleted,
            new_bytes: run.committed.new_bytes,
            file_system: run.file_system,
        })
    }

    fn restore_plan(
        &self,
        order: &RestoreOrder,
        context: &JobContext,
    ) -> Result<RestorePlan, Fault> {
        restore::plan(&self.store, order, context)
    }

    fn restore(&self, order: &RestoreOrder, context: &JobContext) -> Result<RestoreReport, Fault> {
        restore::execute(&self.store, order, context)
    }

    fn prepare_volume(&self, name: &str, new: &NewVolume) -> Result<PathBuf, Fault> {
        match device::is_device(&new.path) {
            true => {
                let places = (self.mounts.as_path(), Path::new(device::FSTAB));
                device::prepare(&new.path, name, new.wipe.as_deref(), places)
            }
            false => Ok(new.path.clone()),
        }
    }

    fn release(&self, source: &SourceId) {
        self.keeper.release(source);
    }
}
