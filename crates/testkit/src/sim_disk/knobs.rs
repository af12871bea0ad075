//! What a simulated disk does wrong, on order.

use objects::disk::Errno;
use std::collections::BTreeMap;

/// Lasting defects; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Knobs {
    /// Syncing a file says that it worked and does nothing.
    pub ignore_file_sync: bool,
    /// Syncing a directory says that it worked and does nothing.
    pub ignore_dir_sync: bool,
    /// Drafts have names in `.tmp` and are published by a link and an unlink, of which a crash may keep either
    /// (as with a rename).
    pub named_drafts: bool,
    /// Most bytes of all files together.
    pub capacity_bytes: Option<u64>,
    /// Nothing can be written: mounted so, or made so by the kernel.
    pub read_only: bool,
    /// Most bytes that one read returns.
    pub read_bytes_max: Option<usize>,
}

/// The calls of a disk that can be counted and made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// `Disk::draft` and `Disk::named_draft`.
    Draft,
    /// `Disk::write`: a failing one writes half.
    Write,
    /// `Disk::sync` and `Disk::sync_file`: what was written before a failing one never becomes durable by a later one.
    Sync,
    /// `Disk::publish`.
    Publish,
    /// `Disk::replace`.
    Replace,
    /// `Disk::link`.
    Link,
    /// `Disk::sync_dir`: as with `Sync`.
    SyncDir,
    /// `Disk::make_dir`.
    MakeDir,
    /// `Disk::open`.
    Open,
    /// `Disk::read_at`.
    Read,
    /// `Disk::list`.
    List,
    /// `Disk::remove`.
    Remove,
}

/// How often an injection applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// To one call.
    Once,
    /// To every call from then on.
    Always,
}

/// What a call does instead of what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misdeed {
    /// Fails, and says so.
    Fails(Errno),
    /// Of a write: says that it worked, and one block of it is zeros.
    Loses,
    /// Of a write: says that it worked, and one block of it is zeros here and stands in another file instead.
    Misdirects,
    /// Of a write or a read: says that it worked, and the middle one of the bits is turned over.
    Flips,
    /// Of a read: gives half of what there is.
    Shortens,
}

/// A call that fails or lies.
#[derive(Clone, Copy, Debug)]
pub struct Injection {
    /// Which.
    pub call: Call,
    /// How many of them still work before.
    pub passes: u64,
    /// What it does then.
    pub misdeed: Misdeed,
    /// How often.
    pub times: Times,
}

/// Counts calls and says which fail.
#[derive(Debug, Default)]
pub(super) struct Switchboard {
    pub(super) knobs: Knobs,
    pub(super) injections: Vec<Injection>,
    counts: BTreeMap<Call, u64>,
}

impl Switchboard {
    pub(super) fn calls(&self, call: Call) -> u64 {
        self.counts.get(&call).copied().unwrap_or(0)
    }

    /// Counts a call; the oldest injection that applies decides. Returns the lie that it tells, if it does.
    pub(super) fn enter(&mut self, call: Call) -> Result<Option<Misdeed>, Errno> {
        *self.counts.entry(call).or_default() += 1;
        let mut result = match call {
            Call::Draft
            | Call::Write
            | Call::Publish
            | Call::Replace
            | Call::Link
            | Call::MakeDir
            | Call::Remove
                if self.knobs.read_only =>
            {
                Err(Errno::ROFS)
            }
            _ => Ok(None),
        };
        self.injections.retain_mut(|injection| {
            if injection.call != call {
                return true;
            }
            if injection.passes > 0 {
                injection.passes -= 1;
                return true;
            }
            if matches!(result, Ok(None)) {
                result = match injection.misdeed {
                    Misdeed::Fails(errno) => Err(errno),
                    lie => Ok(Some(lie)),
                };
            }
            injection.times == Times::Always
        });
        result
    }
}
