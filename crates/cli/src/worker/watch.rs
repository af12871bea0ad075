//! Tells a job what the agent's pipelines tell their monitor.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use agent::{Monitor, Progress, Warning};
use base::Lang;
use engine::JobContext;

/// A monitor that is a job.
pub(super) struct Watch<'a> {
    context: &'a JobContext,
    /// What the job has been told: pipelines count from the beginning, jobs add.
    told: Mutex<Progress>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(context: &'a JobContext) -> Self {
        Self {
            context,
            told: Mutex::default(),
        }
    }
}

impl Monitor for Watch<'_> {
    fn progress(&self, so_far: Progress) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // Threads may arrive out of order: an older count adds nothing.
        let files = so_far.files.saturating_sub(told.files);
        let bytes = so_far.bytes.saturating_sub(told.bytes);
        told.files = told.files.max(so_far.files);
        told.bytes = told.bytes.max(so_far.bytes);
        drop(told);
        self.context.advance(files, bytes);
    }

    fn warn(&self, warning: Warning) {
        let path = match &*warning.path {
            [] => Path::new("."),
            path => Path::new(OsStr::from_bytes(path)),
        };
        let what = warning.fault.what(Lang::En);
        // What happened says little to a person without why.
        let reason = match warning.fault.param("reason") {
            Some(reason) => format!("{what} ({reason})"),
            None => what,
        };
        self.context.warn(path, reason);
    }

    fn is_cancelled(&self) -> bool {
        self.context.is_cancelled()
    }
}
