//! `dozo server adopt`: the server is lost, the pool and a copy of the key are not.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use testkit::trees::{self, Shape, describe};

use crate::program::{Answer, Place, attempt, is_root, shell};

const ADOPT: [&str; 6] = ["server", "adopt", "--pool", "moved", "--key", "usb.key"];

/// A server with two sources, three points and a group, whose pool was moved and whose key was copied before the rest was lost.
struct Lost {
    place: Place,
    /// Path, point, and what was in it.
    points: Vec<(&'static str, String, Tree)>,
    listed: serde_json::Value,
    groups: serde_json::Value,
}

type Tree = std::collections::BTreeMap<String, String>;

impl Lost {
    fn new() -> Self {
        let place = Place::new();
        let (docs, mail) = (place.directory("docs"), place.directory("mail"));
        trees::build(&docs, 1, Shape::default()).unwrap();
        trees::build(&mail, 2, Shape::default()).unwrap();
        let mut points = vec![("docs", place.point("docs"), describe(&docs).unwrap())];
        place.dozo(0, &["group", "create", "Office", "--at", "mon-fri 12:00"]);
        place.dozo(0, &["protect", "mail", "--group", "Office"]);
        let newest = place.points().remove(0);
        points.push(("mail", newest, describe(&mail).unwrap()));
        trees::change(&docs, 3, 20).unwrap();
        points.push(("docs", place.point("docs"), describe(&docs).unwrap()));
        let (listed, groups) = (point_list(&place), place.json(&["group", "list"]));
        fs::copy(place.path("data/server.key"), place.path("usb.key")).unwrap();
        Self {
            place,
            points,
            listed,
            groups,
        }
    }

    /// Takes everything away but the pool and the key.
    fn lose(self) -> Self {
        fs::rename(self.place.path("data/pool"), self.place.path("moved")).unwrap();
        fs::remove_dir_all(self.place.path("data")).unwrap();
        self
    }

    /// Fails unless every point is there and restores.
    fn all_is_back(&self, round: &str) {
        assert_eq!(point_list(&self.place), self.listed, "{round}");
        for (path, point, tree) in &self.points {
            let to = format!("{round}-{point}");
            let restored = self.place.restore(path, point, &to);
            assert!(
                describe(&restored).unwrap() == *tree,
                "{round} {path} {point}"
            );
        }
    }

    fn refused(&self, exit: i32, words: &[&str], code: &str) -> Answer {
        let answer = self.place.dozo(exit, words);
        let said = format!("Code: {code} ");
        assert!(answer.err.contains(&said), "{words:?}\n{}", answer.all());
        answer
    }
}

/// Returns all points, without what hangs on whether their sources are protected.
fn point_list(place: &Place) -> serde_json::Value {
    let mut listed = place.json(&["point", "list"]);
    for point in listed["points"].as_array_mut().unwrap() {
        let point = point.as_object_mut().unwrap();
        assert!(point.remove("kept").is_some());
        point.remove("expires");
    }
    listed
}

/// Everything below a directory, with bytes, but for locks, which say who looked last.
fn contents(directory: &Path) -> String {
    let line = "find . -not -name '*lock' -printf '%p %s %y %l\n' | sort; find . -type f -not -name '*lock' | sort | xargs sha256sum";
    String::from_utf8(shell(line, &[], directory)).unwrap()
}

#[test]
fn a_pool_that_was_moved_gives_everything_back_and_nothing_is_protected_until_asked() {
    let lost = Lost::new().lose();
    let place = &lost.place;
    let answer = place.dozo(0, &ADOPT);
    let out = answer.text();
    let moved = place.path("moved").canonicalize().unwrap();
    let head = format!(
        "Adopted the pool {}: 3 recovery points of 2 sources",
        moved.display()
    );
    assert!(out.starts_with(&head), "{out}");
    let docs = place.path("docs").canonicalize().unwrap();
    let resume = format!("dozo protect {}\n", docs.display());
    assert!(out.contains(&resume), "{out}");
    let mode = |name: &str| fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("data/server.key")), (0o700, 0o600));
    assert_eq!(fs::read_link(place.path("data/pool")).unwrap(), moved);
    lost.all_is_back("adopted");
    let again = lost.refused(5, &ADOPT, "DataDirectoryInUse");
    assert!(again.err.contains("catalog.db"), "{}", again.all());

    // The sources are gone from where they were: a schedule that went on would not notice.
    for path in ["docs", "mail"] {
        fs::rename(place.path(path), place.path(&format!("{path}.away"))).unwrap();
        place.directory(path);
    }
    place.dozo(0, &["up", "--once"]);
    let sources = place.json(&["source", "list"]);
    for source in sources["sources"].as_array().unwrap() {
        assert_eq!(source["replica"]["state"], "inactive");
        assert_eq!(source["next_point"], serde_json::Value::Null);
    }
    let kept = place.json(&["point", "list"]);
    for point in kept["points"].as_array().unwrap() {
        assert_eq!(point["expires"], serde_json::Value::Null, "{point}");
    }
    let status = place.dozo(0, &["status"]).text();
    assert!(
        status.starts_with("Nothing is protected now; the recovery points of 2 sources are kept."),
        "{status}"
    );

    // It goes on where it was, in the group where it was, with what is there then.
    fs::remove_dir(place.path("docs")).unwrap();
    fs::rename(place.path("docs.away"), place.path("docs")).unwrap();
    place.nothing_new("docs");
    let source = place.json(&["source", "show", "docs"]);
    assert_eq!(source["group"], "default");
    assert_eq!(source["points"], 3);
    let status = place.dozo(0, &["status"]).text();
    assert!(status.contains("\n1 source is not protected"), "{status}");
}

#[test]
fn a_copy_of_a_pool_is_adopted_elsewhere_and_the_original_is_not_touched() {
    let mut lost = Lost::new();
    shell(
        "cp -a data/pool moved; cp -a data aside",
        &[],
        &lost.place.path("."),
    );
    let before = contents(&lost.place.path("data"));
    let words = [&["--data-dir", "new/place", "--json"], &ADOPT[..]].concat();
    let answer = lost.place.dozo(0, &words);
    let view: serde_json::Value = serde_json::from_slice(&answer.out).unwrap();
    assert_eq!(view["schema"], "dozo.server.adopt/1");
    assert_eq!(view["pool"]["points"], 3);
    let members = |groups: &serde_json::Value| {
        let groups = groups["groups"].as_array().unwrap().iter();
        let one =
            |g: &serde_json::Value| (g["name"].clone(), g["members"].clone(), g["policy"].clone());
        groups.map(one).collect::<Vec<_>>()
    };
    assert_eq!(members(&view), members(&lost.groups));
    let groups: Vec<&str> = view["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["group"].as_str().unwrap())
        .collect();
    assert_eq!(groups, ["default", "Office"]);
    assert_eq!(contents(&lost.place.path("data")), before);
    fs::remove_dir_all(lost.place.path("data")).unwrap();
    fs::rename(lost.place.path("new/place"), lost.place.path("data")).unwrap();
    lost.all_is_back("copy");
    // The original goes on beside it.
    fs::remove_dir_all(lost.place.path("data")).unwrap();
    fs::rename(lost.place.path("aside"), lost.place.path("data")).unwrap();
    lost.points.truncate(1);
    lost.all_is_back("original");
}

/// Runs an adoption into a new directory that is refused.
fn refused_anew(lost: &Lost, (pool, key): (&str, &str), exit: i32, code: &str) -> Answer {
    let adopt = ["server", "adopt", "--pool", pool, "--key", key];
    let words = [&["--data-dir", "new"], &adopt[..]].concat();
    let answer = lost.refused(exit, &words, code);
    assert!(
        !lost.place.path("new").try_exists().unwrap(),
        "{pool} {key}"
    );
    answer
}

#[test]
fn a_data_directory_that_holds_something_is_refused_and_left_as_it_is() {
    let lost = Lost::new();
    let place = &lost.place;
    shell("cp -a data/pool moved", &[], &place.path("."));
    let before = contents(&place.path("data"));
    let taken = lost.refused(5, &ADOPT, "DataDirectoryInUse");
    assert!(taken.err.contains("data/pool"), "{}", taken.all());
    let japanese = place.dozo(5, &[&["--lang", "ja"], &ADOPT[..]].concat());
    let said = "プールを引き継げません";
    assert!(japanese.err.contains(said), "{}", japanese.err);
    assert_eq!(contents(&place.path("data")), before);
    // Another key alone is somebody's, too.
    let key = fs::read_to_string(place.path("usb.key")).unwrap();
    fs::create_dir(place.path("new")).unwrap();
    fs::write(place.path("new/server.key"), "dozo-key-1 of another").unwrap();
    let words = [&["--data-dir", "new"], &ADOPT[..]].concat();
    let taken = lost.refused(5, &words, "DataDirectoryInUse");
    assert!(taken.err.contains("new/server.key"), "{}", taken.all());
    let kept = fs::read_to_string(place.path("new/server.key")).unwrap();
    assert_eq!(kept, "dozo-key-1 of another");
    assert!(!place.path("new/pool").try_exists().unwrap());
    fs::write(place.path("new/server.key"), key).unwrap();
    place.dozo(0, &words);
}

#[test]
fn what_is_no_pool_or_no_key_of_it_is_refused_and_left_as_it_is() {
    let lost = Lost::new();
    let place = &lost.place;
    let prepare = "cp -a data/pool moved; cp -a data/pool newer; mkdir empty other";
    shell(prepare, &[], &place.path("."));
    let before = contents(&place.path("moved"));
    let adopt = |pool, key, exit, code| refused_anew(&lost, (pool, key), exit, code);
    adopt("empty", "usb.key", 5, "PoolNotAPool");
    adopt("data", "usb.key", 5, "PoolNotAPool");
    adopt("usb.key", "usb.key", 5, "PoolNotAPool");
    adopt("nowhere", "usb.key", 4, "PoolMissing");
    assert_eq!(fs::read_dir(place.path("empty")).unwrap().count(), 0);
    adopt("moved", "nowhere", 5, "KeyFileUnusable");
    adopt("moved", "docs", 5, "KeyFileUnusable");
    adopt("moved", "/dev/zero", 5, "KeyFileUnusable");
    let key = fs::read_to_string(place.path("usb.key")).unwrap();
    let slip = if key.ends_with("0\n") { "1" } else { "0" };
    fs::write(place.path("slip"), key[..key.len() - 2].to_owned() + slip).unwrap();
    adopt("moved", "slip", 5, "KeyFileUnusable");
    place.dozo(0, &["--data-dir", "other", "group", "create", "Other"]);
    let wrong = adopt("moved", "other/server.key", 5, "StoreKeyWrong");
    assert!(wrong.err.contains("other/server.key"), "{}", wrong.all());
    // Of a newer version: it stands behind the magic.
    let mut format = fs::read(place.path("newer/format")).unwrap();
    format[8] = 99;
    // So does its copy, or it would be mended.
    for object in ["newer/format", "newer/copies/format"] {
        fs::remove_file(place.path(object)).unwrap();
        fs::write(place.path(object), &format).unwrap();
    }
    adopt("newer", "usb.key", 5, "StoreVersionUnsupported");
    assert_eq!(contents(&place.path("moved")), before);
}

#[test]
fn a_pool_or_a_data_directory_of_a_living_server_is_refused() {
    let lost = Lost::new();
    let place = &lost.place;
    shell("cp -a data/pool moved", &[], &place.path("."));
    let mut server = place.start(&["up"]);
    while !place.path("data/run/dozo.sock").try_exists().unwrap() {
        std::thread::yield_now();
    }
    let owned = refused_anew(&lost, ("data/pool", "usb.key"), 6, "PoolOwned");
    let pid = server.id().to_string();
    assert!(owned.err.contains(&pid), "{}", owned.all());
    lost.refused(6, &ADOPT, "DataDirectoryBusy");
    server.kill().unwrap();
    server.wait().unwrap();
    lost.all_is_back("untouched");
}

/// Leaves the data directory as an adoption that is killed after so many steps leaves it.
fn killed_after(lost: &Lost, steps: usize) {
    let place = &lost.place;
    fs::rename(place.path("data"), place.path("whole")).unwrap();
    let data = place.directory("data");
    if steps > 0 {
        let moved = place.path("moved").canonicalize().unwrap();
        fs::write(data.join("adopting"), moved.to_str().unwrap()).unwrap();
    }
    let parts: [&[&str]; 5] = [
        &[],
        &["server.key.new"],
        &["server.key"],
        &["pool"],
        &["catalog.db"],
    ];
    for part in parts.iter().take(steps).copied().flatten() {
        fs::rename(
            place.path("whole").join(part.trim_end_matches(".new")),
            data.join(part),
        )
        .unwrap();
        if part.ends_with(".new") {
            fs::copy(data.join(part), place.path("whole/server.key")).unwrap();
        }
    }
    if steps == 1 {
        fs::rename(data.join("adopting"), data.join("adopting.new")).unwrap();
    }
    if steps == 4 {
        symlink("/nowhere", data.join("pool.new")).unwrap();
    }
    fs::remove_dir_all(place.path("whole")).unwrap();
}

#[test]
fn an_adoption_that_is_killed_anywhere_is_completed_by_the_same_command() {
    let lost = Lost::new().lose();
    let place = &lost.place;
    place.dozo(0, &ADOPT);
    for steps in 0..=5 {
        killed_after(&lost, steps);
        let before = contents(&place.path("moved"));
        // Whose disk is not mounted, once: the pool's place is an empty directory.
        let (moved, aside) = (place.path("moved"), place.path("aside"));
        fs::rename(&moved, &aside).unwrap();
        fs::create_dir(&moved).unwrap();
        for round in 0..2 {
            // What comes before the first step has left nothing.
            for words in [
                &["protect", "docs"][..],
                &["up", "--once"],
                &["point", "list"],
            ] {
                if steps > 1 {
                    lost.refused(5, words, "AdoptionUnfinished");
                }
            }
            if round == 0 {
                let made = fs::read_dir(&moved).unwrap().count();
                assert_eq!(made, 0, "no pool was made after {steps} steps");
                lost.refused(5, &ADOPT, "PoolNotAPool");
                fs::remove_dir(&moved).unwrap();
                fs::rename(&aside, &moved).unwrap();
            }
        }
        assert_eq!(contents(&place.path("moved")), before);
        place.dozo(0, &ADOPT);
        lost.all_is_back(&format!("steps{steps}"));
        assert!(!place.path("data/adopting").try_exists().unwrap());
        place.dozo(0, &["status"]);
    }
    // Where the pool is now is up to the command, and it stops what it did not come to stop before.
    place.dozo(0, &["group", "add", "default", "docs"]);
    killed_after(&lost, 5);
    fs::rename(place.path("moved"), place.path("mounted")).unwrap();
    let words = ["server", "adopt", "--pool", "mounted", "--key", "usb.key"];
    place.dozo(0, &words);
    lost.all_is_back("mounted");
    let source = place.json(&["source", "show", "docs"]);
    assert_eq!(source["replica"]["state"], "inactive");
}

#[test]
fn a_key_and_a_pool_that_are_in_place_already_are_adopted_there() {
    let lost = Lost::new();
    let place = &lost.place;
    for name in ["catalog.db", "cache", "lock"] {
        let _ = fs::remove_file(place.path("data").join(name));
        let _ = fs::remove_dir_all(place.path("data").join(name));
    }
    let inode = fs::metadata(place.path("data/pool")).unwrap().ino();
    let words = [
        "server",
        "adopt",
        "--pool",
        "data/pool",
        "--key",
        "data/server.key",
    ];
    place.dozo(0, &words);
    assert_eq!(
        fs::symlink_metadata(place.path("data/pool")).unwrap().ino(),
        inode
    );
    lost.all_is_back("in-place");
}

/// Moves all content of the pool to a volume, as if that had had the most room.
fn fill_volume(place: &Place, volume: &Path) {
    for shelf in fs::read_dir(place.path("data/pool/packs")).unwrap() {
        let shelf = shelf.unwrap();
        for pack in fs::read_dir(shelf.path()).unwrap() {
            let pack = pack.unwrap();
            let to = volume.join("packs").join(shelf.file_name());
            fs::rename(pack.path(), to.join(pack.file_name())).unwrap();
        }
    }
}

#[test]
fn a_volume_that_is_away_is_taken_in_again_where_it_is_now() {
    // At another place, and at the same one where it does not know the copied pool.
    for now in ["disk2", "big"] {
        let lost = Lost::new();
        let place = &lost.place;
        place.dozo(0, &["pool", "add", "big"]);
        fill_volume(place, &place.path("big"));
        shell("cp -a data/pool moved; rm -r data", &[], &place.path("."));
        if now != "big" {
            fs::rename(place.path("big"), place.path(now)).unwrap();
        }
        let out = place.dozo(0, &ADOPT).text();
        assert!(out.contains("The volume big is away ("), "{out}");
        assert!(out.contains("dozo pool add DIR --name big\n"), "{out}");
        let (path, point, _) = &lost.points[0];
        let restore = format!("{path}@{point}");
        lost.refused(7, &["restore", &restore, "--to", "early"], "VolumeMissing");
        let listed = place.dozo(0, &["point", "list"]).text();
        assert_eq!(listed.matches("waits for a volume").count(), 3, "{listed}");
        // What is no volume of this pool does not take its place.
        place.directory("empty");
        place.dozo(5, &["pool", "add", "empty", "--name", "big"]);
        assert_eq!(fs::read_dir(place.path("empty")).unwrap().count(), 0);

        let added = place.dozo(0, &["pool", "add", now, "--name", "big"]).text();
        assert!(added.contains("big     ok"), "{added}");
        assert_eq!(added.matches("away").count(), 0, "{added}");
        place.dozo(5, &["pool", "add", now, "--name", "big"]);
        let mut listed = point_list(place);
        for point in listed["points"].as_array_mut().unwrap() {
            assert_eq!(point["waits"], false);
        }
        lost.all_is_back(now);
        place.dozo(0, &["pool", "verify"]);
    }
}

#[test]
fn a_read_only_pool_is_not_adopted_but_restored_from_as_the_refusal_says() {
    if !is_root("read-only file systems") {
        return;
    }
    let lost = Lost::new().lose();
    let place = &lost.place;
    if attempt("unshare --mount true", &[], &place.path(".")).exit != Some(0) {
        println!("SKIPPED: read-only file systems (no mount namespaces here)");
        return;
    }
    let mounts = "mount --bind moved moved && mount -o remount,bind,ro moved && exec \"$@\"";
    let run = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "bash", "-c", mounts, "bash"])
            .args(words);
        Answer::of(place.prepare(&mut command).output().unwrap())
    };
    let program = place
        .command(&[])
        .get_program()
        .to_str()
        .unwrap()
        .to_owned();
    let dozo = |words: &[&str]| run(&[&[&*program], words].concat());
    let before = contents(&place.path("moved"));
    let refused = dozo(&ADOPT);
    assert_eq!(refused.exit, Some(5), "{}", refused.all());
    assert!(
        refused.err.contains("Code: AdoptionReadOnly"),
        "{}",
        refused.all()
    );
    assert!(!place.path("data").try_exists().unwrap());
    // Word for word.
    let mut said = refused.err.split('`').skip(1).step_by(2);
    let prepared = said.next().unwrap();
    let listing: Vec<&str> = said.next().unwrap().split(' ').skip(1).collect();
    assert_eq!(run(&["bash", "-c", prepared]).exit, Some(0), "{prepared}");
    let listed = dozo(&listing);
    assert_eq!(listed.text().lines().count(), 4, "{}", listed.all());
    let (path, point, tree) = &lost.points[1];
    let from = format!("{path}@{point}");
    let restored = dozo(&["--data-dir", "look", "restore", &from, "--to", "out"]);
    assert_eq!(restored.exit, Some(0), "{}", restored.all());
    assert!(describe(&place.path("out")).unwrap() == *tree);
    assert_eq!(contents(&place.path("moved")), before);
}
