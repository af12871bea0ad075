//! The proof that a recovery point can be restored: one file, restored elsewhere and compared byte by byte.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use api::request::{Browse, Destination, OnConflict, PointChoice, Restore};
use api::view::{EntryKind, EntryView, PointView};
use api::{PathText, Problem};
use base::fault::Code;
use base::limits::{PROOF_BYTES_MAX, PROOF_DIRECTORIES_MAX};
use base::units::bytes;
use base::{Fault, JobId};

use crate::session::{DONE, DONE_WITH_WARNINGS, Session};

/// Restores one file of `point` into a temporary directory and compares it with the original.
/// Returns the exit code of what came of it.
///
/// # Errors
/// The point cannot be read, or there is no temporary directory.
pub(super) fn prove(session: &mut Session<'_>, point: &str) -> Result<u8, Problem> {
    let point = session.operations.point(point)?;
    let source = session.operations.source(&point.source_id)?;
    let Some(file) = choose(session, &point)? else {
        session.print("The recovery point holds no file to prove a restore with.\n")?;
        return Ok(DONE);
    };
    let directory = temporary(session)?;
    let request = Restore {
        source: point.source_id.clone(),
        point: PointChoice::Id(point.id.clone()),
        paths: file.iter().cloned().collect(),
        to: Destination::Directory(PathText::from(directory.as_path())),
        on_conflict: OnConflict::Skip,
    };
    let restored = super::restore(session, &request);
    let original = match &file {
        Some(file) => source.path.as_path().join(file.as_path()),
        None => source.path.clone().into_path(),
    };
    let verdict = restored.and_then(|exit| match exit {
        DONE => verdict(session, &original, &directory),
        exit => Ok(exit),
    });
    let _ = fs::remove_dir_all(&directory);
    verdict
}

fn verdict(session: &mut Session<'_>, original: &Path, directory: &Path) -> Result<u8, Problem> {
    let shown = PathText::from(original);
    let compared = only_file(directory).and_then(|restored| equal(original, &restored));
    let (exit, text) = match compared {
        Ok(Some(size)) => (
            DONE,
            format!(
                "Proved\n  restored {shown} ({}) elsewhere and compared it with the original, byte by byte: equal\n",
                bytes(size)
            ),
        ),
        Ok(None) => (
            DONE_WITH_WARNINGS,
            format!(
                "Not proved\n  restored {shown} elsewhere, and it differs from the original: it has changed since the recovery point was made, or something is wrong\n"
            ),
        ),
        Err(error) => (
            DONE_WITH_WARNINGS,
            format!("Not proved\n  {shown} could not be compared: {error}\n"),
        ),
    };
    session.print(&text)?;
    Ok(exit)
}

/// Makes a directory that nobody else can look into.
fn temporary(session: &Session<'_>) -> Result<PathBuf, Problem> {
    let parent = session.world.variable("TMPDIR");
    let parent = parent.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    let name = format!("dozo-proof-{}", JobId::random(&session.world.env));
    let directory = parent.join(name);
    DirBuilder::new()
        .mode(0o700)
        .create(&directory)
        .map_err(|e| {
            let fault = Fault::new(Code::RestoreTargetUnwritable)
                .with("path", directory.display())
                .with("reason", &e)
                .because(e);
            session.problem(&fault)
        })?;
    Ok(directory)
}

/// Chooses a file with content: `Some(Some(path))` relative to the source, `Some(None)` if the source is itself a
/// file, `None` if there is none.
#[expect(clippy::option_option, reason = "the source itself is a choice too")]
fn choose(session: &Session<'_>, point: &PointView) -> Result<Option<Option<PathText>>, Problem> {
    let mut directories = std::collections::VecDeque::from([Vec::new()]);
    let mut second_best = None;
    let mut looked = 0;
    while let Some(directory) = directories.pop_front() {
        looked += 1;
        if looked > PROOF_DIRECTORIES_MAX {
            break;
        }
        let entries = list(session, point, &directory)?;
        for entry in &entries {
            let mut path = directory.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend(&entry.name.0);
            match entry.kind {
                EntryKind::Directory => directories.push_back(path),
                EntryKind::File if entry.name.0.is_empty() => return Ok(Some(None)),
                EntryKind::File if (1..=PROOF_BYTES_MAX).contains(&entry.size) => {
                    return Ok(Some(Some(PathText(path))));
                }
                EntryKind::File => second_best = Some(Some(PathText(path))),
                _ => {}
            }
        }
    }
    Ok(second_best)
}

fn list(
    session: &Session<'_>,
    point: &PointView,
    directory: &[u8],
) -> Result<Vec<EntryView>, Problem> {
    let request = Browse {
        path: PathText(directory.to_vec()),
        after: None,
        limit: 1000,
    };
    Ok(session.operations.browse(&point.id, &request)?.entries)
}

/// Finds the one regular file below `directory`.
fn only_file(directory: &Path) -> io::Result<PathBuf> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_file() {
            return Ok(entry.path());
        }
        if kind.is_dir()
            && let Ok(found) = only_file(&entry.path())
        {
            return Ok(found);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "the restored file is not there",
    ))
}

/// Compares two files byte by byte; returns their size if they are equal.
fn equal(a: &Path, b: &Path) -> io::Result<Option<u64>> {
    let mut a = io::BufReader::with_capacity(1 << 20, File::open(a)?);
    let mut b = io::BufReader::with_capacity(1 << 20, File::open(b)?);
    let mut size = 0;
    let mut left = [0; 64 << 10];
    let mut right = [0; 64 << 10];
    loop {
        let len = a.read(&mut left)?;
        if len == 0 {
            return Ok((b.read(&mut right)? == 0).then_some(size));
        }
        match b.read_exact(&mut right[..len]) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        if left[..len] != right[..len] {
            return Ok(None);
        }
        size += len as u64;
    }
}
