//! Everything that is configured, in memory: a view of the configuration documents in the catalog.
//!
//! It never changes; a new one replaces it when the log has moved on. All questions about what belongs to
//! what, and what a text names, are answered here.

use std::collections::BTreeMap;
use std::path::Path;

use base::limits::CANDIDATES_MAX;
use base::{Fault, GroupId, MachineId, PointId, SourceId, fault::Code};

use super::{Address, Group, Machine, Member, Source, path_text};
use crate::replica::Doubt;

/// Machines, sources, groups, members, holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Machines by id.
    pub machines: BTreeMap<MachineId, Machine>,
    /// Sources by id, also of members that were stopped or removed with their points kept.
    pub sources: BTreeMap<SourceId, Source>,
    /// Groups by id.
    pub groups: BTreeMap<GroupId, Group>,
    /// Members by source.
    pub members: BTreeMap<SourceId, Member>,
    /// Points that do not expire and are not deleted, whatever the policy says.
    pub holds: BTreeMap<PointId, String>,
    /// Replicas that were in doubt when it was last written down.
    pub doubts: BTreeMap<SourceId, Doubt>,
}

impl Inventory {
    /// Returns the machine this server runs on.
    pub fn local_machine(&self) -> Option<&Machine> {
        self.machines.values().find(|machine| machine.local)
    }

    /// Returns a source's name in words.
    pub fn address(&self, source: &Source) -> Address {
        let machine = self.machines.get(&source.machine);
        Address {
            machine: machine.map_or_else(|| source.machine.to_string(), |m| m.name.clone()),
            kind: source.kind.name(),
            path: path_text(&source.path),
        }
    }

    /// Returns the name in words of the source with that id; its id if it is not known.
    pub fn address_of(&self, id: &SourceId) -> String {
        match self.sources.get(id) {
            Some(source) => self.address(source).to_string(),
            None => id.to_string(),
        }
    }

    /// Returns the source at that place of that machine.
    pub fn source_at(&self, machine: &MachineId, path: &Path) -> Option<&Source> {
        self.sources
            .values()
            .find(|source| source.machine == *machine && source.path == path)
    }

    /// Returns the members that are protected now, with their group.
    pub fn active_members(&self) -> impl Iterator<Item = (&Member, &Group)> {
        let active = self.members.values().filter(|member| !member.stopped);
        active.filter_map(|member| Some((member, self.groups.get(&member.group)?)))
    }

    /// Returns a member with its group.
    pub fn member(&self, source: &SourceId) -> Option<(&Member, &Group)> {
        let member = self.members.get(source)?;
        Some((member, self.groups.get(&member.group)?))
    }

    /// Returns the members of a group.
    pub fn members_of(&self, group: &GroupId) -> impl Iterator<Item = &Member> {
        let group = *group;
        self.members.values().filter(move |m| m.group == group)
    }

    /// Finds the group of that name or id.
    ///
    /// # Errors
    /// `GroupUnknown`.
    pub fn resolve_group(&self, text: &str) -> Result<&Group, Fault> {
        let mut groups = self.groups.values();
        groups
            .find(|group| group.name == text || group.id.to_string() == text)
            .ok_or_else(|| Fault::new(Code::GroupUnknown).with("group", text))
    }

    /// Finds the source a text names: its address with or without the kind (`web01:files/etc`, `web01:/etc`), its
    /// plain path (`/etc`), its id, or a prefix of one of these that only one source has. An exact name wins over
    /// a prefix.
    ///
    /// # Errors
    /// `SourceUnknown`, or `SourceAmbiguous` with the candidates.
    pub fn resolve_source(&self, text: &str) -> Result<&Source, Fault> {
        let trimmed = text.trim_end_matches('/');
        let mut found = self.named_whole(text);
        if found.is_empty() && !trimmed.is_empty() {
            found = self.named(|name| name.starts_with(trimmed));
        }
        self.only(text, &found)
    }

    /// Finds the source a text names, for whoever changes something about it: as [`Self::resolve_source`], but a path is
    /// meant whole. `/home/a` is a place of its own, not the beginning of `/home/alice`.
    ///
    /// # Errors
    /// As [`Self::resolve_source`].
    pub fn resolve_source_to_change(&self, text: &str) -> Result<&Source, Fault> {
        match text.starts_with('/') {
            true => self.only(text, &self.named_whole(text)),
            false => self.resolve_source(text),
        }
    }

    fn named_whole(&self, text: &str) -> Vec<&Source> {
        let trimmed = text.trim_end_matches('/');
        self.named(|name| name == text || name == trimmed)
    }

    fn named(&self, matches: impl Fn(&str) -> bool) -> Vec<&Source> {
        let sources = self.sources.values();
        sources
            .filter(|source| self.names(source).iter().any(|name| matches(name)))
            .collect()
    }

    fn only<'a>(&self, text: &str, found: &[&'a Source]) -> Result<&'a Source, Fault> {
        match found {
            [] => Err(Fault::new(Code::SourceUnknown).with("source", text)),
            [source] => Ok(source),
            _ => Err(Fault::new(Code::SourceAmbiguous)
                .with("source", text)
                .with("matches", self.candidates(found))),
        }
    }

    fn names(&self, source: &Source) -> [String; 4] {
        let address = self.address(source);
        [
            address.full(),
            address.to_string(),
            address.path,
            source.id.to_string(),
        ]
    }

    fn candidates(&self, found: &[&Source]) -> String {
        let mut names: Vec<String> = found.iter().map(|s| self.address(s).to_string()).collect();
        names.sort();
        let shown = CANDIDATES_MAX as usize;
        let more = names.len().saturating_sub(shown);
        names.truncate(shown);
        let mut text = names.join(", ");
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        text
    }
}
