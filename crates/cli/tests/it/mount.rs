//! Recovery points as directories, looked at by strangers.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::program::{Place, shell};
use crate::{judges, torture};

/// Says whether this process can mount, and says visibly if not.
fn can_mount(part: &str) -> bool {
    let can = rustix::process::geteuid().is_root() && Path::new("/dev/fuse").try_exists().unwrap();
    if !can {
        eprintln!("not tried, for want of root and /dev/fuse: {part}");
    }
    can
}

fn is_mounted(directory: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let wanted = directory.to_str().unwrap();
    mounts
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(wanted))
}

/// A place where the folder `source` with one file in it is protected, if this process can mount.
fn protected(part: &str) -> Option<Place> {
    can_mount(part).then(|| {
        let place = Place::new();
        fs::write(place.directory("source").join("file"), "content").unwrap();
        place.dozo(0, &["protect", "source"]);
        place
    })
}

/// Waits until something is so. What is waited for is another process: only it knows when.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it never came to be that {what}");
}

/// A mount by a process of its own.
struct Mount {
    process: Child,
    directory: PathBuf,
}

impl Mount {
    fn begin(place: &Place, what: &str) -> Self {
        place.directory("mounted");
        Self::begin_at(place, what, "mounted", "mounted")
    }

    /// Mounts at a path that leads to a directory.
    fn begin_at(place: &Place, what: &str, path: &str, directory: &str) -> Self {
        let directory = place.path(directory);
        let path = place.path(path);
        let mut command = place.command(&["mount", what, path.to_str().unwrap()]);
        let process = command
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("it is mounted", || is_mounted(&directory));
        Self { process, directory }
    }

    /// Unmounts it from outside, and returns the exit code of its process.
    fn end(mut self) -> Option<i32> {
        shell("umount \"$1\"", &[&self.directory], Path::new("/"));
        self.process.wait().unwrap().code()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // A test that failed leaves nothing mounted below its directory.
        wait_until("its guard has taken it away", || {
            !is_mounted(&self.directory)
        });
    }
}

#[test]
fn strangers_find_in_a_mount_what_was_protected() {
    if !can_mount("a torture tree through a mount") {
        return;
    }
    let place = Place::new();
    let source = place.directory("source");
    torture::build(&source);
    place.dozo(0, &["protect", "source"]);
    let mount = Mount::begin(&place, "source");
    judges::same_to_the_eye(&source, &mount.directory.join("newest/"));
    assert_eq!(mount.end(), Some(0));
}

#[test]
fn all_points_are_there_and_new_ones_come() {
    if !can_mount("several points through a mount") {
        return;
    }
    let place = Place::new();
    let source = place.directory("source");
    fs::write(source.join("file"), "one").unwrap();
    let first = place.point("source");
    // The mount owns the data directory: what follows goes through it.
    let mount = Mount::begin(&place, "source");
    let count = || fs::read_dir(&mount.directory).unwrap().count();
    assert_eq!(count(), 2, "the point, and the link to it");
    // What the kernel was told of the link must not outlive the next point.
    assert_eq!(
        fs::read(mount.directory.join("newest/file")).unwrap(),
        b"one"
    );
    fs::write(source.join("file"), "another").unwrap();
    place.point("source");
    wait_until("the new point is listed", || count() == 3);
    wait_until("newest leads to it", || {
        fs::read(mount.directory.join("newest/file")).unwrap() == b"another"
    });
    assert_eq!(mount.end(), Some(0));
    let mount = Mount::begin(&place, &first[..12]);
    assert_eq!(fs::read(mount.directory.join("file")).unwrap(), b"one");
    assert!(
        fs::write(mount.directory.join("file"), "two").is_err(),
        "it is read-only"
    );
    assert_eq!(mount.end(), Some(0));
}

#[test]
fn a_file_that_is_a_source_is_mounted_under_its_name() {
    if !can_mount("a single file through a mount") {
        return;
    }
    let place = Place::new();
    fs::write(place.path("letter.txt"), "Dear reader").unwrap();
    let point = place.point("letter.txt");
    let mount = Mount::begin(&place, &point);
    let read = fs::read(mount.directory.join("letter.txt")).unwrap();
    assert_eq!(read, b"Dear reader");
    assert_eq!(mount.end(), Some(0));
}

#[test]
fn a_mount_tells_where_holes_are() {
    use std::os::unix::fs::FileExt;

    use rustix::fs::{SeekFrom, seek};
    if !can_mount("holes in a mount") {
        return;
    }
    let place = Place::new();
    let file = fs::File::create(place.directory("source").join("sparse")).unwrap();
    file.set_len(1 << 40).unwrap();
    // More pieces than an entry holds, so that they stand in a map.
    for i in 0..200_u64 {
        file.write_all_at(&[7; 4096], i << 32).unwrap();
    }
    place.dozo(0, &["protect", "source"]);
    let mount = Mount::begin(&place, "source");
    let shown = fs::File::open(mount.directory.join("newest/sparse")).unwrap();
    for from in [
        SeekFrom::Data(0),
        SeekFrom::Data(5000),
        SeekFrom::Hole(0),
        SeekFrom::Hole(5000),
        SeekFrom::Data((7 << 32) + 100),
        SeekFrom::Hole((7 << 32) + 100),
        SeekFrom::Data(200 << 32),
        SeekFrom::Hole(200 << 32),
        SeekFrom::Data(1 << 40),
        SeekFrom::Hole(1 << 40),
    ] {
        assert_eq!(seek(&shown, from), seek(&file, from), "{from:?}");
    }
    drop(shown);
    assert_eq!(mount.end(), Some(0));
}

#[test]
fn unmounting_one_leaves_the_other_that_is_served_by_its_process() {
    let Some(place) = protected("two mounts, one served by the other") else {
        return;
    };
    let directory = place.directory("mounted");
    let mut command = place.command(&["mount", "source", "mounted"]);
    let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
    assert!(said.next().unwrap().unwrap().starts_with("Mounted"));
    let mut owner = Mount { process, directory };
    place.directory("second");
    let second = Mount::begin_at(&place, "source", "second", "second");
    shell("umount \"$1\"", &[&owner.directory], Path::new("/"));
    let line = said.next().unwrap().unwrap();
    assert!(line.starts_with("Other commands are answered"), "{line}");
    let read = fs::read(second.directory.join("newest/file")).unwrap();
    assert_eq!(read, b"content");
    assert_eq!(second.end(), Some(0));
    // Nobody is left, so it goes.
    assert_eq!(owner.process.wait().unwrap().code(), Some(0));
}

#[test]
fn a_mount_that_is_killed_leaves_nothing() {
    let Some(place) = protected("killed mounts") else {
        return;
    };
    let mut mount = Mount::begin(&place, "source");
    // Somebody uses it meanwhile.
    let _open = fs::File::open(mount.directory.join("newest/file")).unwrap();
    mount.process.kill().unwrap();
    mount.process.wait().unwrap();
    wait_until("the guard has taken it away", || {
        !is_mounted(&mount.directory)
    });
    assert_eq!(fs::read_dir(&mount.directory).unwrap().count(), 0);
    drop(mount);
    let mount = Mount::begin(&place, "source");
    assert_eq!(
        fs::read(mount.directory.join("newest/file")).unwrap(),
        b"content"
    );
    assert_eq!(mount.end(), Some(0));
}

/// Kills a mount's process and its guard, so that nobody takes the mount away.
fn kill_with_guard(mount: &mut Mount) {
    let id = mount.process.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    // Stopped, it does not notice what happens next.
    for process in [children.trim(), &id.to_string()] {
        shell(&format!("kill -STOP {process}"), &[], Path::new("/"));
    }
    shell(
        &format!("kill -KILL {}", children.trim()),
        &[],
        Path::new("/"),
    );
    mount.process.kill().unwrap();
    mount.process.wait().unwrap();
}

#[test]
fn a_dead_mount_is_told_of_and_taken_away_by_the_next() {
    let Some(place) = protected("a mount that was killed with its guard") else {
        return;
    };
    let mut mount = Mount::begin(&place, "source");
    // What the kernel knows of it is not enough to tell whether it lives.
    fs::metadata(&mount.directory).unwrap();
    kill_with_guard(&mut mount);
    assert!(is_mounted(&mount.directory), "nobody has taken it away");
    let advice = format!("fusermount3 -u {}", mount.directory.display());
    for words in [
        &["mount", "source", "mounted/below"][..],
        &["restore", "source", "--to", "mounted"],
    ] {
        let refused = place.dozo(5, words);
        assert!(refused.err.contains(&advice), "{}", refused.err);
    }
    let mounted = place.start(&["mount", "source", "mounted"]);
    let next = Mount {
        process: mounted,
        directory: mount.directory.clone(),
    };
    wait_until("the next one answers", || {
        fs::read(next.directory.join("newest/file")).is_ok_and(|read| read == b"content")
    });
    assert_eq!(next.end(), Some(0));
}

#[test]
fn a_mount_below_a_symbolic_link_leaves_nothing_when_it_is_killed() {
    let Some(place) = protected("a killed mount below a symbolic link") else {
        return;
    };
    place.directory("real/mounted");
    std::os::unix::fs::symlink("real", place.path("link")).unwrap();
    let mut mount = Mount::begin_at(&place, "source", "link/mounted", "real/mounted");
    mount.process.kill().unwrap();
    mount.process.wait().unwrap();
    wait_until("the guard has taken it away", || {
        !is_mounted(&mount.directory)
    });
}

#[test]
fn a_second_mount_is_refused_and_the_first_one_stays() {
    let Some(place) = protected("two mounts at one place") else {
        return;
    };
    let mount = Mount::begin(&place, "source");
    let refused = place.dozo(5, &["mount", "source", "mounted"]);
    assert!(refused.err.contains("MountRefused"), "{}", refused.err);
    assert_eq!(
        fs::read(mount.directory.join("newest/file")).unwrap(),
        b"content"
    );
    assert_eq!(mount.end(), Some(0));
}

#[test]
fn a_mount_in_use_ends_when_it_is_asked_to() {
    let Some(place) = protected("a mount that is in use") else {
        return;
    };
    let mut mount = Mount::begin(&place, "source");
    let _open = fs::File::open(mount.directory.join("newest/file")).unwrap();
    let process = rustix::process::Pid::from_child(&mount.process);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert_eq!(mount.process.wait().unwrap().code(), Some(0));
    assert!(!is_mounted(&mount.directory));
}

#[test]
fn a_mount_means_the_point_that_a_restore_means() {
    let place = Place::new();
    for source in ["one", "two"] {
        fs::write(place.directory(source).join("file"), source).unwrap();
    }
    place.point("one");
    let other = place.point("two");
    let directory = place.directory("mounted");
    let mount = |what: &str, exit: i32, code: &str| {
        let refused = place.dozo(exit, &["mount", what, directory.to_str().unwrap()]);
        assert!(refused.err.contains(code), "{what}: {}", refused.err);
    };
    mount(&format!("one@{other}"), 4, "PointUnknown");
    mount("one@2001-01-01", 4, "PointNoneSoOld");
    mount("three", 4, "SourceUnknown");
}

#[test]
fn fifty_readers_at_once_read_the_same() {
    if !can_mount("fifty readers of a mount") {
        return;
    }
    let place = Place::new();
    let source = place.directory("source");
    let mut dice = testkit::Dice::new(50);
    for i in 0..60 {
        let len = dice.below(200_000) as usize;
        fs::write(source.join(format!("f{i}")), dice.bytes(len)).unwrap();
    }
    fs::write(source.join("large"), dice.bytes(12 << 20)).unwrap();
    place.dozo(0, &["protect", "source"]);
    let mount = Mount::begin(&place, "source");
    let sums = |directory: &Path| shell("cat f* large | sha256sum", &[], directory);
    let (expected, seen) = (sums(&source), mount.directory.join("newest"));
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..50).map(|_| scope.spawn(|| sums(&seen))).collect();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), expected);
        }
    });
    assert_eq!(mount.end(), Some(0));
}

#[test]
fn what_cannot_be_mounted_is_refused() {
    let place = Place::new();
    let source = place.directory("source");
    fs::write(source.join("file"), "content").unwrap();
    place.dozo(0, &["protect", "source"]);
    place.dozo(4, &["mount", "nothing", "source"]);
    // What is in a directory that is mounted on is seen by nobody.
    for directory in ["nowhere", "source"] {
        let refused = place.dozo(5, &["mount", "source", directory]);
        assert!(refused.err.contains("MountRefused"), "{}", refused.err);
    }
}
