//! Protection groups.

use api::view::{GroupListView, GroupView, MemberListView};

use super::column::{Table, fields};
use super::counted;
use super::when::Here;

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

/// Returns who came or went: `verb` is `joined` or `left`.
pub fn members(view: &MemberListView, verb: &str) -> String {
    let lines = view
        .members
        .iter()
        .map(|member| format!("{member} {verb} group {}\n", view.group));
    lines.collect()
}
