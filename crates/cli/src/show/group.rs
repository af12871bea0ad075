//! Protection groups.

use api::view::{GroupChangeView, GroupListView, GroupView, MemberListView};

use super::column::{Table, fields};
use super::when::Here;
use super::{counted, short};

/// Returns all groups as a table.
pub fn list(view: &GroupListView, here: &Here) -> String {
    if view.groups.is_empty() {
        return "There is no protection group yet. Try: dozo protect PATH\n".to_owned();
    }
    let mut table = Table::new(&["GROUP", ">MEMBERS", "NEXT POINT", "POLICY"]);
    for group in &view.groups {
        table.row(vec![
            group.name.clone(),
            base::units::count(group.members.len() as u64),
            group
                .next_point
                .map_or_else(|| "-".to_owned(), |time| here.time(time)),
            group.policy.sentence.clone(),
        ]);
    }
    table.render()
}

/// Returns one group in full.
pub fn one(view: &GroupView, here: &Here) -> String {
    let next = view.next_point.map(|time| here.exact(time));
    let mut out = fields(&[
        ("Group", view.name.clone()),
        ("Id", view.id.clone()),
        ("Policy", view.policy.sentence.clone()),
        ("Next point", next.unwrap_or_default()),
        (
            "Members",
            counted(view.members.len() as u64, "source", "sources"),
        ),
    ]);
    for member in &view.members {
        out.push_str("  ");
        out.push_str(member);
        out.push('\n');
    }
    out
}

/// Returns what a change of policy would be, and what it would delete.
pub fn preview(view: &GroupChangeView, here: &Here) -> String {
    let mut out = fields(&[
        ("Group", view.group.name.clone()),
        ("New policy", view.group.policy.sentence.clone()),
        (
            "Deletes at once",
            match view.expiring {
                0 => "no recovery point".to_owned(),
                n => counted(n, "recovery point", "recovery points"),
            },
        ),
    ]);
    for member in &view.members {
        let count = counted(member.count, "recovery point", "recovery points");
        out.push_str(&format!("\n{}: {count}\n", member.source));
        for point in &member.points {
            out.push_str(&format!(
                "  {}  {}\n",
                short(&point.id),
                here.time(point.time)
            ));
        }
        match member.count - member.points.len() as u64 {
            0 => {}
            more => out.push_str(&format!("  and {} younger\n", base::units::count(more))),
        }
    }
    out
}

/// Returns who came or went: `verb` is `joined` or `left`.
pub fn members(view: &MemberListView, verb: &str) -> String {
    let lines = view
        .members
        .iter()
        .map(|member| format!("{member} {verb} group {}\n", view.group));
    lines.collect()
}
