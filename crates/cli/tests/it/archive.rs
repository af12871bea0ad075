//! Recovery points as tar archives, unpacked by strangers.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use testkit::trees::describe;

use crate::program::{Answer, Place, attempt, shell};
use crate::{judges, torture};

/// Writes an archive of something through a file, and returns where it is.
fn archive(place: &Place, exit: i32, words: &[&str]) -> PathBuf {
    let file = place.path("archive.tar");
    let _ = fs::remove_file(&file);
    let to = ["--to-tar", file.to_str().unwrap()];
    place.dozo(exit, &[&["restore"], words, &to].concat());
    file
}

/// Returns the names in an archive, in its order, as GNU tar lists them.
fn listed(archive: &Path) -> Vec<String> {
    let out = shell("tar --list --file=\"$1\"", &[archive], Path::new("/"));
    let out = String::from_utf8(out).unwrap();
    out.lines().map(str::to_owned).collect()
}

#[test]
fn strangers_find_in_an_archive_what_was_protected() {
    let place = Place::new();
    let source = place.directory("source");
    torture::build(&source);
    // No archive has a place for a socket, and GNU tar cannot make a path longer than PATH_MAX.
    shell(
        "find . -type s -delete; rm -r deep; touch -d 2001-02-03T04:05:06.789 specials .",
        &[],
        &source,
    );
    place.point("source");
    let unpacked = place.directory("unpacked");
    let mut dozo = place
        .command(&["restore", "source", "--to-tar", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let tar = std::process::Command::new("tar")
        .args([
            "--extract",
            "--preserve-permissions",
            "--same-owner",
            "--numeric-owner",
        ])
        .args(["--xattrs", "--xattrs-include=*", "--acls"])
        .current_dir(&unpacked)
        .stdin(dozo.stdout.take().unwrap())
        .output()
        .unwrap();
    let told = Answer::of(dozo.wait_with_output().unwrap());
    assert_eq!(told.exit, Some(0), "{}", told.all());
    // It finds some times odd, and knows no standard word for names that are no text.
    let complaints = String::from_utf8_lossy(&tar.stderr);
    let complaints = complaints
        .lines()
        .filter(|line| !line.contains("time stamp") && !line.contains("'hdrcharset'"));
    assert_eq!(complaints.collect::<Vec<_>>(), [""; 0]);
    assert!(tar.status.success());
    judges::same_to_the_eye(&source, &unpacked);
    judges::sparse(&source, &unpacked, "sparse");
    judges::sparse(&source, &unpacked, "huge");
}

#[test]
fn paths_longer_than_a_system_call_takes_are_in_an_archive() {
    let place = Place::new();
    let source = place.directory("source");
    torture::build(&source);
    place.point("source");
    let archive = archive(&place, 3, &["source", "deep", "specials"]);
    for tar in ["tar", "bsdtar"] {
        let names = format!("{tar} -tf \"$1\" | grep ^./deep/. | sed s,/$,, | sort | sha256sum");
        let expected = "find ./deep -mindepth 1 | sort | sha256sum";
        assert_eq!(
            shell(&names, &[&archive], &source),
            shell(expected, &[], &source)
        );
    }
    let sums = "tar -xf \"$1\" --to-command=sha256sum ./deep | sort";
    let expected = "find deep -type f -execdir sha256sum - \\; ";
    let expected = expected.replace("sha256sum -", "sh -c 'sha256sum < \"$1\"' _ {}") + "| sort";
    assert_eq!(
        shell(sums, &[&archive], &source),
        shell(&expected, &[], &source)
    );
}

#[test]
fn parts_come_with_the_directories_above_them_and_once() {
    let place = Place::new();
    for file in ["a/b/one", "a/b/two", "a/b.c", "a/other/x", "z"] {
        let path = place.path("source").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    place.point("source");
    let source = place.path("source");
    let absolute = source.join("a/b.c");
    let words = [
        "source",
        "a/b/",
        "./a//b/one",
        absolute.to_str().unwrap(),
        "a/b",
    ];
    let archive = archive(&place, 0, &words);
    let names = ["./", "./a/", "./a/b/", "./a/b/one", "./a/b/two", "./a/b.c"];
    assert_eq!(listed(&archive), names);
    for nowhere in ["a/nowhere", "../a"] {
        let refused = place.dozo(4, &["restore", "source", "z", nowhere, "--to-tar", "-"]);
        assert_eq!(refused.out, b"", "nothing is begun");
    }
}

#[test]
fn directories_deeper_than_what_is_held_are_whole() {
    let place = Place::new();
    let mut directory = place.path("source");
    for level in 0..40 {
        fs::create_dir(&directory).unwrap();
        for name in ["a", "n", "z"] {
            fs::write(directory.join(format!("{name}{level}")), name).unwrap();
        }
        fs::create_dir(directory.join("zz")).unwrap();
        fs::write(directory.join("zz/last"), "last").unwrap();
        // More than a page, with directories on both sides of its end.
        for n in 0..(if level == 9 { 2100 } else { 0 }) {
            fs::write(directory.join(format!("x{n}")), "").unwrap();
        }
        directory.push("m");
    }
    place.point("source");
    let archive = archive(&place, 0, &["source"]);
    let unpacked = place.directory("unpacked");
    shell("tar -xpf \"$1\"", &[&archive], &unpacked);
    let described = describe(&place.path("source")).unwrap();
    assert_eq!(describe(&unpacked).unwrap(), described);
    assert_eq!(listed(&archive).len(), 1 + 40 * 5 + 39 + 2100);
}

#[test]
fn a_file_that_is_a_source_is_the_only_member() {
    let place = Place::new();
    fs::write(place.path("-letter.txt"), "Dear reader").unwrap();
    let point = place.point("./-letter.txt");
    let what = format!("{}@{point}", place.path("-letter.txt").display());
    let archive = archive(&place, 0, &[&what]);
    assert_eq!(listed(&archive), ["./-letter.txt"]);
    let read = shell("tar -xOf \"$1\"", &[&archive], Path::new("/"));
    assert_eq!(read, b"Dear reader");
    let mode = fs::metadata(&archive).unwrap().permissions().mode();
    assert_eq!(
        mode & 0o777,
        0o600,
        "what is protected is not for everybody"
    );
}

#[test]
fn where_no_archive_can_go_none_is_begun() {
    let place = Place::new();
    fs::write(place.directory("source").join("file"), "content").unwrap();
    place.point("source");
    fs::write(place.path("there"), "mine").unwrap();
    let refused = place.dozo(5, &["restore", "source", "--to-tar", "there"]);
    assert!(
        refused.err.contains("RestoreTargetUnwritable"),
        "{}",
        refused.err
    );
    assert_eq!(fs::read(place.path("there")).unwrap(), b"mine");
    place.dozo(5, &["restore", "source", "--to-tar", "nowhere/file"]);
    let record = place.path("data/pool/log/00000000000000009999");
    let refused = place.dozo(
        5,
        &["restore", "source", "--to-tar", record.to_str().unwrap()],
    );
    assert!(
        refused.err.contains("RestoreTargetInsidePool"),
        "{}",
        refused.err
    );
    place.dozo(2, &["restore", "source", "--to-tar", "-", "--json"]);
    place.dozo(2, &["restore", "source", "--to-tar", "x", "--to", "y"]);
    place.dozo(2, &["restore", "source", "--to-tar", "x", "--plan"]);
    let mut command = place.command(&["restore", "source", "--to-tar", "-"]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let answer = Answer::of(command.stdout(full).output().unwrap());
    assert_eq!(answer.exit, Some(1), "{}", answer.all());
    assert!(answer.err.contains("OutputUnwritable"), "{}", answer.err);
    // A reader that has gone away has no archive.
    let line = "\"$1\" --data-dir \"$2\" restore source --to-tar - | true";
    let (program, data) = (Path::new(env!("CARGO_BIN_EXE_dozo")), place.path("data"));
    let gone = attempt(line, &[program, &data], &place.path("."));
    assert_eq!(gone.exit, Some(1), "{}", gone.all());
}

#[test]
fn sockets_are_left_out_and_told() {
    let place = Place::new();
    let source = place.directory("source");
    fs::write(source.join("file"), "content").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(source.join("socket")).unwrap();
    place.point("source");
    let file = place.path("archive.tar");
    let to = ["restore", "source", "--to-tar", file.to_str().unwrap()];
    let told = place.dozo(3, &to);
    assert!(told.err.contains("socket was left out"), "{}", told.err);
    assert!(told.err.contains("1 entry was left out"), "{}", told.err);
    assert_eq!(listed(&file), ["./", "./file"]);
}

/// Spoils the packs that hold content, and all that is kept of them elsewhere.
fn damage(place: &Place) {
    shell(
        "find data/pool/packs -type f -size +1M -exec bash -c \
             'printf x | dd of=\"$1\" bs=1 seek=$(($(stat -c %s \"$1\") / 2)) conv=notrunc status=none' _ {} \\;",
        &[],
        &place.path("."),
    );
}

#[test]
fn a_damaged_file_is_left_out_or_ends_the_archive() {
    let place = Place::new();
    let source = place.directory("source");
    let mut dice = testkit::Dice::new(7);
    fs::write(source.join("small"), "content").unwrap();
    fs::write(source.join("large"), dice.bytes(9 << 20)).unwrap();
    place.point("source");
    damage(&place);
    let file = place.path("archive.tar");
    let to = ["restore", "source", "--to-tar", file.to_str().unwrap()];
    let told = place.dozo(8, &to);
    assert!(told.err.contains("ChunkDamaged"), "{}", told.err);
    // Damage is met in the middle of the file: there is no archive. Met at its beginning, there is one without the file.
    match file.try_exists().unwrap() {
        true => assert_eq!(listed(&file), ["./", "./small"]),
        false => {
            let rest = place.path("rest.tar");
            let to = [
                "restore",
                "source",
                "small",
                "--to-tar",
                rest.to_str().unwrap(),
            ];
            place.dozo(0, &to);
            assert_eq!(listed(&rest), ["./", "./small"]);
        }
    }
}

#[test]
fn holes_in_very_many_places_stay_holes() {
    let place = Place::new();
    let source = place.directory("source");
    let file = File::create(source.join("sparse")).unwrap();
    file.set_len(1 << 40).unwrap();
    // More pieces than an entry holds, so that they stand in a map.
    for i in 0..200_u64 {
        file.write_all_at(&[7; 4096], i << 32).unwrap();
    }
    place.point("source");
    let archive = archive(&place, 0, &["source"]);
    assert!(fs::metadata(&archive).unwrap().len() < 4 << 20);
    let unpacked = place.directory("unpacked");
    shell("tar -xSpf \"$1\"", &[&archive], &unpacked);
    judges::sparse(&source, &unpacked, "sparse");
    let blocks = |at: u64| {
        let file = File::open(unpacked.join("sparse")).unwrap();
        let mut bytes = [0; 4097];
        file.read_exact_at(&mut bytes, at).unwrap();
        bytes
    };
    assert_eq!(blocks(3 << 32)[..4096], [7; 4096]);
    assert_eq!(blocks(3 << 32)[4096], 0);
}
