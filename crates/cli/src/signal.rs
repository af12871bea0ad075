//! Ctrl-C and SIGTERM: the first asks the command to end well, the second ends it at once.

use std::io;
use std::sync::Arc;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

/// Exit code when a person stopped the command.
pub const STOPPED: u8 = 1;

/// Says whether a person wants the command to end.
#[derive(Debug, Default)]
pub struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Returns one that signals raise. A second signal ends the process.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub fn on_signals() -> io::Result<Arc<Self>> {
        let stop = Arc::new(Self::default());
        // A file that grows beyond what the system lets it ends the process unless somebody listens: then the write fails,
        // and is told as every write that fails.
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGXFSZ])?;
        let raised = Arc::clone(&stop);
        std::thread::Builder::new()
            .name("dozo-signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    if signal != SIGXFSZ && raised.ask() {
                        std::process::exit(i32::from(STOPPED));
                    }
                }
            })?;
        Ok(stop)
    }

    /// Asks the command to end; returns whether it had been asked already.
    pub fn ask(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *asked, true);
        self.changed.notify_all();
        before
    }

    /// Returns whether the command has been asked to end.
    pub fn is_asked(&self) -> bool {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits at most `limit`; returns whether the command has been asked to end.
    pub fn wait(&self, limit: Duration) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, _) = self
            .changed
            .wait_timeout_while(asked, limit, |asked| !*asked)
            .unwrap_or_else(PoisonError::into_inner);
        *asked
    }
}
