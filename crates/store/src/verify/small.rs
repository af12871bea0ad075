//! What is too small to mend itself: `format`, keys, records of the log; and the copies of all that.

use base::Fault;
use base::fault::Code;
use format::copies::{decode, object_name};
use format::log::{LogKey, RecordHash};
use objects::{ObjectName, Objects};

use super::Run;
use crate::copies::{self, Copies, Mender};
use crate::keys;
use crate::log::{Mode, damaged_record, read_slot, slot};
use crate::open::named;

impl Run<'_> {
    /// Reads all of it, records up to `last`. What is damaged is a fault; where its other copy is whole and `repair` is wanted, it
    /// has its bytes back.
    pub(super) fn read_small(&mut self, last: u64, repair: bool) -> Result<(), Fault> {
        let core = self.core;
        let mender = Mender {
            objects: &*core.objects,
            place: &core.place,
            mode: if repair { Mode::Write } else { Mode::Read },
        };
        let key = LogKey::new(&core.keys.ring);
        for (fault, is_mended) in keys::compare(mender, &core.keys)? {
            self.report.add(fault);
            self.report.mended += u64::from(is_mended);
        }
        let copies = Copies::find(mender.objects);
        self.read_log(mender, &key, &copies, last)?;
        self.read_copies(mender, &key, &copies, last)
    }

    /// Reads every record: each was sealed by this store for its place, and names the one before it.
    fn read_log(
        &mut self,
        mender: Mender<'_>,
        key: &LogKey,
        copies: &Copies,
        last: u64,
    ) -> Result<(), Fault> {
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
            let read = read_slot(mender.objects, mender.place, seq);
            previous = match read.and_then(|bytes| check(&bytes)) {
                Ok(hash) => Some(hash),
                Err(fault) if fault.code == Code::LogDamaged => {
                    self.report.add(fault.clone());
                    let copies = copies.of_record(mender.objects, seq);
                    match mender.help(&slot(seq), fault, copies, check) {
                        Ok(hash) => {
                            self.report.mended += u64::from(mender.mode == Mode::Write);
                            Some(hash)
                        }
                        Err(fault) if fault.code == Code::LogDamaged => None,
                        Err(fault) => return Err(fault),
                    }
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
        mender: Mender<'_>,
        key: &LogKey,
        copies: &Copies,
        last: u64,
    ) -> Result<(), Fault> {
        let (objects, repair) = (mender.objects, mender.mode == Mode::Write);
        for (first, end) in copies.ranges() {
            let name = named(object_name(*first, *end));
            if is_whole(objects, key, &name, *first, *end) {
                continue;
            }
            let fault = Fault::new(Code::LogDamaged).with("sequence", first);
            self.report
                .add(fault.with("reason", "the copy of it, and of what follows, is damaged"));
            self.report.mended += u64::from(repair && objects.delete(&name).is_ok());
            self.read(0)?;
        }
        if repair {
            let gaps = Copies::find(objects).gaps(last);
            copies::fill(objects, mender.place, key, &gaps);
        }
        Ok(())
    }
}

/// Returns whether an object has copies of all the records that its name says, in their order.
fn is_whole(objects: &dyn Objects, key: &LogKey, name: &ObjectName, first: u64, last: u64) -> bool {
    let Ok(bytes) = objects.get(name) else {
        return false;
    };
    let mut next = first;
    for (entry, bytes) in decode(&bytes) {
        let is_next = entry == format::log::object_name(next);
        if is_next && key.open(bytes).is_ok_and(|record| record.seq == next) {
            next += 1;
        }
    }
    next > last
}
