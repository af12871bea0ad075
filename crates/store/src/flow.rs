//! A bounded hand-over from many producers to a few workers, with one shared failure.
//!
//! Invariants: at most `limit` items are waiting or being worked on; the first failure stops everything:
//! producers and waiters get it, waiting items are dropped, and it never becomes a success later.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use base::Fault;

/// The hand-over.
pub(crate) struct Flow<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    limit: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    working: usize,
    closed: bool,
    failure: Option<Fault>,
}

impl<T> Flow<T> {
    /// Returns an empty one for `limit` items at once.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                working: 0,
                closed: false,
                failure: None,
            }),
            changed: Condvar::new(),
            limit,
        }
    }

    /// Hands `item` over; waits while too much is in flight.
    ///
    /// # Errors
    /// The failure that stopped the flow.
    pub(crate) fn give(&self, item: T) -> Result<(), Fault> {
        let mut state = self.lock();
        while state.failure.is_none() && state.waiting.len() + state.working >= self.limit {
            state = self.wait(state);
        }
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        state.waiting.push_back(item);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits until everything handed over is done.
    ///
    /// # Errors
    /// The failure that stopped the flow.
    pub(crate) fn drain(&self) -> Result<(), Fault> {
        let mut state = self.lock();
        while state.failure.is_none() && (state.working > 0 || !state.waiting.is_empty()) {
            state = self.wait(state);
        }
        state.failure.clone().map_or(Ok(()), Err)
    }

    /// Returns the failure that stopped the flow, as an error.
    ///
    /// # Errors
    /// That failure.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        self.lock().failure.clone().map_or(Ok(()), Err)
    }

    /// Stops the flow with `failure`, unless it has already failed.
    pub(crate) fn fail(&self, failure: Fault) {
        let mut state = self.lock();
        state.failure.get_or_insert(failure);
        state.waiting.clear();
        self.changed.notify_all();
    }

    /// Lets workers end once nothing is waiting.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Works on items until the flow is closed and empty, or has failed.
    pub(crate) fn work(&self, mut each: impl FnMut(T) -> Result<(), Fault>) {
        while let Some(item) = self.take() {
            let working = Working(self);
            if let Err(failure) = each(item) {
                self.fail(failure);
            }
            drop(working);
        }
    }

    fn take(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if state.failure.is_some() {
                return None;
            }
            if let Some(item) = state.waiting.pop_front() {
                state.working += 1;
                return Some(item);
            }
            if state.closed {
                return None;
            }
            state = self.wait(state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// One item in a worker's hands. A worker that panics fails the flow, so that nobody waits for it.
struct Working<'a, T>(&'a Flow<T>);

impl<T> Drop for Working<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let fault = Fault::new(base::fault::Code::Internal);
            self.0.fail(fault.with("detail", "a pack writer stopped"));
        }
        self.0.lock().working -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::fault::Code;

    #[test]
    fn everything_given_is_worked_on_before_drain_returns() {
        let flow = Flow::new(2);
        let sum = Mutex::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    flow.work(|n: u32| {
                        *sum.lock().unwrap() += n;
                        Ok(())
                    });
                });
            }
            for n in 1..=100 {
                flow.give(n).unwrap();
            }
            flow.drain().unwrap();
            assert_eq!(*sum.lock().unwrap(), 5050);
            flow.close();
        });
    }

    #[test]
    fn the_first_failure_reaches_everyone() {
        let flow = Flow::new(1);
        std::thread::scope(|scope| {
            scope.spawn(|| flow.work(|_: u32| Err(Fault::new(Code::PoolFull))));
            let mut given = 0;
            while flow.give(given).is_ok() {
                given += 1;
            }
            flow.fail(Fault::new(Code::Internal));
            assert_eq!(flow.drain().unwrap_err().code, Code::PoolFull);
            assert_eq!(flow.check().unwrap_err().code, Code::PoolFull);
        });
    }
}
