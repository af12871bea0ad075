//! `dozo restore --to-tar`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use api::view::SourceView;
use api::{PathText, Problem, request};
use base::Fault;
use base::fault::Code;
use base::units::bytes;

use super::worse;
use crate::archive::{self, LeftOut, Made, Order, Unmade};
use crate::session::{DONE, DONE_WITH_WARNINGS, Session};
use crate::show::{counted, files};
use crate::signal::STOPPED;

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes what a restore asks for into an archive: a new file, or standard output for `-`.
///
/// # Errors
/// There is no such point or path, it cannot be read, or the archive cannot be written. A file that would not be whole is
/// removed.
pub fn run(
    session: &mut Session<'_>,
    request: &request::Restore,
    source: &SourceView,
    file: &Path,
) -> Result<u8, Problem> {
    let target = Target::of(session, file)?;
    let point = session
        .operations
        .choose_point(&source.id, &request.point)?
        .id;
    let paths: Vec<PathText> = request.paths.iter().map(plain).collect();
    let name = source.path.as_path().file_name().unwrap_or_default();
    let stop = session.world.stop.clone();
    let operations = session.operations;
    let world = &mut *session.world;
    let mut order = Order {
        operations,
        point: &point,
        paths: &paths,
        name: name.as_encoded_bytes(),
        is_stopped: &|| stop.is_asked(),
        left_out: &mut |path, why| {
            let _ = writeln!(world.err, "{}", told(path, why));
        },
    };
    let made = match &target {
        Target::Output => archive::write(
            &mut order,
            &mut BufWriter::with_capacity(BUFFER_BYTES, &mut world.out),
        ),
        Target::File(path) => into_file(&mut order, path),
    };
    match made {
        Ok(made) => {
            session.say(&format!("{}: {}.", source.address, result(&made)));
            Ok(exit(&made))
        }
        Err(Unmade::Stopped) => {
            session.say(match target {
                Target::Output => "Stopped: the archive has no end.",
                Target::File(_) => "Stopped: no archive was made.",
            });
            Ok(STOPPED)
        }
        Err(Unmade::Unread(problem)) => Err(problem),
        Err(Unmade::Unwritten(error)) => Err(session.problem(&target.unwritable(error))),
    }
}

/// Refuses a file in the data directory or in the pool: what does not belong there may keep them from being opened.
///
/// # Errors
/// `RestoreTargetInsidePool`.
pub fn refuse_inside(session: &Session<'_>, file: &Path, data_dir: &Path) -> Result<(), Problem> {
    let path = session.world.absolute(file);
    let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
    let Some(parent) = parent.filter(|_| file != Path::new("-")) else {
        // There is nothing to write into.
        return Ok(());
    };
    for place in [data_dir.to_owned(), data_dir.join("pool")] {
        if place
            .canonicalize()
            .is_ok_and(|place| parent.starts_with(place))
        {
            let fault = Fault::new(Code::RestoreTargetInsidePool)
                .with("path", path.display())
                .with("pool", place.display());
            return Err(session.problem(&fault));
        }
    }
    Ok(())
}

/// Where an archive goes.
enum Target {
    Output,
    File(PathBuf),
}

impl Target {
    fn of(session: &Session<'_>, file: &Path) -> Result<Self, Problem> {
        if file != Path::new("-") {
            return Ok(Self::File(session.world.absolute(file)));
        }
        let detail = match (session.world.shows, session.manner.json) {
            (true, _) => {
                "an archive is nothing for a terminal; give --to-tar a file, or send it on: `--to-tar - | tar -x`"
            }
            (_, true) => "--json and --to-tar - would both write to standard output",
            _ => return Ok(Self::Output),
        };
        Err(session.problem(&Fault::new(Code::UsageError).with("detail", detail)))
    }

    fn unwritable(&self, error: io::Error) -> Fault {
        match self {
            Self::Output => Fault::new(Code::OutputUnwritable).with("reason", &error),
            Self::File(path) => Fault::new(Code::RestoreTargetUnwritable)
                .with("path", path.display())
                .with("reason", &error),
        }
        .because(error)
    }
}

/// Writes an archive to a file that is not there yet. What is protected is not for everybody, and neither is the file.
fn into_file(order: &mut Order<'_>, path: &Path) -> Result<Made, Unmade> {
    let mut options = File::options();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let written = (|| {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, &file);
        let made = archive::write(order, &mut out)?;
        out.flush()?;
        drop(out);
        file.sync_all()?;
        Ok(made)
    })();
    if written.is_err() {
        // Nobody should take it for an archive.
        let _ = fs::remove_file(path);
    }
    written
}

/// Returns a path without slashes and dots that say nothing.
fn plain(path: &PathText) -> PathText {
    let names = path.0.split(|byte| *byte == b'/');
    let names: Vec<&[u8]> = names
        .filter(|name| !name.is_empty() && *name != b".")
        .collect();
    PathText(names.join(&b'/'))
}

fn told(path: &PathText, why: LeftOut<'_>) -> String {
    match why {
        LeftOut::Socket => format!("{path} was left out: an archive has no place for a socket"),
        LeftOut::Damaged(problem) => {
            format!("{path} was left out: {} ({})", problem.title, problem.code)
        }
    }
}

fn result(made: &Made) -> String {
    let left_out = match made.left_out {
        0 => String::new(),
        n => format!("; {} left out", counted(n, "entry was", "entries were")),
    };
    format!(
        "archived {}, {}{left_out}",
        files(made.files),
        bytes(made.bytes)
    )
}

fn exit(made: &Made) -> u8 {
    let left_out = match made.left_out {
        0 => DONE,
        _ => DONE_WITH_WARNINGS,
    };
    match made.damaged {
        0 => left_out,
        _ => worse(left_out, Code::ChunkDamaged.exit()),
    }
}
