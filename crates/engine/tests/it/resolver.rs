//! What a text names.

use std::path::Path;

use base::fault::Code;
use base::{MachineId, SourceId};
use engine::model::{Inventory, Machine, Source, SourceKind};

fn inventory(sources: &[(&str, &str)]) -> Inventory {
    let mut inventory = Inventory::default();
    for (n, (machine, path)) in sources.iter().enumerate() {
        let id = MachineId([machine.len() as u8; 16]);
        inventory.machines.insert(
            id,
            Machine {
                id,
                name: (*machine).to_owned(),
                local: false,
            },
        );
        let source = Source {
            id: SourceId([n as u8 + 1; 16]),
            machine: id,
            kind: SourceKind::Files,
            path: Path::new(path).to_owned(),
            file_system: None,
        };
        inventory.sources.insert(source.id, source);
    }
    inventory
}

/// Checks what `text` names among the sources below: an address, or a refusal.
fn check(text: &str, expected: &str) {
    let inventory = inventory(&[
        ("web01", "/etc"),
        ("web01", "/home/anna"),
        ("web01", "/home/annabel"),
        ("db1", "/etc"),
        ("db1", "/"),
    ]);
    let found = match inventory.resolve_source(text) {
        Ok(source) => inventory.address(source).to_string(),
        Err(fault) if fault.code == Code::SourceAmbiguous => {
            format!("ambiguous: {}", fault.param("matches").unwrap())
        }
        Err(fault) => fault.code.name().to_owned(),
    };
    assert_eq!(found, expected, "{text}");
}

#[test]
fn a_source_is_found_by_any_of_its_names() {
    check("web01:files/etc", "web01:/etc");
    check("web01:/etc", "web01:/etc");
    check("web01:/etc/", "web01:/etc");
    check("/home/anna", "web01:/home/anna");
    check("/home/annabel/", "web01:/home/annabel");
    check("db1:/", "db1:/");
    check("db1:files/", "db1:/");
}

#[test]
fn a_unique_prefix_is_enough_and_an_exact_name_wins() {
    check("web01:/e", "web01:/etc");
    check("/home/annab", "web01:/home/annabel");
    check(
        "/home/ann",
        "ambiguous: web01:/home/anna, web01:/home/annabel",
    );
    check("db1:/e", "db1:/etc");
    check(&SourceId([3; 16]).to_string()[..6], "web01:/home/annabel");
}

#[test]
fn whoever_changes_something_means_the_whole_path() {
    let inventory = inventory(&[("web01", "/home/alice"), ("web01", "/srv")]);
    let found = |text: &str| match inventory.resolve_source_to_change(text) {
        Ok(source) => source.path.display().to_string(),
        Err(fault) => fault.code.name().to_owned(),
    };
    assert_eq!(found("/home/alice"), "/home/alice");
    assert_eq!(found("/home/alice/"), "/home/alice");
    for part in ["/home/a", "/home", "/"] {
        assert_eq!(found(part), "SourceUnknown", "{part}");
    }
    // Nothing but a source is called so.
    assert_eq!(found("web01:/h"), "/home/alice");
}

#[test]
fn a_name_of_several_lists_them_and_a_name_of_none_says_so() {
    check("/etc", "ambiguous: db1:/etc, web01:/etc");
    check("web02:/etc", "SourceUnknown");
    check("", "SourceUnknown");
}
