//! Repair: packs that were found damaged get their bytes back from their own parity.
//!
//! Invariants:
//! - what is put in the place of a pack are the bytes its name stands for, every one compared with it before (R19);
//! - the damaged object is kept in `quarantine/`, durably, before its name leads to the mended one (R20): nothing that could
//!   be read is lost, whenever a repair is interrupted, and it can be done again;
//! - writers rely on a pack again only after all of it was read back from its place.
//!
//! May run beside sessions, readers and verifications, of which each sees the damaged pack or the mended one. Not beside a
//! collection, which counts on finding chunks where it saw them: they take turns. It does not look for damage
//! ([`Store::verify`] does), nor bring back what is gone: that takes a second place, or whoever has the content.

use std::ops::ControlFlow;

use base::fault::Code;
use base::limits::{OBJECT_BYTES_MAX, PACK_SECTOR_BYTES_MIN};
use base::{Fault, PackName};
use format::pack::Class;
use objects::{GetError, ObjectName, Objects};

use crate::Store;
use crate::collect::Turn;
use crate::copies::replace;
use crate::core::Core;
use crate::durable::{DurablePack, FindPackError, object_name};
use crate::faults;
use crate::space::Load;
use crate::verify::{OnProgress, VerifyProgress};

/// What is read at once of a pack that cannot be read as a whole: 1 MiB, and of that what cannot be read either
/// in pieces that disks lose at once.
const PIECE_BYTES: usize = 1 << 20;

/// What a repair did.
#[derive(Clone, Debug, Default)]
pub struct RepairReport {
    /// Packs that have their bytes back.
    pub repaired: Vec<PackName>,
    /// Packs that were whole when they were looked at.
    pub sound: Vec<PackName>,
    /// Packs that have lost more than their parity tells, or all: why each.
    pub beyond_repair: Vec<(PackName, Fault)>,
}

/// What became of one pack.
enum Outcome {
    Repaired(DurablePack),
    Sound(DurablePack),
    BeyondRepair(Fault),
}

impl Store {
    /// Returns the packs that were found missing or damaged and of which something is still needed.
    ///
    /// # Errors
    /// The index failed.
    pub fn damaged_packs(&self) -> Result<Vec<PackName>, Fault> {
        let mut damaged = Vec::new();
        self.core().index.each_pack(|_, pack| {
            if pack.is_bad() && !pack.is_superseded() {
                damaged.push(pack.name);
            }
        })?;
        Ok(damaged)
    }

    /// Repairs packs, and has writers rely on them again. What was there is kept in the place, in `quarantine/`.
    ///
    /// # Errors
    /// `CollectionRunning`; `JobCancelled`; the place does not answer or takes no writes: packs that were repaired before are.
    /// Damage that cannot be repaired is no error but the report's content.
    pub fn repair_packs(
        &self,
        packs: &[PackName],
        on_progress: OnProgress<'_>,
    ) -> Result<RepairReport, Fault> {
        let _turn = Turn::take(&self.0)?;
        let core = self.core();
        let mut report = RepairReport::default();
        let mut progress = VerifyProgress::default();
        let mut rows = Vec::with_capacity(packs.len());
        for name in packs {
            let row = core.index.pack(name)?;
            progress.bytes_total += row.as_ref().map_or(0, |row| row.bytes);
            rows.push((*name, row));
        }
        for (name, row) in rows {
            let Some(row) = row else {
                let fault = Fault::new(Code::PackMissing).with("pack", name);
                report.beyond_repair.push((name, fault));
                continue;
            };
            match core.repair(row.class, &name)? {
                Outcome::Repaired(pack) => {
                    core.rely_on_again(&pack)?;
                    tracing::info!(pack = %name, "a pack is repaired");
                    report.repaired.push(name);
                }
                Outcome::Sound(pack) => {
                    core.rely_on_again(&pack)?;
                    report.sound.push(name);
                }
                Outcome::BeyondRepair(fault) => {
                    core.doubt(&name);
                    report.beyond_repair.push((name, fault));
                }
            }
            progress.bytes_done += row.bytes;
            if let ControlFlow::Break(()) = on_progress(&progress) {
                return Err(Fault::new(Code::JobCancelled));
            }
        }
        Ok(report)
    }
}

impl Core {
    fn repair(&self, class: Class, name: &PackName) -> Result<Outcome, Fault> {
        let object = object_name(class, name);
        let damage = match self.take_in(class, name)? {
            Ok(pack) => return Ok(Outcome::Sound(pack)),
            Err(fault) => fault,
        };
        if damage.code == Code::PackMissing {
            return Ok(Outcome::BeyondRepair(damage));
        }
        let left = match read_what_is_left(&*self.objects, &object) {
            Ok(left) => left,
            Err(error) => {
                let fault = faults::get_pack(&self.place, name, error)?;
                return Ok(Outcome::BeyondRepair(fault));
            }
        };
        let mended = match format::pack::repair(self.id, name, left) {
            Ok(mended) => mended,
            Err(error) => return Ok(Outcome::BeyondRepair(faults::pack(name, error))),
        };
        self.put_back(class, name, &mended.bytes)?;
        Ok(match self.take_in(class, name)? {
            Ok(pack) => Outcome::Repaired(pack),
            Err(fault) => Outcome::BeyondRepair(fault),
        })
    }

    /// Reads a pack, compares every byte with its name and makes sure that it stays, or says what is wrong with it.
    fn take_in(&self, class: Class, name: &PackName) -> Result<Result<DurablePack, Fault>, Fault> {
        match DurablePack::adopt(&*self.objects, &self.sealer(), self.id, class, *name) {
            Ok(pack) => Ok(Ok(pack)),
            Err(FindPackError::Settle(error)) => Err(self.write_fault(error)),
            Err(error) => faults::find_pack(&self.place, name, error).map(Err),
        }
    }

    /// Puts the bytes of a pack in its place, and what is there into the quarantine.
    fn put_back(&self, class: Class, name: &PackName, bytes: &[u8]) -> Result<(), Fault> {
        self.check_room(Load::Copies)?;
        let object = object_name(class, name);
        let kept = format!("quarantine/{}/{name}", class.directory());
        replace(&*self.objects, &object, bytes, &kept).map_err(|error| self.write_fault(error))
    }

    /// Has writers rely on a pack again, unless its session is still open: as long as no record may name it, nobody else
    /// relies on it anyway.
    fn rely_on_again(&self, pack: &DurablePack) -> Result<(), Fault> {
        let row = self.index.pack(&pack.name())?;
        let open = self.index.open_sessions()?;
        let is_open = row.is_some_and(|row| open.iter().any(|open| open.session == row.session));
        if !is_open {
            self.index.mend(pack)?;
        }
        Ok(())
    }
}

/// Returns the bytes of an object with zeros where they cannot be read.
///
/// # Errors
/// It is missing, or the place does not answer.
fn read_what_is_left(objects: &dyn Objects, object: &ObjectName) -> Result<Vec<u8>, GetError> {
    let missing = || GetError::Missing {
        name: object.clone(),
    };
    let bytes = objects.head(object)?.ok_or_else(missing)?;
    let len = usize::try_from(bytes).map_or(OBJECT_BYTES_MAX, |len| len.min(OBJECT_BYTES_MAX));
    let mut left = vec![0; len];
    for (n, piece) in left.chunks_mut(PIECE_BYTES).enumerate() {
        let at = (n * PIECE_BYTES) as u64;
        if read_into(objects, object, at, piece)? {
            continue;
        }
        for (n, part) in piece.chunks_mut(PACK_SECTOR_BYTES_MIN).enumerate() {
            // What cannot be read stays as it is: zeros.
            read_into(
                objects,
                object,
                at + (n * PACK_SECTOR_BYTES_MIN) as u64,
                part,
            )?;
        }
    }
    Ok(left)
}

/// Returns whether the medium gave the bytes back.
fn read_into(
    objects: &dyn Objects,
    object: &ObjectName,
    offset: u64,
    out: &mut [u8],
) -> Result<bool, GetError> {
    match objects.get_range(object, offset, out.len()) {
        Ok(bytes) => {
            out.copy_from_slice(&bytes);
            Ok(true)
        }
        Err(GetError::Unreadable { .. } | GetError::TooShort { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
