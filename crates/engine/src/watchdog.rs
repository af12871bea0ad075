//! The one who watches that what is promised happens, apart from those who make it happen.
//!
//! It believes no job's result: it compares what was due with what was started, and the age of each member's newest
//! good point with the promise. Silence is a fault. Its alerts close by themselves when their condition is gone.

use std::time::Duration;

use base::{Fault, Lang, Timestamp, fault::Code, units};
use jiff::SignedDuration;

use crate::catalog::SetBack;
use crate::engine::{Engine, Health, JobQuery, POOL, SERVER};
use crate::jobs::JobState;
use crate::model::path_text;
use crate::pool::{PoolStatus, Room, Volume, VolumeState};
use crate::scheduler::{self, Stop};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long something due may wait before the scheduler counts as not running.
const START_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// How long at least a pool that was set back is told.
const SET_BACK_SHOWN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a running job may show no life, beyond its lease, before it counts as stuck.
const SILENT_AFTER: SignedDuration = SignedDuration::from_mins(10);

impl Engine {
    /// Watches every minute until told to stop.
    pub fn run_watchdog(&self, stop: &Stop) {
        loop {
            if stop.wait(LOOK_EVERY) {
                return;
            }
            if let Err(fault) = self.look_after(self.now()) {
                tracing::error!(%fault, "the watchdog could not look");
            }
        }
    }

    /// Looks once: is everything due started, does every job show life, is every promise kept?
    ///
    /// # Errors
    /// The catalog's own.
    pub fn look_after(&self, now: Timestamp) -> Result<(), Fault> {
        self.look_after_scheduler(now)?;
        self.look_after_jobs(now)?;
        self.look_after_promises(now)?;
        self.look_after_set_back(now)?;
        self.look_after_pool(now)
    }

    /// Tells that nothing can be written, as long as nothing can, and that the pool has packs that cannot be read, as long
    /// as it has any.
    pub(crate) fn look_after_pool(&self, now: Timestamp) -> Result<(), Fault> {
        let catalog = &self.inner.catalog;
        let refusals = self.refusals();
        for (subject, code) in [
            (POOL, Code::PoolReadOnly),
            (SERVER, Code::DataDirectoryUnwritable),
        ] {
            match refusals.iter().find(|(about, _)| *about == subject) {
                Some((_, fault)) => catalog.raise(subject, fault, now)?,
                None => catalog.settle(subject, code, now)?,
            }
        }
        let status = self.pool_status()?;
        self.look_after_room(&status, now)?;
        self.look_after_volumes(&status, now)?;
        let Some(pack) = status.unreadable_pack else {
            return catalog.settle(POOL, Code::PackDamaged, now);
        };
        let count = status.unreadable_packs;
        let fault = Fault::new(Code::PackDamaged)
            .with("pack", pack)
            .with("reason", format_args!("packs missing or damaged: {count}"));
        catalog.raise(POOL, &fault, now)
    }

    fn look_after_volumes(&self, status: &PoolStatus, now: Timestamp) -> Result<(), Fault> {
        let catalog = &self.inner.catalog;
        let is_away = |volume: &&Volume| matches!(volume.state, VolumeState::Away(_));
        match status.volumes.iter().find(is_away) {
            Some(volume) => {
                let fault = Fault::new(Code::VolumeMissing)
                    .with("volume", &volume.name)
                    .with("path", path_text(&volume.path));
                catalog.raise(POOL, &fault, now)
            }
            None => catalog.settle(POOL, Code::VolumeMissing, now),
        }
    }

    fn look_after_room(&self, status: &PoolStatus, now: Timestamp) -> Result<(), Fault> {
        let catalog = &self.inner.catalog;
        // A place that cannot tell says so when it is full.
        let warns = |room: &Room| match self.inner.pool_warn {
            Some(percent) => {
                room.free < room.total / 100 * 100_u64.saturating_sub(u64::from(percent))
            }
            None => room.free < room.warn,
        };
        match status.space.filter(warns) {
            Some(room) => {
                let fault = Fault::new(Code::PoolLowSpace)
                    .with("path", &status.place)
                    .with("free", room.free)
                    .with("total", room.total);
                catalog.raise(POOL, &fault, now)
            }
            None => catalog.settle(POOL, Code::PoolLowSpace, now),
        }
    }

    /// Tells that the pool is in an earlier state than it was seen in.
    pub(crate) fn tell_set_back(&self, set_back: &SetBack) -> Result<(), Fault> {
        let since = set_back.since.map(|since| since.to_string());
        let lost = set_back.lost.map(|lost| lost.to_string());
        let fault = Fault::new(Code::PoolRolledBack)
            .with("path", self.pool_status()?.place)
            .with("record", set_back.record)
            .with("since", since.as_deref().unwrap_or("?"))
            .with("count", lost.as_deref().unwrap_or("?"));
        self.inner.catalog.raise(POOL, &fault, self.now())
    }

    /// Ends what [`Self::tell_set_back`] has told once there is a new point of every member, so that what is protected is
    /// as new as it was, and not before a week: the points that are gone do not come back, and a person who can put the
    /// newer pool back has to have seen it. The last time counts: it is only raised by a pool that was set back.
    fn look_after_set_back(&self, now: Timestamp) -> Result<(), Fault> {
        let catalog = &self.inner.catalog;
        let alerts = catalog.alerts(true, u32::MAX)?;
        let told = alerts
            .iter()
            .find(|alert| alert.fault.code == Code::PoolRolledBack);
        let Some(told) = told.filter(|told| told.last_seen + SET_BACK_SHOWN <= now) else {
            return Ok(());
        };
        let members = self.members_status(now)?;
        let mut active = members.iter().filter(|member| !member.member.stopped);
        let is_new = |point: &crate::pool::Point| point.at > told.last_seen;
        match active.all(|member| member.newest.as_ref().is_some_and(is_new)) {
            true => catalog.settle(POOL, Code::PoolRolledBack, now),
            false => Ok(()),
        }
    }

    fn look_after_scheduler(&self, now: Timestamp) -> Result<(), Fault> {
        let catalog = &self.inner.catalog;
        if self.read_only().is_some() {
            // What is due waits, and that has an alert of its own.
            return catalog.settle(SERVER, Code::SchedulerNotRunning, now);
        }
        let mut oldest: Option<Timestamp> = None;
        for due in catalog.due(now - START_WITHIN)? {
            // What waits for another job of its member is not forgotten.
            let waits = match &due.source {
                Some(source) => catalog.job_on_replica(source)?.is_some(),
                None => false,
            };
            if !waits {
                oldest = Some(oldest.map_or(due.oldest, |oldest| oldest.min(due.oldest)));
            }
        }
        let Some(oldest) = oldest else {
            return catalog.settle(SERVER, Code::SchedulerNotRunning, now);
        };
        let since = catalog.last_beat(scheduler::PART)?.unwrap_or(oldest);
        let fault = Fault::new(Code::SchedulerNotRunning).with("since", since);
        catalog.raise(SERVER, &fault, now)
    }

    fn look_after_jobs(&self, now: Timestamp) -> Result<(), Fault> {
        let catalog = &self.inner.catalog;
        let running = self.jobs(&JobQuery {
            unfinished: true,
            ..JobQuery::default()
        })?;
        let mut silent = None;
        for job in running.iter().filter(|job| job.state == JobState::Running) {
            if job.lease_until + SILENT_AFTER < now {
                silent = Some(job.id);
            }
        }
        match silent {
            None => catalog.settle(SERVER, Code::JobTimedOut, now),
            Some(job) => {
                let limit = units::duration(SILENT_AFTER.unsigned_abs(), Lang::En);
                let fault = Fault::new(Code::JobTimedOut)
                    .with("job", job)
                    .with("limit", limit);
                catalog.raise(SERVER, &fault, now)
            }
        }
    }

    fn look_after_promises(&self, now: Timestamp) -> Result<(), Fault> {
        for member in self.members_status(now)? {
            let subject = member.source.id.to_string();
            let Health::Late { age, promise } = member.health else {
                self.inner.catalog.settle(&subject, Code::SlaMissed, now)?;
                continue;
            };
            let fault = Fault::new(Code::SlaMissed)
                .with("source", &member.address)
                .with("age", units::duration(age, Lang::En))
                .with("promise", units::duration(promise, Lang::En));
            self.inner.catalog.raise(&subject, &fault, now)?;
        }
        Ok(())
    }
}
