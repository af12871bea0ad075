//! Directories as the kernel lists them: a page at a time, from any place it has been before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use api::PathText;
use api::request::{self, WhichEntries};
use api::view::FullEntryView;
use base::limits::MOUNT_PAGE_ENTRIES;
use fuser::{Errno, FileHandle};

use super::entries::Place;
use super::fs::{Points, below, errno, lock};
use super::top::{self, NEWEST};

#[derive(Default)]
pub(super) struct Listings {
    pub(super) next: u64,
    pub(super) open: HashMap<u64, Arc<Mutex<Listing>>>,
}

/// How far a directory has been listed.
#[derive(Default)]
pub(super) struct Listing {
    /// A part of the directory.
    page: Vec<(Place, FullEntryView)>,
    /// The position of the first of them: 0 is the first entry that is neither `.` nor `..`.
    start: u64,
    /// The name to go on after; none: nothing comes behind the page.
    next: Option<PathText>,
    begun: bool,
}

/// What a listing gives.
pub(super) enum Given<'a> {
    Dots {
        number: u64,
        name: &'a [u8],
        entry: &'a FullEntryView,
        next: u64,
    },
    Entry {
        place: &'a Place,
        entry: &'a FullEntryView,
        next: u64,
    },
}

impl Points {
    /// Goes on with a listing, so that the entry at `position` is in its page, if there is one.
    fn turn(&self, directory: &Place, listing: &mut Listing, position: u64) -> Result<(), Errno> {
        if position < listing.start || !listing.begun {
            *listing = self.page(directory, None, 0)?;
        }
        while position >= listing.start + listing.page.len() as u64 {
            let Some(next) = listing.next.take() else {
                return Ok(());
            };
            let start = listing.start + listing.page.len() as u64;
            *listing = self.page(directory, Some(next), start)?;
        }
        Ok(())
    }

    fn page(
        &self,
        directory: &Place,
        after: Option<PathText>,
        start: u64,
    ) -> Result<Listing, Errno> {
        let mut listing = Listing {
            start,
            begun: true,
            ..Listing::default()
        };
        let (point, path) = match directory {
            Place::Entry { point, path } => (point, path),
            _ => {
                listing.page = self.top_page()?;
                return Ok(listing);
            }
        };
        let request = request::Entries {
            path: PathText(path.clone()),
            which: WhichEntries::Inside,
            after,
            limit: MOUNT_PAGE_ENTRIES,
        };
        let answer = self.operations.entries(point, &request);
        let answer = answer.map_err(|problem| errno(&problem))?;
        let entries = answer.entries.into_iter();
        listing.page = entries
            .map(|entry| (below(point, path, &entry.name.0), entry))
            .collect();
        listing.next = answer.next;
        Ok(listing)
    }

    fn top_page(&self) -> Result<Vec<(Place, FullEntryView)>, Errno> {
        let points = self.shown()?;
        let mut page = Vec::with_capacity(points.len() + 1);
        for shown in &points {
            let place = Place::Entry {
                point: Arc::from(shown.point.as_str()),
                path: Vec::new(),
            };
            // A point that was deleted this moment is not listed.
            if let Ok(entry) = self.entry(&place) {
                let name = PathText(shown.name.clone());
                page.push((place, FullEntryView { name, ..entry }));
            }
        }
        if let (true, Some(newest)) = (self.has_newest(), points.first()) {
            let name = PathText(NEWEST.to_vec());
            page.push((
                Place::Newest,
                FullEntryView {
                    name,
                    ..top::newest(&newest.name)
                },
            ));
        }
        Ok(page)
    }

    /// Lists a directory from `offset` on: 0 and 1 are `.` and `..`. `give` takes name, place, entry and the offset
    /// behind it, and says whether there was no room.
    pub(super) fn list(
        &self,
        (number, handle): (u64, FileHandle),
        offset: u64,
        give: &mut dyn FnMut(Given<'_>) -> bool,
    ) -> Result<(), Errno> {
        let place = self.place(number)?;
        for (at, name) in [&b"."[..], b".."]
            .into_iter()
            .enumerate()
            .skip(offset.min(2) as usize)
        {
            let parent = lock(&self.entries).parent(number);
            let number = if at == 0 { number } else { parent };
            let entry = self
                .numbered(number)
                .unwrap_or_else(|_| Arc::new(top::directory()));
            if give(Given::Dots {
                number,
                name,
                entry: &entry,
                next: at as u64 + 1,
            }) {
                return Ok(());
            }
        }
        let listing = lock(&self.listings).open.get(&handle.0).cloned();
        let listing = listing.ok_or(Errno::EBADF)?;
        let mut listing = lock(&listing);
        let first = offset.saturating_sub(2);
        for position in first.. {
            match self.turn(&place, &mut listing, position) {
                // What was given counts as told: it must arrive. The kernel asks again from here.
                Err(_) if position > first => return Ok(()),
                turned => turned?,
            }
            let Some(item) = listing.page.get((position - listing.start) as usize) else {
                return Ok(());
            };
            if give(Given::Entry {
                place: &item.0,
                entry: &item.1,
                next: position + 3,
            }) {
                return Ok(());
            }
        }
        Ok(())
    }
}
