//! The data directory, and paths that cannot be protected.

use base::fault::Code;
use engine::{Home, ProtectRequest};

use crate::world::{World, code, protect};

fn protect_path(world: &World, path: &std::path::Path) -> Code {
    let request = ProtectRequest {
        paths: vec![path.to_owned()],
        ..ProtectRequest::default()
    };
    let engine = world.open();
    let refused = code(engine.protect(&request));
    assert_eq!(engine.inventory().members.len(), 0, "nothing was decided");
    refused
}

#[test]
fn a_data_directory_has_one_owner_and_says_who() {
    let world = World::new();
    assert_eq!(Home::owner(&world.data), None);
    let home = Home::claim(&world.data, &world.env, "dozo up").unwrap();
    let fault = Home::claim(&world.data, &world.env, "dozo status").unwrap_err();
    assert_eq!(fault.code, Code::DataDirectoryBusy);
    assert_eq!(fault.param("command"), Some("dozo up"));
    let pid = std::process::id();
    assert_eq!(fault.param("pid"), Some(pid.to_string().as_str()));
    assert_eq!(Home::owner(&world.data).unwrap().command, "dozo up");
    drop(home);
    assert_eq!(Home::owner(&world.data), None);
    Home::claim(&world.data, &world.env, "dozo status").unwrap();
}

#[test]
fn a_data_directory_that_cannot_be_made_is_said_so() {
    let world = World::new();
    std::fs::write(&world.data, "a file").unwrap();
    assert_eq!(code(world.try_open()), Code::DataDirectoryNotADirectory);
}

#[test]
fn a_path_that_is_not_there_or_is_the_pool_cannot_be_protected() {
    let world = World::new();
    let missing = world.dir.path().join("nothing");
    assert_eq!(protect_path(&world, &missing), Code::SourcePathMissing);
    let inside = world.data.join("cache");
    assert_eq!(protect_path(&world, &inside), Code::SourceInsidePool);
}

#[test]
fn a_pattern_that_is_not_understood_is_not_decided() {
    let world = World::new();
    let engine = world.open();
    let request = ProtectRequest {
        paths: vec![world.folder("a")],
        options: Some(engine::model::FileOptions {
            excludes: vec!["[".to_owned()],
            ..engine::model::FileOptions::default()
        }),
        ..ProtectRequest::default()
    };
    assert_eq!(code(engine.protect(&request)), Code::ExcludePatternInvalid);
    assert_eq!(engine.inventory().sources.len(), 0);
}

#[test]
fn one_bad_path_keeps_the_good_ones_from_being_protected_by_halves() {
    let world = World::new();
    let engine = world.open();
    let request = ProtectRequest {
        paths: vec![world.folder("a"), world.dir.path().join("nothing")],
        ..ProtectRequest::default()
    };
    assert_eq!(code(engine.protect(&request)), Code::SourcePathMissing);
    assert_eq!(engine.inventory().sources.len(), 0);
}

#[test]
fn a_pool_on_another_disk_cannot_be_protected_either() {
    let world = World::new();
    let disk = world.folder("disk/pool");
    let engine = world.open();
    std::os::unix::fs::symlink(&disk, world.data.join("pool")).unwrap();
    let request = ProtectRequest {
        paths: vec![disk],
        ..ProtectRequest::default()
    };
    assert_eq!(code(engine.protect(&request)), Code::SourceInsidePool);
    protect(&engine, &world.folder("disk"));
}
