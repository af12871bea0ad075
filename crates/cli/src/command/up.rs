//! `dozo up`: server and local agent in the foreground, and, with `--protect`, the proof that a restore works.

mod proof;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use api::view::{JobView, ProtectedView};
use api::{PathText, Problem, request};
use base::units::duration;
use base::{Fault, Lang};

use super::{report, worse};
use crate::args::Up;
use crate::backend::{self, Local};
use crate::session::{DONE, Manner, Session};
use crate::show;
use crate::world::World;

/// How often the foreground looks for jobs that are over, to say so.
const LOOK: Duration = Duration::from_secs(1);

/// Runs the server until it is stopped.
///
/// # Errors
/// The data directory is owned by another process or cannot be used, or the address cannot be listened on.
pub fn run(world: &mut World, manner: Manner, data_dir: &Path, args: &Up) -> Result<u8, Problem> {
    let problem = |fault: Fault| Problem::of(&fault, manner.language);
    let local = backend::own(world, data_dir, manner).map_err(problem)?;
    let result = local.serve(args.listen).map_err(problem).and_then(|()| {
        let mut session = Session {
            world: &mut *world,
            operations: local.operations(),
            manner,
        };
        foreground(&mut session, &local, data_dir, args)
    });
    local.close(world);
    result
}

fn foreground(
    session: &mut Session<'_>,
    local: &Local,
    data_dir: &Path,
    args: &Up,
) -> Result<u8, Problem> {
    let version = env!("CARGO_PKG_VERSION");
    session.print(&format!("Dozo {version}, data in {}\n", data_dir.display()))?;
    if let Some(address) = local.address() {
        session.print(&format!(
            "Listening on http://{address}/health (everything else needs the socket in the data directory)\n"
        ))?;
    }
    if !args.once {
        local.follow_changes();
    }
    // Asked for before the schedule begins, which would otherwise be at work on the same members already.
    let protected = match args.protect.is_empty() {
        true => None,
        false => Some(ask(session, args)),
    };
    if args.once {
        return match protected {
            Some(protected) => first_points(session, data_dir, args, &protected?),
            None => Ok(DONE),
        };
    }
    local.schedule().map_err(|fault| session.problem(&fault))?;
    // What is protected already is not left alone because this went wrong.
    let first = protected.map(|protected| first_points(session, data_dir, args, &protected?));
    let exit = match first {
        None => DONE,
        Some(Ok(exit)) => exit,
        Some(Err(problem)) => {
            session.complain(&problem);
            problem.exit
        }
    };
    if session.world.stop.is_asked() {
        return Ok(exit);
    }
    session.print("Running; recovery points are made on schedule. Stop with Ctrl-C.\n")?;
    stay(session);
    session.print("Stopped.\n")?;
    Ok(DONE)
}

/// Protects what is to be protected from the beginning.
fn ask(session: &mut Session<'_>, args: &Up) -> Result<ProtectedView, Problem> {
    let paths = args.protect.iter();
    let request = request::Protect {
        paths: paths
            .map(|path| PathText::from(session.world.absolute(path)))
            .collect(),
        group: None,
        selection: None,
    };
    session.operations.protect(&request)
}

/// Makes the first recovery points, proves one, and says what next.
fn first_points(
    session: &mut Session<'_>,
    data_dir: &Path,
    args: &Up,
    protected: &ProtectedView,
) -> Result<u8, Problem> {
    for group in &protected.groups {
        session.print(&format!(
            "\nGroup {}\n  {}\n",
            group.name, group.policy.sentence
        ))?;
    }
    if let Some(sentence) = show::source::left_out(protected) {
        session.print(&format!("{sentence}\n"))?;
    }
    let jobs = crate::progress::follow(session.world, session.operations, &protected.jobs)?;
    let made: Vec<&JobView> = jobs.iter().filter(|job| point_of(job).is_some()).collect();
    for job in &made {
        session.print(&format!(
            "Protected {}\n  {}{}\n  recovery point {}\n",
            job.source.as_deref().unwrap_or_default(),
            show::job::result(job),
            took(job),
            point_of(job).unwrap_or_default(),
        ))?;
    }
    let trouble: Vec<JobView> = jobs
        .iter()
        .filter(|job| job.state != api::view::JobState::Done)
        .cloned()
        .collect();
    let mut exit = report(session, &trouble);
    if let Some(point) = made.iter().find_map(|job| point_of(job)) {
        let proved = proof::prove(session, point)?;
        exit = worse(exit, proved);
        next(session, data_dir, made[0], args.once)?;
    }
    Ok(exit)
}

fn point_of(job: &JobView) -> Option<&str> {
    job.outcome.as_ref()?.point.as_deref()
}

fn took(job: &JobView) -> String {
    match (job.started, job.ended) {
        (Some(started), Some(ended)) => {
            let time = ended.0.duration_since(started.0).unsigned_abs();
            format!(" ({})", duration(time, Lang::En))
        }
        _ => String::new(),
    }
}

/// Prints the commands that people want next, as they are to be typed.
fn next(
    session: &mut Session<'_>,
    data_dir: &Path,
    job: &JobView,
    once: bool,
) -> Result<(), Problem> {
    let source = shell_word(job.source.as_deref().unwrap_or_default());
    let option = data_dir_option(session.world, data_dir);
    let point = point_of(job).map(show::short).unwrap_or_default();
    let mut lines = vec![
        ("see how it stands", "status".to_owned()),
        (
            "make another recovery point",
            format!("point create {source}"),
        ),
        ("list recovery points", format!("point list {source}")),
        ("look into one", format!("point browse {point}")),
        (
            "get everything back",
            format!("restore {source} --to ./restored"),
        ),
        ("protect more", "protect PATH".to_owned()),
    ];
    if once {
        lines.push(("run it, on schedule", "up".to_owned()));
    }
    let widest = lines.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
    let elsewhere = if once { "" } else { ", in another terminal" };
    session.print(&format!("\nWhat next{elsewhere}\n"))?;
    for (what, command) in lines {
        session.print(&format!("  {what:widest$}  dozo {command}{option}\n"))?;
    }
    session.print("\n")
}

/// Returns the option without which a command, typed as it is, would look elsewhere.
pub(crate) fn data_dir_option(world: &World, data_dir: &Path) -> String {
    if world.data_dir(None) == data_dir {
        return String::new();
    }
    format!(" --data-dir {}", shell_word(&data_dir.to_string_lossy()))
}

/// Returns `text` as one word of a shell.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Stays until it is stopped, whatever happens, and says how jobs end.
fn stay(session: &mut Session<'_>) {
    let mut told = Told::default();
    loop {
        let looked = over(session);
        for job in told.untold(looked) {
            report(session, &[job]);
        }
        if session.world.stop.wait(LOOK) {
            return;
        }
    }
}

/// The jobs that nobody has to be told of any more.
#[derive(Default)]
struct Told {
    /// None before the first look.
    jobs: Option<BTreeSet<String>>,
    /// Whether the last look failed.
    is_blind: bool,
}

impl Told {
    /// Returns the jobs that are over since the last look. A look that fails is no reason to stop protecting.
    fn untold(&mut self, looked: Result<Vec<JobView>, Problem>) -> Vec<JobView> {
        let mut jobs = match looked {
            Ok(jobs) => jobs,
            Err(problem) => {
                if !std::mem::replace(&mut self.is_blind, true) {
                    tracing::error!(code = %problem.code, what = %problem.title, "jobs cannot be looked at");
                }
                return Vec::new();
            }
        };
        self.is_blind = false;
        match &mut self.jobs {
            Some(told) => jobs.retain(|job| told.insert(job.id.clone())),
            told => *told = Some(jobs.drain(..).map(|job| job.id).collect()),
        }
        jobs
    }
}

fn over(session: &Session<'_>) -> Result<Vec<JobView>, Problem> {
    let mut jobs = session.operations.jobs()?.jobs;
    jobs.retain(|job| job.state.is_over());
    jobs.reverse();
    Ok(jobs)
}

/// Follows the restore of a proof.
fn restore(session: &mut Session<'_>, request: &request::Restore) -> Result<u8, Problem> {
    let job = session.operations.restore(request)?;
    let jobs = crate::progress::follow(session.world, session.operations, &[job])?;
    let trouble: Vec<JobView> = jobs
        .into_iter()
        .filter(|job| job.state != api::view::JobState::Done)
        .collect();
    Ok(report(session, &trouble))
}

#[cfg(test)]
mod tests {
    use api::view::ProgressView;
    use base::fault::Code;

    use super::*;

    fn job(id: &str) -> JobView {
        let json = serde_json::json!({
            "id": id, "kind": "synchronize", "state": "done", "cause": "schedule",
            "created": "2026-01-01T00:00:00Z", "progress": ProgressView::default(), "steps": [],
            "warning_count": 0, "warnings": [],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_look_that_fails_neither_ends_the_server_nor_hides_what_came_of_a_job() {
        let mut told = Told::default();
        let mut look = |looked: Result<&[&str], Code>| {
            let looked = looked.map(|ids| ids.iter().map(|id| job(id)).collect());
            let looked = looked.map_err(|code| Problem::of(&Fault::new(code), Lang::En));
            let jobs = told.untold(looked).into_iter();
            jobs.map(|job| job.id).collect::<Vec<_>>()
        };
        let nothing: [&str; 0] = [];
        assert_eq!(look(Err(Code::CatalogDamaged)), nothing);
        assert_eq!(look(Ok(&["a"])), nothing, "it was over before");
        assert_eq!(look(Err(Code::CatalogDamaged)), nothing);
        assert_eq!(look(Ok(&["a", "b"])), ["b"]);
        assert_eq!(look(Ok(&["a", "b"])), nothing);
    }

    #[test]
    fn commands_can_be_pasted() {
        assert_eq!(shell_word("web01:files/srv"), "web01:files/srv");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word("$(rm)"), "'$(rm)'");
        assert_eq!(shell_word(""), "''");
    }
}
