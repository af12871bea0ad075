//! What is measured: a kind of work, on a set of data, with the page cache in a known state.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A set of data.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Set {
    /// 220,000 real small files.
    Src,
    /// 4 GiB in a few files.
    Big,
    /// 1,000,000 tiny files.
    Many,
}

/// A kind of work.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Work {
    /// The first backup into a fresh repository.
    Full,
    /// A backup of what has not changed since the last.
    Unchanged,
    /// A backup after one round of changes.
    Mutated,
    /// Everything, into an empty directory.
    Restore,
    /// Every byte of the repository, read and checked.
    Verify,
}

/// What the page cache holds when a command starts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cache {
    /// Nothing: pages, directory entries and inodes were dropped.
    Cold,
    /// What the same command read and wrote just before.
    Warm,
    /// Whatever was there: this user may not drop it.
    Found,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Row {
    pub(crate) set: Set,
    pub(crate) work: Work,
    pub(crate) cache: Cache,
}

impl Set {
    pub(crate) const ALL: [Self; 3] = [Self::Src, Self::Big, Self::Many];

    /// Returns its name, which is also its directory's.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Src => "src",
            Self::Big => "big",
            Self::Many => "many",
        }
    }
}

impl Work {
    /// All kinds, in the order they are measured in: `Mutated` is last, because it begins new repositories.
    pub(crate) const ALL: [Self; 5] = [
        Self::Full,
        Self::Unchanged,
        Self::Restore,
        Self::Verify,
        Self::Mutated,
    ];

    /// Returns its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Unchanged => "unchanged",
            Self::Mutated => "mutated",
            Self::Restore => "restore",
            Self::Verify => "verify",
        }
    }

    /// Returns whether it belongs to the table if only its name was asked for. Sixteen unchanged files
    /// tell nothing, and a restore of a million tiny ones measures the file system more than the tool; their
    /// 21 to 90 MiB are verified at once, and no mutation of them is defined.
    fn usual(self, set: Set) -> bool {
        match self {
            Self::Full => true,
            Self::Unchanged => set != Set::Big,
            Self::Mutated | Self::Restore | Self::Verify => set != Set::Many,
        }
    }
}

impl Cache {
    /// Returns its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::Found => "as found",
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (work, set, cache) = (self.work.name(), self.set.name(), self.cache.name());
        write!(f, "{work} `{set}`, {cache}")
    }
}

impl FromStr for Set {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|s| s.name() == text);
        found.ok_or_else(|| "one of src, big, many is expected".into())
    }
}

/// What `--rows` names: a kind of work on its usual sets, or on one set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowChoice {
    work: Work,
    set: Option<Set>,
}

impl RowChoice {
    /// Returns whether it names this work on this set.
    pub(crate) fn names(self, work: Work, set: Set) -> bool {
        self.work == work && self.set.map_or_else(|| work.usual(set), |s| s == set)
    }
}

impl FromStr for RowChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (work, set) = match text.split_once('-') {
            Some((work, set)) => (work, Some(set.parse()?)),
            None => (text, None),
        };
        let work = Work::ALL.into_iter().find(|w| w.name() == work);
        let work = work.ok_or("full, unchanged, mutated, restore or verify is expected")?;
        if work == Work::Mutated && set == Some(Set::Many) {
            return Err("no mutation of many is defined".into());
        }
        Ok(Self { work, set })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(choice: &str, expected: &[&str]) {
        let choice: RowChoice = choice.parse().unwrap();
        let mut named = Vec::new();
        for work in Work::ALL {
            for set in Set::ALL.into_iter().filter(|s| choice.names(work, *s)) {
                named.push(format!("{}-{}", work.name(), set.name()));
            }
        }
        assert_eq!(named, expected);
    }

    #[test]
    fn a_choice_names_the_usual_rows_or_exactly_one() {
        check("full", &["full-src", "full-big", "full-many"]);
        check("unchanged", &["unchanged-src", "unchanged-many"]);
        check("restore", &["restore-src", "restore-big"]);
        check("restore-many", &["restore-many"]);
        check("mutated", &["mutated-src", "mutated-big"]);
        check("verify", &["verify-src", "verify-big"]);
        assert!("mutated-many".parse::<RowChoice>().is_err());
        assert!("prune".parse::<RowChoice>().is_err());
        assert!("full-".parse::<RowChoice>().is_err());
    }
}
