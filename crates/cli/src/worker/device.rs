//! A whole disk becomes a volume of the pool: looked at, formatted with XFS, mounted, and mounted again after every start of the
//! machine.
//!
//! Nothing is written before everything that speaks against it has been looked for: that it is in use, that a pool has it, that it holds a
//! partition table or a file system. What it holds may go only if whoever asks knows which disk it is, by its serial number or its
//! size; what is in use never does.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use base::Fault;
use base::fault::Code;
use rustix::fs::{OFlags, major, minor};

/// What file systems that hold volumes are labelled with, before the volume's name.
const LABEL: &str = "dozo-";
/// The longest label that XFS takes.
const LABEL_BYTES_MAX: usize = 12;
/// What is mounted when the machine starts.
pub(super) const FSTAB: &str = "/etc/fstab";

/// Returns whether a path is a block device.
pub(super) fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device())
}

/// Makes a device a mounted, empty file system, and returns where.
///
/// # Errors
/// `DeviceUnfit`; nothing was changed, unless the reason says what.
pub(super) fn prepare(
    device: &Path,
    name: &str,
    wipe: Option<&str>,
    (mounts, fstab): (&Path, &Path),
) -> Result<PathBuf, Fault> {
    let unfit = |reason: String| {
        Fault::new(Code::DeviceUnfit)
            .with("device", device.display())
            .with("reason", reason)
    };
    let disk = Disk::look(device).map_err(unfit)?;
    disk.check(wipe).map_err(unfit)?;
    let at = mounts.join(name);
    let uuid = disk.format(name).map_err(unfit)?;
    fs::create_dir_all(&at).map_err(|error| unfit(format!("{}: {error}", at.display())))?;
    mount(device, &at).map_err(unfit)?;
    remember(fstab, &uuid, &at).map_err(unfit)?;
    Ok(at)
}

/// What there is to know of a device.
#[derive(Debug, Default, PartialEq, Eq)]
struct Disk {
    path: PathBuf,
    bytes: u64,
    serial: Option<String>,
    /// What is on it: a partition table, a file system, a part of something larger.
    holds: Option<String>,
    label: Option<String>,
    /// Why it is in use, if it is.
    used: Option<String>,
    read_only: bool,
}

impl Disk {
    fn look(device: &Path) -> Result<Self, String> {
        let real = fs::canonicalize(device).map_err(|error| error.to_string())?;
        let found = fs::metadata(&real).map_err(|error| error.to_string())?;
        let number = (major(found.rdev()), minor(found.rdev()));
        let sys = PathBuf::from(format!("/sys/dev/block/{}:{}", number.0, number.1));
        let read = |file: &str| {
            let text = fs::read_to_string(sys.join(file)).ok();
            text.map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let sectors = read("size").and_then(|size| size.parse::<u64>().ok());
        let probed = probe(&real)?;
        let value = |key: &str| {
            let line = probed
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.map(str::to_owned)
        };
        let holds = match (value("PTTYPE"), value("TYPE")) {
            (Some(table), _) => Some(format!("a partition table ({table})")),
            (None, Some(kind)) => Some(format!("a file system or a part of one ({kind})")),
            (None, None) => None,
        };
        Ok(Self {
            serial: read("device/serial").or_else(|| read("serial")),
            bytes: sectors.unwrap_or(0) * 512,
            holds,
            label: value("LABEL"),
            used: in_use(&real, number, &sys),
            read_only: read("ro").as_deref() == Some("1"),
            path: real,
        })
    }

    /// Returns whether it may be written.
    fn check(&self, wipe: Option<&str>) -> Result<(), String> {
        if let Some(used) = &self.used {
            return Err(used.clone());
        }
        if self.read_only {
            return Err(String::from("it is read-only"));
        }
        let is_ours = self
            .label
            .as_ref()
            .is_some_and(|label| label.starts_with(LABEL));
        let holds = match (&self.holds, is_ours) {
            (None, _) => return Ok(()),
            (Some(_), true) => "a volume of a pool",
            (Some(holds), false) => holds,
        };
        let Some(wipe) = wipe else {
            return Err(format!("it holds {holds}"));
        };
        if wipe == self.bytes.to_string() || self.serial.as_deref() == Some(wipe) {
            return Ok(());
        }
        let serial = match &self.serial {
            Some(serial) => format!("its serial number is {serial} and "),
            None => String::new(),
        };
        let bytes = self.bytes;
        Err(format!(
            "it holds {holds}, and {wipe} is not this disk: {serial}its size is {bytes} bytes"
        ))
    }

    /// Makes an XFS file system, and returns its UUID.
    fn format(&self, name: &str) -> Result<String, String> {
        let mut label = format!("{LABEL}{name}");
        label.truncate(LABEL_BYTES_MAX);
        let mut mkfs = Command::new("mkfs.xfs");
        // It asks for that where there is something; whether that may go has been decided.
        mkfs.args(["-q", "-f", "-L", &label]).arg(&self.path);
        run(&mut mkfs)?;
        let mut blkid = Command::new("blkid");
        blkid
            .args(["-p", "-s", "UUID", "-o", "value"])
            .arg(&self.path);
        Ok(run(&mut blkid)?.trim().to_owned())
    }
}

/// Returns what the first bytes of a device say that it holds, as `KEY=value` lines.
fn probe(device: &Path) -> Result<String, String> {
    let mut blkid = Command::new("blkid");
    blkid.args(["-p", "-o", "export"]).arg(device);
    let out = blkid.output().map_err(|error| format!("blkid: {error}"))?;
    match out.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&out.stdout).into_owned()),
        // Nothing is found.
        Some(2) => Ok(String::new()),
        Some(8) => Ok(String::from("TYPE=several at once\n")),
        _ => Err(format!(
            "blkid: {}",
            String::from_utf8_lossy(&out.stderr).trim()
        )),
    }
}

/// Returns who uses a device, if anybody does.
fn in_use(device: &Path, number: (u32, u32), sys: &Path) -> Option<String> {
    let mounted = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let wanted = format!("{}:{}", number.0, number.1);
    let mut fields = mounted
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    if let Some(fields) = fields.find(|fields| fields.get(2) == Some(&wanted.as_str())) {
        return Some(format!(
            "it is mounted at {}",
            fields.get(4).unwrap_or(&"?")
        ));
    }
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let is_swap = |line: &str| {
        line.split_whitespace()
            .next()
            .is_some_and(|used| Path::new(used) == device)
    };
    if swaps.lines().any(is_swap) {
        return Some(String::from("it is used as swap space"));
    }
    if fs::read_dir(sys.join("holders")).is_ok_and(|mut holders| holders.next().is_some()) {
        return Some(String::from("another device is made of it"));
    }
    // Whoever has a part of it has it open for itself alone.
    let alone = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::EXCL.bits().cast_signed())
        .open(device);
    match alone {
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => Some(String::from(
            "it is in use: something on it is mounted, or part of another device",
        )),
        Err(error) => Some(error.to_string()),
    }
}

fn mount(device: &Path, at: &Path) -> Result<(), String> {
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "xfs", "-o", "noatime"])
        .arg(device)
        .arg(at);
    run(&mut mount).map(drop)
}

/// Has a file system mounted when the machine starts, which goes on without it if it is not there.
fn remember(fstab: &Path, uuid: &str, at: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", fstab.display());
    // Blanks and the like stand as octal numbers there.
    let place: String = at
        .to_string_lossy()
        .chars()
        .map(|c| match c {
            ' ' | '\t' | '\n' | '\\' => format!("\\{:03o}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    let before = fs::read_to_string(fstab).unwrap_or_default();
    let break_line = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(fstab)
        .map_err(failed)?;
    let line = format!("{break_line}UUID={uuid} {place} xfs noatime,nofail 0 0\n");
    file.write_all(line.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

/// Runs a program to its end, and returns what it printed.
fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let out = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    match out.status.success() {
        true => Ok(String::from_utf8_lossy(&out.stdout).into_owned()),
        false => Err(format!(
            "{name}: {}",
            String::from_utf8_lossy(&out.stderr).trim()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Disk {
        Disk {
            path: PathBuf::from("/dev/sdx"),
            bytes: 1000,
            serial: Some(String::from("WD-17")),
            ..Disk::default()
        }
    }

    #[test]
    fn only_what_is_empty_or_may_go_is_written() {
        assert_eq!(disk().check(None), Ok(()));
        let full = || Disk {
            holds: Some(String::from("a partition table (gpt)")),
            ..disk()
        };
        let says = |disk: Disk, wipe, what: &str| {
            let why = disk.check(wipe).unwrap_err();
            assert!(why.contains(what), "{why}");
        };
        says(full(), None, "a partition table (gpt)");
        says(full(), Some("WD-18"), "WD-17");
        says(full(), Some("yes"), "1000 bytes");
        assert_eq!(full().check(Some("WD-17")), Ok(()));
        assert_eq!(full().check(Some("1000")), Ok(()));
        let label = Some(String::from("dozo-big"));
        says(Disk { label, ..full() }, None, "a volume of a pool");
        let used = Some(String::from("it is mounted at /srv"));
        says(Disk { used, ..full() }, Some("1000"), "/srv");
        says(
            Disk {
                read_only: true,
                ..disk()
            },
            Some("1000"),
            "read-only",
        );
    }

    #[test]
    fn a_disk_is_mounted_again_at_the_next_start() {
        let dir = testkit::tempdir().unwrap();
        let fstab = dir.path().join("fstab");
        fs::write(&fstab, "# no line break at the end").unwrap();
        remember(&fstab, "1-2", Path::new("/srv/a b")).unwrap();
        let expected = "# no line break at the end\nUUID=1-2 /srv/a\\040b xfs noatime,nofail 0 0\n";
        assert_eq!(fs::read_to_string(&fstab).unwrap(), expected);
    }

    /// A file as a block device, until it is dropped.
    struct Loop(PathBuf);

    impl Loop {
        fn new(dir: &Path, name: &str) -> Self {
            let image = dir.join(name);
            let file = fs::File::create(&image).unwrap();
            file.set_len(400 << 20).unwrap();
            let mut losetup = Command::new("losetup");
            let device = run(losetup.args(["-f", "--show"]).arg(image)).unwrap();
            Self(PathBuf::from(device.trim()))
        }
    }

    impl Drop for Loop {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).status();
            let _ = Command::new("losetup").arg("-d").arg(&self.0).status();
        }
    }

    #[test]
    fn a_disk_is_formatted_and_mounted_unless_something_speaks_against_it() {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED, not root: disks");
            return;
        }
        let dir = testkit::tempdir().unwrap();
        let places = (&*dir.path().join("mounts"), &*dir.path().join("fstab"));
        let refused = |disk: &Loop, wipe| {
            let fault = prepare(&disk.0, "big", wipe, places).unwrap_err();
            fault.param("reason").unwrap().to_owned()
        };
        let disk = Loop::new(dir.path(), "one");
        let at = prepare(&disk.0, "big", None, places).unwrap();
        assert_eq!(fs::read_dir(&at).unwrap().count(), 0);
        assert!(fs::read_to_string(places.1).unwrap().contains("nofail"));
        let bytes = (400_u64 << 20).to_string();
        assert!(refused(&disk, Some(&bytes)).contains("mounted"));
        run(Command::new("umount").arg(&at)).unwrap();
        assert!(refused(&disk, None).contains("a volume of a pool"));

        let other = Loop::new(dir.path(), "two");
        run(Command::new("mkfs.ext4").arg("-q").arg(&other.0)).unwrap();
        assert!(refused(&other, None).contains("ext4"));
        assert!(refused(&other, Some("12345")).contains(&bytes));
        assert!(refused(&other, Some("12345")).contains("not this disk"));
        let mut blkid = Command::new("blkid");
        let still = run(blkid
            .args(["-p", "-s", "TYPE", "-o", "value"])
            .arg(&other.0));
        assert_eq!(still.unwrap().trim(), "ext4");
        let at = prepare(&other.0, "wiped", Some(&bytes), places).unwrap();
        assert_eq!(fs::read_dir(&at).unwrap().count(), 0);
    }
}
