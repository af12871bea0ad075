//! `dozo server`: what is done with a whole backup server.

use std::fs;
use std::path::Path;

use api::view::AdoptionView;
use api::{Operations, PathText, Problem};
use base::{Fault, SourceId};

use super::up::data_dir_option;
use crate::adopt::{self, Adopt};
use crate::session::{self, DONE, Manner};
use crate::show;
use crate::world::World;

/// Runs `dozo server adopt`.
///
/// # Errors
/// As [`adopt::adopt`].
pub fn adopt(
    world: &mut World,
    manner: Manner,
    data_dir: &Path,
    request: &Adopt<'_>,
) -> Result<u8, Problem> {
    let problem = |fault: Fault| Problem::of(&fault, manner.language);
    let adopted = adopt::adopt(world, data_dir, manner, request, |local, grouped| {
        look(local.operations(), data_dir, &grouped)
    });
    let view = adopted.map_err(problem)??;
    let text = match manner.json {
        true => session::json(view),
        false => {
            let option = data_dir_option(world, data_dir);
            let next = show::server::next(&view, |command| format!("dozo {command}{option}"));
            show::server::adopted(&view, &session::here(world)) + &next
        }
    };
    session::print(world, &text).map_err(problem)?;
    Ok(DONE)
}

/// Returns what was found in an adopted pool, with the groups that sources are in as soon as they are protected again.
fn look(
    operations: &dyn Operations,
    data_dir: &Path,
    grouped: &[(SourceId, String)],
) -> Result<AdoptionView, Problem> {
    let mut view = AdoptionView {
        data_dir: PathText::from(data_dir),
        groups: operations.groups()?.groups,
        sources: operations.sources()?.sources,
        pool: operations.pool()?,
    };
    for source in &mut view.sources {
        let group = grouped.iter().find(|(id, _)| id.to_string() == source.id);
        source.group = group.map(|(_, group)| group.clone());
    }
    for group in &mut view.groups {
        let sources = view.sources.iter();
        let members = sources.filter(|source| source.group.as_ref() == Some(&group.name));
        group.members = members.map(|source| source.address.clone()).collect();
        group.next_point = None;
    }
    if let Ok(real) = fs::canonicalize(view.pool.path.clone().into_path()) {
        view.pool.path = PathText::from(real.as_path());
    }
    Ok(view)
}
