//! What is too small to mend itself: `format`, keys, records of the log; and the copies of all that.

use base::Fault;
use base::fault::Code;
use format::copies::{decode, object_name};
use format::log::{LogKey, RecordHash};
use objects::Objects;

use super::Run;
use crate::copies::{self, Copies};
use crate::keys;
use crate::log::{damaged_record, read_slot};
use crate::open::named;

impl Run<'_> {
    /// Reads all of it, records up to `last`. What is damaged is a fault; where its other copy is whole and `repair` is wanted, it
    /// has its bytes back.
    pub(super) fn read_small(&mut self, last: u64, repair: bool) -> Result<(), Fault> {
        let core = self.core;
        let key = LogKey::new(&core.keys.ring);
        for (fault, is_mended) in keys::compare(&*core.objects, &core.place, &core.keys, repair)? {
            self.report.add(fault);
            self.report.mended += u64::from(is_mended);
        }
        let copies = Copies::find(&*core.objects);
        self.read_log(&key, &copies, last, repair)?;
        self.read_copies(&key, &copies, last, repair)
    }

    /// Reads every record: each was sealed by this store for its place, and names the one before it.
    fn read_log(
        &mut self,
        key: &LogKey,
        copies: &Copies,
        last: u64,
        repair: bool,
    ) -> Result<(), Fault> {
        let core = self.core;
        let mut previous: Option<RecordHash> = None;
        for seq in 1..=last {
            let check = |bytes: &[u8]| {
                let record = key.open(bytes).map_err(|e| damaged_record(seq, e))?;
                let follows = previous.is_none_or(|hash| record.previous == hash);
                if record.seq == seq && follows {
                    return Ok(RecordHash::of(bytes));
                }
                let fault = Fault::new(Code::LogDamaged).with("sequence", seq);
                Err(fault.with("reason", "it does not follow the record before it"))
            };
            let read = read_slot(&*core.objects, &core.place, seq);
            previous = match read.and_then(|bytes| check(&bytes)) {
                Ok(hash) => Some(hash),
                Err(fault) if fault.code == Code::LogDamaged => {
                    let mut copies = copies.of_record(&*core.objects, seq);
                    let copy = copies.find_map(|bytes| Some((check(&bytes).ok()?, bytes)));
                    self.report.add(fault);
                    if let (Some((_, bytes)), true) = (&copy, repair) {
                        let name = named(format::log::object_name(seq));
                        copies::put_back(&*core.objects, &core.place, &name, bytes)?;
                        self.report.mended += 1;
                    }
                    copy.map(|(hash, _)| hash)
                }
                Err(fault) => return Err(fault),
            };
            self.report.records += 1;
            self.read(0)?;
        }
        Ok(())
    }

    /// Reads every copy of records, and makes those anew that are not whole.
    fn read_copies(
        &mut self,
        key: &LogKey,
        copies: &Copies,
        last: u64,
        repair: bool,
    ) -> Result<(), Fault> {
        let core = self.core;
        for (first, end) in copies.ranges() {
            if is_whole(&*core.objects, key, *first, *end) {
                continue;
            }
            let fault = Fault::new(Code::LogDamaged).with("sequence", first);
            self.report
                .add(fault.with("reason", "the copy of it, and of what follows, is damaged"));
            if repair
                && core
                    .objects
                    .delete(&named(object_name(*first, *end)))
                    .is_ok()
            {
                self.report.mended += 1;
            }
            self.read(0)?;
        }
        if repair {
            let gaps = Copies::find(&*core.objects).gaps(last);
            copies::fill(&*core.objects, &gaps, |seq| {
                let bytes = read_slot(&*core.objects, &core.place, seq)?;
                let record = key.open(&bytes).map_err(|e| damaged_record(seq, e))?;
                Ok((bytes, record.body))
            });
        }
        Ok(())
    }
}

fn is_whole(objects: &dyn Objects, key: &LogKey, first: u64, last: u64) -> bool {
    let Ok(bytes) = objects.get(&named(object_name(first, last))) else {
        return false;
    };
    let entries = decode(&bytes);
    let is_it = |seq: u64| {
        let name = format::log::object_name(seq);
        let mut found = entries.iter().filter(|(entry, _)| *entry == name);
        let opened = found.next().and_then(|(_, bytes)| key.open(bytes).ok());
        opened.is_some_and(|record| record.seq == seq)
    };
    (first..=last).all(is_it)
}
