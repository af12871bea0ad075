//! Keeps what the kernel knows of a mount within bounds.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use fuser::{INodeNo, Notifier};

use super::entries::Entries;
use super::fs::lock;

/// The thread that asks the kernel to let go of entries when it knows too many. It cannot be done by a thread that
/// answers the kernel: that may hold what this waits for.
pub(super) struct Trimmer(Option<JoinHandle<()>>);

impl Trimmer {
    pub(super) fn start(
        notifier: Notifier,
        entries: Arc<Mutex<Entries>>,
        wanted: Receiver<()>,
    ) -> io::Result<Self> {
        let thread = std::thread::Builder::new()
            .name("dozo-mount-trim".to_owned())
            .spawn(move || {
                while wanted.recv().is_ok() {
                    let oldest = lock(&entries).oldest();
                    for (parent, name) in oldest {
                        // What it does not know any more, or uses, stays as it is.
                        let _ = notifier.inval_entry(INodeNo(parent), OsStr::from_bytes(&name));
                    }
                }
            })?;
        Ok(Self(Some(thread)))
    }

    /// Waits for its end, which comes when the file system is gone.
    pub(super) fn stop(mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}
