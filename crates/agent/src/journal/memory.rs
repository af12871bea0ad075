//! Which names changed, in bounded memory.
//!
//! Changes are numbered. A name keeps the number of its last change and all that ever happened to it, which is more than is
//! asked for, never less. Where names are too many, or some were lost, all of a file system's are dropped and the number at
//! which that was is kept: whoever goes on from an earlier one has a gap.

use std::collections::HashMap;

use base::limits;
use sources::changes::{FileHandle, Volume, What};

/// What changed in all file systems that are listened to.
#[derive(Default)]
pub(super) struct Memory {
    last: u64,
    volumes: HashMap<Volume, Changed>,
}

/// Why changes are not remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nobody listened.
    #[default]
    Unheard,
    /// They were too many.
    Overflow,
}

/// What changed in one.
#[derive(Default)]
struct Changed {
    /// Nothing up to this number is remembered, and why.
    gap: (u64, Gap),
    dirs: HashMap<FileHandle, Names>,
    files: HashMap<FileHandle, u64>,
    count: usize,
}

/// What happened to the names of one directory, with the number of the last time.
type Names = HashMap<Box<[u8]>, (u64, What)>;

/// A name of a directory, and what happened to it.
pub(super) type Named = (Box<[u8]>, What);

/// What changed in one file system since some moment.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Names by the directories that they stand in.
    pub(super) dirs: Vec<(FileHandle, Vec<Named>)>,
    /// Files that changed without a name.
    pub(super) files: Vec<FileHandle>,
}

impl Memory {
    /// Returns the number of the last change.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Takes note that a file system is listened to from now on.
    pub(super) fn begin(&mut self, volume: Volume) {
        self.last += 1;
        let changed = self.volumes.entry(volume).or_default();
        changed.lose(self.last, Gap::Unheard);
    }

    /// Returns why something after change `seen` may have been lost, if it may.
    pub(super) fn gap(&self, volume: Volume, seen: u64) -> Option<Gap> {
        match self.volumes.get(&volume).map(|changed| changed.gap) {
            Some((number, gap)) => (number > seen).then_some(gap),
            None => Some(Gap::Unheard),
        }
    }

    /// Takes note of a name. File systems that nobody began with are none.
    pub(super) fn name(&mut self, volume: Volume, dir: &[u8], name: &[u8], what: What) {
        let Some(changed) = self.volumes.get_mut(&volume) else {
            return;
        };
        self.last += 1;
        let names = match changed.dirs.get_mut(dir) {
            Some(names) => names,
            None => changed.dirs.entry(dir.into()).or_default(),
        };
        match names.get_mut(name) {
            Some((number, before)) => {
                *number = self.last;
                before.whole |= what.whole;
                before.names |= what.names;
            }
            None => {
                names.insert(name.into(), (self.last, what));
                changed.grow(self.last);
            }
        }
    }

    /// Takes note of a file that changed without a name.
    pub(super) fn file(&mut self, volume: Volume, file: &[u8]) {
        let Some(changed) = self.volumes.get_mut(&volume) else {
            return;
        };
        self.last += 1;
        match changed.files.get_mut(file) {
            Some(number) => *number = self.last,
            None => {
                changed.files.insert(file.into(), self.last);
                changed.grow(self.last);
            }
        }
    }

    /// Takes note that anything may have happened.
    pub(super) fn lose_all(&mut self) {
        self.last += 1;
        for changed in self.volumes.values_mut() {
            changed.lose(self.last, Gap::Overflow);
        }
    }

    /// Returns what changed after change `seen`.
    pub(super) fn since(&self, volume: Volume, seen: u64) -> Changes {
        let Some(changed) = self.volumes.get(&volume) else {
            return Changes::default();
        };
        let mut changes = Changes::default();
        for (dir, names) in &changed.dirs {
            let late = names.iter().filter(|(_, (number, _))| *number > seen);
            let late: Vec<_> = late
                .map(|(name, (_, what))| (name.clone(), *what))
                .collect();
            if !late.is_empty() {
                changes.dirs.push((dir.clone(), late));
            }
        }
        let files = changed.files.iter().filter(|(_, number)| **number > seen);
        changes.files = files.map(|(file, _)| file.clone()).collect();
        changes
    }

    /// Forgets what everybody has seen: `oldest` says up to where that is, by file system. Nobody waits for what happens
    /// elsewhere.
    pub(super) fn forget(&mut self, oldest: &HashMap<Volume, u64>) {
        for (volume, changed) in &mut self.volumes {
            let seen = oldest.get(volume).copied().unwrap_or(u64::MAX);
            for names in changed.dirs.values_mut() {
                names.retain(|_, (number, _)| *number > seen);
            }
            changed.dirs.retain(|_, names| !names.is_empty());
            changed.files.retain(|_, number| *number > seen);
            changed.count =
                changed.files.len() + changed.dirs.values().map(HashMap::len).sum::<usize>();
        }
    }
}

impl Changed {
    fn grow(&mut self, last: u64) {
        self.count += 1;
        if self.count > limits::CHANGES_REMEMBERED_MAX {
            self.lose(last, Gap::Overflow);
        }
    }

    fn lose(&mut self, last: u64, gap: Gap) {
        *self = Self {
            gap: (last, gap),
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUME: Volume = 7;

    fn names(memory: &Memory, seen: u64) -> Vec<String> {
        let changes = memory.since(VOLUME, seen);
        let mut names = Vec::new();
        for (dir, found) in changes.dirs {
            for (name, what) in found {
                let whole = if what.whole { "!" } else { "" };
                names.push(format!(
                    "{}/{}{whole}",
                    dir.escape_ascii(),
                    name.escape_ascii()
                ));
            }
        }
        names.extend(changes.files.iter().map(|f| f.escape_ascii().to_string()));
        names.sort_unstable();
        names
    }

    fn listening() -> Memory {
        let mut memory = Memory::default();
        memory.begin(VOLUME);
        memory
    }

    #[test]
    fn a_name_is_told_to_everybody_who_has_not_seen_its_last_change() {
        let mut memory = listening();
        let whole = What {
            whole: true,
            names: true,
        };
        memory.name(VOLUME, b"d", b"a", whole);
        let first = memory.last();
        memory.name(VOLUME, b"d", b"b", What::default());
        memory.file(VOLUME, b"f");
        let second = memory.last();
        memory.name(VOLUME, b"d", b"a", What::default());
        assert_eq!(names(&memory, 1), ["d/a!", "d/b", "f"]);
        assert_eq!(names(&memory, first), ["d/a!", "d/b", "f"]);
        assert_eq!(names(&memory, second), ["d/a!"]);
        assert_eq!(names(&memory, memory.last()), [""; 0]);
        memory.forget(&HashMap::from([(VOLUME, second)]));
        assert_eq!(names(&memory, 0), ["d/a!"]);
        memory.forget(&HashMap::new());
        assert_eq!(names(&memory, 0), [""; 0]);
    }

    #[test]
    fn what_is_lost_is_a_gap_for_those_before_and_for_nobody_after() {
        let mut memory = listening();
        let seen = memory.last();
        assert_eq!(memory.gap(VOLUME, seen), None);
        assert_eq!(memory.gap(VOLUME, seen - 1), Some(Gap::Unheard));
        assert_eq!(memory.gap(VOLUME + 1, seen), Some(Gap::Unheard));
        memory.lose_all();
        assert_eq!(memory.gap(VOLUME, seen), Some(Gap::Overflow));
        assert_eq!(memory.gap(VOLUME, memory.last()), None);
        let seen = memory.last();
        // It was mounted anew.
        memory.begin(VOLUME);
        assert_eq!(memory.gap(VOLUME, seen), Some(Gap::Unheard));
    }

    #[test]
    fn more_names_than_are_remembered_are_a_gap() {
        let mut memory = listening();
        let seen = memory.last();
        for n in 0..limits::CHANGES_REMEMBERED_MAX {
            memory.name(VOLUME, b"d", n.to_string().as_bytes(), What::default());
        }
        assert_eq!(memory.gap(VOLUME, seen), None);
        memory.file(VOLUME, b"one more");
        assert_eq!(memory.gap(VOLUME, seen), Some(Gap::Overflow));
        let seen = memory.last();
        memory.name(VOLUME, b"d", b"after", What::default());
        assert_eq!(memory.gap(VOLUME, seen), None);
        assert_eq!(names(&memory, seen), ["d/after"]);
    }
}
