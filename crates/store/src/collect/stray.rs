//! Objects that no record of the log names: packs and points' descriptions of writers that were killed or failed, and packs that
//! were deleted and whose removal was interrupted; and damaged packs in the quarantine, once what took their place was verified.
//!
//! That an object is named by nothing proves nothing as long as a session is open that may be about to name it. So strays are
//! listed before the packs of the plan are condemned and looked at once more when every session of that time has ended.

use base::{Fault, PointId};
use format::pack::Class;
use objects::{DeleteError, ObjectName};

use crate::core::Core;
use crate::durable::pack_name;
use crate::faults;

/// Where damaged objects are kept.
const QUARANTINE: &str = "quarantine/";

/// An object that nothing names.
#[derive(Clone, Debug)]
pub(super) struct Stray {
    name: ObjectName,
    bytes: u64,
}

/// Returns the objects that nothing names now.
///
/// # Errors
/// The place does not answer; the index failed.
pub(super) fn find(core: &Core) -> Result<Vec<Stray>, Fault> {
    let mut strays = Vec::new();
    let mut prefixes = vec![String::from("points/")];
    for class in [Class::Data, Class::Meta] {
        prefixes.push(format!("{QUARANTINE}{}/", class.directory()));
        let directories = objects::fan_out(class.directory()).expect("a class is an object's name");
        prefixes.extend(directories.iter().map(|directory| format!("{directory}/")));
    }
    for prefix in prefixes {
        let found = core.objects.list(&prefix);
        for object in found.map_err(|error| faults::list(&core.place, error))? {
            if !is_named(core, &object.name)? {
                strays.push(Stray {
                    name: object.name,
                    bytes: object.bytes,
                });
            }
        }
    }
    Ok(strays)
}

/// Returns whether something names an object, or it is none of ours.
fn is_named(core: &Core, object: &ObjectName) -> Result<bool, Fault> {
    if object.as_str().starts_with("points/") {
        return Ok(match object.leaf().parse::<PointId>() {
            Ok(point) => core.index.point(&point)?.is_some(),
            Err(_) => true,
        });
    }
    if let Some(kept) = object.as_str().strip_prefix(QUARANTINE) {
        let pack = kept.split('/').nth(1).and_then(|name| name.parse().ok());
        let Some(pack) = pack else {
            return Ok(true);
        };
        let row = core.index.pack(&pack)?;
        return Ok(row.is_some_and(|row| row.is_bad() || row.verified_s == 0));
    }
    Ok(match pack_name(object) {
        Some(pack) => core.index.pack(&pack)?.is_some(),
        None => true,
    })
}

impl Stray {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Removes it if still nothing names it, and returns whether it did.
    ///
    /// # Errors
    /// It cannot be removed; the index failed.
    pub(super) fn remove(&self, core: &Core) -> Result<bool, Fault> {
        if is_named(core, &self.name)? {
            return Ok(false);
        }
        match core.objects.delete(&self.name) {
            Ok(()) => Ok(true),
            Err(DeleteError::Missing { .. }) => Ok(false),
            Err(error) => Err(faults::delete(&core.place, error)),
        }
    }
}
