//! From what two snapshots differ in to what is looked at.
//!
//! The kernel tells paths of some moment on the way from one snapshot to the other. They are those of the older one, and of the
//! newer, but for what is below something that was moved: so whatever was moved is looked at whole, where it was and where it is.
//!
//! Files of which only a name outside of the source is told may have others in it. As long as no directory out there was moved,
//! the path leads to the file in one of the snapshots, and its inode number to the other names. After that every
//! file with several names is looked at.

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use base::limits;
use format::entry::FileKey;
use sources::files::{Pick, Selection, WalkOptions};
use sources::snapshot::{Difference, Pair, Snapshot, Under};

use super::super::Why;
use super::super::plan::{Earlier, Linked, add_marked, add_unsettled};

/// One of the two snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Old,
    New,
}

/// Says what a snapshot has under a path.
pub(super) type Look<'a> = dyn Fn(Side, &[u8]) -> io::Result<Option<Under>> + 'a;

/// What differs, as far as it was told.
pub(super) struct Differences<'a> {
    look: &'a Look<'a>,
    /// The way from the top to the source's root.
    below: Vec<&'a [u8]>,
    walk: &'a WalkOptions,
    selection: Selection,
    /// How many paths, and how long, for the limits.
    count: usize,
    bytes: usize,
    /// The path before: most are told several times on end.
    last: Vec<u8>,
    inodes: HashSet<u64>,
    /// Paths outside that things made or moved have, and that are not directories of the older snapshot.
    strays: HashSet<Vec<u8>>,
    /// Whether a directory outside was moved: from then on paths there may lead elsewhere in both snapshots.
    is_shifted: bool,
    /// Whether a file in the source may have another name that was told after that.
    is_any_linked: bool,
}

/// Where a path leads.
enum Place {
    /// To something in the source.
    Inside(Vec<Vec<u8>>),
    /// To its root, or to a directory on the way there.
    Above,
    /// Elsewhere in the subvolume.
    Outside,
}

impl<'a> Differences<'a> {
    pub(super) fn new(look: &'a Look<'a>, below: &'a Path, walk: &'a WalkOptions) -> Self {
        Self {
            look,
            below: below.iter().map(|name| name.as_bytes()).collect(),
            walk,
            selection: Selection::default(),
            count: 0,
            bytes: 0,
            last: Vec::new(),
            inodes: HashSet::new(),
            strays: HashSet::new(),
            is_shifted: false,
            is_any_linked: false,
        }
    }

    /// Returns what to look at: what differs, what no comparison tells, and what the run before was in trouble with.
    pub(super) fn select(
        mut self,
        pair: &Pair<'_>,
        earlier: Earlier<'_>,
        snapshot: &Snapshot,
        unsettled: &[FileKey],
    ) -> Result<Selection, Why> {
        let mut failed = None;
        let _all = pair.differences(&mut |difference| match self.take(difference) {
            Ok(()) => ControlFlow::Continue(()),
            Err(why) => {
                failed = Some(why);
                ControlFlow::Break(())
            }
        })?;
        if let Some(why) = failed {
            return Err(why);
        }
        // In a snapshot they are of the moment at which they are looked at.
        for below in snapshot.subvolumes().unwrap_or_default() {
            if let Place::Inside(path) = self.place(&below.path) {
                self.selection.add(&path, Pick::Changed);
            }
        }
        add_unsettled(&mut self.selection, unsettled)?;
        let linked = match self.is_any_linked {
            true => Linked::Any,
            false => Linked::Inodes(self.inodes),
        };
        earlier.add_links(&mut self.selection, linked)?;
        Ok(self.selection)
    }

    fn take(&mut self, difference: Difference<'_>) -> Result<(), Why> {
        match difference {
            Difference::Made(path) => {
                self.add_name(path, Pick::Whole)?;
                self.stray(path);
            }
            Difference::Moved { from, to } => {
                self.add_name(from, Pick::Whole)?;
                self.add_name(to, Pick::Whole)?;
                self.shift(from, to).map_err(Why::Lost)?;
            }
            Difference::Linked { name, other } => {
                self.add_name(name, Pick::Changed)?;
                self.add(other, Pick::Changed)?;
            }
            Difference::Gone(path) => self.add_name(path, Pick::Changed)?,
            Difference::Changed(path) => self.add(path, Pick::Changed)?,
        }
        Ok(())
    }

    /// Adds a name that came or went. If it is that of the source's root, there is another one now.
    fn add_name(&mut self, path: &[u8], pick: Pick) -> Result<(), Why> {
        match self.place(path) {
            Place::Above => Err(Why::Replaced),
            _ => self.add(path, pick),
        }
    }

    fn add(&mut self, path: &[u8], pick: Pick) -> Result<(), Why> {
        if self.last != path {
            self.last = path.to_owned();
            self.count += 1;
            self.bytes += path.len();
            if self.count > limits::DIFFERENCES_MAX || self.bytes > limits::DIFFERENCES_BYTES_MAX {
                return Err(Why::Overflow);
            }
        }
        match self.place(path) {
            Place::Inside(path) => {
                if let Some((name, dir)) = path.split_last() {
                    add_marked(self.walk, &mut self.selection, dir, name);
                }
                self.selection.add(&path, pick);
                Ok(())
            }
            // The root is always looked at.
            Place::Above => Ok(()),
            Place::Outside => self.add_outside(path).map_err(Why::Lost),
        }
    }

    fn add_outside(&mut self, path: &[u8]) -> io::Result<()> {
        if self.is_shifted {
            self.is_any_linked = true;
        }
        if !self.is_any_linked {
            for side in [Side::Old, Side::New] {
                let under = (self.look)(side, path)?;
                self.inodes.extend(under.and_then(|under| under.linked));
            }
        }
        Ok(())
    }

    fn stray(&mut self, path: &[u8]) {
        if self.is_outside(path) && !self.is_shifted {
            self.strays.insert(path.to_owned());
        }
    }

    /// Takes note that something outside has another name.
    fn shift(&mut self, from: &[u8], to: &[u8]) -> io::Result<()> {
        let is_known = self.is_shifted || !(self.is_outside(from) || self.is_outside(to));
        if is_known {
            return Ok(());
        }
        let is_stray = self.strays.remove(from);
        if is_stray || (self.look)(Side::Old, from)?.is_some_and(|under| !under.is_dir) {
            self.stray(to);
        } else {
            self.is_shifted = true;
            self.strays = HashSet::new();
        }
        Ok(())
    }

    fn is_outside(&self, path: &[u8]) -> bool {
        matches!(self.place(path), Place::Outside)
    }

    fn place(&self, path: &[u8]) -> Place {
        let names = || path.split(|b| *b == b'/').filter(|name| !name.is_empty());
        let shared = names().zip(&self.below).take_while(|(a, b)| a == *b);
        let (shared, below, len) = (shared.count(), self.below.len(), names().count());
        match () {
            () if shared == len => Place::Above,
            () if shared == below => {
                Place::Inside(names().skip(below).map(<[u8]>::to_vec).collect())
            }
            () => Place::Outside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Difference::{Changed, Gone, Linked, Made, Moved};

    /// The older snapshot has `beside/old`, the newer `beside/new`, both names of files that have others; `beside/alone` is a
    /// file without, `beside/dir` a directory.
    fn look(side: Side, path: &[u8]) -> io::Result<Option<Under>> {
        let under = |is_dir, linked| Some(Under { is_dir, linked });
        Ok(match (side, path) {
            (Side::Old, b"beside/old") => under(false, Some(7)),
            (Side::New, b"beside/new") => under(false, Some(8)),
            (_, b"beside/alone") => under(false, None),
            (_, b"beside/dir") => under(true, None),
            _ => None,
        })
    }

    fn moved<'a>(from: &'a str, to: &'a str) -> Difference<'a> {
        Moved {
            from: from.as_bytes(),
            to: to.as_bytes(),
        }
    }

    fn linked<'a>(name: &'a str, other: &'a str) -> Difference<'a> {
        Linked {
            name: name.as_bytes(),
            other: other.as_bytes(),
        }
    }

    fn with<T>(
        differences: &[Difference<'_>],
        see: impl FnOnce(&Differences<'_>) -> T,
    ) -> Result<T, Why> {
        let walk = WalkOptions::default();
        let mut told = Differences::new(&look, Path::new("root"), &walk);
        for difference in differences {
            told.take(*difference)?;
        }
        Ok(see(&told))
    }

    /// Checks which names in the source are looked at, and by which inode numbers others are found: any at all if `None`.
    fn check(differences: &[Difference<'_>], names: &[&str], inodes: Option<&[u64]>) {
        let found = with(differences, |told| {
            for name in ["a", "b", "dir"] {
                let is_looked_at = told.selection.touches(&[name]);
                assert_eq!(is_looked_at, names.contains(&name), "{differences:?}");
            }
            let mut found: Vec<_> = told.inodes.iter().copied().collect();
            found.sort_unstable();
            (!told.is_any_linked).then_some(found)
        });
        let found = found.expect("it is the source");
        assert_eq!(found.as_deref(), inodes, "{differences:?}");
    }

    #[test]
    fn any_name_of_a_file_that_is_told_leads_to_the_others() {
        check(&[Gone(b"beside/old")], &[], Some(&[7]));
        check(&[Made(b"beside/new")], &[], Some(&[8]));
        check(&[Changed(b"beside/old")], &[], Some(&[7]));
        check(&[Changed(b"beside/new")], &[], Some(&[8]));
        check(&[Changed(b"beside/alone")], &[], Some(&[]));
        check(&[linked("beside/new", "beside/alone")], &[], Some(&[8]));
        check(&[linked("beside/alone", "beside/old")], &[], Some(&[7]));
        check(&[moved("beside/old", "beside/new")], &[], Some(&[7, 8]));
        // Names in the source are looked at themselves.
        check(&[moved("beside/old", "root/a")], &["a"], Some(&[7]));
        check(&[moved("root/a", "beside/new")], &["a"], Some(&[8]));
        check(&[moved("root/a", "root/b")], &["a", "b"], Some(&[]));
        check(&[linked("beside/new", "root/a")], &["a"], Some(&[8]));
        check(&[linked("root/a", "beside/old")], &["a"], Some(&[7]));
        check(&[Gone(b"root/a")], &["a"], Some(&[]));
    }

    #[test]
    fn after_a_directory_outside_moved_any_file_with_several_names_may_be_meant() {
        let away = moved("beside/dir", "beside/dir2");
        check(&[away], &[], Some(&[]));
        check(&[away, Changed(b"beside/dir2/x")], &[], None);
        let inside = moved("beside/dir", "root/dir");
        check(&[inside, Changed(b"beside/dir/x")], &["dir"], None);
        // What is new or a file leads nobody astray.
        let made = [Made(b"beside/o1"), moved("beside/o1", "beside/o2")];
        check(&[made[0], made[1], Changed(b"beside/old")], &[], Some(&[7]));
        let file = moved("beside/alone", "beside/o1");
        check(&[file, Changed(b"beside/old")], &[], Some(&[7]));
    }

    #[test]
    fn another_directory_in_the_roots_place_ends_it() {
        for names in [
            moved("root", "other"),
            moved("other", "root"),
            Gone(b"root"),
        ] {
            assert!(matches!(with(&[names], |_| ()), Err(Why::Replaced)));
        }
        check(&[Changed(b"root")], &[], Some(&[]));
    }

    #[test]
    fn more_than_is_remembered_ends_it() {
        let walk = WalkOptions::default();
        let mut told = Differences::new(&look, Path::new("root"), &walk);
        for n in 0..limits::DIFFERENCES_MAX {
            let path = format!("root/{n}");
            // What is told several times on end counts once.
            for _ in 0..2 {
                told.take(Changed(path.as_bytes())).expect("there is room");
            }
        }
        assert!(matches!(told.take(Changed(b"root/x")), Err(Why::Overflow)));
        let mut told = Differences::new(&look, Path::new("root"), &walk);
        let long = "x".repeat(limits::DIFFERENCES_BYTES_MAX - 1);
        told.take(Changed(long.as_bytes())).expect("there is room");
        told.take(Changed(b"y")).expect("there is room");
        assert!(matches!(told.take(Changed(b"z")), Err(Why::Overflow)));
    }
}
