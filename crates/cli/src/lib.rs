//! The command line of Dozo: reads arguments and the environment, runs the command, prints.
//!
//! A command is a function over [`api::Operations`]. Without a running owner of the data directory the operations
//! are the engine, opened in this process ([`backend::Local`]); with one they are a client of its socket. Both answer with
//! the same views, so that a command cannot tell.
//!
//! Data goes to stdout, talk to stderr; exit codes are those of the catalogue of faults. This is the only crate that
//! reads arguments and environment, and both enter through [`World`].

pub mod adopt;
pub mod archive;
pub mod args;
pub mod backend;
pub mod command;
pub mod failure;
pub mod host;
pub mod mount;
pub mod pages;
pub mod progress;
pub mod reference;
pub mod session;
pub mod show;
pub mod signal;
pub mod world;

mod look;
mod worker;

use std::ffi::OsString;
use std::os::fd::AsFd;

use api::Problem;
use api::request::VerifyPool;
use base::fault::Code;
use base::limits::DESCRIPTORS_MIN;
use base::{Fault, Lang};
use clap::{CommandFactory, Parser};

use adopt::Adopt;
use args::{Cli, Command, LangArg};
use backend::Purpose;
use session::{DONE, Manner, Session};
pub use world::{Talk, World};

/// Exit code of a command line that cannot be understood.
const USAGE: u8 = 2;

/// Runs one command; `args` begins with the program's name. Returns its exit code.
pub fn run(args: &[OsString], world: &mut World) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(refusal) => return refuse(&refusal, world),
    };
    let manner = Manner {
        json: cli.global.json,
        language: match cli.global.lang {
            Some(LangArg::En) => Lang::En,
            Some(LangArg::Ja) => Lang::Ja,
            None => world.language(),
        },
    };
    dispatch(&cli, manner, world).unwrap_or_else(|problem| fail(&problem, manner.language, world))
}

/// Says how a command failed, and returns its exit code.
fn fail(problem: &Problem, language: Lang, world: &mut World) -> u8 {
    session::say(world, failure::lines(problem, language).trim_end());
    problem.exit
}

/// Returns the failure where not even the world can be looked at: the current directory is gone, or nothing can be opened.
pub fn cannot_start(error: std::io::Error) -> (String, u8) {
    let fault = match error.kind() {
        std::io::ErrorKind::NotFound => Fault::new(Code::UsageError)
            .with("detail", "The current directory is gone")
            .because(error),
        // A thread or a descriptor for signals is all that is asked for otherwise.
        _ => Fault::exhausted(error),
    };
    let problem = Problem::of(&fault, Lang::default());
    (failure::lines(&problem, Lang::default()), problem.exit)
}

/// Says what clap says: help and version are answers, everything else is talk.
fn refuse(refusal: &clap::Error, world: &mut World) -> u8 {
    let text = refusal.render().to_string();
    let language = world.language();
    if !refusal.use_stderr() {
        return match session::print(world, &text) {
            Ok(()) => DONE,
            Err(fault) => fail(&Problem::of(&fault, language), language, world),
        };
    }
    let (what, usage) = failure::of_clap(&text);
    let Some(what) = what else {
        // Nothing was asked for: what could be is the answer.
        session::say(world, text.trim_end());
        return USAGE;
    };
    let fault = Fault::new(Code::UsageError).with("detail", what);
    let lines = failure::lines(&Problem::of(&fault, language), language);
    session::say(world, format!("{lines}{usage}").trim_end());
    USAGE
}

fn dispatch(cli: &Cli, manner: Manner, world: &mut World) -> Result<u8, Problem> {
    let problem = |fault| Problem::of(&fault, manner.language);
    let data_dir = world.data_dir(cli.global.data_dir.as_deref());
    if needs_descriptors(&cli.command) {
        try_descriptors().map_err(problem)?;
    }
    match &cli.command {
        Command::Explain { code } => {
            command::explain::run(world, manner, code.as_deref()).map_err(problem)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "dozo", &mut script);
            session::print(world, &String::from_utf8_lossy(&script)).map_err(problem)?;
            Ok(DONE)
        }
        Command::MountGuard { directory } => {
            // Whoever could be told is gone.
            let taken_away = mount::guard::run(directory);
            Ok(if taken_away.is_ok() { DONE } else { 1 })
        }
        Command::Up(args) => command::up::run(world, manner, &data_dir, args),
        Command::Server(args::Server::Adopt { pool, key }) => {
            command::server::adopt(world, manner, &data_dir, &Adopt { pool, key })
        }
        other => {
            let backend =
                backend::open(world, &data_dir, purpose(other), manner).map_err(problem)?;
            let mut session = Session {
                world: &mut *world,
                operations: backend.operations(),
                manner,
            };
            let exit = match other {
                Command::Mount(args) => command::mount::run(&mut session, args, backend.shared()),
                Command::Restore(args) => command::restore::run(&mut session, args, &data_dir),
                other => with(&mut session, other),
            };
            if matches!(other, Command::Mount(_)) && exit.is_ok() {
                // Whoever unmounts it means the mount, not those who look through this process.
                backend.serve_on(world);
            }
            backend.close(world);
            exit
        }
    }
}

/// Says whether a command works on a data directory.
fn needs_descriptors(command: &Command) -> bool {
    !matches!(
        command,
        Command::Explain { .. } | Command::Completions { .. } | Command::MountGuard { .. }
    )
}

/// Tries whether as many files can be opened as a command needs to begin.
///
/// # Errors
/// `ResourcesExhausted`.
fn try_descriptors() -> Result<(), Fault> {
    let error = std::io::stderr();
    let tried: std::io::Result<Vec<_>> = (0..DESCRIPTORS_MIN)
        .map(|_| error.as_fd().try_clone_to_owned())
        .collect();
    tried.map(drop).map_err(Fault::exhausted)
}

/// Runs a command that needs the operations.
fn with(session: &mut Session<'_>, command: &Command) -> Result<u8, Problem> {
    match command {
        Command::Protect(args) => command::protect::protect(session, args),
        Command::Sync { source } => command::protect::sync(session, source),
        Command::Point(verb) => command::point::run(session, verb),
        Command::Find(args) => command::find::run(session, args),
        Command::Source(verb) => command::source::run(session, verb),
        Command::Group(verb) => command::group::run(session, verb),
        Command::Job(verb) => command::job::run(session, verb),
        Command::Status => command::source::status(session),
        Command::Pool(args::Pool::Status) => command::pool::status(session),
        Command::Pool(args::Pool::Verify { deep, sample, rate }) => {
            let request = VerifyPool {
                deep: *deep,
                percent: *sample,
                rate: *rate,
            };
            command::pool::verify(session, &request)
        }
        Command::Pool(args::Pool::Gc { dry_run }) => command::pool::gc(session, *dry_run),
        Command::Pool(args::Pool::Add { path, name, wipe }) => {
            command::pool::add(session, path, name.as_deref(), wipe.as_deref())
        }
        Command::Pool(args::Pool::Drain { volume }) => command::pool::drain(session, volume),
        Command::Pool(args::Pool::Remove { volume, lost }) => {
            command::pool::remove(session, volume, *lost)
        }
        Command::Up(_)
        | Command::Server(_)
        | Command::Mount(_)
        | Command::Restore(_)
        | Command::MountGuard { .. }
        | Command::Explain { .. }
        | Command::Completions { .. } => {
            unreachable!("dispatched before this one")
        }
    }
}

/// Returns what a command will do with the data directory.
fn purpose(command: &Command) -> Purpose {
    match command {
        Command::Protect(_) | Command::Group(args::Group::Create { .. }) => Purpose::Begin,
        Command::Sync { .. }
        | Command::Restore(_)
        | Command::Mount(_)
        | Command::Point(args::Point::Create { .. })
        | Command::Source(args::Source::Check { .. })
        | Command::Pool(
            args::Pool::Verify { .. }
            | args::Pool::Gc { .. }
            | args::Pool::Add { .. }
            | args::Pool::Drain { .. }
            | args::Pool::Remove { .. },
        ) => Purpose::Work,
        Command::Find(_)
        // It may wait for an answer.
        | Command::Group(args::Group::Set { .. })
        | Command::Point(
            args::Point::List { .. } | args::Point::Browse { .. } | args::Point::Diff { .. },
        )
        | Command::Job(_) => Purpose::Read,
        _ => Purpose::Look,
    }
}
