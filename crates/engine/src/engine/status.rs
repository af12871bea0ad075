//! Status: computed from what is there, not from what jobs said.
//!
//! A member's health is the age of its newest good point against the promise. A job that failed an hour ago does
//! not make a member ill whose point is young, and one that "succeeded" does not make it well.

use std::time::Duration;

use base::limits::ALERTS_LISTED_MAX;
use base::{Fault, Lang, Timestamp, units};

use super::Engine;
use crate::catalog::{Alert, Replica};
use crate::home::Owner;
use crate::jobs::Job;
use crate::model::{Group, Member, Source, SyncFrequency, between};
use crate::pool::{Point, PoolStatus};
use crate::replica::{Doubt, State};

/// How a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Its newest good point is as young as promised.
    Good,
    /// It has no point yet, and the first one is not late.
    Waiting,
    /// Its newest good point, or its beginning if it has none, is too long ago.
    Late {
        /// How long.
        age: Duration,
        /// How long it may be.
        promise: Duration,
    },
    /// Its replica is in doubt; its points are restorable and young enough.
    Doubtful(Doubt),
    /// The pool lost its replica; its points are young enough.
    ReplicaMissing,
    /// It is not protected; its points are kept.
    Inactive,
}

impl Health {
    /// Returns whether somebody should look.
    pub fn needs_attention(self) -> bool {
        matches!(
            self,
            Self::Late { .. } | Self::Doubtful(_) | Self::ReplicaMissing
        )
    }
}

/// Everything about one member.
#[derive(Clone, Debug)]
pub struct MemberStatus {
    /// The source.
    pub source: Source,
    /// Its name in words.
    pub address: String,
    /// What is its own.
    pub member: Member,
    /// Its group.
    pub group: Group,
    /// Where its replica stands.
    pub state: State,
    /// The replica, if there is one.
    pub replica: Option<Replica>,
    /// How many points it has.
    pub point_count: u64,
    /// The newest one. One from a time that is yet to come was made while the clock was ahead: how old it is nobody knows, and
    /// it does not count.
    pub newest: Option<Point>,
    /// When the next one is due.
    pub next_point: Option<Timestamp>,
    /// When the next synchronization is due, of itself or before the next point.
    pub next_sync: Option<Timestamp>,
    /// How it is.
    pub health: Health,
    /// The newest job on its replica that is over.
    pub last_job: Option<Job>,
}

impl MemberStatus {
    /// Returns how it is as a sentence.
    pub fn sentence(&self, now: Timestamp) -> String {
        let words = |time: Duration| match time.as_secs() {
            0..60 => "less than a minute".to_owned(),
            _ => units::duration(time, Lang::En),
        };
        let newest = self.newest.as_ref().map(|point| between(point.at, now));
        match (self.health, newest) {
            (Health::Good, Some(age)) => {
                format!(
                    "Protected: the newest recovery point is {} old.",
                    words(age)
                )
            }
            (Health::Good | Health::Waiting, _) => match self.next_point {
                Some(next) => format!(
                    "No recovery point yet; the first is due in {}.",
                    words(between(now, next))
                ),
                None => "No recovery point yet.".to_owned(),
            },
            (Health::Late { promise, .. }, Some(age)) => format!(
                "Late: the newest recovery point is {} old; {} is promised.",
                words(age),
                words(promise)
            ),
            (Health::Late { age, .. }, None) => {
                format!(
                    "Late: protected for {} without a recovery point.",
                    words(age)
                )
            }
            (Health::Doubtful(doubt), _) => {
                format!("The replica is inconsistent: {}.", doubt.reason())
            }
            (Health::ReplicaMissing, _) => {
                "The replica is missing; the next synchronization makes it anew.".to_owned()
            }
            (Health::Inactive, _) => "Not protected; its recovery points are kept.".to_owned(),
        }
    }
}

/// Everything at a glance.
#[derive(Clone, Debug)]
pub struct Status {
    /// Who works on the data directory: this process.
    pub owner: Option<Owner>,
    /// Members, by address.
    pub members: Vec<MemberStatus>,
    /// Jobs that are not over.
    pub jobs: Vec<Job>,
    /// Alerts that are open.
    pub alerts: Vec<Alert>,
    /// The pool.
    pub pool: PoolStatus,
    /// When the scheduler last looked.
    pub scheduler_beat: Option<Timestamp>,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct JobQuery {
    /// Only those about this source.
    pub source: Option<String>,
    /// Only those that are not over.
    pub unfinished: bool,
    /// The newest so many; 0 for all.
    pub limit: u32,
}

impl Engine {
    /// Returns everything at a glance.
    ///
    /// # Errors
    /// The catalog's or the pool's own.
    pub fn status(&self) -> Result<Status, Fault> {
        let catalog = &self.inner.catalog;
        let mut alerts = catalog.alerts(true, ALERTS_LISTED_MAX)?;
        // An alert about a disk that takes no writes may not be in a catalog on that disk.
        for (subject, fault) in self.refusals() {
            if alerts.iter().all(|alert| alert.fault.code != fault.code) {
                alerts.insert(0, Alert::of_now(subject, fault, self.now()));
            }
        }
        Ok(Status {
            owner: crate::home::Home::owner(self.inner.home.path()),
            members: self.members_status(self.now())?,
            jobs: self.jobs(&JobQuery {
                unfinished: true,
                ..JobQuery::default()
            })?,
            alerts,
            pool: self.pool_status()?,
            scheduler_beat: catalog.last_beat(crate::scheduler::PART)?,
        })
    }

    /// Returns alerts, newest first: the open ones, or the last `limit` of all.
    ///
    /// # Errors
    /// The catalog's own.
    pub fn alerts(&self, only_open: bool, limit: u32) -> Result<Vec<Alert>, Fault> {
        self.inner.catalog.alerts(only_open, limit)
    }

    /// Returns every member, by address, also those whose protection was stopped.
    ///
    /// # Errors
    /// The catalog's own.
    pub fn members_status(&self, now: Timestamp) -> Result<Vec<MemberStatus>, Fault> {
        let inventory = self.inventory();
        let mut members = Vec::new();
        for member in inventory.members.values() {
            let source = inventory.sources.get(&member.source);
            let group = inventory.groups.get(&member.group);
            if let (Some(source), Some(group)) = (source, group) {
                members.push(self.member_status(source, member, group, now)?);
            }
        }
        members.sort_by(|a, b| a.address.cmp(&b.address));
        Ok(members)
    }

    /// Finds one member.
    ///
    /// # Errors
    /// `SourceUnknown`, `SourceAmbiguous`; `MemberUnknown` if the source is in no group.
    pub fn source(&self, text: &str) -> Result<MemberStatus, Fault> {
        let inventory = self.inventory();
        let source = inventory.resolve_source(text)?;
        let Some((member, group)) = inventory.member(&source.id) else {
            return Err(Fault::new(base::fault::Code::MemberUnknown)
                .with("source", inventory.address(source))
                .with("group", "-"));
        };
        self.member_status(source, member, group, self.now())
    }

    fn member_status(
        &self,
        source: &Source,
        member: &Member,
        group: &Group,
        now: Timestamp,
    ) -> Result<MemberStatus, Fault> {
        let catalog = &self.inner.catalog;
        let (state, _) = self.replica_state(&source.id)?;
        let (point_count, newest) = catalog.point_summary(&source.id, now)?;
        let replica = catalog.replica(&source.id)?;
        // A synchronization that finds nothing changed leaves no record in the log.
        let synced_at = catalog.last_success(&source.id, now)?;
        let replica = replica.map(|replica| Replica {
            synced_at: synced_at.map_or(replica.synced_at, |at| at.max(replica.synced_at)),
            ..replica
        });
        let policy = &group.policy;
        let next_point = policy.points.next_after(now).filter(|_| !member.stopped);
        let next_sync = match policy.sync {
            SyncFrequency::BeforePoint => next_point,
            every => every
                .next_after(now, &policy.points)
                .filter(|_| !member.stopped),
        };
        Ok(MemberStatus {
            address: self.inventory().address(source).to_string(),
            health: health(state, newest.as_ref(), member, policy.promise(now), now),
            state,
            replica,
            point_count,
            newest,
            next_point,
            next_sync,
            last_job: catalog.last_replica_job(&source.id)?,
            source: source.clone(),
            member: member.clone(),
            group: group.clone(),
        })
    }

    /// Returns how many jobs are not over.
    ///
    /// # Errors
    /// The catalog's own.
    pub fn unfinished_count(&self) -> Result<usize, Fault> {
        let query = JobQuery {
            unfinished: true,
            ..JobQuery::default()
        };
        Ok(self.jobs(&query)?.len())
    }
}

/// Says how a member is: pure, so that every case can be tried.
fn health(
    state: State,
    newest: Option<&Point>,
    member: &Member,
    promise: Duration,
    now: Timestamp,
) -> Health {
    if member.stopped {
        return Health::Inactive;
    }
    // A resumed member is not late for the time it was not protected. One that began while the clock was ahead did so by now.
    let since = member.since.min(now);
    let from = match newest {
        Some(point) if member.since <= now => point.at.max(since),
        Some(point) => point.at,
        None => since,
    };
    let age = between(from, now);
    if age > promise {
        return Health::Late { age, promise };
    }
    match state {
        State::Inconsistent(doubt) | State::Checking(Some(doubt)) => Health::Doubtful(doubt),
        State::Missing => Health::ReplicaMissing,
        _ if newest.is_none() => Health::Waiting,
        _ => Health::Good,
    }
}
