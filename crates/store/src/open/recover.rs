//! After an unclean end: sessions that never closed are fenced, and what they had made durable is kept.
//!
//! A pack that no record names is an *orphan*. Its presence proves nothing (R5): every byte is verified against its name, and
//! its directory entry made durable again, before a record names it. After that the next session finds its chunks,
//! and nothing durable is sent twice. An orphan that does not verify stays where it is, unused.
//!
//! Orphans come before fences: if recovery itself is interrupted, the session is still open, and recovery starts anew.

use base::{Fault, PackName, SessionId};
use format::log::Body;
use format::pack::Class;
use objects::GetError;

use crate::core::Core;
use crate::durable::{DurablePack, object_name, pack_name};
use crate::faults;
use crate::index::{Copies, Index, PackState};
use crate::log::Source;

/// Returns whether the packs that the index knows and no record names are still what it believes. They are not when the
/// place went back to an earlier state than the index: then the index has to be built anew.
pub(super) fn loose_packs_hold(source: &Source<'_>, index: &Index) -> Result<bool, Fault> {
    for pack in index.loose_packs()? {
        let object = object_name(pack.class, &pack.name);
        let bytes = match source.objects.head(&object) {
            Ok(bytes) => bytes,
            // It is not gone: it waits for its volume.
            Err(GetError::Away { .. }) => continue,
            Err(error) => return Err(faults::get(source.place, error)),
        };
        if bytes != Some(pack.bytes) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Ends the sessions of processes that are gone. Costs nothing after a clean end.
pub(super) fn recover(core: &Core) -> Result<(), Fault> {
    let sessions = core.index.open_sessions()?;
    let Some(first) = sessions.first() else {
        return Ok(());
    };
    let adopted = adopt_orphans(core, &first.session)?;
    for session in &sessions {
        core.append(Body::Fence {
            session: session.session,
        })?;
    }
    tracing::info!(
        sessions = sessions.len(),
        packs = adopted,
        "recovered from an unclean end"
    );
    Ok(())
}

fn adopt_orphans(core: &Core, session: &SessionId) -> Result<usize, Fault> {
    let mut adopted = Vec::new();
    for class in [Class::Data, Class::Meta] {
        for directory in objects::fan_out(class.directory()).expect("a class is an object's name") {
            let found = core
                .objects
                .list(&format!("{directory}/"))
                .map_err(|error| faults::list(&core.place, error))?;
            for name in found.iter().filter_map(|object| pack_name(&object.name)) {
                if adopt(core, session, class, name)? {
                    adopted.push((class, name));
                }
            }
        }
    }
    core.log_packs(session, &adopted)?;
    Ok(adopted.len())
}

/// Takes a pack in unless it is known to the log, deleted by it, or not whole.
fn adopt(core: &Core, session: &SessionId, class: Class, name: PackName) -> Result<bool, Fault> {
    if core.index.is_deleted(&name)? {
        return Ok(false);
    }
    let known = core.index.pack(&name)?;
    if known.is_some_and(|row| row.state != PackState::Loose) {
        return Ok(false);
    }
    match DurablePack::adopt(&*core.objects, &core.sealer(), core.id, class, name) {
        Ok(pack) => {
            core.index.insert(session, &pack, Copies::TakeOver)?;
            Ok(true)
        }
        Err(error) => {
            let fault = faults::find_pack(&core.place, &name, error)?;
            tracing::warn!(pack = %name, fault = ?fault, "an unfinished pack is left unused");
            Ok(false)
        }
    }
}
