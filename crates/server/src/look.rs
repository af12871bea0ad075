//! Looking into recovery points: one directory of one, what two have differently, a name in all of them.
//!
//! The engine keeps no chunk, so whoever opened the store lends its eyes: [`Look`]. Which points are meant, and what
//! the answers look like, is decided here.

use api::request::{self, FoundPlace};
use api::view::{
    ChangeView, DiffView, EntryListView, EntryView, FindView, FoundPointView, FoundView,
    FullEntryListView, FullEntryView, RangeListView, UnreadView, VersionView,
};
use api::{PathText, Problem, Time};
use base::fault::{Code, Kind};
use base::{Fault, Lang, PointId, SourceId};
use engine::Engine;

use crate::views;

/// Reads the trees of recovery points.
pub trait Look: Send + Sync {
    /// Lists a directory of a point; a source that is a file is a directory with one entry without a name.
    ///
    /// # Errors
    /// `PointUnknown`: it was deleted; `RestorePathUnknown`, `ChunkMissing`, `ChunkDamaged`, `TreeDamaged`.
    fn browse(&self, point: &PointId, request: &request::Browse) -> Result<Page<EntryView>, Fault>;

    /// Lists entries of a point with everything that is known of them.
    ///
    /// # Errors
    /// As [`Self::browse`].
    fn entries(
        &self,
        point: &PointId,
        request: &request::Entries,
    ) -> Result<Page<FullEntryView>, Fault>;

    /// Reads bytes of a file of a point.
    ///
    /// # Errors
    /// As [`Self::browse`]; `RestorePathUnknown` also for what is no file.
    fn read(&self, point: &PointId, request: &request::Read) -> Result<Vec<u8>, Fault>;

    /// Lists where a file of a point has data.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn ranges(&self, point: &PointId, request: &request::Ranges) -> Result<RangeListView, Fault>;

    /// Lists what the second point has differently from the first.
    ///
    /// # Errors
    /// `PointUnknown`; `RestorePathUnknown` if neither has the path; `ChunkMissing`, `ChunkDamaged`, `TreeDamaged`.
    fn diff(
        &self,
        points: [PointId; 2],
        request: &request::Diff,
    ) -> Result<Page<ChangeView>, Fault>;

    /// Lists the entries of some points of one source, newest first, that match a pattern and lie behind a path.
    ///
    /// # Errors
    /// `FindPatternInvalid`; `PointUnknown`; `ChunkMissing`, `ChunkDamaged`, `TreeDamaged`.
    fn find(
        &self,
        points: &[PointId],
        pattern: &str,
        after: Option<&PathText>,
        limit: u32,
    ) -> Result<Page<Match>, Fault>;
}

/// A part of an answer.
pub struct Page<T> {
    /// What it lists.
    pub items: Vec<T>,
    /// What to go on after, if there is more.
    pub next: Option<PathText>,
}

/// An entry that matches, in one source.
pub struct Match {
    /// Where.
    pub path: PathText,
    /// What it was, newest first, each with the first and last of the points that have it.
    pub versions: Vec<(EntryView, usize, usize)>,
}

/// What looking needs: which points there are, what reads them, and the language of the answer.
pub(crate) struct Eyes<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) look: &'a dyn Look,
    pub(crate) language: Lang,
}

/// Lists a directory of a point.
pub(crate) fn browse(
    eyes: &Eyes<'_>,
    point: &str,
    request: &request::Browse,
) -> Result<EntryListView, Fault> {
    let point = eyes.engine.point(point)?;
    let page = eyes.look.browse(&point.point.id, request)?;
    Ok(EntryListView {
        point: views::point(&point, eyes.language),
        path: request.path.clone(),
        entries: page.items,
        next: page.next,
    })
}

/// Lists entries of a point in full.
pub(crate) fn entries(
    eyes: &Eyes<'_>,
    point: &str,
    request: &request::Entries,
) -> Result<FullEntryListView, Fault> {
    let point = eyes.engine.point_to_read(point)?;
    let page = eyes.look.entries(&point.id, request)?;
    Ok(FullEntryListView {
        entries: page.items,
        next: page.next,
    })
}

/// Reads bytes of a file in a point.
pub(crate) fn read(
    eyes: &Eyes<'_>,
    point: &str,
    request: &request::Read,
) -> Result<Vec<u8>, Fault> {
    let point = eyes.engine.point_to_read(point)?;
    eyes.look.read(&point.id, request)
}

/// Lists where a file in a point has data.
pub(crate) fn ranges(
    eyes: &Eyes<'_>,
    point: &str,
    request: &request::Ranges,
) -> Result<RangeListView, Fault> {
    let point = eyes.engine.point_to_read(point)?;
    eyes.look.ranges(&point.id, request)
}

/// Compares two points.
pub(crate) fn diff(
    eyes: &Eyes<'_>,
    point: &str,
    request: &request::Diff,
) -> Result<DiffView, Fault> {
    let (from, to) = (eyes.engine.point(point)?, eyes.engine.point(&request.with)?);
    let page = eyes.look.diff([from.point.id, to.point.id], request)?;
    Ok(DiffView {
        from: views::point(&from, eyes.language),
        to: views::point(&to, eyes.language),
        changes: page.items,
        next: page.next,
    })
}

/// Finds entries by name in the points of one source, or of all, one source after the other by address. A page
/// ends with its source, full or not, unless nothing was found in it. A source whose trees are damaged is named, and
/// the others are searched all the same.
pub(crate) fn find(eyes: &Eyes<'_>, request: &request::Find) -> Result<FindView, Fault> {
    // A pattern that makes no sense is told of also where there is nothing to find.
    eyes.look.find(&[], &request.pattern, None, 1)?;
    loop {
        match find_once(eyes, request) {
            // Nobody has asked for that point: it was deleted after it had been listed.
            Err(fault) if fault.code == Code::PointUnknown => {}
            found => return found,
        }
    }
}

fn find_once(eyes: &Eyes<'_>, request: &request::Find) -> Result<FindView, Fault> {
    let points = eyes.engine.points(request.source.as_deref())?;
    let mut sources: Vec<(&str, SourceId)> = points
        .iter()
        .map(|view| (view.address.as_str(), view.point.source))
        .collect();
    sources.sort_unstable();
    sources.dedup();
    let mut after = request.after.as_ref();
    if let Some(place) = after {
        let begun = sources
            .iter()
            .position(|(_, id)| id.to_string() == place.source_id);
        // A source that is gone meanwhile has nothing to go on with, and nobody knows what came behind it.
        let begun = begun
            .ok_or_else(|| Fault::new(Code::SourceUnknown).with("source", &place.source_id))?;
        sources.drain(..begun);
    }
    for (i, (address, id)) in sources.iter().enumerate() {
        let mut of_source: Vec<_> = points.iter().filter(|p| p.point.source == *id).collect();
        of_source.sort_by_key(|view| std::cmp::Reverse(view.point.at));
        let behind = after.take().map(|place| &place.path);
        let mut view = match of_one_source(eyes, &of_source, request, behind) {
            Err(fault) if fault.kind() == Kind::Damaged => FindView {
                unread: vec![UnreadView {
                    source: (*address).to_owned(),
                    problem: Problem::of(&fault, eyes.language),
                }],
                ..FindView::default()
            },
            view => view?,
        };
        if !view.has_something() {
            continue;
        }
        if view.next.is_none() {
            view.next = sources.get(i + 1).map(|(_, id)| FoundPlace {
                source_id: id.to_string(),
                path: PathText::default(),
            });
        }
        return Ok(view);
    }
    Ok(FindView::default())
}

/// Finds entries in the points of one source, newest first.
fn of_one_source(
    eyes: &Eyes<'_>,
    points: &[&engine::PointView],
    request: &request::Find,
    behind: Option<&PathText>,
) -> Result<FindView, Fault> {
    let ids: Vec<PointId> = points.iter().map(|view| view.point.id).collect();
    let page = eyes
        .look
        .find(&ids, &request.pattern, behind, request.limit)?;
    let (source_id, address) = points
        .first()
        .map(|view| (view.point.source.to_string(), view.address.clone()))
        .unwrap_or_default();
    let shown = |index: usize| FoundPointView {
        id: points[index].point.id.to_string(),
        time: Time(points[index].point.at),
    };
    let version = |(entry, newest, oldest): (EntryView, usize, usize)| VersionView {
        entry,
        newest: shown(newest),
        oldest: shown(oldest),
        points: (oldest - newest + 1) as u64,
    };
    let found = page.items.into_iter().map(|found| FoundView {
        source: address.clone(),
        source_id: source_id.clone(),
        path: found.path,
        versions: found.versions.into_iter().map(version).collect(),
    });
    Ok(FindView {
        found: found.collect(),
        unread: Vec::new(),
        next: page.next.map(|path| FoundPlace {
            source_id: source_id.clone(),
            path,
        }),
    })
}
