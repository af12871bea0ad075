//! A store as the engine's pool.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use base::fault::Code;
use base::{Fault, PointId, SourceId, StoreId, Timestamp};
use format::log::{Body, Commit, ConfigKind, PointFacts, Record};
use format::point::Consistency;
use store::{CollectProgress, Floors, Space, Store, VerifySpec};

use super::{
    Change, CollectStep, Collected, Damage, Event, Level, OnCollect, OnRead, Point, Pool,
    PoolStatus, Room, VerifyOrder, VerifyReport, Volume, VolumeState,
};

/// The kinds of configuration the log knows, with their words in the catalog.
const KINDS: [(ConfigKind, &str); 6] = [
    (ConfigKind::Machine, "machine"),
    (ConfigKind::Source, "source"),
    (ConfigKind::Group, "group"),
    (ConfigKind::Member, "member"),
    (ConfigKind::Policy, "policy"),
    (ConfigKind::Setting, "setting"),
];

impl Pool for Store {
    fn id(&self) -> StoreId {
        Store::id(self)
    }

    fn head(&self) -> u64 {
        self.log_seq()
    }

    fn hash_at(&self, seq: u64) -> Result<Option<[u8; 32]>, Fault> {
        Ok(self.log_hash(seq)?.map(|hash| hash.0))
    }

    fn events_after(
        &self,
        seq: u64,
        take: &mut dyn FnMut(Event) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        for record in self.log_after(seq) {
            take(event(self, record?)?)?;
        }
        Ok(())
    }

    fn delete_point(&self, point: &PointId) -> Result<(), Fault> {
        Store::delete_point(self, point)
    }

    fn drop_replica(&self, source: &SourceId) -> Result<(), Fault> {
        match Store::drop_replica(self, source) {
            Err(fault) if fault.code == Code::ReplicaMissing => Ok(()),
            result => result,
        }
    }

    fn put_config(&self, kind: &str, id: &str, json: Option<&[u8]>) -> Result<(), Fault> {
        let wrong = || {
            let detail = format!("{kind} {id} is no configuration");
            Fault::new(Code::Internal).with("detail", detail)
        };
        let known = KINDS.iter().find(|(_, word)| *word == kind);
        let (kind, _) = known.ok_or_else(wrong)?;
        // Ids of every kind are the same sixteen bytes.
        let SourceId(id) = id.parse().map_err(|_| wrong())?;
        Store::put_config(self, *kind, id, json.map(<[u8]>::to_vec))
    }

    fn retention_now(&self) -> Timestamp {
        time(self.retention_now_ns())
    }

    fn read_only(&self) -> Option<Fault> {
        Store::read_only(self)
    }

    fn verify(&self, order: &VerifyOrder, on_read: OnRead<'_>) -> Result<VerifyReport, Fault> {
        let mut stopped = None;
        let since = order.since.map(|since| since.as_second());
        let spec = VerifySpec {
            deep: order.deep,
            percent: order.percent,
            since_s: since.and_then(|since| u64::try_from(since).ok()),
            repair: true,
        };
        let report = Store::verify(self, &spec, &mut |progress| match on_read(
            progress.bytes_done,
            progress.bytes_total,
        ) {
            Ok(()) => ControlFlow::Continue(()),
            Err(fault) => {
                stopped = Some(fault);
                ControlFlow::Break(())
            }
        });
        let report = report.map_err(|fault| stopped.unwrap_or(fault))?;
        Ok(VerifyReport {
            packs: report.packs,
            records: report.records,
            bytes: report.bytes,
            points: report.points,
            damaged: report.damaged,
            faults: report.faults,
            points_hurt: report.points_hurt,
            damage: report.damage.into_iter().map(damage).collect(),
            repaired: report.repaired.len() as u64 + report.mended,
            packs_away: report.packs_away,
        })
    }

    fn collect(&self, dry_run: bool, on_collect: OnCollect<'_>) -> Result<Collected, Fault> {
        let mut stopped = None;
        let on_progress = &mut |progress| {
            let step = match progress {
                CollectProgress::Marking { .. } => CollectStep::Mark,
                CollectProgress::Waiting { sessions } => CollectStep::Wait(sessions),
                CollectProgress::Freeing { done, total } => CollectStep::Free(done, total),
            };
            match on_collect(step) {
                Ok(()) => ControlFlow::Continue(()),
                Err(fault) => {
                    stopped = Some(fault);
                    ControlFlow::Break(())
                }
            }
        };
        let collected = collect(self, dry_run, on_progress);
        collected.map_err(|fault| stopped.unwrap_or(fault))
    }

    fn add_volume(&self, name: &str, path: &Path) -> Result<(), Fault> {
        Store::add_volume(self, name, path)
    }

    fn drain_volume(&self, name: &str, on_read: OnRead<'_>) -> Result<u64, Fault> {
        let mut stopped = None;
        let drained = Store::drain_volume(self, name, &mut |progress| {
            let CollectProgress::Freeing { done, total } = progress else {
                return ControlFlow::Continue(());
            };
            match on_read(done, total) {
                Ok(()) => ControlFlow::Continue(()),
                Err(fault) => {
                    stopped = Some(fault);
                    ControlFlow::Break(())
                }
            }
        });
        drained.map_err(|fault| stopped.unwrap_or(fault))
    }

    fn remove_volume(&self, name: &str, is_lost: bool) -> Result<(), Fault> {
        Store::remove_volume(self, name, is_lost)
    }

    fn points_waiting(&self) -> Result<Vec<PointId>, Fault> {
        Store::points_waiting(self)
    }

    fn status(&self) -> Result<PoolStatus, Fault> {
        let status = Store::status(self)?;
        Ok(PoolStatus {
            place: self.place().to_owned(),
            stored_bytes: status.data_bytes.saturating_add(status.tree_bytes),
            packs: status.packs,
            unreadable_packs: status.unreadable_packs,
            superseded_packs: status.superseded_packs,
            unreadable_pack: status.unreadable_pack.map(|name| name.to_string()),
            chunks: status.chunks,
            points: status.points,
            space: status.space.map(room),
            volumes: self.volumes()?.into_iter().map(volume).collect(),
            read_only: self.read_only().is_some(),
        })
    }
}

fn damage(damage: store::Damage) -> Damage {
    Damage {
        chunk: damage.chunk,
        path: PathBuf::from(OsString::from_vec(damage.path)),
        points: damage.points,
    }
}

fn room(space: Space) -> Room {
    let floors = Floors::of(space);
    Room {
        free: space.free,
        total: space.total,
        warn: floors.warn,
        stop: floors.stop,
    }
}

fn volume(status: store::VolumeStatus) -> Volume {
    Volume {
        name: status.name,
        path: status.path,
        state: match status.state {
            store::VolumeState::Ok => VolumeState::Ok,
            store::VolumeState::Draining => VolumeState::Draining,
            store::VolumeState::Away(why) => VolumeState::Away(why),
        },
        space: status.space.map(room),
    }
}

/// Collects, and again as long as what was given back makes room for copies that there was no room for.
fn collect(
    store: &Store,
    dry_run: bool,
    on_progress: store::OnCollect<'_>,
) -> Result<Collected, Fault> {
    let mut sum: Option<Collected> = None;
    loop {
        let collection = store.plan_collection(on_progress)?;
        let plan = collection.plan().clone();
        let collected = sum.get_or_insert(Collected {
            dry_run,
            stored_bytes: plan.bytes,
            missing_chunks: plan.missing_chunks,
            ..Collected::default()
        });
        if dry_run {
            collected.freed_bytes = plan.frees();
            collected.packs = plan.dead_packs + plan.copied_packs;
            collected.copied_bytes = plan.kept_bytes;
            collected.stray_objects = plan.stray_objects;
        } else {
            let report = collection.execute(on_progress)?;
            collected.freed_bytes += report.freed_bytes;
            collected.packs += report.packs;
            collected.copied_bytes += report.copied_bytes;
            collected.stray_objects += report.stray_objects;
            collected.spared_packs = report.spared_packs;
            collected.cut_short = report.cut_short;
            if collected.cut_short.is_some() && report.freed_bytes > 0 {
                continue;
            }
        }
        return Ok(sum.unwrap_or_default());
    }
}

fn event(store: &Store, record: Record) -> Result<Event, Fault> {
    let change = match record.body {
        Body::Commit(commit) => committed(store, record.seq, &commit)?,
        Body::DropReplica { source } => Change::ReplicaDropped { source },
        Body::DeletePoint { point, .. } => Change::PointDeleted { point },
        Body::Config(config) => {
            let known = KINDS.iter().find(|(kind, _)| *kind == config.kind);
            Change::Config {
                kind: known.map_or("", |(_, word)| *word).to_owned(),
                id: SourceId(config.id).to_string(),
                json: config.json,
            }
        }
        Body::Open { .. }
        | Body::Packs { .. }
        | Body::Close { .. }
        | Body::Fence { .. }
        | Body::Generation { .. }
        | Body::RetentionClock
        | Body::Condemn { .. }
        | Body::Spare { .. }
        | Body::Delete { .. } => Change::Other,
    };
    Ok(Event {
        seq: record.seq,
        at: time(record.time_ns),
        change,
    })
}

/// Returns what a commit changes. The store's index knows which commits count: one of a session that was fenced, or
/// from a base that was no longer the replica, is void.
fn committed(store: &Store, seq: u64, commit: &Commit) -> Result<Change, Fault> {
    let replica = store.replica(&commit.source)?;
    let advanced = replica.is_some_and(|replica| replica.seq >= seq);
    let point = match &commit.point {
        Some(facts) => point(store, commit, facts)?,
        None => None,
    };
    if !advanced && point.is_none() {
        return Ok(Change::Other);
    }
    Ok(Change::Commit {
        source: commit.source,
        root: commit.root,
        point: point.map(Box::new),
    })
}

/// Returns what the log says of a point that is still there, and what its object adds: its group, and the point before it.
///
/// One whose object is damaged is listed all the same: the log says that it exists, and reading it will say what is
/// wrong.
fn point(store: &Store, commit: &Commit, facts: &PointFacts) -> Result<Option<Point>, Fault> {
    let object = match store.point_object(&facts.id) {
        Ok(object) => Some(object),
        Err(fault) if fault.code == Code::PointUnknown => return Ok(None),
        Err(fault) if fault.code == Code::PointDamaged => None,
        Err(fault) => return Err(fault),
    };
    Ok(Some(Point {
        id: facts.id,
        source: commit.source,
        group: object
            .as_ref()
            .map_or_else(String::new, |object| object.group.clone()),
        previous: object.and_then(|object| object.previous),
        root: commit.root,
        at: time(facts.time_ns),
        level: match facts.consistency {
            Consistency::Live => Level::Live,
            Consistency::Crash => Level::Crash,
            Consistency::FileSystem => Level::FileSystem,
            Consistency::Application => Level::Application,
        },
        warnings: facts.warnings,
        entries: facts.stats.entries,
        files: facts.stats.files,
        bytes: facts.stats.bytes,
        changed: facts.stats.changed,
        new_bytes: facts.stats.stored_bytes,
    }))
}

fn time(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanoseconds))
        .expect("64 bits of nanoseconds lie inside the calendar")
}
