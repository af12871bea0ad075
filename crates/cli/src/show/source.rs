//! Data sources.

use api::view::{ProtectedView, SourceListView, SourceView};

use super::column::{Table, fields};
use super::when::Here;

/// Returns all sources as a table.
pub fn list(view: &SourceListView, here: &Here) -> String {
    if view.sources.is_empty() {
        return "Nothing is protected yet. Try: dozo protect PATH\n".to_owned();
    }
    table(&view.sources, here)
}

/// Returns sources as a table.
pub fn table(sources: &[SourceView], here: &Here) -> String {
    let mut table = Table::new(&["SOURCE", "GROUP", "REPLICA", "NEWEST POINT", ">POINTS"]);
    for source in sources {
        table.row(vec![
            source.address.clone(),
            source.group.clone().unwrap_or_else(|| "-".to_owned()),
            source.replica.state.clone(),
            source.newest_point.map_or_else(
                || "none yet".to_owned(),
                |time| format!("{} ({})", here.time(time), here.distance(time)),
            ),
            base::units::count(source.points),
        ]);
    }
    table.render()
}

/// Returns one source in full.
pub fn one(view: &SourceView, here: &Here) -> String {
    let selection = &view.selection;
    let replica = match &view.replica.reason {
        Some(reason) => format!("{}: {reason}", view.replica.state),
        None => view.replica.state.clone(),
    };
    let when =
        |time: Option<api::Time>| time.map_or_else(|| "never".to_owned(), |time| here.exact(time));
    fields(&[
        ("Source", view.address.clone()),
        ("Id", view.id.clone()),
        ("Machine", view.machine.clone()),
        ("Kind", view.kind.clone()),
        ("Path", view.path.to_string()),
        (
            "Group",
            view.group
                .clone()
                .unwrap_or_else(|| "none: it is not protected now".to_owned()),
        ),
        ("Replica", replica),
        ("State", view.sentence.clone()),
        ("Synchronized", when(view.synchronized)),
        ("Newest point", when(view.newest_point)),
        (
            "Next point",
            view.next_point
                .map(|time| here.exact(time))
                .unwrap_or_default(),
        ),
        ("Points", base::units::count(view.points)),
        ("Left out", selection.exclude.join(", ")),
        ("Always left out", {
            let data_dir = view.data_dir_left_out.as_ref();
            data_dir.map_or_else(String::new, |path| format!("{path}, the data directory"))
        }),
        (
            "Left out if it holds",
            selection.exclude_if_present.join(", "),
        ),
        (
            "Caches",
            if selection.exclude_caches {
                "left out".to_owned()
            } else {
                String::new()
            },
        ),
        (
            "File systems",
            if selection.one_file_system {
                "only its own".to_owned()
            } else {
                String::new()
            },
        ),
    ])
}

/// Says from when on another place counts.
pub fn accepted(view: &SourceView, _: &Here) -> String {
    format!(
        "From its next synchronization on, {} is what is at {} now.\n",
        view.address, view.path
    )
}

/// Returns what has to be said of what was left out unasked, if anything was.
pub fn left_out(view: &ProtectedView) -> Option<String> {
    let path = view.data_dir_left_out.as_ref()?;
    Some(format!(
        "Left out: the data directory {path}; the pool in it cannot hold itself."
    ))
}
