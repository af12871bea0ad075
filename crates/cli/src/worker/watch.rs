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

/// Says whether a total is worth telling: it costs more than to count, and changes with every new file of a source that
/// grows. Half a percent is not seen, as long as the part stays within the whole.
fn is_news(told: Option<u64>, total: u64, bytes: u64) -> bool {
    told.is_none_or(|told| bytes > told || told.abs_diff(total) > told / 256)
}

impl Monitor for Watch<'_> {
    fn progress(&self, so_far: Progress) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        // Threads may arrive out of order: an older count adds nothing.
        let files = so_far.files.saturating_sub(told.files);
        let bytes = so_far.bytes.saturating_sub(told.bytes);
        told.files = told.files.max(so_far.files);
        told.bytes = told.bytes.max(so_far.bytes);
        let total = so_far.bytes_total.map(|total| total.max(told.bytes));
        let news = total.filter(|total| is_news(told.bytes_total, *total, told.bytes));
        told.bytes_total = news.or(told.bytes_total);
        drop(told);
        // First the whole, then the part: at no moment is the part more.
        if news.is_some() {
            self.context.totals(None, news);
        }
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
