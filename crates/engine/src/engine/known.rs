//! Points that were asked for lately: whoever looks into one names it with every directory and every block of a file.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base::Fault;
use base::limits::POINTS_KNOWN_MAX;

use super::Engine;
use crate::pool::Point;

/// Points by what they were called. A text means another point, or none, only after the catalog has followed the log.
#[derive(Default)]
pub(crate) struct Known(Mutex<State>);

#[derive(Default)]
struct State {
    points: HashMap<String, Point>,
    /// How often everything was forgotten: what was found before does not count afterwards.
    times: u64,
}

impl Known {
    /// Forgets everything: the catalog has changed.
    pub(super) fn forget(&self) {
        let mut state = self.lock();
        state.points.clear();
        state.times += 1;
    }

    fn get_or(
        &self,
        text: &str,
        find: impl FnOnce() -> Result<Point, Fault>,
    ) -> Result<Point, Fault> {
        let state = self.lock();
        if let Some(point) = state.points.get(text) {
            return Ok(point.clone());
        }
        let times = state.times;
        drop(state);
        let point = find()?;
        let mut state = self.lock();
        if state.points.len() >= POINTS_KNOWN_MAX {
            state.points.clear();
        }
        if state.times == times {
            state.points.insert(text.to_owned(), point.clone());
        }
        Ok(point)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Finds a recovery point as [`Self::point`] does, for those who look into it: asking again costs nothing.
    ///
    /// # Errors
    /// `PointUnknown`, `PointAmbiguous`.
    pub fn point_to_read(&self, text: &str) -> Result<Point, Fault> {
        self.inner.known.get_or(text, || self.find_point(text))
    }
}
