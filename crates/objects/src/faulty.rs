//! A place that fails on order: what its users do about failures can be tested and counted.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{DeleteError, GetError, ListError, Listed, ObjectName, Objects, PutError, Space};

/// The kinds of calls that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// [`Objects::prepare`].
    Prepare,
    /// [`Objects::put_new`].
    Put,
    /// [`Objects::settle`].
    Settle,
    /// [`Objects::mend`].
    Mend,
    /// [`Objects::get`] and [`Objects::get_range`].
    Get,
    /// [`Objects::list`].
    List,
    /// [`Objects::head`].
    Head,
    /// [`Objects::delete`].
    Delete,
}

/// What a failing call does. Where a call has no error of the kind, it fails plainly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misdeed {
    /// Fails; nothing is done.
    Failed,
    /// Says that there is no room; nothing is stored.
    Full,
    /// Says that it takes no writes; nothing is stored.
    ReadOnly,
    /// Says that it does not know whether it has stored the object: it has not.
    UnsureNotDone,
    /// Says that it does not know whether it has stored the object: it has.
    UnsureDone,
    /// Says that the medium does not give the bytes back.
    Unreadable,
    /// Says that there is no such object.
    Missing,
    /// Succeeds, with one bit of the bytes that are read turned over: the lowest of the middle byte.
    FlippedBit,
}

/// How often a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// To one call.
    Once,
    /// To every call from then on.
    Always,
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    call: Call,
    /// Calls of this kind that still pass.
    passes: u64,
    misdeed: Misdeed,
    times: Times,
}

#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<Call, u64>,
    rules: Vec<Rule>,
}

/// A place around another that fails on order.
#[derive(Debug, Default)]
pub struct Faulty<O> {
    inner: O,
    state: Mutex<State>,
}

impl<O: Objects> Faulty<O> {
    /// Wraps a place; without orders nothing fails.
    pub fn new(inner: O) -> Self {
        Self {
            inner,
            state: Mutex::default(),
        }
    }

    /// Returns the place inside, which never fails.
    pub fn inner(&self) -> &O {
        &self.inner
    }

    /// Lets `passes` more calls of a kind pass, then makes one, or all from there on, misbehave. Of several
    /// rules that apply to one call the oldest wins; all of them count it.
    pub fn fail(&self, call: Call, passes: u64, misdeed: Misdeed, times: Times) {
        self.state().rules.push(Rule {
            call,
            passes,
            misdeed,
            times,
        });
    }

    /// Drops all rules.
    pub fn heal(&self) {
        self.state().rules.clear();
    }

    /// Returns how many calls of a kind were made, failed ones included.
    pub fn calls(&self, call: Call) -> u64 {
        self.state().calls.get(&call).copied().unwrap_or(0)
    }

    // Every change is complete before a panic could happen.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, call: Call) -> Option<Misdeed> {
        let mut state = self.state();
        *state.calls.entry(call).or_default() += 1;
        let mut misdeed = None;
        state.rules.retain_mut(|rule| {
            if rule.call != call {
                return true;
            }
            if rule.passes > 0 {
                rule.passes -= 1;
                return true;
            }
            misdeed.get_or_insert(rule.misdeed);
            rule.times == Times::Always
        });
        misdeed
    }

    fn write(
        &self,
        call: Call,
        name: &ObjectName,
        act: impl FnOnce() -> Result<(), PutError>,
    ) -> Result<(), PutError> {
        let Some(misdeed) = self.enter(call) else {
            return act();
        };
        let name = name.clone();
        let source = ordered();
        Err(match misdeed {
            Misdeed::FlippedBit => return act(),
            Misdeed::Full => PutError::Full { name, source },
            Misdeed::ReadOnly => PutError::ReadOnly { name },
            Misdeed::UnsureNotDone => PutError::Unsure { name, source },
            Misdeed::UnsureDone => {
                act()?;
                PutError::Unsure { name, source }
            }
            Misdeed::Failed | Misdeed::Unreadable | Misdeed::Missing => {
                PutError::Failed { name, source }
            }
        })
    }

    fn read(
        &self,
        name: &ObjectName,
        act: impl FnOnce() -> Result<Vec<u8>, GetError>,
    ) -> Result<Vec<u8>, GetError> {
        match self.enter(Call::Get) {
            None => act(),
            Some(Misdeed::FlippedBit) => {
                let mut bytes = act()?;
                let middle = bytes.len() / 2;
                if let Some(byte) = bytes.get_mut(middle) {
                    *byte ^= 1;
                }
                Ok(bytes)
            }
            Some(misdeed) => Err(get_error(misdeed, name)),
        }
    }
}

fn ordered() -> io::Error {
    io::Error::other("a fault was ordered")
}

fn get_error(misdeed: Misdeed, name: &ObjectName) -> GetError {
    let name = name.clone();
    let source = ordered();
    match misdeed {
        Misdeed::Missing => GetError::Missing { name },
        Misdeed::Unreadable => GetError::Unreadable { name, source },
        _ => GetError::Failed { name, source },
    }
}

impl<O: Objects> Objects for Faulty<O> {
    fn prepare(&self, dirs: &[ObjectName]) -> Result<(), PutError> {
        let Some(first) = dirs.first() else {
            return Ok(());
        };
        self.write(Call::Prepare, first, || self.inner.prepare(dirs))
    }

    fn put_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), PutError> {
        self.write(Call::Put, name, || self.inner.put_new(name, bytes))
    }

    fn settle(&self, name: &ObjectName) -> Result<(), PutError> {
        self.write(Call::Settle, name, || self.inner.settle(name))
    }

    fn mend(&self, name: &ObjectName, bytes: &[u8], kept: &ObjectName) -> Result<(), PutError> {
        self.write(Call::Mend, name, || self.inner.mend(name, bytes, kept))
    }

    fn get(&self, name: &ObjectName) -> Result<Vec<u8>, GetError> {
        self.read(name, || self.inner.get(name))
    }

    fn get_range(&self, name: &ObjectName, offset: u64, bytes: usize) -> Result<Vec<u8>, GetError> {
        self.read(name, || self.inner.get_range(name, offset, bytes))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, ListError> {
        match self.enter(Call::List) {
            None | Some(Misdeed::FlippedBit) => self.inner.list(prefix),
            Some(_) => Err(ListError::Failed {
                prefix: prefix.to_owned(),
                source: ordered(),
            }),
        }
    }

    fn head(&self, name: &ObjectName) -> Result<Option<u64>, GetError> {
        match self.enter(Call::Head) {
            None | Some(Misdeed::FlippedBit) => self.inner.head(name),
            Some(Misdeed::Missing) => Ok(None),
            Some(misdeed) => Err(get_error(misdeed, name)),
        }
    }

    fn delete(&self, name: &ObjectName) -> Result<(), DeleteError> {
        let Some(misdeed) = self.enter(Call::Delete) else {
            return self.inner.delete(name);
        };
        let name = name.clone();
        Err(match misdeed {
            Misdeed::FlippedBit => return self.inner.delete(&name),
            Misdeed::Missing => DeleteError::Missing { name },
            Misdeed::ReadOnly => DeleteError::ReadOnly { name },
            Misdeed::UnsureDone => {
                self.inner.delete(&name)?;
                DeleteError::Failed {
                    name,
                    source: ordered(),
                }
            }
            _ => DeleteError::Failed {
                name,
                source: ordered(),
            },
        })
    }

    fn space(&self) -> Result<Option<Space>, io::Error> {
        self.inner.space()
    }

    fn is_read_only(&self) -> bool {
        self.inner.is_read_only()
    }
}
