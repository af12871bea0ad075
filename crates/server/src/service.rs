//! The operations over the engine: every door's requests end here.

use std::path::PathBuf;
use std::sync::Arc;

use api::request::{self, Destination, PointChoice};
use api::view::{
    DeletedView, DiffView, EntryListView, FindView, FullEntryListView, GroupChangeView,
    GroupListView, GroupView, Health, JobListView, JobView, MemberListView, PointListView,
    PointView, PoolView, ProtectedView, RangeListView, RestorePlanView, SourceListView, SourceView,
    StatusView,
};
use api::{Operations, PathText, Problem, Time};
use base::fault::Code;
use base::limits::JOBS_LISTED_MAX;
use base::schedule::Schedule;
use base::{Env, Fault, JobId, Lang};
use engine::model::{Inventory, Policy};
use engine::pool::VerifyOrder;
use engine::{
    Engine, JobQuery, NewVolume, PolicyChange, ProtectRequest, RestoreRequest, Status,
    StopProtection, worker,
};

use crate::look::{self, Eyes, Look};
use crate::views;

/// The operations over one engine, answering in one language. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    engine: Engine,
    look: Arc<dyn Look>,
    env: Env,
    language: Lang,
}

impl Service {
    /// Returns the operations over `engine`.
    pub fn new(engine: Engine, look: Arc<dyn Look>, env: Env) -> Self {
        Self {
            engine,
            look,
            env,
            language: Lang::default(),
        }
    }

    /// Returns them, answering in `language`.
    #[must_use]
    pub fn speaking(&self, language: Lang) -> Self {
        Self {
            language,
            ..self.clone()
        }
    }

    fn answer<T>(&self, result: Result<T, Fault>) -> Result<T, Problem> {
        result.map_err(|fault| Problem::of(&fault, self.language))
    }

    fn eyes(&self) -> Eyes<'_> {
        Eyes {
            engine: &self.engine,
            look: &*self.look,
            language: self.language,
        }
    }

    fn show_job(&self, id: JobId) -> Result<JobView, Fault> {
        let job = self.engine.job(&id.to_string())?;
        Ok(views::job(&job, &self.engine.inventory(), self.language))
    }

    fn show_group(&self, group: &engine::model::Group, inventory: &Inventory) -> GroupView {
        views::group(group, inventory, self.env.now(), self.language)
    }

    fn show_members(
        &self,
        group: &str,
        sources: &[engine::model::Source],
    ) -> Result<MemberListView, Fault> {
        let inventory = self.engine.inventory();
        let addresses = sources.iter().map(|s| inventory.address(s).to_string());
        Ok(MemberListView {
            group: self.engine.group(group)?.name,
            members: addresses.collect(),
        })
    }

    fn show_pool(&self, status: &engine::pool::PoolStatus) -> Result<PoolView, Fault> {
        Ok(views::pool(
            status,
            self.engine.protected_bytes()?,
            self.engine.growth_per_day()?,
        ))
    }

    fn show_status(&self, status: &Status) -> Result<StatusView, Fault> {
        let (inventory, now) = (self.engine.inventory(), self.env.now());
        let active = || status.members.iter().filter(|m| !m.member.stopped);
        let mut attention: Vec<String> = status
            .alerts
            .iter()
            .map(|alert| alert.fault.what(self.language))
            .collect();
        for member in active().filter(|m| m.health.needs_attention()) {
            let id = member.source.id.to_string();
            if !status.alerts.iter().any(|alert| alert.subject == id) {
                attention.push(format!("{}: {}", member.address, member.sentence(now)));
            }
        }
        Ok(StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data_dir: PathText::from(self.engine.home().path()),
            owner: status.owner.as_ref().map(views::owner),
            health: match (attention.is_empty(), active().next().is_none()) {
                (false, _) => Health::Attention,
                (true, true) => Health::Empty,
                (true, false) => Health::Ok,
            },
            attention,
            sources: status
                .members
                .iter()
                .map(|member| views::source(member, &inventory, self.engine.home(), now))
                .collect(),
            jobs: status
                .jobs
                .iter()
                .map(|job| views::job(job, &inventory, self.language))
                .collect(),
            pool: self.show_pool(&status.pool)?,
            next_point: active().filter_map(|m| m.next_point).min().map(Time),
            scheduling: match (&status.owner, status.scheduler_beat) {
                (Some(owner), Some(beat)) => owner.since <= beat,
                _ => false,
            },
        })
    }

    /// Returns the recovery point of a source that is meant.
    fn chosen(&self, source: &str, choice: &PointChoice) -> Result<engine::PointView, Fault> {
        let id = match choice {
            PointChoice::Newest => self.engine.newest_point_of(source, None)?.id,
            PointChoice::At(time) => self.engine.newest_point_of(source, Some(time.0))?.id,
            PointChoice::Id(text) => {
                let source = self.engine.inventory().resolve_source(source)?.id;
                let point = self.engine.point(text)?.point;
                if point.source != source {
                    return Err(Fault::new(Code::PointUnknown).with("point", text));
                }
                point.id
            }
        };
        self.engine.point(&id.to_string())
    }

    fn restore_request(
        &self,
        request: &request::Restore,
        point: &engine::PointView,
    ) -> Result<RestoreRequest, Fault> {
        let destination = match &request.to {
            Destination::Original => worker::Destination::Original,
            Destination::Directory(path) => {
                worker::Destination::Directory(path.clone().into_path())
            }
            Destination::Beside => worker::Destination::Directory(self.beside(point)?),
        };
        Ok(RestoreRequest {
            point: point.point.id,
            selection: request
                .paths
                .iter()
                .map(|path| path.clone().into_path())
                .collect(),
            destination,
            on_conflict: match request.on_conflict {
                request::OnConflict::Skip => worker::OnConflict::Skip,
                request::OnConflict::Overwrite => worker::OnConflict::Overwrite,
                request::OnConflict::Rename => worker::OnConflict::Rename,
            },
        })
    }

    /// Returns the directory beside a source that is named for it and for the time of a point.
    fn beside(&self, point: &engine::PointView) -> Result<PathBuf, Fault> {
        let inventory = self.engine.inventory();
        let source = inventory.resolve_source(&point.point.source.to_string())?;
        let mut name = source.path.file_name().unwrap_or_default().to_owned();
        let zone = match inventory.member(&source.id) {
            Some((_, group)) => group.policy.zone().clone(),
            None => self.engine.standard_policy().zone().clone(),
        };
        let time = point.point.at.to_zoned_datetime(zone);
        name.push(format!(".restored-{}", time.strftime("%Y-%m-%dT%H-%M-%S")));
        Ok(source.path.with_file_name(name))
    }
}

/// Returns `policy` with what a request changes.
fn changed(mut policy: Policy, change: &request::ChangeGoals) -> Result<Policy, Fault> {
    if let Some(sync) = &change.sync {
        policy.sync = sync.parse()?;
    }
    if let Some(points) = &change.points {
        policy.points = Schedule::parse(points, policy.zone().clone())?;
    }
    let (new, kept) = (&change.retention, &mut policy.retention);
    for (new, kept) in [
        (new.days, &mut kept.keep_days),
        (new.daily, &mut kept.daily),
        (new.weekly, &mut kept.weekly),
        (new.monthly, &mut kept.monthly),
        (new.yearly, &mut kept.yearly),
    ] {
        *kept = new.unwrap_or(*kept);
    }
    Ok(policy)
}

impl Operations for Service {
    fn status(&self) -> Result<StatusView, Problem> {
        self.answer(self.engine.status().and_then(|s| self.show_status(&s)))
    }

    fn pool(&self) -> Result<PoolView, Problem> {
        self.answer(self.engine.pool_status().and_then(|s| self.show_pool(&s)))
    }

    fn protect(&self, request: &request::Protect) -> Result<ProtectedView, Problem> {
        let order = ProtectRequest {
            paths: request
                .paths
                .iter()
                .cloned()
                .map(PathText::into_path)
                .collect(),
            group: request.group.clone(),
            options: request.selection.as_ref().map(views::options),
        };
        self.answer(self.engine.protect(&order).and_then(|protected| {
            let inventory = self.engine.inventory();
            let mut groups: Vec<GroupView> = Vec::new();
            for one in &protected {
                if groups.iter().all(|group| group.name != one.group.name) {
                    groups.push(self.show_group(&one.group, &inventory));
                }
            }
            let created = protected.iter().find(|one| one.group_created);
            Ok(ProtectedView {
                groups,
                group_created: created.map(|one| one.group.name.clone()),
                jobs: protected
                    .iter()
                    .map(|one| self.show_job(one.job))
                    .collect::<Result<_, _>>()?,
                data_dir_left_out: protected
                    .iter()
                    .find_map(|one| views::left_out(self.engine.home(), &one.source, &inventory)),
            })
        }))
    }

    fn sources(&self) -> Result<SourceListView, Problem> {
        let (inventory, now) = (self.engine.inventory(), self.env.now());
        let members = self.answer(self.engine.members_status(now))?;
        Ok(SourceListView {
            sources: members
                .iter()
                .map(|member| views::source(member, &inventory, self.engine.home(), now))
                .collect(),
        })
    }

    fn source(&self, name: &str) -> Result<SourceView, Problem> {
        let member = self.answer(self.engine.source(name))?;
        Ok(views::source(
            &member,
            &self.engine.inventory(),
            self.engine.home(),
            self.env.now(),
        ))
    }

    fn sync(&self, source: &str) -> Result<JobView, Problem> {
        self.answer(self.engine.sync(source).and_then(|id| self.show_job(id)))
    }

    fn create_point(&self, source: &str) -> Result<JobView, Problem> {
        let job = self.engine.create_point(source);
        self.answer(job.and_then(|id| self.show_job(id)))
    }

    fn verify_pool(&self, request: &request::VerifyPool) -> Result<JobView, Problem> {
        let order = VerifyOrder {
            deep: request.deep,
            percent: request.percent,
            since: None,
        };
        let job = self.engine.verify_pool(order, request.rate);
        self.answer(job.and_then(|id| self.show_job(id)))
    }

    fn add_volume(&self, request: &request::AddVolume) -> Result<PoolView, Problem> {
        let added = self.engine.add_volume(&NewVolume {
            path: request.path.clone().into_path(),
            name: request.name.clone(),
            wipe: request.wipe.clone(),
        });
        self.answer(added)?;
        self.pool()
    }

    fn drain_volume(&self, name: &str) -> Result<JobView, Problem> {
        let job = self.engine.drain_volume(name);
        self.answer(job.and_then(|id| self.show_job(id)))
    }

    fn remove_volume(
        &self,
        name: &str,
        request: &request::RemoveVolume,
    ) -> Result<PoolView, Problem> {
        self.answer(self.engine.remove_volume(name, request.lost))?;
        self.pool()
    }

    fn collect_garbage(&self, request: &request::CollectGarbage) -> Result<JobView, Problem> {
        let job = self.engine.collect_garbage(request.dry_run);
        self.answer(job.and_then(|id| self.show_job(id)))
    }

    fn check(&self, source: &str) -> Result<JobView, Problem> {
        self.answer(self.engine.check(source).and_then(|id| self.show_job(id)))
    }

    fn accept(&self, source: &str) -> Result<SourceView, Problem> {
        let source = self.answer(self.engine.accept_source(source))?;
        self.source(&source.to_string())
    }

    fn points(&self, source: Option<&str>) -> Result<PointListView, Problem> {
        let mut points = self.answer(self.engine.points(source))?;
        points.sort_by_key(|view| std::cmp::Reverse(view.point.at));
        let points = points.iter().map(|view| views::point(view, self.language));
        Ok(PointListView {
            points: points.collect(),
        })
    }

    fn choose_point(&self, source: &str, choice: &PointChoice) -> Result<PointView, Problem> {
        let point = self.answer(self.chosen(source, choice))?;
        Ok(views::point(&point, self.language))
    }

    fn point(&self, name: &str) -> Result<PointView, Problem> {
        let point = self.answer(self.engine.point(name))?;
        Ok(views::point(&point, self.language))
    }

    fn browse(&self, point: &str, request: &request::Browse) -> Result<EntryListView, Problem> {
        self.answer(look::browse(&self.eyes(), point, request))
    }

    fn entries(
        &self,
        point: &str,
        request: &request::Entries,
    ) -> Result<FullEntryListView, Problem> {
        self.answer(look::entries(&self.eyes(), point, request))
    }

    fn read(&self, point: &str, request: &request::Read) -> Result<Vec<u8>, Problem> {
        self.answer(look::read(&self.eyes(), point, request))
    }

    fn ranges(&self, point: &str, request: &request::Ranges) -> Result<RangeListView, Problem> {
        self.answer(look::ranges(&self.eyes(), point, request))
    }

    fn diff(&self, point: &str, request: &request::Diff) -> Result<DiffView, Problem> {
        self.answer(look::diff(&self.eyes(), point, request))
    }

    fn find(&self, request: &request::Find) -> Result<FindView, Problem> {
        self.answer(look::find(&self.eyes(), request))
    }

    fn hold_point(&self, name: &str, request: &request::Hold) -> Result<PointView, Problem> {
        let point = self.answer(self.engine.hold_point(name, Some(&request.reason)))?;
        Ok(views::point(&point, self.language))
    }

    fn release_point(&self, name: &str) -> Result<PointView, Problem> {
        let point = self.answer(self.engine.hold_point(name, None))?;
        Ok(views::point(&point, self.language))
    }

    fn delete_point(&self, name: &str) -> Result<DeletedView, Problem> {
        let point = self.answer(self.engine.delete_point(name))?;
        Ok(DeletedView {
            point: views::point(&point, self.language),
        })
    }

    fn plan_restore(&self, request: &request::Restore) -> Result<RestorePlanView, Problem> {
        let chosen = self.chosen(&request.source, &request.point);
        self.answer(chosen.and_then(|point| {
            let order = self.restore_request(request, &point)?;
            let plan = self.engine.restore_plan(&order)?;
            Ok(views::restore_plan(
                plan,
                views::point(&point, self.language),
                request.paths.clone(),
                order.on_conflict,
            ))
        }))
    }

    fn restore(&self, request: &request::Restore) -> Result<JobView, Problem> {
        let chosen = self.chosen(&request.source, &request.point);
        self.answer(chosen.and_then(|point| {
            let order = self.restore_request(request, &point)?;
            self.show_job(self.engine.restore(&order)?)
        }))
    }

    fn groups(&self) -> Result<GroupListView, Problem> {
        let inventory = self.engine.inventory();
        let groups = self.engine.groups();
        Ok(GroupListView {
            groups: groups
                .iter()
                .map(|g| self.show_group(g, &inventory))
                .collect(),
        })
    }

    fn group(&self, name: &str) -> Result<GroupView, Problem> {
        let group = self.answer(self.engine.group(name))?;
        Ok(self.show_group(&group, &self.engine.inventory()))
    }

    fn create_group(&self, request: &request::CreateGroup) -> Result<GroupView, Problem> {
        let policy = changed(self.engine.standard_policy(), &request.goals);
        let made = policy.and_then(|policy| self.engine.create_group(&request.name, policy));
        let group = self.answer(made)?;
        Ok(self.show_group(&group, &self.engine.inventory()))
    }

    fn change_group(
        &self,
        name: &str,
        request: &request::ChangeGroup,
    ) -> Result<GroupChangeView, Problem> {
        let change = |policy| changed(policy, &request.goals);
        let mode = match (request.dry_run, request.expire) {
            (true, _) => PolicyChange::Preview,
            (false, false) => PolicyChange::Harmless,
            (false, true) => PolicyChange::Any,
        };
        let (group, expiries) = self.answer(self.engine.change_policy(name, change, mode))?;
        let group = self.show_group(&group, &self.engine.inventory());
        Ok(views::group_change(group, &expiries))
    }

    fn add_members(
        &self,
        group: &str,
        request: &request::Members,
    ) -> Result<MemberListView, Problem> {
        let joined = self.engine.add_members(group, &request.sources);
        self.answer(joined.and_then(|sources| self.show_members(group, &sources)))
    }

    fn remove_members(
        &self,
        group: &str,
        request: &request::Members,
    ) -> Result<MemberListView, Problem> {
        let keep = StopProtection::RetainData;
        let left = self.engine.remove_members(group, &request.sources, keep);
        self.answer(left.and_then(|sources| self.show_members(group, &sources)))
    }

    fn jobs(&self) -> Result<JobListView, Problem> {
        let query = JobQuery {
            limit: JOBS_LISTED_MAX,
            ..JobQuery::default()
        };
        let inventory = self.engine.inventory();
        let jobs = self.answer(self.engine.jobs(&query))?;
        Ok(JobListView {
            jobs: jobs
                .iter()
                .map(|job| views::job(job, &inventory, self.language))
                .collect(),
        })
    }

    fn job(&self, name: &str) -> Result<JobView, Problem> {
        let job = self.answer(self.engine.job(name))?;
        Ok(views::job(&job, &self.engine.inventory(), self.language))
    }

    fn cancel_job(&self, name: &str) -> Result<JobView, Problem> {
        let job = self.answer(self.engine.cancel_job(name))?;
        Ok(views::job(&job, &self.engine.inventory(), self.language))
    }
}
