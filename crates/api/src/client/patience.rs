//! How long an answer is waited for, and whether whoever wants it still does.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use base::limits::ANSWER_LOOK;

/// Asked while an answer is waited for whether to go on, with how long that has been so far.
#[derive(Clone)]
pub(super) struct Patience(Arc<dyn Fn(Duration) -> bool + Send + Sync>);

impl Patience {
    pub(super) fn new(goes_on: impl Fn(Duration) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(goes_on))
    }

    /// Attempts something that waits [`ANSWER_LOOK`] at most, until it is done, `limit` is over, or nobody wants it any more.
    pub(super) fn wait<T>(
        &self,
        limit: Option<Duration>,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        let mut waited = Duration::ZERO;
        loop {
            match attempt() {
                // A signal (a resized terminal) is no reason to lose an answer.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if is_wait(&e) => waited += ANSWER_LOOK,
                other => return other,
            }
            if limit.is_some_and(|limit| waited >= limit) || !(self.0)(waited) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, Silence(waited)));
            }
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::new(|_| true)
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patience")
    }
}

/// Says whether a socket has only waited: it says `WouldBlock`.
fn is_wait(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Nothing came for so long.
#[derive(Debug, thiserror::Error)]
#[error("no answer for {} s", .0.as_secs())]
struct Silence(Duration);

/// Returns how long nothing came, if that is what ended a call.
pub(super) fn silence(error: &ureq::Error) -> Option<Duration> {
    let ureq::Error::Io(error) = error else {
        return None;
    };
    let silence = error.get_ref()?.downcast_ref::<Silence>()?;
    Some(silence.0)
}
