//! Members: how a path becomes protected, and how it stops to be.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Fault, GroupId, JobId, MachineId, SourceId, fault::Code};

use super::Engine;
use super::points::held;
use crate::jobs::{Cause, JobKind};
use crate::model::config::{self, Document};
use crate::model::{FileOptions, Group, Inventory, Member, Source, SourceKind, path_text};
use crate::replica::Happening;

/// The group that `protect` makes if none is named and there is none.
const FIRST_GROUP: &str = "default";

/// Paths of this machine to protect.
#[derive(Clone, Debug, Default)]
pub struct ProtectRequest {
    /// Directories or files.
    pub paths: Vec<PathBuf>,
    /// The group's name; it is made if there is none of that name. Without one, members stay where they are, and
    /// new ones join the group called `default`.
    pub group: Option<String>,
    /// What to leave out; `None` keeps what members have.
    pub options: Option<FileOptions>,
}

/// A path that is protected now.
#[derive(Clone, Debug)]
pub struct Protected {
    /// The source.
    pub source: Source,
    /// Its name in words.
    pub address: String,
    /// Its group.
    pub group: Group,
    /// Whether the group was made for it.
    pub group_created: bool,
    /// The job that makes its next recovery point.
    pub job: JobId,
}

/// What becomes of a member's recovery points when its protection stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopProtection {
    /// They stay as they are; the replica becomes inactive.
    RetainData,
    /// They are deleted.
    DeleteData,
}

/// What a request comes to: what would be written, and about what.
#[derive(Default)]
struct Decision {
    documents: Vec<Document>,
    sources: Vec<(Source, GroupId)>,
    resumed: Vec<SourceId>,
    created: Option<GroupId>,
}

impl Engine {
    /// Protects paths of this machine: makes the group if need be, makes each path a member, and starts the job
    /// that makes its next recovery point. Asking again is asking for the next point. Either everything is
    /// decided, or nothing is.
    ///
    /// # Errors
    /// - `SourcePathMissing`, `SourcePathUnreadable`, `SourceInsidePool`, `ExcludePatternInvalid`.
    /// - `MemberInOtherGroup`, `GroupNameInvalid`.
    /// - `ReplicaBusy`: a job works on one of them already.
    pub fn protect(&self, request: &ProtectRequest) -> Result<Vec<Protected>, Fault> {
        if request.paths.is_empty() {
            return Err(Fault::new(Code::UsageError).with("detail", "no path was given"));
        }
        if let Some(options) = &request.options {
            self.inner.worker.check_options(options)?;
        }
        let mut paths = Vec::new();
        for path in &request.paths {
            let path = self.look_at(path)?;
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        let deciding = self.deciding();
        let decision = self.decide_protect(paths, request)?;
        for (source, _) in &decision.sources {
            self.refuse_busy(&source.id)?;
        }
        self.put(&decision.documents)?;
        drop(deciding);
        self.resume(&decision)?;
        let inventory = self.inventory();
        let protect = |(source, group): (Source, GroupId)| {
            let group = &inventory.groups[&group];
            let job = self.submit_replica(&source.id, JobKind::CreatePoint, Cause::Manual)?;
            Ok(Protected {
                address: inventory.address(&source).to_string(),
                group_created: decision.created == Some(group.id),
                group: group.clone(),
                source,
                job,
            })
        };
        decision.sources.into_iter().map(protect).collect()
    }

    fn decide_protect(
        &self,
        paths: Vec<PathBuf>,
        request: &ProtectRequest,
    ) -> Result<Decision, Fault> {
        let inventory = self.inventory();
        let machine = self.this_machine(&inventory)?;
        let mut decision = Decision::default();
        let mut joined = None;
        for path in paths {
            let source = match inventory.source_at(&machine, &path) {
                Some(source) => source.clone(),
                None => self.new_source(machine, path, &mut decision),
            };
            let member = inventory.members.get(&source.id);
            let group = match (member, &request.group) {
                (Some(member), None) => member.group,
                (Some(member), Some(name)) if !member.stopped => {
                    stay_in_group(&inventory, &source, member, name)?;
                    member.group
                }
                // One that left its group may come back anywhere.
                (None | Some(_), _) => match joined {
                    Some(group) => group,
                    None => *joined.insert(self.group_to_join(
                        &inventory,
                        request.group.as_deref(),
                        &mut decision,
                    )?),
                },
            };
            let mut wanted = self.active_member(&inventory, &source, group, &mut decision);
            if let Some(options) = &request.options {
                wanted.options.clone_from(options);
            }
            if member != Some(&wanted) {
                decision.documents.push(config::member(&wanted));
            }
            decision.sources.push((source, group));
        }
        Ok(decision)
    }

    /// Returns the member that a source is or becomes: a new one, or one that was stopped, joins `group`.
    fn active_member(
        &self,
        inventory: &Inventory,
        source: &Source,
        group: GroupId,
        decision: &mut Decision,
    ) -> Member {
        let known = inventory.members.get(&source.id);
        if let Some(active) = known.filter(|member| !member.stopped) {
            return active.clone();
        }
        if known.is_some() {
            decision.resumed.push(source.id);
        }
        Member {
            source: source.id,
            group,
            options: known
                .map(|member| member.options.clone())
                .unwrap_or_default(),
            since: self.now(),
            stopped: false,
        }
    }

    /// Says that replicas have become active again.
    fn resume(&self, decision: &Decision) -> Result<(), Fault> {
        for source in &decision.resumed {
            let replica = self.inner.catalog.replica(source)?.is_some();
            self.replica_happening(source, Happening::Resumed(replica))?;
        }
        Ok(())
    }

    fn new_source(&self, machine: MachineId, path: PathBuf, decision: &mut Decision) -> Source {
        let source = Source {
            id: SourceId::random(&self.inner.env),
            machine,
            kind: SourceKind::Files,
            path,
            file_system: None,
        };
        decision.documents.push(config::source(&source));
        source
    }

    fn group_to_join(
        &self,
        inventory: &Inventory,
        name: Option<&str>,
        decision: &mut Decision,
    ) -> Result<GroupId, Fault> {
        let name = name.unwrap_or(FIRST_GROUP);
        if let Ok(group) = inventory.resolve_group(name) {
            return Ok(group.id);
        }
        let group = self.new_group(name, self.standard_policy())?;
        decision.documents.insert(0, config::group(&group));
        decision.created = Some(group.id);
        Ok(group.id)
    }

    /// Makes sources members of a group, or moves them there with their points. What is a path of this machine
    /// and no source yet becomes one.
    ///
    /// # Errors
    /// `GroupUnknown`, `SourceUnknown`, `SourceAmbiguous`, or the pool's own.
    pub fn add_members(&self, group: &str, sources: &[String]) -> Result<Vec<Source>, Fault> {
        // Before anybody has to wait for it: a file server that does not answer may take long.
        let paths = self.look_at_new(group, sources)?;
        let _deciding = self.deciding();
        let inventory = self.inventory();
        let group = inventory.resolve_group(group)?.id;
        let machine = self.this_machine(&inventory)?;
        let mut decision = Decision::default();
        for text in sources {
            let source = match inventory.resolve_source_to_change(text) {
                Ok(source) => source.clone(),
                Err(fault) => match paths.get(text) {
                    Some(path) => match inventory.source_at(&machine, path) {
                        Some(source) => source.clone(),
                        None => self.new_source(machine, path.clone(), &mut decision),
                    },
                    None => return Err(fault),
                },
            };
            let mut member = self.active_member(&inventory, &source, group, &mut decision);
            member.group = group;
            decision.documents.push(config::member(&member));
            decision.sources.push((source, group));
        }
        self.put(&decision.documents)?;
        self.resume(&decision)?;
        Ok(decision.sources.into_iter().map(|(s, _)| s).collect())
    }

    /// Returns the paths of those names that are of no source yet.
    fn look_at_new<'a>(
        &self,
        group: &str,
        sources: &'a [String],
    ) -> Result<BTreeMap<&'a String, PathBuf>, Fault> {
        let inventory = self.inventory();
        inventory.resolve_group(group)?;
        let mut paths = BTreeMap::new();
        for text in sources {
            match inventory.resolve_source_to_change(text) {
                Err(fault) if fault.code == Code::SourceUnknown && text.starts_with('/') => {
                    paths.insert(text, self.look_at(Path::new(text))?);
                }
                _ => {}
            }
        }
        Ok(paths)
    }

    /// Stops the protection of members of a group.
    ///
    /// # Errors
    /// `GroupUnknown`, `SourceUnknown`, `SourceAmbiguous`, `MemberUnknown`, `ReplicaBusy`, and, when data is to be
    /// deleted, `PointHeld`, before anything was changed, and `PointInUse`.
    pub fn remove_members(
        &self,
        group: &str,
        sources: &[String],
        stop: StopProtection,
    ) -> Result<Vec<Source>, Fault> {
        let deciding = self.deciding();
        let inventory = self.inventory();
        let group = inventory.resolve_group(group)?;
        let mut leaving = Vec::new();
        for text in sources {
            let source = inventory.resolve_source_to_change(text)?;
            match inventory.members.get(&source.id) {
                Some(member) if member.group == group.id => {}
                _ => {
                    return Err(Fault::new(Code::MemberUnknown)
                        .with("source", inventory.address(source))
                        .with("group", &group.name));
                }
            }
            self.refuse_busy(&source.id)?;
            if stop == StopProtection::DeleteData {
                self.refuse_held(&inventory, &source.id)?;
            }
            leaving.push(source.clone());
        }
        for source in &leaving {
            // First, also where data goes: nothing may begin anew what is half deleted.
            self.retire(&inventory, source)?;
            if stop == StopProtection::DeleteData {
                self.forget(source)?;
            }
            self.inner.catalog.unplan(&source.id, None)?;
            let subject = source.id.to_string();
            self.inner.catalog.settle_all(&subject, self.now())?;
        }
        // Their file systems may not answer.
        drop(deciding);
        for source in &leaving {
            self.inner.worker.release(&source.id);
        }
        Ok(leaving)
    }

    /// Takes what is at a source's place now for the source, even if it is on another file system and nothing is left: which
    /// one it was on is forgotten until the next synchronization.
    ///
    /// # Errors
    /// `SourceUnknown`, `SourceAmbiguous`, or the pool's own.
    pub fn accept_source(&self, source: &str) -> Result<SourceId, Fault> {
        self.refuse_read_only()?;
        let _deciding = self.deciding();
        let inventory = self.inventory();
        let source = Source {
            file_system: None,
            ..inventory.resolve_source_to_change(source)?.clone()
        };
        self.put(&[config::source(&source)])?;
        Ok(source.id)
    }

    /// Returns the sources that are protected now.
    pub fn protected(&self) -> HashSet<SourceId> {
        let inventory = self.inventory();
        let members = inventory.members.values();
        members
            .filter(|member| !member.stopped)
            .map(|member| member.source)
            .collect()
    }

    fn retire(&self, inventory: &Arc<Inventory>, source: &Source) -> Result<(), Fault> {
        let mut member = inventory.members[&source.id].clone();
        member.stopped = true;
        self.put(&[config::member(&member)])?;
        self.replica_happening(&source.id, Happening::Stopped)
    }

    /// Stops the protection of every member, in every group: their replicas and points stay as they are. Returns every source
    /// that is in a group, protected until now or not, with the name of that.
    ///
    /// # Errors
    /// The pool's own; whoever asks again goes on.
    pub fn stop_all_members(&self) -> Result<Vec<(SourceId, String)>, Fault> {
        let _deciding = self.deciding();
        let inventory = self.inventory();
        let active: Vec<&Member> = inventory.active_members().map(|(m, _)| m).collect();
        let stopped = active.iter().map(|member| Member {
            stopped: true,
            ..(*member).clone()
        });
        let documents: Vec<Document> = stopped.map(|member| config::member(&member)).collect();
        self.put(&documents)?;
        for member in active {
            self.replica_happening(&member.source, Happening::Stopped)?;
        }
        let members = inventory.members.keys();
        let grouped = members.filter_map(|source| Some((*source, inventory.member(source)?.1)));
        Ok(grouped
            .map(|(id, group)| (id, group.name.clone()))
            .collect())
    }

    fn refuse_held(&self, inventory: &Inventory, source: &SourceId) -> Result<(), Fault> {
        for point in self.inner.catalog.points(Some(source))? {
            if let Some(reason) = inventory.holds.get(&point.id) {
                return Err(held(&point.id, reason));
            }
        }
        Ok(())
    }

    fn forget(&self, source: &Source) -> Result<(), Fault> {
        for point in self.inner.catalog.points(Some(&source.id))? {
            // Somebody may hold it only now.
            if let Some(reason) = self.inventory().holds.get(&point.id) {
                return Err(held(&point.id, reason));
            }
            self.delete_unpinned(&point)?;
        }
        self.inner.pool.drop_replica(&source.id)?;
        self.put(&[
            config::no_member(&source.id),
            config::doubt(&source.id, None),
            config::no_source(&source.id),
        ])
    }

    pub(super) fn this_machine(&self, inventory: &Inventory) -> Result<MachineId, Fault> {
        let machine = inventory.local_machine().map(|machine| machine.id);
        machine.ok_or_else(|| {
            Fault::new(Code::Internal).with("detail", "this machine is not in the inventory")
        })
    }

    /// Says whether a path of this machine can be protected, and returns it absolute and without symbolic links.
    fn look_at(&self, path: &Path) -> Result<PathBuf, Fault> {
        let refused = |e: io::Error| match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Fault::new(Code::SourcePathMissing)
                    .with("path", path_text(path))
                    .because(e)
            }
            _ => match Fault::of_exhaustion(&e) {
                Some(fault) => fault.because(e),
                None => Fault::new(Code::SourcePathUnreadable)
                    .with("path", path_text(path))
                    .with("reason", &e)
                    .because(e),
            },
        };
        let real = path.canonicalize().map_err(refused)?;
        let own = self.inner.home.own();
        if let Some(own) = own.iter().find(|own| real.starts_with(own)) {
            return Err(Fault::new(Code::SourceInsidePool)
                .with("path", path_text(path))
                .with("pool", path_text(own)));
        }
        let metadata = real.metadata().map_err(refused)?;
        if metadata.is_dir() {
            real.read_dir().map_err(refused)?;
        } else if metadata.is_file() {
            std::fs::File::open(&real).map_err(refused)?;
        } else {
            return Err(Fault::new(Code::SourcePathUnreadable)
                .with("path", path_text(path))
                .with("reason", "it is neither a directory nor a regular file"));
        }
        Ok(real)
    }
}

fn stay_in_group(
    inventory: &Inventory,
    source: &Source,
    member: &Member,
    name: &str,
) -> Result<(), Fault> {
    let is_there = inventory
        .groups
        .get(&member.group)
        .filter(|group| group.name != name && group.id.to_string() != name);
    match is_there {
        None => Ok(()),
        Some(group) => Err(Fault::new(Code::MemberInOtherGroup)
            .with("source", inventory.address(source))
            .with("group", &group.name)),
    }
}
