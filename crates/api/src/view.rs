//! What the server shows, version 1.

mod find;
mod group;
mod job;
mod point;
mod restore;
mod server;
mod source;
mod status;

pub use find::{
    ChangeView, Changed, DiffView, FindView, FoundPointView, FoundView, UnreadView, VersionView,
};
pub use group::{
    ExpiringPointView, ExpiringView, GoalsView, GroupChangeView, GroupListView, GroupView,
    MemberListView, PolicyView, ProtectedView, RetentionView,
};
pub use job::{JobListView, JobState, JobView, OutcomeView, ProgressView, StepView, WarningView};
pub use point::{
    DeletedView, EntryKind, EntryListView, EntryView, FullEntryListView, FullEntryView, Kept,
    PointListView, PointStatsView, PointView, RangeListView, RangeView, XattrView,
};
pub use restore::{ConflictView, RestorePlanView};
pub use server::AdoptionView;
pub use source::{ReplicaView, SelectionView, SourceListView, SourceView};
pub use status::{
    ExplainListView, ExplainView, Health, OwnerView, PoolView, StatusView, VolumeState, VolumeView,
};
