//! What a replica may be, and what may become of it.
//!
//! [`next`] is the whole state machine: a pure function from a state and what happened to the next state, or
//! to a refusal. A replica that is `ok` equals its source as of the last synchronization; one that is
//! `inconsistent` can no longer be proven to, its old points stay restorable, and only a consistency check
//! that went through makes it `ok` again.

/// Why a replica can no longer be proven equal to its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// Stored bytes below it are missing or are not what was written.
    Damaged,
    /// Changes may have been missed: what follows them has a gap.
    ChangesMissed,
    /// It was not protected for a while.
    Paused,
    /// A check found entries that had changed without a sign and could not repair all of them.
    Differs,
}

impl Doubt {
    /// Every doubt.
    pub const ALL: [Self; 4] = [
        Self::Damaged,
        Self::ChangesMissed,
        Self::Paused,
        Self::Differs,
    ];

    /// Returns its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::ChangesMissed => "changes-missed",
            Self::Paused => "paused",
            Self::Differs => "differs",
        }
    }

    /// Finds the doubt of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|doubt| doubt.name() == name)
    }

    /// Returns the reason as part of a sentence.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Damaged => "stored data below it is missing or damaged",
            Self::ChangesMissed => "changes may have been missed",
            Self::Paused => "it was not protected for a while",
            Self::Differs => "a consistency check found differences that it could not repair",
        }
    }
}

/// Where a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// There is none yet.
    Pending,
    /// The first full copy is being made.
    Creating,
    /// It equals its source as of the last synchronization.
    Ok,
    /// It can no longer be proven to.
    Inconsistent(Doubt),
    /// A consistency check is comparing it; it was doubted for this before.
    Checking(Option<Doubt>),
    /// The pool no longer has it.
    Missing,
    /// Protection was stopped; it and its points are kept.
    Inactive,
}

impl State {
    /// Returns its word in texts, in JSON and in the catalog.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Creating => "creating",
            Self::Ok => "ok",
            Self::Inconsistent(_) => "inconsistent",
            Self::Checking(_) => "checking",
            Self::Missing => "missing",
            Self::Inactive => "inactive",
        }
    }

    /// Returns why it is doubted, if it is.
    pub fn doubt(self) -> Option<Doubt> {
        match self {
            Self::Inconsistent(doubt) => Some(doubt),
            Self::Checking(doubt) => doubt,
            _ => None,
        }
    }

    /// Returns the state of that name and doubt.
    pub fn parse(name: &str, doubt: Option<Doubt>) -> Option<Self> {
        Some(match (name, doubt) {
            ("pending", None) => Self::Pending,
            ("creating", None) => Self::Creating,
            ("ok", None) => Self::Ok,
            ("inconsistent", Some(doubt)) => Self::Inconsistent(doubt),
            ("checking", doubt) => Self::Checking(doubt),
            ("missing", None) => Self::Missing,
            ("inactive", None) => Self::Inactive,
            _ => return None,
        })
    }
}

/// What happens to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Happening {
    /// A synchronization begins.
    SyncStarted,
    /// It was committed.
    SyncDone,
    /// It ended without a commit.
    SyncEnded,
    /// A consistency check begins.
    CheckStarted,
    /// It compared everything, and what differed is repaired.
    CheckPassed,
    /// It ended without having compared everything.
    CheckEnded,
    /// Something gave reason for doubt.
    Doubted(Doubt),
    /// The pool does not have it.
    Lost,
    /// Protection stopped, data retained.
    Stopped,
    /// Protection goes on; `true` if there is a replica from before.
    Resumed(bool),
}

/// It cannot happen to a replica in that state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a replica that is {} cannot do this", state.name())]
pub struct Refused {
    /// The state it is in.
    pub state: State,
}

/// Returns what becomes of a replica.
///
/// # Errors
/// It cannot happen in that state: the caller asks for something that has to be refused.
pub fn next(state: State, happening: Happening) -> Result<State, Refused> {
    use Happening as H;
    use State as S;
    Ok(match (state, happening) {
        // Stopping and losing are possible at any time; doubt needs something to doubt.
        (S::Inactive, H::Lost | H::Doubted(_)) => S::Inactive,
        (_, H::Stopped) => S::Inactive,
        (S::Pending, H::Lost) => S::Pending,
        (S::Creating, H::Lost) => S::Creating,
        (_, H::Lost) => S::Missing,

        // A synchronization of a replica that is not there is its creation.
        (S::Pending | S::Creating | S::Missing, H::SyncStarted) => S::Creating,
        (S::Ok | S::Inconsistent(_), H::SyncStarted) => state,
        // One job at a time works on a replica: that the check before has ended was not written down.
        (S::Checking(doubt), H::SyncStarted) => doubt.map_or(S::Ok, S::Inconsistent),
        (S::Creating, H::SyncDone) => S::Ok,
        // It cannot take a doubt away: it believes what was compared before.
        (S::Ok | S::Inconsistent(_), H::SyncDone) => state,
        (S::Creating, H::SyncEnded) => S::Pending,
        (S::Ok | S::Inconsistent(_) | S::Missing, H::SyncEnded) => state,

        (S::Ok | S::Inconsistent(_) | S::Checking(_), H::CheckStarted) => {
            S::Checking(state.doubt())
        }
        (S::Checking(_), H::CheckPassed) => S::Ok,
        (S::Checking(None), H::CheckEnded) => S::Ok,
        (S::Checking(Some(doubt)), H::CheckEnded) => S::Inconsistent(doubt),

        // The first doubt is the one that is told.
        (S::Inconsistent(first) | S::Checking(Some(first)), H::Doubted(_)) => {
            S::Inconsistent(first)
        }
        (S::Ok | S::Checking(None), H::Doubted(doubt)) => S::Inconsistent(doubt),
        // Nothing has been promised of these yet.
        (S::Pending | S::Creating | S::Missing, H::Doubted(_)) => state,

        (S::Inactive, H::Resumed(true)) => S::Inconsistent(Doubt::Paused),
        (S::Inactive, H::Resumed(false)) => S::Pending,

        (S::Pending | S::Inactive | S::Checking(_), H::SyncDone | H::SyncEnded)
        | (S::Missing, H::SyncDone)
        | (S::Inactive, H::SyncStarted)
        | (S::Pending | S::Creating | S::Missing | S::Inactive, H::CheckStarted)
        | (
            S::Pending | S::Creating | S::Ok | S::Inconsistent(_) | S::Missing | S::Inactive,
            H::CheckPassed | H::CheckEnded,
        )
        | (
            S::Pending | S::Creating | S::Ok | S::Inconsistent(_) | S::Checking(_) | S::Missing,
            H::Resumed(_),
        ) => return Err(Refused { state }),
    })
}
