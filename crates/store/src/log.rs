//! The log as an owner holds it: loaded at opening, appended to one record at a time.
//!
//! Invariants: a slot is written once (R6); what is appended names the record before it, and an owner that finds its slot taken by
//! someone else never appends again; an answer that was lost is settled by reading the slot back; the first record
//! after opening carries a new epoch.
//!
//! A record that is missing or damaged is read from its [copy](crate::copies).
//!
//! The index remembers how far it has folded the log in. What follows is read and folded at opening; if the index is not of
//! this history, all of it is.

mod replay;

use base::fault::Code;
use base::{Env, Fault, PackName};
use format::log::{Body, Chain, LogError, LogKey, Record, RecordHash, object_name};
use format::pack::Class;
use format::seal::Sealer;
use objects::{GetError, ObjectName, Objects, PutError};

use self::replay::Ahead;
use crate::copies::{self, Copies, Mender, Pending};
use crate::durable::DurablePack;
use crate::faults;
use crate::index::{Applied, Entry, Index};
use crate::keys::Keys;
use crate::open::named;
use crate::retention::RetentionClock;

/// What an opening may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything.
    Write,
    /// Change nothing.
    Read,
}

/// The log of an open store.
pub(crate) struct Log {
    chain: Chain,
    key: LogKey,
    mode: Mode,
    epoch: u64,
    writer: [u8; 16],
    retention: RetentionClock,
    /// Why nothing is appended any more.
    stopped: Option<Fault>,
    /// What has no copy yet.
    pending: Pending,
}

/// What loading needs.
pub(crate) struct Source<'a> {
    pub(crate) objects: &'a dyn Objects,
    pub(crate) keys: &'a Keys,
    pub(crate) env: &'a Env,
    pub(crate) place: &'a str,
    pub(crate) mode: Mode,
}

impl Source<'_> {
    /// Reads the log and folds what is new into `index`.
    ///
    /// # Errors
    /// `LogDamaged`: a record is missing or not what was written; the place does not answer.
    pub(crate) fn load(&self, index: &Index) -> Result<Log, Fault> {
        let key = LogKey::new(&self.keys.ring);
        let copies = Copies::find(self.objects);
        let mut last = self.last_slot(&copies, &key)?;
        let mut applied = self.start(index, &key, last, &copies)?;
        let mut chain = applied.chain;
        let sealer = self.keys.ring.first_domain().sealer();
        let read = |class, name| self.trailer(&sealer, class, name);
        let mut ahead = Ahead::default();
        let mut has_deleted = false;
        while chain.next <= last {
            let seq = chain.next;
            let record = self.record(seq, &copies, |bytes| {
                let accepted = chain.accept(&key, bytes);
                accepted.map_err(|error| damaged_record(seq, error))
            });
            let record = match record {
                Err(fault)
                    if fault.code == Code::LogDamaged
                        && copies.are_whole_before(seq)
                        && !self.ends_something(&key, seq + 1, last) =>
                {
                    self.put_away(seq, last, &fault)?;
                    last = seq - 1;
                    break;
                }
                done => done?,
            };
            has_deleted |= matches!(record.body, Body::Delete { .. });
            applied.chain = chain;
            applied.retention_now_ns = record.retention_now_ns;
            let entry = Entry {
                record,
                applied,
                anchor: None,
            };
            if ahead.add(index, entry)? {
                ahead.fold(index, read)?;
            }
        }
        ahead.fold(index, read)?;
        if has_deleted {
            index.find_what_is_held()?;
        }
        if self.mode == Mode::Write && last > 0 {
            // A killed owner may have published it without the sync that makes it stay.
            self.objects
                .settle(&slot(last))
                .map_err(|error| faults::put(self.place, None, error))?;
            copies::fill(self.objects, self.place, &key, &copies.gaps(last));
        }
        let retention = RetentionClock::resume(self.env, applied.retention_now_ns, index.anchor()?);
        Ok(Log {
            chain,
            key,
            mode: self.mode,
            epoch: chain.epoch + 1,
            writer: self.env.bytes(),
            retention,
            stopped: None,
            pending: Pending::default(),
        })
    }

    /// Returns the highest slot in use, after checking that none below it is missing: neither the record nor its copy is there.
    fn last_slot(&self, copies: &Copies, key: &LogKey) -> Result<u64, Fault> {
        let found = self
            .objects
            .list("log/")
            .map_err(|error| faults::list(self.place, error))?;
        // Other names are not records.
        let seqs = found.iter().filter(|object| object.name.leaf().len() == 20);
        let seqs = seqs.filter_map(|object| object.name.leaf().parse::<u64>().ok());
        let mut last = 0;
        for seq in seqs {
            if let Some(missing) = (last + 1..seq).find(|seq| !copies.has(*seq)) {
                let fault = Fault::new(Code::LogDamaged).with("sequence", missing);
                return Err(fault.with("reason", "the record is missing"));
            }
            last = seq;
        }
        // Names of copies prove nothing; those of records that are gone are looked into.
        let is_there = |seq: u64| {
            let mut found = copies.of_record(self.objects, seq);
            found.any(|bytes| key.open(&bytes).is_ok_and(|record| record.seq == seq))
        };
        while last < copies.last() && is_there(last + 1) {
            last += 1;
        }
        Ok(last)
    }

    /// Returns how far the index has folded this very log, or empties it.
    fn start(
        &self,
        index: &Index,
        key: &LogKey,
        last: u64,
        copies: &Copies,
    ) -> Result<Applied, Fault> {
        let begin = Applied::begin(&self.keys.format_object, self.env);
        let Some(applied) = index.applied()? else {
            return Ok(begin);
        };
        let seq = applied.chain.next - 1;
        let same = match seq {
            0 => applied.chain.head == begin.chain.head,
            _ if seq > last => false,
            _ => self.record(seq, copies, |bytes| {
                let is_same = RecordHash::of(bytes) == applied.chain.head;
                // A whole one of another history is no damage.
                let opened = key.open(bytes).map(|_| is_same);
                opened.map_err(|error| damaged_record(seq, error))
            })?,
        };
        if same {
            return Ok(applied);
        }
        tracing::warn!("the chunk index does not follow this log, building it anew");
        index.reset()?;
        Ok(begin)
    }

    /// Reads a record, and what `accept` makes of it: of a copy if it does not take the record itself. Then the copy takes its place.
    fn record<T>(
        &self,
        seq: u64,
        copies: &Copies,
        mut accept: impl FnMut(&[u8]) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let read = read_slot(self.objects, self.place, seq);
        let fault = match read.and_then(|bytes| accept(&bytes)) {
            Ok(found) => return Ok(found),
            Err(fault) if fault.code == Code::LogDamaged => fault,
            Err(fault) => return Err(fault),
        };
        let copies = copies.of_record(self.objects, seq);
        self.mender().help(&slot(seq), fault, copies, accept)
    }

    fn mender(&self) -> Mender<'_> {
        Mender {
            objects: self.objects,
            place: self.place,
            mode: self.mode,
        }
    }

    /// Returns whether one of some records says that something is over.
    fn ends_something(&self, key: &LogKey, first: u64, last: u64) -> bool {
        (first..=last).any(|seq| {
            let read = read_record(self.objects, self.place, key, seq);
            read.is_ok_and(|(_, record)| copies::ends_something(&record.body))
        })
    }

    /// Ends the log before a damaged record that has no copy, nor has one behind it: what was over has. So nothing of it was
    /// acknowledged; sessions were about to be.
    fn put_away(&self, first: u64, last: u64, fault: &Fault) -> Result<(), Fault> {
        tracing::warn!(first, last, fault = ?fault, "records of unfinished work are damaged and left out");
        if self.mode == Mode::Read {
            return Ok(());
        }
        // From the end, so that whoever is cut off leaves a damaged record where there was one.
        for seq in (first..=last).rev() {
            self.mender().put_away(&slot(seq))?;
        }
        Ok(())
    }

    fn trailer(
        &self,
        sealer: &Sealer,
        class: Class,
        name: PackName,
    ) -> Result<Option<DurablePack>, Fault> {
        match DurablePack::logged(self.objects, sealer, class, name) {
            Ok(pack) => Ok(Some(pack)),
            Err(error) => {
                let fault = match faults::find_pack(self.place, &name, error) {
                    Ok(fault) => fault,
                    // When it is there again it is looked at once more.
                    Err(fault) if fault.code == Code::VolumeMissing => fault,
                    Err(fault) => return Err(fault),
                };
                // A later record may say that it was deleted.
                tracing::warn!(pack = %name, fault = ?fault, "a pack cannot be indexed");
                Ok(None)
            }
        }
    }
}

impl Log {
    /// Appends a record, durably.
    ///
    /// # Errors
    /// - `LogConflict`: somebody else owns the store now; nothing is appended any more.
    /// - `PoolFull`, `PoolReadOnly`, `PoolUnwritable`: it was not appended.
    pub(crate) fn append(
        &mut self,
        objects: &dyn Objects,
        env: &Env,
        place: &str,
        body: Body,
    ) -> Result<Entry, Fault> {
        if let Some(fault) = &self.stopped {
            return Err(fault.clone());
        }
        if self.mode == Mode::Read {
            return Err(Fault::new(Code::PoolReadOnly).with("path", place));
        }
        let record = self.next_record(env, body);
        let internal = |error: LogError| {
            let detail = format!("a log record cannot be written: {error}");
            Fault::new(Code::Internal).with("detail", detail)
        };
        let bytes = self.key.seal(env, &record).map_err(internal)?;
        // Read back what was encoded before it becomes the truth (R9).
        let mut chain = self.chain;
        if chain.accept(&self.key, &bytes).map_err(internal)? != record {
            let detail = "a log record does not decode to what was encoded";
            return Err(Fault::new(Code::Internal).with("detail", detail));
        }
        self.put(objects, place, record.seq, &bytes)?;
        self.chain = chain;
        let seq = record.seq;
        self.pending.add_record(objects, seq, bytes, &record.body);
        Ok(Entry {
            applied: Applied {
                chain,
                retention_now_ns: record.retention_now_ns,
            },
            anchor: self.retention.anchor(),
            record,
        })
    }

    /// Has an object copied that the next record will name.
    pub(crate) fn copy_later(&mut self, name: String, bytes: Vec<u8>) {
        self.pending.add(name, bytes);
    }

    /// Appends nothing from here on, and returns why.
    pub(crate) fn stop(&mut self, fault: Fault) -> Fault {
        self.stopped.get_or_insert(fault).clone()
    }

    /// Returns what its opening may do.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns whether somebody has written a record behind the last one that is known here.
    ///
    /// # Errors
    /// The place does not answer.
    pub(crate) fn has_more(&self, objects: &dyn Objects, place: &str) -> Result<bool, Fault> {
        let next = objects.head(&slot(self.chain.next));
        Ok(next.map_err(|error| faults::get(place, error))?.is_some())
    }

    /// Returns the place of the last record.
    pub(crate) fn last(&self) -> u64 {
        self.chain.next - 1
    }

    /// Opens the stored bytes of a record that has been accepted before.
    ///
    /// # Errors
    /// `LogDamaged`.
    pub(crate) fn open(&self, seq: u64, bytes: &[u8]) -> Result<Record, Fault> {
        self.key
            .open(bytes)
            .map_err(|error| damaged_record(seq, error))
    }

    /// Returns the retention clock as the next record would have it.
    pub(crate) fn retention_now_ns(&mut self, env: &Env) -> i64 {
        self.retention.now_ns(env)
    }

    fn next_record(&mut self, env: &Env, body: Body) -> Record {
        let retention_now_ns = self.retention_now_ns(env);
        let wall_ns = nanoseconds(env);
        Record {
            seq: self.chain.next,
            previous: self.chain.head,
            epoch: self.epoch,
            writer: self.writer,
            time_ns: wall_ns,
            retention_now_ns,
            body,
        }
    }

    /// Takes the slot with these bytes.
    fn put(
        &mut self,
        objects: &dyn Objects,
        place: &str,
        seq: u64,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        let name = slot(seq);
        let error = match objects.put_new(&name, bytes) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        match &error {
            PutError::Exists { .. } | PutError::Unsure { .. } => {
                // Whose is it? Ours if an answer was lost on the way.
                let settled = objects.settle(&name);
                match (objects.get(&name), settled) {
                    (Ok(found), Ok(())) if found == bytes => Ok(()),
                    (Ok(found), _) if found != bytes => {
                        let fault = Fault::new(Code::LogConflict).with("sequence", seq);
                        Err(self.stop(fault.because(error)))
                    }
                    // It may be there or not, now or after the next power cut: reopening tells.
                    _ => Err(self.stop(faults::put(place, None, error))),
                }
            }
            PutError::Full { .. }
            | PutError::ReadOnly { .. }
            | PutError::TooLarge { .. }
            | PutError::Failed { .. } => Err(faults::put(place, None, error)),
        }
    }
}

/// Reads a record's bytes.
///
/// # Errors
/// `LogDamaged` if it is missing or cannot be read back; the place does not answer.
pub(crate) fn read_slot(objects: &dyn Objects, place: &str, seq: u64) -> Result<Vec<u8>, Fault> {
    objects.get(&slot(seq)).map_err(|error| match error {
        GetError::Failed { .. } => faults::get(place, error),
        _ => damaged_record(seq, error),
    })
}

/// Reads and opens a record, wherever it stands in the chain.
///
/// # Errors
/// As [`read_slot`]; `LogDamaged` if it is not one of this store.
pub(crate) fn read_record(
    objects: &dyn Objects,
    place: &str,
    key: &LogKey,
    seq: u64,
) -> Result<(Vec<u8>, Record), Fault> {
    let bytes = read_slot(objects, place, seq)?;
    let record = key.open(&bytes);
    let record = record.map_err(|error| damaged_record(seq, error))?;
    Ok((bytes, record))
}

pub(crate) fn slot(seq: u64) -> ObjectName {
    named(object_name(seq))
}

/// Returns the fault of a record that is not what was written.
pub(crate) fn damaged_record(
    seq: u64,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Fault {
    Fault::new(Code::LogDamaged)
        .with("sequence", seq)
        .with("reason", &error)
        .because(error)
}

/// Returns the wall clock in nanoseconds, clamped to the years 1677 to 2262.
pub(crate) fn nanoseconds(env: &Env) -> i64 {
    let ns = env.now().as_nanosecond();
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}
