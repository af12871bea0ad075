//! Second copies of the objects that are too small to mend themselves: `format`, keys, records of the log, points' descriptions.
//!
//! Keys and `format` are copied one by one, when they are made. Records are copied together with the points that they name
//! when what they belong to is over, in one object: a copy comes after what it is of is durable, holds nobody up, and may
//! fail; what has none gets it when the store is opened next. A copy is believed if it passes the checks of the object itself, and then
//! takes its place; what was there is kept in the quarantine.
//!
//! It does not stand for a second disk: copies are where the log is.

use base::Fault;
use base::limits::{COPIES_BYTES, COPIES_RECORDS_MAX, QUARANTINED_MAX};
use format::copies::{decode, encode, object_name, range_of, twin_name};
use format::log::{Body, LogKey};
use objects::{GetError, ObjectName, Objects, PutError};

use crate::faults;
use crate::log::{Mode, read_record};
use crate::open::named;

/// Copies that are not stored yet.
#[derive(Default)]
pub(crate) struct Pending {
    first: u64,
    entries: Vec<(String, Vec<u8>)>,
    bytes: usize,
}

impl Pending {
    /// Takes in a durable object other than a record: it goes with the next one.
    pub(crate) fn add(&mut self, name: String, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        self.entries.push((name, bytes));
    }

    /// Takes in a durable record, and stores all there is if something is over. What cannot be stored now is when the store
    /// is opened next.
    pub(crate) fn add_record(
        &mut self,
        objects: &dyn Objects,
        seq: u64,
        bytes: Vec<u8>,
        body: &Body,
    ) {
        if self.push(seq, bytes) || ends_something(body) {
            self.store(objects, seq);
        }
    }

    /// Takes in a record, and returns whether there is enough to be stored.
    fn push(&mut self, seq: u64, bytes: Vec<u8>) -> bool {
        if self.first == 0 {
            self.first = seq;
        }
        self.add(format::log::object_name(seq), bytes);
        self.bytes >= COPIES_BYTES || seq - self.first + 1 >= COPIES_RECORDS_MAX
    }

    fn store(&mut self, objects: &dyn Objects, last: u64) {
        let pending = std::mem::take(self);
        if pending.first == 0 {
            return;
        }
        let name = named(object_name(pending.first, last));
        let entries = pending.entries.iter();
        let bytes = encode(entries.map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
        if let Err(error) = objects.put_new(&name, &bytes) {
            tracing::warn!(%name, %error, "copies are not stored yet");
        }
    }
}

/// Returns whether what a record belongs to is over with it, and may be acknowledged.
pub(crate) fn ends_something(body: &Body) -> bool {
    !matches!(
        body,
        Body::Open { .. } | Body::Packs { .. } | Body::Condemn { .. }
    )
}

/// The copies of records that there are.
pub(crate) struct Copies {
    /// First and last record of each object, in order.
    ranges: Vec<(u64, u64)>,
}

impl Copies {
    /// Finds them. Where copies cannot be listed there are none.
    pub(crate) fn find(objects: &dyn Objects) -> Self {
        let found = objects.list("copies/log/").unwrap_or_default();
        let mut ranges: Vec<_> = found
            .iter()
            .filter_map(|object| range_of(object.name.as_str()))
            .collect();
        ranges.sort_unstable();
        Self { ranges }
    }

    /// Returns the last record that has one; 0 if none has.
    pub(crate) fn last(&self) -> u64 {
        self.ranges.iter().map(|(_, last)| *last).max().unwrap_or(0)
    }

    /// Returns whether there is one of a record, be it damaged or not.
    pub(crate) fn has(&self, seq: u64) -> bool {
        let mut ranges = self.ranges.iter();
        ranges.any(|(first, last)| (*first..=*last).contains(&seq))
    }

    /// Returns what may be the bytes of a record.
    pub(crate) fn of_record<'a>(
        &'a self,
        objects: &'a dyn Objects,
        seq: u64,
    ) -> impl Iterator<Item = Vec<u8>> + 'a {
        let name = format::log::object_name(seq);
        let ranges = self.ranges.iter();
        let ranges = ranges.filter(move |(first, last)| (*first..=*last).contains(&seq));
        ranges.filter_map(move |range| entry(objects, *range, &name))
    }

    /// Returns what may be the bytes of any other object that was copied with records.
    pub(crate) fn of_object<'a>(
        &'a self,
        objects: &'a dyn Objects,
        name: &'a ObjectName,
    ) -> impl Iterator<Item = Vec<u8>> + 'a {
        let ranges = self.ranges.iter().rev();
        ranges.filter_map(move |range| entry(objects, *range, name.as_str()))
    }

    /// Returns the records up to `last` of which there are no copies: first and last of each gap.
    pub(crate) fn gaps(&self, last: u64) -> Vec<(u64, u64)> {
        let mut gaps = Vec::new();
        let mut next = 1;
        for (first, end) in self.ranges.iter().copied().chain([(last + 1, last + 1)]) {
            if next < first.min(last + 1) {
                gaps.push((next, first.min(last + 1) - 1));
            }
            next = next.max(end + 1);
        }
        gaps
    }

    /// Returns whether every record before one has a copy, and neither that one nor any behind it.
    pub(crate) fn are_whole_before(&self, seq: u64) -> bool {
        seq > 1 && self.last() + 1 == seq && self.gaps(self.last()).is_empty()
    }

    /// Returns the ranges of the copies there are.
    pub(crate) fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }
}

fn entry(objects: &dyn Objects, (first, last): (u64, u64), name: &str) -> Option<Vec<u8>> {
    let bytes = objects.get(&named(object_name(first, last))).ok()?;
    let entries = decode(&bytes).into_iter();
    let mut found = entries.filter(|(entry, _)| *entry == name);
    found.next().map(|(_, bytes)| bytes.to_vec())
}

/// Stores copies of records, with the points that are named in them. What cannot be read has none.
pub(crate) fn fill(objects: &dyn Objects, place: &str, key: &LogKey, gaps: &[(u64, u64)]) {
    for (first, last) in gaps {
        let mut pending = Pending::default();
        for seq in *first..=*last {
            let Ok((bytes, record)) = read_record(objects, place, key, seq) else {
                pending.store(objects, seq - 1);
                continue;
            };
            if let Body::Commit(commit) = &record.body
                && let Some(point) = &commit.point
            {
                let name = format::point::object_name(commit.source, point.id);
                // A point that was deleted since has none.
                if let Ok(bytes) = objects.get(&named(&name)) {
                    pending.add(name, bytes);
                }
            }
            if pending.push(seq, bytes) || seq == *last {
                pending.store(objects, seq);
            }
        }
    }
}

/// Stores the copy of an object that is copied alone. That it cannot be stored is no error: opening tries again.
pub(crate) fn put_twin(objects: &dyn Objects, name: &ObjectName, bytes: &[u8]) {
    match objects.put_new(&named(twin_name(name.as_str())), bytes) {
        Ok(()) | Err(PutError::Exists { .. }) => {}
        Err(error) => tracing::warn!(%name, %error, "a copy is not stored yet"),
    }
}

/// A place where what is damaged is read from its copy, and gets its bytes back if anything may be written.
#[derive(Clone, Copy)]
pub(crate) struct Mender<'a> {
    pub(crate) objects: &'a dyn Objects,
    /// How people call it.
    pub(crate) place: &'a str,
    pub(crate) mode: Mode,
}

impl Mender<'_> {
    /// Reads an object that is copied alone, and what `check` makes of it: of the copy if the object itself is not right.
    ///
    /// # Errors
    /// What is wrong with the object itself.
    pub(crate) fn read_twin<T>(
        &self,
        name: &ObjectName,
        check: impl Fn(Result<Vec<u8>, GetError>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let read = self.objects.get(name);
        // A place that does not answer says nothing about the object.
        let answers = !matches!(read, Err(GetError::Failed { .. } | GetError::Away { .. }));
        let fault = match check(read) {
            Err(fault) if answers => fault,
            done => return done,
        };
        let twin = self.objects.get(&named(twin_name(name.as_str()))).ok();
        self.help(name, fault, twin, |bytes| check(Ok(bytes.to_vec())))
    }

    /// Returns what `check` makes of the first copy that it takes of an object that is not right, and puts that in its place.
    ///
    /// # Errors
    /// `fault`, which is what is wrong with the object, if there is none; the place does not take it.
    pub(crate) fn help<T>(
        &self,
        name: &ObjectName,
        fault: Fault,
        copies: impl IntoIterator<Item = Vec<u8>>,
        mut check: impl FnMut(&[u8]) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        for bytes in copies {
            let Ok(found) = check(&bytes) else {
                continue;
            };
            tracing::warn!(%name, fault = ?fault, "an object is damaged, its copy is not");
            if self.mode == Mode::Write {
                self.put_back(name, &bytes)?;
            }
            return Ok(found);
        }
        Err(fault)
    }

    /// Puts an object's bytes in its place, and what is there, if anything is, into the quarantine.
    ///
    /// # Errors
    /// The place does not take it.
    pub(crate) fn put_back(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), Fault> {
        let failed = |error| faults::put(self.place, None, error);
        match self.objects.put_new(name, bytes) {
            Err(PutError::Exists { .. }) => {}
            done => return done.map_err(failed),
        }
        keep(self.objects, name, bytes).map_err(failed)
    }

    /// Takes an object away and keeps what is there in the quarantine.
    ///
    /// # Errors
    /// The place does not let it go.
    pub(crate) fn put_away(&self, name: &ObjectName) -> Result<(), Fault> {
        let kept = keep(self.objects, name, &[]);
        kept.map_err(|error| faults::put(self.place, None, error))?;
        let gone = self.objects.delete(name);
        gone.map_err(|error| faults::delete(self.place, error))
    }
}

fn keep(objects: &dyn Objects, name: &ObjectName, bytes: &[u8]) -> Result<(), PutError> {
    replace(objects, name, bytes, &format!("quarantine/{name}"))
}

/// Replaces an object, and keeps what was there, durably, as the next number below `kept`.
pub(crate) fn replace(
    objects: &dyn Objects,
    name: &ObjectName,
    bytes: &[u8],
    kept: &str,
) -> Result<(), PutError> {
    let mut number = 1;
    loop {
        match objects.mend(name, bytes, &named(format!("{kept}/{number}"))) {
            Err(PutError::Exists { .. }) if number < QUARANTINED_MAX => number += 1,
            done => return done,
        }
    }
}
