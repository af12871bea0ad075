//! A source whose file system is not mounted is not a source in which everything was deleted.

use std::fs;

use testkit::{Image, runs};

use crate::bench::Bench;

/// Runs a command that is refused because the source is not mounted, and returns what it says.
fn refused(bench: &Bench, command: &str) -> String {
    let said = bench.run(command);
    assert_eq!(said.exit, 5, "{command}: {}", said.all());
    assert!(
        said.err.contains("Code: SourceNotMounted"),
        "{}",
        said.all()
    );
    said.err
}

fn done(bench: &Bench, command: &str) -> String {
    let said = bench.run(command);
    assert_eq!(said.exit, 0, "{command}: {}", said.all());
    said.all()
}

#[test]
fn a_source_that_is_not_mounted_keeps_its_replica_and_its_points() {
    for kind in ["ext4", "btrfs"] {
        let Some(image) = Image::mount(kind, 128).unwrap() else {
            continue;
        };
        let bench = Bench::new(63);
        let root = image.path();
        let source = root.to_str().unwrap();
        let copy = bench.path("copy");
        fs::create_dir(root.join("many")).unwrap();
        for i in 0..40 {
            fs::write(root.join(format!("many/{i}")), i.to_string()).unwrap();
        }
        assert!(runs("cp", ["-a", source, copy.to_str().unwrap()]));
        done(&bench, &format!("protect {source}"));
        let points = done(&bench, &format!("point list {source}"));

        assert!(image.unmount());
        fs::write(root.join("NOT MOUNTED"), "").unwrap();
        let said = refused(&bench, &format!("sync {source}"));
        assert!(
            said.contains("of 40 entries that were there 0 can be found"),
            "{said}"
        );
        refused(&bench, &format!("point create {source}"));
        refused(&bench, &format!("source check {source}"));
        assert_eq!(done(&bench, &format!("point list {source}")), points);
        let status = bench.run("status").all();
        assert!(status.contains("does not seem to be mounted"), "{status}");

        // As if nothing had been.
        assert!(image.mount_again());
        fs::remove_file(root.join("many/0")).unwrap();
        let synced = done(&bench, &format!("sync {source}"));
        assert!(synced.contains("2 changed"), "{synced}");

        // What was moved is there.
        assert!(image.unmount());
        let content = format!("{}/many", copy.to_str().unwrap());
        assert!(runs("cp", ["-a", &content, source]));
        done(&bench, &format!("sync {source}"));
        // And where it is now, everything may be deleted.
        fs::remove_dir_all(root.join("many")).unwrap();
        fs::remove_file(root.join("NOT MOUNTED")).unwrap();
        done(&bench, &format!("sync {source}"));

        // What is meant is taken, once.
        assert!(image.mount_again());
        done(&bench, &format!("sync {source}"));
        assert!(image.unmount());
        refused(&bench, &format!("sync {source}"));
        done(&bench, &format!("source accept {source}"));
        let synced = done(&bench, &format!("sync {source}"));
        assert!(!synced.contains("0 changed"), "{synced}");
    }
}
