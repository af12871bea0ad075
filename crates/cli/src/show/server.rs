//! A server that has begun anew with the pool of one that is lost.

use api::view::{AdoptionView, SourceView, VolumeState};
use base::units::bytes;

use super::column::Table;
use super::when::Here;
use super::{counted, source};
use crate::command::up::shell_word;

/// Returns what was found in an adopted pool.
pub fn adopted(view: &AdoptionView, here: &Here) -> String {
    let pool = &view.pool;
    let mut out = format!(
        "Adopted the pool {}: {} of {}, {} in the pool\n",
        pool.path,
        counted(pool.points, "recovery point", "recovery points"),
        counted(view.sources.len() as u64, "source", "sources"),
        bytes(pool.bytes),
    );
    if !view.groups.is_empty() {
        let mut groups = Table::new(&["GROUP", ">MEMBERS", "POLICY"]);
        for group in &view.groups {
            groups.row(vec![
                group.name.clone(),
                base::units::count(group.members.len() as u64),
                group.policy.sentence.clone(),
            ]);
        }
        out.push_str(&format!("\n{}", groups.render()));
    }
    if !view.sources.is_empty() {
        out.push_str(&format!("\n{}", source::table(&view.sources, here)));
        out.push_str(
            "\nNothing is protected now, and no recovery point expires: what lies at these paths on this computer may be another \
             thing.\nThe protection of each goes on, by its old policy, when you say so.\n",
        );
    }
    for volume in away(view) {
        let why = volume.why.as_deref().unwrap_or("it is not there");
        out.push_str(&format!(
            "\nThe volume {} is away ({why}): it was at {}. Recovery points that need it wait for it.\n",
            volume.name, volume.path
        ));
    }
    out
}

fn away(view: &AdoptionView) -> impl Iterator<Item = &api::view::VolumeView> {
    let volumes = view.pool.volumes.iter();
    volumes.filter(|volume| volume.state == VolumeState::Away)
}

/// Returns the commands that come next; `typed` makes one of what follows the program's name.
pub fn next(view: &AdoptionView, typed: impl Fn(&str) -> String) -> String {
    let mut lines = Vec::new();
    for volume in away(view) {
        lines.push((
            format!("take the volume {} in, where it is now", volume.name),
            format!("pool add DIR --name {}", volume.name),
        ));
    }
    let newest: Option<&SourceView> = view
        .sources
        .iter()
        .filter(|source| source.points > 0)
        .max_by_key(|source| source.newest_point);
    lines.push(("list recovery points".to_owned(), "point list".to_owned()));
    if let Some(source) = newest {
        let address = shell_word(&source.address);
        lines.push((
            "get everything of one back".to_owned(),
            format!("restore {address} --to ./restored"),
        ));
        lines.push((
            "or to where it was".to_owned(),
            format!("restore {address} --original"),
        ));
    }
    let mut what = "go on protecting, what is there again";
    for source in &view.sources {
        let path = shell_word(&source.path.to_string());
        lines.push((what.to_owned(), format!("protect {path}")));
        what = "";
    }
    lines.push(("read the pool back".to_owned(), "pool verify".to_owned()));
    lines.push(("run the server".to_owned(), "up".to_owned()));
    let widest = lines.iter().map(|(what, _)| what.chars().count()).max();
    let widest = widest.unwrap_or(0);
    let mut out = "\nWhat next\n".to_owned();
    for (what, command) in lines {
        out.push_str(&format!("  {what:widest$}  {}\n", typed(&command)));
    }
    out
}
