//! What is read, and what is asked of it beside not breaking.

mod sealed;
mod trees;
mod words;

use std::rc::Rc;

use super::world::World;

/// Reads an input: whether it was taken for sound, or what two readers say differently of it.
pub(super) type Reads = Box<dyn FnMut(&[u8]) -> Result<bool, String>>;

/// A reader under test.
pub(super) struct Target {
    pub(super) name: &'static str,
    /// What writers wrote.
    pub(super) corpus: Vec<Vec<u8>>,
    pub(super) read: Reads,
}

impl Target {
    fn new(
        name: &'static str,
        corpus: Vec<Vec<u8>>,
        read: impl FnMut(&[u8]) -> Result<bool, String> + 'static,
    ) -> Self {
        let read = Box::new(read);
        Self { name, corpus, read }
    }
}

/// Returns all targets.
pub(super) fn all() -> Vec<Target> {
    let world = Rc::new(World::new());
    let mut all = sealed::targets(&world);
    all.extend(trees::targets());
    all.extend(words::targets());
    all
}

/// Compares what two readers say: both refuse, or both take it for the same.
fn agree<T: PartialEq + std::fmt::Debug>(
    ours: Result<T, String>,
    theirs: Result<T, String>,
) -> Result<bool, String> {
    match (ours, theirs) {
        (Err(_), Err(_)) => Ok(false),
        (Ok(ours), Ok(theirs)) if ours == theirs => Ok(true),
        (ours, theirs) => {
            let [ours, theirs] = [format!("{ours:?}"), format!("{theirs:?}")]
                .map(|text| text.chars().take(400).collect::<String>());
            Err(format!("one reader: {ours}, the other: {theirs}"))
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Returns an error with its causes.
fn chain(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
