//! Recovery points and what is in them.

use api::Time;
use api::view::{EntryKind, EntryView, Kept, PointListView, PointView, RestorePlanView};
use base::units::{bytes, count};

use super::column::{Table, fields};
use super::when::Here;
use super::{counted, files, short};

/// Returns recovery points as a table, newest first.
pub fn list(view: &PointListView, here: &Here) -> String {
    if view.points.is_empty() {
        return "There is no recovery point yet. Try: dozo protect PATH\n".to_owned();
    }
    let mut table = Table::new(&[
        "POINT",
        "TIME",
        "SOURCE",
        ">FILES",
        ">SIZE",
        ">NEW",
        "KEPT UNTIL",
        "NOTE",
    ]);
    for point in &view.points {
        let warnings = match point.warnings {
            0 => None,
            n => Some(counted(n, "warning", "warnings")),
        };
        let hold = point.hold.as_ref().map(|reason| match reason.as_str() {
            "" => "held".to_owned(),
            reason => format!("held: {reason}"),
        });
        let waits = point.waits.then(|| "waits for a volume".to_owned());
        let note = [warnings, hold, waits]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        table.row(vec![
            short(&point.id).to_owned(),
            here.column(point.time),
            point.source.clone(),
            count(point.stats.files),
            bytes(point.stats.bytes),
            bytes(point.stats.new_bytes),
            kept(point, |time| here.column(time)),
            note.join(", "),
        ]);
    }
    table.render()
}

/// Says that a recovery point is held.
pub fn held(view: &PointView, here: &Here) -> String {
    format!(
        "Holds recovery point {} of {}, {}: it does not expire and cannot be deleted.\n",
        view.id,
        view.source,
        here.exact(view.time)
    )
}

/// Says until when a recovery point is kept that is no longer held.
pub fn released(view: &PointView, here: &Here) -> String {
    format!(
        "Let recovery point {} of {}, {}, go: it is kept until {}.\n",
        view.id,
        view.source,
        here.exact(view.time),
        kept(view, |time| here.exact(time))
    )
}

fn kept(point: &PointView, show: impl Fn(Time) -> String) -> String {
    match (point.kept, point.expires) {
        (Kept::Time, Some(time)) => show(time),
        (Kept::Newest, _) => "a newer one is made".to_owned(),
        (Kept::Due, _) => "the next cleaning".to_owned(),
        _ if point.hold.is_some() => "it is released".to_owned(),
        (Kept::Held | Kept::Time, _) => "it is deleted by hand".to_owned(),
    }
}

/// Returns one recovery point in full.
pub fn one(view: &PointView, here: &Here) -> String {
    let stats = &view.stats;
    let whole = match view.warnings {
        0 => "yes".to_owned(),
        n => format!(
            "except for {} that could not be read",
            counted(n, "entry", "entries")
        ),
    };
    fields(&[
        ("Point", view.id.clone()),
        ("Source", view.source.clone()),
        ("Group", view.group.clone().unwrap_or_default()),
        ("Time", here.exact(view.time)),
        ("Consistency", view.consistency_words.clone()),
        ("Whole", whole),
        (
            "Holds",
            format!(
                "{} in {}, {}",
                files(stats.files),
                counted(stats.entries, "entry", "entries"),
                bytes(stats.bytes)
            ),
        ),
        (
            "Changed",
            counted(
                stats.changed,
                "entry since the point before",
                "entries since the point before",
            ),
        ),
        ("New in pool", bytes(stats.new_bytes)),
        ("Kept until", kept(view, |time| here.exact(time))),
        ("Held for", view.hold.clone().unwrap_or_default()),
        ("Previous", view.previous.clone().unwrap_or_default()),
    ])
}

/// Returns a table for entries of a directory.
pub fn listing() -> Table {
    Table::new(&["MODE", "OWNER", "GROUP", ">SIZE", "MODIFIED", "NAME"])
}

/// Returns a page of entries of a directory, one a line.
pub fn entries(table: &mut Table, entries: &[EntryView], here: &Here) -> String {
    for entry in entries {
        let size = match entry.kind {
            EntryKind::File => bytes(entry.size),
            _ => "-".to_owned(),
        };
        let name = match (&entry.kind, &entry.target) {
            (EntryKind::Directory, _) => format!("{}/", entry.name),
            (_, Some(target)) => format!("{} -> {target}", entry.name),
            _ => entry.name.to_string(),
        };
        table.row(vec![
            mode(entry),
            entry.owner.clone(),
            entry.group.clone(),
            size,
            entry.modified.map(|t| here.column(t)).unwrap_or_default(),
            name,
        ]);
    }
    table.page()
}

/// Returns kind and permissions as `ls` writes them.
fn mode(entry: &EntryView) -> String {
    let kind = match entry.kind {
        EntryKind::Directory => 'd',
        EntryKind::File => '-',
        EntryKind::Symlink => 'l',
        EntryKind::Fifo => 'p',
        EntryKind::Socket => 's',
        EntryKind::CharDevice => 'c',
        EntryKind::BlockDevice => 'b',
    };
    let mut out = String::from(kind);
    for (shift, special, with, without) in [
        (6, 0o4000, 's', 'S'),
        (3, 0o2000, 's', 'S'),
        (0, 0o1000, 't', 'T'),
    ] {
        let bits = entry.mode >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (bits & 1 != 0, entry.mode & special != 0) {
            (true, true) => with,
            (false, true) => without,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    out
}

/// Returns how many entries are there already, if any are.
fn there(same: u64) -> String {
    match same {
        0 => String::new(),
        1 => "; 1 is there already".to_owned(),
        n => format!("; {} are there already", count(n)),
    }
}

/// Returns what a restore would do.
pub fn plan(view: &RestorePlanView, here: &Here) -> String {
    let what = if view.paths.is_empty() {
        "everything".to_owned()
    } else {
        let paths = view.paths.iter().map(ToString::to_string);
        paths.collect::<Vec<_>>().join(", ")
    };
    let taken = match view.conflict_count {
        0 => "nothing is in the way".to_owned(),
        n => format!(
            "{} in the way: {}{}",
            counted(n, "entry is", "entries are"),
            match view.on_conflict.as_str() {
                "overwrite" => "what is there is replaced",
                "rename" => "the restored ones get another name",
                _ => "what is there stays, the restored ones are left out",
            },
            match view.refused_count {
                0 => String::new(),
                n => format!(
                    ", but for {}, where what is restored is left out",
                    counted(n, "directory", "directories")
                ),
            }
        ),
    };
    let mut out = fields(&[
        ("Restore", what),
        ("Of", view.point.source.clone()),
        (
            "As of",
            format!(
                "{}, point {}",
                here.exact(view.point.time),
                short(&view.point.id)
            ),
        ),
        ("To", view.target.to_string()),
        (
            "Would write",
            format!(
                "{} in {}, {}{}",
                files(view.files),
                counted(view.entries, "entry", "entries"),
                bytes(view.bytes),
                there(view.same)
            ),
        ),
        ("Conflicts", taken),
    ]);
    for conflict in &view.conflicts {
        out.push_str(&format!("  {}  {}\n", conflict.action, conflict.path));
    }
    let more = view.conflict_count - view.conflicts.len() as u64;
    if more > 0 {
        out.push_str(&format!("  and {} more\n", count(more)));
    }
    out
}
