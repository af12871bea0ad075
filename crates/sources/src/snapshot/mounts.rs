//! What is mounted below a directory.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

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

/// Returns a mount point below `path` that holds data, if there is one.
pub(super) fn first_below(path: &Path) -> Option<PathBuf> {
    let whole = std::fs::canonicalize(path).ok()?;
    let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
    mounts
        .split(|b| *b == b'\n')
        .find_map(|line| below(line, &whole))
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
