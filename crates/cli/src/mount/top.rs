//! What a mount's own directory is: one recovery point, or a directory for each of a source's.

use api::view::{EntryKind, FullEntryView, PointView};
use api::{Operations, PathText, Problem};
use jiff::tz::TimeZone;

/// What to mount.
#[derive(Clone, Debug)]
pub enum Top {
    /// The tree of one recovery point, by its id. If the source is a file, a directory with that file, which has this
    /// name.
    Point {
        /// Its id.
        id: String,
        /// What a source that is a file is called.
        name: Vec<u8>,
        /// Whether it is one.
        is_file: bool,
    },
    /// All recovery points of a source, each under its time; `newest` leads to the newest.
    Source {
        /// The source's id.
        id: String,
    },
}

/// Name of the link to the newest recovery point.
pub(super) const NEWEST: &[u8] = b"newest";

/// A recovery point in the top directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) name: Vec<u8>,
    pub(super) point: String,
}

impl Top {
    /// Returns the recovery points that the top directory shows, newest first; none if it is itself one.
    pub(super) fn points(
        &self,
        operations: &dyn Operations,
        zone: &TimeZone,
    ) -> Result<Vec<Shown>, Problem> {
        match self {
            Self::Point { is_file: false, .. } => Ok(Vec::new()),
            Self::Point { id, name, .. } => Ok(vec![Shown {
                name: name.clone(),
                point: id.clone(),
            }]),
            Self::Source { id } => Ok(named(&operations.points(Some(id))?.points, zone)),
        }
    }
}

/// Names points by their local time; of several of one second all but the oldest have their id behind it.
fn named(newest_first: &[PointView], zone: &TimeZone) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::with_capacity(newest_first.len());
    for point in newest_first.iter().rev() {
        let time = point.time.0.to_zoned_datetime(zone.clone());
        let mut name = time.strftime("%Y-%m-%dT%H-%M-%S").to_string();
        let same = |other: &Shown| other.name.starts_with(name.as_bytes());
        // They come in the order of time: only a neighbour can have the same second.
        if shown.last().is_some_and(same) {
            name = format!("{name}-{}", point.id);
        }
        shown.push(Shown {
            name: name.into_bytes(),
            point: point.id.clone(),
        });
    }
    shown.reverse();
    shown
}

/// Returns the entry of the top directory itself, where it is none of a point's, owned by whoever mounts.
pub(super) fn directory() -> FullEntryView {
    FullEntryView {
        name: PathText::default(),
        kind: EntryKind::Directory,
        size: 0,
        data_bytes: 0,
        modified_ns: 0,
        changed_ns: 0,
        mode: 0o755,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        user: PathText::default(),
        group: PathText::default(),
        links: 2,
        inode: 0,
        device: 0,
        special: None,
        target: None,
        xattrs: Vec::new(),
    }
}

/// Returns the entry of the link to the newest recovery point.
pub(super) fn newest(target: &[u8]) -> FullEntryView {
    FullEntryView {
        kind: EntryKind::Symlink,
        mode: 0o777,
        links: 1,
        target: Some(PathText(target.to_vec())),
        ..directory()
    }
}
