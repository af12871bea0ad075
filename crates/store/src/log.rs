//! The log as an owner holds it: loaded at opening, appended to one record at a time.
//!
//! Invariants: a slot is written once (R6); what is appended names the record before it, and an owner that finds its slot taken by
//! someone else never appends again; an answer that was lost is settled by reading the slot back; the first record
//! after opening carries a new epoch.
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
        let last = self.last_slot()?;
        let mut applied = self.start(index, last)?;
        let mut chain = applied.chain;
        let sealer = self.keys.ring.first_domain().sealer();
        let read = |class, name| self.trailer(&sealer, class, name);
        let mut ahead = Ahead::default();
        let mut has_deleted = false;
        while chain.next <= last {
            let bytes = self.record(chain.next)?;
            let record = chain
                .accept(&key, &bytes)
                .map_err(|error| damaged_record(chain.next, error))?;
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
        })
    }

    /// Returns the highest slot in use, after checking that none below it is missing.
    fn last_slot(&self) -> Result<u64, Fault> {
        let found = self
            .objects
            .list("log/")
            .map_err(|error| faults::list(self.place, error))?;
        let mut next = 1;
        for object in &found {
            // Other names are not records.
            if object.name.leaf().len() != 20 {
                continue;
            }
            if object.name != slot(next) {
                let fault = Fault::new(Code::LogDamaged).with("sequence", next);
                return Err(fault.with("reason", "the record is missing"));
            }
            next += 1;
        }
        Ok(next - 1)
    }

    /// Returns how far the index has folded this very log, or empties it.
    fn start(&self, index: &Index, last: u64) -> Result<Applied, Fault> {
        let begin = Applied::begin(&self.keys.format_object, self.env);
        let Some(applied) = index.applied()? else {
            return Ok(begin);
        };
        let seq = applied.chain.next - 1;
        let same = match seq {
            0 => applied.chain.head == begin.chain.head,
            _ if seq > last => false,
            _ => RecordHash::of(&self.record(seq)?) == applied.chain.head,
        };
        if same {
            return Ok(applied);
        }
        tracing::warn!("the chunk index does not follow this log, building it anew");
        index.reset()?;
        Ok(begin)
    }

    fn record(&self, seq: u64) -> Result<Vec<u8>, Fault> {
        read_slot(self.objects, self.place, seq)
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
        Ok(Entry {
            applied: Applied {
                chain,
                retention_now_ns: record.retention_now_ns,
            },
            anchor: self.retention.anchor(),
            record,
        })
    }

    /// Appends nothing from here on, and returns why.
    pub(crate) fn stop(&mut self, fault: Fault) -> Fault {
        self.stopped.get_or_insert(fault).clone()
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

fn slot(seq: u64) -> ObjectName {
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
