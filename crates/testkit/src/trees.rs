//! Real file trees from a seed: everything a backup meets, made in a temporary directory.
//!
//! [`build`] makes one, [`change`] alters it as a day's work would, [`describe`] says what is there so that two
//! trees can be compared with `assert_eq`. The same seed gives the same names, bytes, modes and times.

mod describe;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, mknodat, utimensat};

pub use describe::describe;

use crate::Dice;

/// How much to make.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Directories below the root.
    pub dirs: usize,
    /// Regular files, hard links and symbolic links together.
    pub files: usize,
    /// Length of the largest files; one in sixteen is up to this large, the others are small.
    pub large_bytes: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            dirs: 12,
            files: 120,
            large_bytes: 3 << 20,
        }
    }
}

/// Names that programs get wrong; each is used once if there are enough files.
const ODD_NAMES: [&[u8]; 16] = [
    b"with space",
    b"new\nline",
    b"-rf",
    b"--",
    b"not utf-8 \xff\xfe",
    "e\u{301}".as_bytes(),
    "é".as_bytes(),
    "土蔵".as_bytes(),
    b"back\\slash",
    b"quo\"te'",
    b"*",
    b"trailing.",
    b"trailing ",
    b"\x01\x1b[31m",
    b"...",
    &[b'n'; 255],
];

/// Fills an empty directory with files of every kind that needs no privilege: empty, tiny, bundled, large,
/// sparse and repetitive ones, hard links, symbolic links (also dangling), a fifo, odd names and modes.
///
/// # Errors
/// As the file system says.
pub fn build(root: &Path, seed: u64, shape: Shape) -> io::Result<()> {
    let mut dice = Dice::new(seed);
    let mut dirs = vec![root.to_owned()];
    for i in 0..shape.dirs {
        let parent = &dirs[dice.index(dirs.len())];
        let dir = parent.join(format!("dir{i}"));
        fs::create_dir(&dir)?;
        dirs.push(dir);
    }
    let mut regular: Vec<PathBuf> = Vec::new();
    for i in 0..shape.files {
        let dir = &dirs[dice.index(dirs.len())];
        let path = match ODD_NAMES.get(i) {
            Some(name) => dir.join(OsStr::from_bytes(name)),
            None => dir.join(format!("file{i}")),
        };
        match dice.below(16) {
            0 if !regular.is_empty() => {
                fs::hard_link(&regular[dice.index(regular.len())], &path)?;
            }
            1 => symlink(link_target(&mut dice), &path)?,
            2 => sparse(&path, shape.large_bytes, &mut dice)?,
            _ => {
                fs::write(&path, content(shape.large_bytes, &mut dice))?;
                regular.push(path.clone());
            }
        }
        dress(&path, &mut dice)?;
    }
    fifo(&root.join("fifo"))?;
    dress(&root.join("fifo"), &mut dice)?;
    // Children changed their parents' times: deepest first, the root last.
    for dir in dirs.iter().rev() {
        dress(dir, &mut dice)?;
    }
    Ok(())
}

/// Alters `count` things: writes into files, appends, cuts, replaces, renames, removes, adds, touches, changes
/// modes. Directories stay.
///
/// # Errors
/// As the file system says.
pub fn change(root: &Path, seed: u64, count: usize) -> io::Result<()> {
    let mut dice = Dice::new(seed);
    for i in 0..count {
        let mut files = Vec::new();
        regular_files(root, &mut files)?;
        // Directories give their entries in no order.
        files.sort();
        let path = match files.get(dice.index(files.len().max(1))) {
            Some(path) => path.clone(),
            None => root.join(format!("first{seed}-{i}")),
        };
        change_one(&path, format!("new{seed}-{i}"), &mut dice)?;
        set_time(path.parent().unwrap_or(root), &mut dice)?;
    }
    Ok(())
}

fn change_one(path: &Path, new_name: String, dice: &mut Dice) -> io::Result<()> {
    let write = || {
        File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
    };
    match dice.below(9) {
        0 => {
            let mut file = write()?;
            let len = file.metadata()?.len();
            file.seek(SeekFrom::Start(dice.below(len + 1)))?;
            file.write_all(&small(dice))?;
        }
        1 => {
            let mut file = write()?;
            file.seek(SeekFrom::End(0))?;
            file.write_all(&small(dice))?;
        }
        2 => {
            let file = write()?;
            let len = file.metadata()?.len();
            file.set_len(dice.below(len + 1))?;
        }
        3 => {
            let bytes = content(100_000, dice);
            fs::remove_file(path)?;
            fs::write(path, bytes)?;
        }
        4 => return fs::rename(path, path.with_file_name(new_name)),
        5 => return fs::remove_file(path),
        6 => {
            let path = path.with_file_name(new_name);
            fs::write(&path, content(100_000, dice))?;
            return dress(&path, dice);
        }
        7 => return set_time(path, dice),
        _ => return set_mode(path, dice),
    }
    dress(path, dice)
}

fn regular_files(dir: &Path, out: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            regular_files(&entry.path(), out)?;
        } else if kind.is_file() {
            out.push(entry.path());
        }
    }
    Ok(())
}

fn small(dice: &mut Dice) -> Vec<u8> {
    let len = 1 + dice.index(5000);
    dice.bytes(len)
}

fn content(large_bytes: u64, dice: &mut Dice) -> Vec<u8> {
    let len = match dice.below(16) {
        0 => 0,
        1..=4 => dice.index(256),
        5 => dice.below(large_bytes + 1) as usize,
        6 => dice.index(300_000),
        _ => dice.index(20_000),
    };
    match dice.below(4) {
        // Text compresses, and repeats in other files.
        0 => b"All work and no play makes Jack a dull boy.\n"
            .iter()
            .copied()
            .cycle()
            .take(len)
            .collect(),
        1 => vec![0; len],
        _ => dice.bytes(len),
    }
}

fn sparse(path: &Path, large_bytes: u64, dice: &mut Dice) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    for _ in 0..dice.below(4) {
        file.seek(SeekFrom::Start(dice.below(large_bytes + 1)))?;
        file.write_all(&small(dice))?;
    }
    let len = file.metadata()?.len();
    // Half of them end in a hole.
    file.set_len(len + dice.below(2) * dice.below(large_bytes + 1))
}

fn link_target(dice: &mut Dice) -> String {
    match dice.below(3) {
        0 => "/nonexistent/dangling".into(),
        1 => ".".into(),
        _ => format!("../file{}", dice.below(100)),
    }
}

fn fifo(path: &Path) -> io::Result<()> {
    Ok(mknodat(
        CWD,
        path,
        FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )?)
}

fn dress(path: &Path, dice: &mut Dice) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_symlink() {
        set_mode(path, dice)?;
    }
    set_time(path, dice)
}

/// Owners can always read, write and search, so that tests without privileges can go on.
fn set_mode(path: &Path, dice: &mut Dice) -> io::Result<()> {
    let least = if fs::symlink_metadata(path)?.is_dir() {
        0o700
    } else {
        0o600
    };
    let mode = least | dice.below(0o1000) as u32;
    fs::set_permissions(path, PermissionsExt::from_mode(mode))
}

/// Sets a modification time between 1970 and 2033, with nanoseconds.
fn set_time(path: &Path, dice: &mut Dice) -> io::Result<()> {
    let time = Timespec {
        tv_sec: dice.below(2_000_000_000) as i64,
        tv_nsec: dice.below(1_000_000_000) as i64,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
