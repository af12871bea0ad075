//! What can be done with a backup server: the one list of operations behind every door.
//!
//! Implemented by [`crate::Client`] (over the wire) and by `server::Service` (in the process that owns the data
//! directory), so that a command does the same in both.

use crate::view::{
    DeletedView, DiffView, EntryListView, FindView, FullEntryListView, GroupChangeView,
    GroupListView, GroupView, JobListView, JobView, MemberListView, PointListView, PointView,
    PoolView, ProtectedView, RangeListView, RestorePlanView, SourceListView, SourceView,
    StatusView,
};
use crate::{Problem, request};

/// The operations. Names of sources, points, groups and jobs are resolved by the server: see [`request`].
///
/// Operations that take long return a job that has only begun; [`Operations::job`] tells how it goes.
pub trait Operations: Send + Sync {
    /// Returns the server at a glance.
    ///
    /// # Errors
    /// What every call may answer: a problem of the catalogue, `ServerUnreachable` if there was no answer.
    fn status(&self) -> Result<StatusView, Problem>;

    /// Returns the storage pool.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn pool(&self) -> Result<PoolView, Problem>;

    /// Starts to read everything in the pool back.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn verify_pool(&self, request: &request::VerifyPool) -> Result<JobView, Problem>;

    /// Takes a volume into the pool.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn add_volume(&self, request: &request::AddVolume) -> Result<PoolView, Problem>;

    /// Moves what a volume holds to the others; the job it returns has only begun.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn drain_volume(&self, name: &str) -> Result<JobView, Problem>;

    /// Takes a volume out of the pool.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn remove_volume(
        &self,
        name: &str,
        request: &request::RemoveVolume,
    ) -> Result<PoolView, Problem>;

    /// Gives back the space of what no recovery point and no replica needs, or says how much that is.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn collect_garbage(&self, request: &request::CollectGarbage) -> Result<JobView, Problem>;

    /// Protects paths; the jobs it returns have only begun.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn protect(&self, request: &request::Protect) -> Result<ProtectedView, Problem>;

    /// Returns all sources.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn sources(&self) -> Result<SourceListView, Problem>;

    /// Returns one source.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn source(&self, name: &str) -> Result<SourceView, Problem>;

    /// Starts a synchronization.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn sync(&self, source: &str) -> Result<JobView, Problem>;

    /// Starts a synchronization that ends with a recovery point.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn create_point(&self, source: &str) -> Result<JobView, Problem>;

    /// Starts a consistency check.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn check(&self, source: &str) -> Result<JobView, Problem>;

    /// Takes what is there now for a source, although it is on another file system and nothing of the replica is left.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn accept(&self, source: &str) -> Result<SourceView, Problem>;

    /// Returns the recovery points of a source, or all.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn points(&self, source: Option<&str>) -> Result<PointListView, Problem>;

    /// Returns the recovery point of a source that is meant.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn choose_point(
        &self,
        source: &str,
        choice: &request::PointChoice,
    ) -> Result<PointView, Problem>;

    /// Returns one recovery point.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn point(&self, name: &str) -> Result<PointView, Problem>;

    /// Returns a page of a directory of a recovery point.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn browse(&self, point: &str, request: &request::Browse) -> Result<EntryListView, Problem>;

    /// Returns entries of a recovery point with everything that is known of them.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn entries(
        &self,
        point: &str,
        request: &request::Entries,
    ) -> Result<FullEntryListView, Problem>;

    /// Returns bytes of a file in a recovery point: fewer than asked for at its end only.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn read(&self, point: &str, request: &request::Read) -> Result<Vec<u8>, Problem>;

    /// Returns where a file in a recovery point has data.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn ranges(&self, point: &str, request: &request::Ranges) -> Result<RangeListView, Problem>;

    /// Returns a page of what two recovery points have differently.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn diff(&self, point: &str, request: &request::Diff) -> Result<DiffView, Problem>;

    /// Returns a page of the entries that match a pattern, in all recovery points.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn find(&self, request: &request::Find) -> Result<FindView, Problem>;

    /// Holds a recovery point: it neither expires nor can it be deleted.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn hold_point(&self, name: &str, request: &request::Hold) -> Result<PointView, Problem>;

    /// Lets a held recovery point go: its group's policy decides again. One that is not held stays as it is.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn release_point(&self, name: &str) -> Result<PointView, Problem>;

    /// Deletes a recovery point.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn delete_point(&self, name: &str) -> Result<DeletedView, Problem>;

    /// Returns what a restore would do.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn plan_restore(&self, request: &request::Restore) -> Result<RestorePlanView, Problem>;

    /// Starts a restore.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn restore(&self, request: &request::Restore) -> Result<JobView, Problem>;

    /// Returns all groups.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn groups(&self) -> Result<GroupListView, Problem>;

    /// Returns one group.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn group(&self, name: &str) -> Result<GroupView, Problem>;

    /// Makes a group.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn create_group(&self, request: &request::CreateGroup) -> Result<GroupView, Problem>;

    /// Changes a group's policy, or says what would be. What would let recovery points go at once is refused unless the
    /// request says that they may.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn change_group(
        &self,
        name: &str,
        request: &request::ChangeGroup,
    ) -> Result<GroupChangeView, Problem>;

    /// Lets sources join a group.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn add_members(
        &self,
        group: &str,
        request: &request::Members,
    ) -> Result<MemberListView, Problem>;

    /// Lets sources leave a group; their recovery points stay.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn remove_members(
        &self,
        group: &str,
        request: &request::Members,
    ) -> Result<MemberListView, Problem>;

    /// Returns jobs.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn jobs(&self) -> Result<JobListView, Problem>;

    /// Returns one job.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn job(&self, name: &str) -> Result<JobView, Problem>;

    /// Asks a job to stop; it may still be stopping when this returns.
    ///
    /// # Errors
    /// As [`Self::status`].
    fn cancel_job(&self, name: &str) -> Result<JobView, Problem>;
}
