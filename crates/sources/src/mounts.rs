//! What is mounted below a directory, as proc(5) tells in `mountinfo`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// File systems that the kernel makes up: nothing in them is data, and no walk enters them.
const MADE_UP: [&str; 20] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
];

/// Where this process is told what is mounted.
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// Returns the mount point at `path` or above it for which nobody answers any more, if there is one. A mount that is
/// alive and answers late is waited for.
pub fn dead(path: &Path) -> Option<PathBuf> {
    let above: Vec<&Path> = path.ancestors().collect();
    // What is known of a directory may be told without asking whoever answers for it: this is asked every time.
    let is_dead = |place: &&&Path| {
        matches!(
            rustix::fs::statvfs(**place),
            Err(Errno::NOTCONN | Errno::CONNABORTED)
        )
    };
    let place = above.iter().rev().find(is_dead)?;
    Some(place.to_path_buf())
}

/// Returns a mount point below `path` that holds data, if there is one.
pub(crate) fn first_below(path: &Path) -> Option<PathBuf> {
    let whole = std::fs::canonicalize(path).ok()?;
    let mounts = std::fs::read(MOUNTINFO).ok()?;
    mounts
        .split(|b| *b == b'\n')
        .find_map(|line| below(line, &whole))
}

/// What is mounted below a directory, and what stands in for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mounts {
    /// Mount points with data, by the number of the mount.
    pub(crate) points: Vec<(u64, PathBuf)>,
    /// Directories that overlays write into.
    pub(crate) upper_dirs: Vec<PathBuf>,
}

impl Mounts {
    /// Asks what there is below `path`, which is without links.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn below(path: &Path) -> std::io::Result<Self> {
        let mut found = Self::default();
        for line in std::fs::read(MOUNTINFO)?.split(|b| *b == b'\n') {
            if let Some(point) = below(line, path) {
                found.points.push((mount_number(line), point));
            }
            found
                .upper_dirs
                .extend(upper_dir(line).filter(|upper| upper.starts_with(path)));
        }
        Ok(found)
    }
}

fn mount_number(line: &[u8]) -> u64 {
    let first = line.split(|b| *b == b' ').next().unwrap_or_default();
    let digits = std::str::from_utf8(first).unwrap_or_default();
    digits.parse().unwrap_or_default()
}

/// Returns where the overlay that a line tells of keeps what is written to it.
fn upper_dir(line: &[u8]) -> Option<PathBuf> {
    let mut fields = line
        .split(|b| *b == b' ')
        .skip_while(|field| *field != b"-");
    let (kind, options) = (fields.nth(1)?, fields.nth(1)?);
    let mut options = options.split(|b| *b == b',');
    let upper = options.find_map(|option| option.strip_prefix(b"upperdir="))?;
    (kind == b"overlay").then(|| PathBuf::from(OsString::from_vec(unescaped(upper))))
}

/// Reads one line of `mountinfo`.
fn below(line: &[u8], path: &Path) -> Option<PathBuf> {
    let mut fields = line.split(|b| *b == b' ');
    let point = PathBuf::from(OsString::from_vec(unescaped(fields.nth(4)?)));
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    let wanted = point != path
        && point.starts_with(path)
        && !MADE_UP.iter().any(|made_up| made_up.as_bytes() == kind);
    wanted.then_some(point)
}

/// Undoes `\\040` and its like.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|d| std::str::from_utf8(d).ok());
        match digits.and_then(|d| u8::from_str_radix(d, 8).ok()) {
            Some(byte) if first == b'\\' => {
                out.push(byte);
                rest = &after[3..];
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlays_write_into_is_found() {
        let line = b"40 35 0:44 / /merged rw - overlay overlay rw,lowerdir=/l,upperdir=/srv/a\\040b,workdir=/w";
        assert_eq!(upper_dir(line), Some(PathBuf::from("/srv/a b")));
        assert_eq!(mount_number(line), 40);
        let other = b"36 35 98:0 / /srv rw shared:1 - ext4 /dev/x rw";
        assert_eq!((upper_dir(other), upper_dir(b"")), (None, None));
    }

    #[test]
    fn mounts_with_data_below_are_found() {
        let line = b"36 35 98:0 / /srv/a\\040b/c rw,noatime shared:1 - ext4 /dev/x rw";
        assert_eq!(
            below(line, Path::new("/srv/a b")),
            Some(PathBuf::from("/srv/a b/c"))
        );
        assert_eq!(below(line, Path::new("/srv/a b/c")), None);
        assert_eq!(below(line, Path::new("/srv/a")), None);
        assert_eq!(
            below(b"36 35 0:5 / /proc rw - proc proc rw", Path::new("/")),
            None
        );
        assert_eq!(below(b"", Path::new("/")), None);
    }
}
