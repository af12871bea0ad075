//! What a store owes at one moment of its history, and whether it gives it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;

use base::{Env, Fault, PointId, SourceId};
use store::{Store, VerifySpec};
use testkit::SimDisk;

use crate::history::{History, go_on};
use crate::world::{Files, collect, files, read, violation};

/// What was promised at a crash point.
pub(crate) struct Promised<'a> {
    pub(crate) history: &'a History,
    pub(crate) known: Vec<(PointId, &'a Files)>,
    pub(crate) gone: Vec<PointId>,
    /// The same as a number.
    pub(crate) print: u64,
}

impl<'a> Promised<'a> {
    pub(crate) fn at(history: &'a History, k: usize) -> Self {
        let (known, gone) = (history.known(k), history.gone(k));
        let mut hasher = DefaultHasher::new();
        for (point, _) in &known {
            point.0.hash(&mut hasher);
        }
        gone.len().hash(&mut hasher);
        Self {
            history,
            known,
            gone,
            print: hasher.finish(),
        }
    }

    /// Says what is wrong with a store as it is.
    pub(crate) fn check(&self, store: &Store) -> Result<(), String> {
        check(store, &self.known, &self.gone, &self.history.states)
    }

    /// Another backup, a collection, a verification, another opening.
    pub(crate) fn goes_on(&self, disk: &SimDisk, store: Store, env: &Env) -> Result<(), String> {
        let again = || self.history.open(disk, env);
        let (source, states) = (self.history.sources[0], &self.history.states);
        goes_on(store, source, &self.known, states, &again)
    }
}

/// Says what is wrong with a store of which the points `known` have to be there, those that are `gone` must not be, and all content
/// has to be one of `states`.
pub(crate) fn check(
    store: &Store,
    known: &[(PointId, &Files)],
    gone: &[PointId],
    states: &[Files],
) -> Result<(), String> {
    if let Some(what) = violation(store, known, states) {
        return Err(what);
    }
    let points = store.points().map_err(|fault| format!("{fault:?}"))?;
    if let Some(point) = points.iter().find(|point| gone.contains(&point.id)) {
        return Err(format!("deleted point {} is back", point.id));
    }
    for replica in store.replicas().map_err(|fault| format!("{fault:?}"))? {
        match read(store, &replica.root) {
            Ok(found) if states.contains(&found) => {}
            // What was acknowledged after the history's end.
            Ok(found) if known.iter().any(|(_, known)| found == **known) => {}
            Ok(_) => return Err(String::from("a replica has content that never was")),
            Err(fault) => return Err(format!("a replica is not readable: {fault:?}")),
        }
    }
    Ok(())
}

/// Says what does not work of another backup, a collection, a verification and another opening.
pub(crate) fn goes_on(
    store: Store,
    source: SourceId,
    known: &[(PointId, &Files)],
    states: &[Files],
    open: &dyn Fn() -> Result<Store, Fault>,
) -> Result<(), String> {
    // Content that killed sessions may have brought, so that what they left is relied upon.
    let mut next = files(&[("a", &[9; 1000]), ("after", b"the crash")]);
    next.extend(states.last().cloned().unwrap_or_default());
    let made = go_on(&store, source, &next)?;
    let mut known = known.to_vec();
    known.push((made, &next));
    let whole = |store: &Store, when: &str| {
        let what = violation(store, &known, states);
        what.map_or(Ok(()), |what| Err(format!("{when}: {what}")))
    };
    whole(&store, "after going on")?;
    collect(&store).map_err(|fault| format!("nothing can be collected: {fault:?}"))?;
    whole(&store, "after collecting")?;
    let report = store.verify(&VerifySpec::default(), &mut |_| ControlFlow::Continue(()));
    let report = report.map_err(|fault| format!("nothing can be verified: {fault:?}"))?;
    if !report.is_sound() {
        return Err(format!("damage is found: {:?}", report.faults));
    }
    drop(store);
    let again = open().map_err(|fault| format!("it does not open again: {fault:?}"))?;
    whole(&again, "after opening again")
}
