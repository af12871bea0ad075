//! Protection groups, their policy and their members.

use serde::{Deserialize, Serialize};

use crate::view::JobView;
use crate::{PathText, Time, View};

/// All protection groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupListView {
    /// By name.
    pub groups: Vec<GroupView>,
}

impl View for GroupListView {
    const SCHEMA: &'static str = "dozo.group.list/1";
}

/// One protection group: members that share a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Addresses of its members.
    pub members: Vec<String>,
    /// Its policy.
    pub policy: PolicyView,
    /// When the next recovery points are due.
    pub next_point: Option<Time>,
}

impl View for GroupView {
    const SCHEMA: &'static str = "dozo.group/1";
}

/// A policy: goals, and the same as a sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyView {
    /// The policy as a sentence, in the language asked for.
    pub sentence: String,
    /// The policy as values.
    pub goals: GoalsView,
}

/// The values of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoalsView {
    /// How often members are synchronized: `15m`, `4h`, `before-point`.
    pub sync: String,
    /// When recovery points are made: `22:00`, `mon-fri 12:00,22:00`.
    pub points: String,
    /// The time zone of that.
    pub zone: Option<String>,
    /// How long they are kept.
    pub retention: RetentionView,
}

/// How long recovery points are kept. A point is kept while any of these keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionView {
    /// Every point, for so many days.
    pub days: u32,
    /// One a day, for so many days that have points.
    pub daily: u32,
    /// One a week, for so many weeks.
    pub weekly: u32,
    /// One a month, for so many months.
    pub monthly: u32,
    /// One a year, for so many years.
    pub yearly: u32,
}

/// A change of a group's policy, made or thought of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupChangeView {
    /// The group as it is now, or would be.
    pub group: GroupView,
    /// How many recovery points go at once by that.
    pub expiring: u64,
    /// Of which members, by address; members that lose nothing are not named.
    pub members: Vec<ExpiringView>,
}

impl View for GroupChangeView {
    const SCHEMA: &'static str = "dozo.group.change/1";
}

/// Recovery points of a member that go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpiringView {
    /// The address of the source.
    pub source: String,
    /// How many.
    pub count: u64,
    /// The oldest few of them, oldest first.
    pub points: Vec<ExpiringPointView>,
}

/// A recovery point that goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpiringPointView {
    /// Its id.
    pub id: String,
    /// When it was made.
    pub time: Time,
}

/// Members that came or went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberListView {
    /// The group.
    pub group: String,
    /// Addresses of the sources.
    pub members: Vec<String>,
}

impl View for MemberListView {
    const SCHEMA: &'static str = "dozo.group.members/1";
}

/// What `protect` set going.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProtectedView {
    /// The groups that the sources are members of.
    pub groups: Vec<GroupView>,
    /// The name of the group that was made for this, if one was.
    pub group_created: Option<String>,
    /// One job a source, in the order asked: each ends with a recovery point.
    pub jobs: Vec<JobView>,
    /// The data directory of the server, if it lies in one of the sources: it is left out.
    #[serde(default)]
    pub data_dir_left_out: Option<PathText>,
}

impl View for ProtectedView {
    const SCHEMA: &'static str = "dozo.protect/1";
}
