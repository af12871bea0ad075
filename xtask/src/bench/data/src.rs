//! `src`: 220,000 real files of at most 1 MiB, with the directories and symbolic links met on the way.

use std::fs::{self, File, Metadata, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::{find, scaled};

const FILES: u64 = 220_000;
const FILE_BYTES_MAX: u64 = 1 << 20;

struct Copy {
    wanted: u64,
    made: u64,
    /// Directories and their times, which are set when nothing more is put into them.
    directories: Vec<(PathBuf, SystemTime)>,
}

/// Makes the set in an empty directory.
///
/// # Errors
/// It cannot be written.
pub(super) fn make(dir: &Path, roots: &[PathBuf], scale: f64) -> Result<()> {
    let mut copy = Copy {
        wanted: scaled(FILES, scale).max(1),
        made: 0,
        directories: Vec::new(),
    };
    for root in roots {
        let name = root.to_string_lossy().trim_matches('/').replace('/', "_");
        let base = dir.join(name);
        fs::create_dir_all(&base).with_context(|| format!("making {}", base.display()))?;
        let mut failed = None;
        let is_whole = find::walk(root, &mut |path, metadata| {
            let below = path
                .strip_prefix(root)
                .expect("the walk stays below its root");
            failed = copy.entry(path, &base.join(below), metadata).err();
            failed.is_none() && copy.made < copy.wanted
        });
        if let Some(e) = failed {
            return Err(e);
        }
        if !is_whole {
            break;
        }
    }
    if copy.made < copy.wanted {
        eprintln!(
            "only {} of {} files found; --root names more places to copy from",
            copy.made, copy.wanted
        );
    }
    for (dir, modified) in copy.directories.iter().rev() {
        set_modified(dir, *modified)?;
    }
    Ok(())
}

impl Copy {
    fn entry(&mut self, from: &Path, to: &Path, metadata: &Metadata) -> Result<()> {
        let context = || format!("making {}", to.display());
        if metadata.is_dir() {
            fs::create_dir(to).with_context(context)?;
            let modified = metadata.modified().context("the time of a directory")?;
            self.directories.push((to.to_path_buf(), modified));
        } else if metadata.is_symlink() {
            if let Ok(target) = fs::read_link(from) {
                symlink(target, to).with_context(context)?;
            }
        } else if metadata.is_file() && metadata.len() <= FILE_BYTES_MAX {
            let Ok(content) = fs::read(from) else {
                return Ok(()); // not ours to read: another file takes its place
            };
            fs::write(to, content).with_context(context)?;
            set_modified(to, metadata.modified().context("the time of a file")?)?;
            let mode = metadata.permissions().mode() & 0o7777 | 0o400;
            fs::set_permissions(to, Permissions::from_mode(mode)).with_context(context)?;
            self.made += 1;
        }
        Ok(())
    }
}

fn set_modified(path: &Path, modified: SystemTime) -> Result<()> {
    File::open(path)
        .and_then(|file| file.set_modified(modified))
        .with_context(|| format!("setting the time of {}", path.display()))
}
