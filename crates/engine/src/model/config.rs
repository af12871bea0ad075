//! Configuration as it stands in the pool's log: JSON documents, each with the version `v` of its form.
//!
//! A form that was ever written stays readable. A document of a newer form is refused rather than guessed at:
//! a policy read wrongly would delete points. The domain types have no stored form of their own, so that they
//! can change without this changing.

use std::collections::BTreeMap;
use std::time::Duration;

use base::schedule::{self, Schedule};
use base::{Fault, PointId, SourceId, fault::Code, retention};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{FileOptions, Group, Inventory, Machine, Member, Policy, Source, SourceKind};
use crate::jobs::stored::Bytes;
use crate::replica::Doubt;

/// The version of the forms below.
const VERSION: u32 = 1;

/// One document, ready for the log; without `json` it removes what has that kind and id.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) json: Option<String>,
}

const MACHINE: &str = "machine";
const SOURCE: &str = "source";
const GROUP: &str = "group";
const MEMBER: &str = "member";
/// What belongs to something by its id: a point's hold, a replica's doubt.
const SETTING: &str = "setting";

#[derive(Serialize, Deserialize)]
struct Form<T> {
    v: u32,
    #[serde(flatten)]
    of: T,
}

#[derive(Serialize, Deserialize)]
struct MachineForm {
    name: String,
    local: bool,
}

#[derive(Serialize, Deserialize)]
struct SourceForm {
    machine: String,
    kind: String,
    path: Bytes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file_system: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct GroupForm {
    name: String,
    points: String,
    zone: String,
    sync: String,
    keep_days: u32,
    daily: u32,
    weekly: u32,
    monthly: u32,
    yearly: u32,
    check_on_inconsistency: bool,
    check: Option<String>,
    promise_seconds: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct MemberForm {
    group: String,
    excludes: Vec<String>,
    exclude_if_present: Vec<String>,
    exclude_caches: bool,
    one_file_system: bool,
    since: String,
    stopped: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "setting", rename_all = "kebab-case")]
enum SettingForm {
    /// The point of that id is held.
    Hold { reason: String },
    /// The replica of the source of that id is in doubt.
    Doubt { doubt: String },
    /// One of a later version that this one may ignore.
    #[serde(other)]
    Other,
}

fn document(kind: &'static str, id: impl ToString, of: impl Serialize) -> Document {
    let form = Form { v: VERSION, of };
    let json = serde_json::to_string(&form).expect("plain structures with text keys are JSON");
    Document {
        kind,
        id: id.to_string(),
        json: Some(json),
    }
}

fn removal(kind: &'static str, id: impl ToString) -> Document {
    Document {
        kind,
        id: id.to_string(),
        json: None,
    }
}

pub(crate) fn machine(machine: &Machine) -> Document {
    let form = MachineForm {
        name: machine.name.clone(),
        local: machine.local,
    };
    document(MACHINE, machine.id, form)
}

pub(crate) fn source(source: &Source) -> Document {
    let form = SourceForm {
        machine: source.machine.to_string(),
        kind: source.kind.name().to_owned(),
        path: Bytes::of(&source.path),
        file_system: source.file_system.clone(),
    };
    document(SOURCE, source.id, form)
}

pub(crate) fn group(group: &Group) -> Document {
    let policy = &group.policy;
    let form = GroupForm {
        name: group.name.clone(),
        points: policy.points.to_string(),
        // A policy in a zone that cannot be written does not get here.
        zone: schedule::zone_name(policy.zone()).unwrap_or_default(),
        sync: policy.sync.to_string(),
        keep_days: policy.retention.keep_days,
        daily: policy.retention.daily,
        weekly: policy.retention.weekly,
        monthly: policy.retention.monthly,
        yearly: policy.retention.yearly,
        check_on_inconsistency: policy.check_on_inconsistency,
        check: policy.check.as_ref().map(ToString::to_string),
        promise_seconds: policy.promise.map(|promise| promise.as_secs()),
    };
    document(GROUP, group.id, form)
}

pub(crate) fn member(member: &Member) -> Document {
    let options = &member.options;
    let form = MemberForm {
        group: member.group.to_string(),
        excludes: options.excludes.clone(),
        exclude_if_present: options.exclude_if_present.clone(),
        exclude_caches: options.exclude_caches,
        one_file_system: options.one_file_system,
        since: member.since.to_string(),
        stopped: member.stopped,
    };
    document(MEMBER, member.source, form)
}

pub(crate) fn no_source(id: &SourceId) -> Document {
    removal(SOURCE, id)
}

pub(crate) fn no_group(id: &base::GroupId) -> Document {
    removal(GROUP, id)
}

pub(crate) fn no_member(id: &SourceId) -> Document {
    removal(MEMBER, id)
}

/// Holds a point, or lets it go.
pub(crate) fn hold(point: &PointId, reason: Option<&str>) -> Document {
    let hold = |reason: &str| SettingForm::Hold {
        reason: reason.to_owned(),
    };
    match reason {
        Some(reason) => document(SETTING, point, hold(reason)),
        None => removal(SETTING, point),
    }
}

/// Writes down that a replica is in doubt, or no longer: the catalog may be lost, the doubt may not.
pub(crate) fn doubt(source: &SourceId, doubt: Option<Doubt>) -> Document {
    let form = |doubt: Doubt| SettingForm::Doubt {
        doubt: doubt.name().to_owned(),
    };
    match doubt {
        Some(doubt) => document(SETTING, source, form(doubt)),
        None => removal(SETTING, source),
    }
}

/// Reads every document; kinds that this version does not know are left alone.
///
/// # Errors
/// - `CatalogVersionNewer`: a document was written by a newer version.
/// - `LogDamaged`: a document is not what any version writes.
pub(crate) fn read(documents: &[(String, String, String)]) -> Result<Inventory, Fault> {
    let mut inventory = Inventory::default();
    for (kind, id, json) in documents {
        let known = [MACHINE, SOURCE, GROUP, MEMBER, SETTING].contains(&kind.as_str());
        if known && read_one(&mut inventory, kind, id, json)?.is_none() {
            return Err(unreadable(kind, id, "it has a value that means nothing"));
        }
    }
    Ok(inventory)
}

fn unreadable(kind: &str, id: &str, reason: impl std::fmt::Display) -> Fault {
    Fault::new(Code::LogDamaged)
        .with("sequence", format!("{kind} {id}"))
        .with("reason", reason)
}

fn parse<T: DeserializeOwned>(kind: &str, id: &str, json: &str) -> Result<T, Fault> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let damaged = |e: serde_json::Error| unreadable(kind, id, &e);
    let Version { v } = serde_json::from_str(json).map_err(damaged)?;
    if v > VERSION {
        return Err(Fault::new(Code::CatalogVersionNewer)
            .with("path", format!("{kind} {id}"))
            .with("found", v)
            .with("supported", VERSION));
    }
    let form: Form<T> = serde_json::from_str(json).map_err(damaged)?;
    Ok(form.of)
}

fn read_one(
    inventory: &mut Inventory,
    kind: &str,
    id: &str,
    json: &str,
) -> Result<Option<()>, Fault> {
    match kind {
        MACHINE => {
            let form: MachineForm = parse(kind, id, json)?;
            Ok(read_machine(id, form).map(|m| put(&mut inventory.machines, m.id, m)))
        }
        SOURCE => {
            let form: SourceForm = parse(kind, id, json)?;
            Ok(read_source(id, form).map(|s| put(&mut inventory.sources, s.id, s)))
        }
        GROUP => {
            let form: GroupForm = parse(kind, id, json)?;
            let group = read_group(id, form)?;
            Ok(group.map(|g| put(&mut inventory.groups, g.id, g)))
        }
        MEMBER => {
            let form: MemberForm = parse(kind, id, json)?;
            Ok(read_member(id, form).map(|m| put(&mut inventory.members, m.source, m)))
        }
        _ => {
            let form: SettingForm = parse(kind, id, json)?;
            Ok(read_setting(inventory, id, &form))
        }
    }
}

fn read_setting(inventory: &mut Inventory, id: &str, form: &SettingForm) -> Option<()> {
    match form {
        SettingForm::Hold { reason } => {
            inventory.holds.insert(id.parse().ok()?, reason.clone());
        }
        SettingForm::Doubt { doubt } => {
            let doubt = Doubt::parse(doubt)?;
            inventory.doubts.insert(id.parse().ok()?, doubt);
        }
        SettingForm::Other => {}
    }
    Some(())
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) {
    map.insert(key, value);
}

fn read_machine(id: &str, form: MachineForm) -> Option<Machine> {
    Some(Machine {
        id: id.parse().ok()?,
        name: form.name,
        local: form.local,
    })
}

fn read_source(id: &str, form: SourceForm) -> Option<Source> {
    Some(Source {
        id: id.parse().ok()?,
        machine: form.machine.parse().ok()?,
        kind: SourceKind::parse(&form.kind)?,
        path: form.path.path()?,
        file_system: form.file_system,
    })
}

fn read_group(id: &str, form: GroupForm) -> Result<Option<Group>, Fault> {
    let Ok(id) = id.parse() else { return Ok(None) };
    let zone = schedule::zone(&form.zone)?;
    let policy = Policy {
        points: Schedule::parse(&form.points, zone.clone())?,
        sync: form.sync.parse()?,
        retention: retention::Policy {
            keep_days: form.keep_days,
            daily: form.daily,
            weekly: form.weekly,
            monthly: form.monthly,
            yearly: form.yearly,
        },
        check_on_inconsistency: form.check_on_inconsistency,
        check: match form.check {
            Some(text) => Some(Schedule::parse(&text, zone)?),
            None => None,
        },
        promise: form.promise_seconds.map(Duration::from_secs),
    };
    let name = form.name;
    Ok(Some(Group { id, name, policy }))
}

fn read_member(id: &str, form: MemberForm) -> Option<Member> {
    Some(Member {
        source: id.parse().ok()?,
        group: form.group.parse().ok()?,
        options: FileOptions {
            excludes: form.excludes,
            exclude_if_present: form.exclude_if_present,
            exclude_caches: form.exclude_caches,
            one_file_system: form.one_file_system,
        },
        since: form.since.parse().ok()?,
        stopped: form.stopped,
    })
}
