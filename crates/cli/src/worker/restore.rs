//! Restores: the engine's order as the agent takes it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use agent::restore::{self, Restore};
use api::PathText;
use base::Fault;
use base::fault::Code;
use engine::JobContext;
use engine::worker::{Destination, OnConflict, RestoreOrder, RestorePlan, RestoreReport};
use format::entry::{FileEntry, FileKey, Node};
use format::tree;
use sources::files::restore::Conflict;
use store::{Reading, Store};

use super::watch::Watch;
use super::{expect, named};

/// An order with what it means on this machine.
struct Job<'a> {
    order: &'a RestoreOrder,
    selection: Vec<FileKey>,
    target: PathBuf,
    /// The target is the source's own root.
    original: bool,
    name: &'a [u8],
}

pub(super) fn plan(
    store: &Store,
    order: &RestoreOrder,
    context: &JobContext,
) -> Result<RestorePlan, Fault> {
    let tree = store.read_point(&order.point)?;
    let job = understand(&tree, order)?;
    let plan = job
        .run(&tree, context, restore::plan)
        .map_err(|fault| named(fault, context))?;
    let paths = |paths: Vec<Vec<u8>>| {
        let paths = paths.into_iter();
        paths.map(|path| PathText(path).into_path()).collect()
    };
    Ok(RestorePlan {
        free_bytes: free_bytes(&job.target),
        target: job.target,
        entries: plan.entries,
        files: plan.files,
        bytes: plan.bytes,
        same: plan.same,
        conflicts: plan.conflicts,
        conflict_paths: paths(plan.conflict_paths),
        refused: plan.refused,
        refused_paths: paths(plan.refused_paths),
    })
}

pub(super) fn execute(
    store: &Store,
    order: &RestoreOrder,
    context: &JobContext,
) -> Result<RestoreReport, Fault> {
    let tree = store.read_point(&order.point)?;
    let job = understand(&tree, order)?;
    if order.selection.is_empty() {
        expect(&tree, context)?;
    }
    let report = job
        .run(&tree, context, restore::execute)
        .map_err(|fault| named(of_point(fault, order), context))?;
    Ok(RestoreReport {
        target: job.target,
        entries: report.made + report.same,
        files: report.files,
        bytes: report.bytes,
        skipped: report.skipped,
        failed: report.failed,
        damaged: report.damaged,
    })
}

/// Returns a pipeline's fault with what it cannot know: the point whose tree it read.
fn of_point(fault: Fault, order: &RestoreOrder) -> Fault {
    match fault.code {
        Code::RestorePathUnknown => Fault::new(Code::RestorePathUnknown)
            .with("path", fault.param("path").unwrap_or_default())
            .with("point", order.point),
        _ => fault,
    }
}

/// Finds out what an order means here: a source that is a single file goes into a directory, under its name.
fn understand<'a>(tree: &Reading, order: &'a RestoreOrder) -> Result<Job<'a>, Fault> {
    let unknown = |path: &Path| {
        Fault::new(Code::RestorePathUnknown)
            .with("path", PathText::from(path))
            .with("point", order.point)
    };
    let root: Option<FileEntry> = tree::get(tree, &tree.root(), &FileKey::root().0)?;
    let is_directory = root.is_none_or(|entry| matches!(entry.node, Node::Directory));
    let target = match &order.destination {
        Destination::Directory(directory) => directory.clone(),
        Destination::Original if is_directory => order.path.clone(),
        Destination::Original => match order.path.parent() {
            Some(parent) => parent.to_owned(),
            None => order.path.clone(),
        },
    };
    let key =
        |path: &PathBuf| FileKey::from_path(path.as_os_str().as_bytes()).map_err(|_| unknown(path));
    Ok(Job {
        order,
        selection: order.selection.iter().map(key).collect::<Result<_, _>>()?,
        target,
        original: is_directory && matches!(order.destination, Destination::Original),
        name: order.path.file_name().unwrap_or_default().as_bytes(),
    })
}

impl Job<'_> {
    fn run<T>(
        &self,
        tree: &Reading,
        context: &JobContext,
        work: impl FnOnce(&Restore<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let watch = Watch::new(context);
        work(&Restore {
            root: tree.root(),
            reader: tree,
            selection: &self.selection,
            target: &self.target,
            name: self.name,
            original: self.original,
            conflict: match self.order.on_conflict {
                OnConflict::Skip => Conflict::Skip,
                OnConflict::Overwrite => Conflict::Overwrite,
                OnConflict::Rename => Conflict::Rename,
            },
            token: self.token(),
            monitor: &watch,
        })
    }

    /// Names the work, so that asking again for what was interrupted goes on with it.
    fn token(&self) -> u64 {
        // Not random: the same order gives the same token in every run of this program.
        let mut hasher = DefaultHasher::new();
        (self.order.point, &self.target, &self.selection).hash(&mut hasher);
        hasher.finish()
    }
}

/// Returns the bytes free where `path` is, or will be.
fn free_bytes(path: &Path) -> Option<u64> {
    let place = path
        .ancestors()
        .find_map(|place| rustix::fs::statvfs(place).ok())?;
    Some(place.f_bavail.saturating_mul(place.f_frsize))
}
