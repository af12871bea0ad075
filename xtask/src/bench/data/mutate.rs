//! Rounds of changes: what a day of work does to the files of `src`, and programs and guests to those of `big`.
//!
//! Invariants: rounds follow one another on a copy, never on the data; the same copy and the same round give the
//! same names, contents and places of change.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use super::chance::Chance;
use super::{big, find};
use crate::bench::row::Set;

const BLOCK_BYTES: u64 = 4096;
const MIB: u64 = 1 << 20;

/// Copies a set with all its times, modes, links and holes; nothing is shared with the original.
///
/// # Errors
/// `cp` is not there or fails.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let above = to.parent().context("a copy lies in a directory")?;
    fs::create_dir_all(above).with_context(|| format!("making {}", above.display()))?;
    let status = Command::new("cp")
        .args(["-a", "--reflink=never", "--no-target-directory", "--"])
        .args([from, to])
        .status()
        .context("starting cp")?;
    if !status.success() {
        bail!("cp failed ({status})");
    }
    Ok(())
}

/// Applies one round, the first being 1, to the copy of a set.
///
/// # Errors
/// A file cannot be changed, or no mutation of the set is defined.
pub(crate) fn round(dir: &Path, set: Set, round: u32) -> Result<()> {
    eprintln!("changing {}, round {round}", dir.display());
    let mut chance = Chance::new(u64::from(round) << 8 | set as u64);
    let files = files(dir);
    match set {
        Set::Src => src(&files, round, &mut chance)?,
        Set::Big => big(&files, round, &mut chance)?,
        Set::Many => bail!("no mutation of many is defined"),
    }
    rustix::fs::sync();
    Ok(())
}

fn files(dir: &Path) -> Vec<(PathBuf, Metadata)> {
    let mut files = Vec::new();
    find::walk(dir, &mut |path, metadata| {
        if metadata.is_file() {
            files.push((path.to_path_buf(), metadata.clone()));
        }
        true
    });
    files
}

/// One per cent of the files get another time, one per cent another line; 100 are renamed, 100 deleted, 100 new.
fn src(files: &[(PathBuf, Metadata)], round: u32, chance: &mut Chance) -> Result<()> {
    let hundredth = files.len() / 100;
    let few = 100.min((files.len() - 2 * hundredth) / 3);
    let mut picked = sample(files, 2 * hundredth + 3 * few, chance).into_iter();
    let time =
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + u64::from(round) * 1000);
    for path in picked.by_ref().take(hundredth) {
        let touched = File::open(path).and_then(|file| file.set_modified(time));
        touched.with_context(|| format!("setting the time of {}", path.display()))?;
    }
    for path in picked.by_ref().take(hundredth) {
        let line = format!("# edit {round} {:x}\n", chance.next());
        append(path, |out| out.write_all(line.as_bytes()))?;
    }
    for path in picked.by_ref().take(few) {
        rename(path, &format!(".r{round}"))?;
    }
    for path in picked.by_ref().take(few) {
        fs::remove_file(path).with_context(|| format!("deleting {}", path.display()))?;
    }
    for path in picked {
        let path = beside(path, &format!(".new{round}"));
        let text: String = (0..200 + chance.below(19_800))
            .map(|_| format!("{:02x}", chance.below(256)))
            .collect();
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// A guest writes 256 blocks of its image, every log grows by 1 MiB, four blocks are inserted into the random file
/// and into three of ten others, and one binary is renamed.
fn big(files: &[(PathBuf, Metadata)], round: u32, chance: &mut Chance) -> Result<()> {
    for (path, metadata) in files {
        let bytes = metadata.len();
        if is_named(path, "vm.img") {
            overwrite_blocks(path, bytes, chance)?;
        } else if is_in(path, "logs") {
            let seed = chance.next();
            append(path, |out| {
                let mut out = BufWriter::new(out);
                big::log(&mut out, seed, MIB)?;
                out.flush()
            })?;
        } else if is_named(path, "random.bin") || chance.below(10) < 3 {
            insert_blocks(path, bytes, chance)?;
        }
    }
    let binaries: Vec<&PathBuf> = files
        .iter()
        .map(|f| &f.0)
        .filter(|p| is_in(p, "bin"))
        .collect();
    if binaries.is_empty() {
        return Ok(());
    }
    let binary: &&PathBuf = chance.one(&binaries);
    rename(binary, &format!(".r{round}"))
}

fn is_named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|n| n == name)
}

fn is_in(path: &Path, dir: &str) -> bool {
    path.parent().is_some_and(|parent| is_named(parent, dir))
}

/// Returns `count` different files, in random order.
fn sample<'a>(
    files: &'a [(PathBuf, Metadata)],
    count: usize,
    chance: &mut Chance,
) -> Vec<&'a Path> {
    let mut all: Vec<&Path> = files.iter().map(|(path, _)| path.as_path()).collect();
    for place in 0..count {
        let other = place as u64 + chance.below((all.len() - place) as u64);
        all.swap(place, other as usize);
    }
    all.truncate(count);
    all
}

fn append(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    let context = || format!("appending to {}", path.display());
    fs::set_permissions(path, Permissions::from_mode(0o644)).with_context(context)?;
    let file = File::options().append(true).open(path);
    file.and_then(|mut file| write(&mut file))
        .with_context(context)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

fn rename(path: &Path, suffix: &str) -> Result<()> {
    fs::rename(path, beside(path, suffix)).with_context(|| format!("renaming {}", path.display()))
}

fn block(chance: &mut Chance) -> Vec<u8> {
    let mut block = vec![0; BLOCK_BYTES as usize];
    chance.fill(&mut block);
    block
}

fn overwrite_blocks(path: &Path, bytes: u64, chance: &mut Chance) -> Result<()> {
    let mut write = || {
        let mut file = File::options().write(true).open(path)?;
        for _ in 0..256 {
            let at = chance.below((bytes / BLOCK_BYTES).max(1)) * BLOCK_BYTES;
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&block(chance))?;
        }
        Ok::<_, std::io::Error>(())
    };
    write().with_context(|| format!("overwriting {}", path.display()))
}

fn insert_blocks(path: &Path, bytes: u64, chance: &mut Chance) -> Result<()> {
    let mut cuts: Vec<u64> = (0..4).map(|_| chance.below(bytes.max(1))).collect();
    cuts.sort_unstable();
    let new = beside(path, ".new");
    let write = || {
        let mut from = BufReader::with_capacity(MIB as usize, File::open(path)?);
        let mut out = BufWriter::with_capacity(MIB as usize, File::create(&new)?);
        let mut at = 0;
        for cut in cuts {
            std::io::copy(&mut from.by_ref().take(cut - at), &mut out)?;
            out.write_all(&block(chance))?;
            at = cut;
        }
        std::io::copy(&mut from, &mut out)?;
        out.flush()?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("inserting into {}", path.display()))
}

#[cfg(test)]
mod tests;
