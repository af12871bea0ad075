//! What a command works with: the operations, the world, and how to answer.

use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use api::{Document, Operations, Problem, View};
use base::fault::Code;
use base::{Fault, Lang};

use crate::failure;
use crate::show::when::Here;
use crate::world::World;

/// Exit code of a command that did everything.
pub const DONE: u8 = 0;
/// Exit code of a command that did what it could, and said what not.
pub const DONE_WITH_WARNINGS: u8 = 3;

/// How often whoever waits for an answer looks whether a person wants the command to end.
const LOOK: Duration = Duration::from_millis(50);

/// How a command answers.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Whether answers are JSON.
    pub json: bool,
    /// The language of failures.
    pub language: Lang,
}

/// A command's surroundings.
pub struct Session<'a> {
    /// The process.
    pub world: &'a mut World,
    /// What can be done.
    pub operations: &'a dyn Operations,
    /// How to answer.
    pub manner: Manner,
}

impl Session<'_> {
    /// Returns now and here.
    pub fn here(&self) -> Here {
        here(self.world)
    }

    /// Answers with a view: as JSON if asked for, else as `text` shows it.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn answer<T: View>(
        &mut self,
        view: T,
        text: impl FnOnce(&T, &Here) -> String,
    ) -> Result<(), Problem> {
        let text = if self.manner.json {
            json(view)
        } else {
            text(&view, &self.here())
        };
        self.print(&text)
    }

    /// Writes data.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn print(&mut self, text: &str) -> Result<(), Problem> {
        print(self.world, text).map_err(|fault| self.problem(&fault))
    }

    /// Says something beside the data.
    pub fn say(&mut self, text: &str) {
        say(self.world, text);
    }

    /// Returns whether somebody is there to answer a question.
    pub fn can_ask(&self) -> bool {
        self.world.answers.is_some()
    }

    /// Asks whether to go on. What is not plainly yes is no, an end by Ctrl-C too.
    pub fn ask(&mut self, question: &str) -> bool {
        let Some(mut answers) = self.world.answers.take() else {
            return false;
        };
        let _ = write!(self.world.err, "{question} [y/N] ");
        let _ = self.world.err.flush();
        let (give, take) = mpsc::channel();
        // A thread that waits for a line cannot be told to end; the process does not wait for it.
        let asked = std::thread::Builder::new().spawn(move || {
            let mut line = String::new();
            let read = answers.read_line(&mut line);
            give.send(read.is_ok() && ["y", "yes"].contains(&&*line.trim().to_lowercase()))
        });
        while asked.is_ok() && !self.world.stop.is_asked() {
            match take.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => {}
                answer => return answer.unwrap_or(false),
            }
        }
        // What comes next begins a line of its own.
        self.say("");
        false
    }

    /// Says how something failed.
    pub fn complain(&mut self, problem: &Problem) {
        let lines = failure::lines(problem, self.manner.language);
        say(self.world, lines.trim_end());
    }

    /// Returns a fault in the language of the session.
    pub fn problem(&self, fault: &Fault) -> Problem {
        Problem::of(fault, self.manner.language)
    }
}

/// Returns now and here.
pub fn here(world: &World) -> Here {
    Here {
        now: world.env.now(),
        zone: world.zone.clone(),
    }
}

/// Returns a view as JSON.
pub fn json<T: View>(view: T) -> String {
    let document = Document::of(view);
    let mut text = serde_json::to_string_pretty(&document).expect("views have texts for keys");
    text.push('\n');
    text
}

/// Writes data. A reader that has had enough (`| head`) is no failure.
///
/// # Errors
/// `OutputUnwritable`.
pub fn print(world: &mut World, text: &str) -> Result<(), Fault> {
    let written = world
        .out
        .write_all(text.as_bytes())
        .and_then(|()| world.out.flush());
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Fault::new(Code::OutputUnwritable)
            .with("reason", &e)
            .because(e)),
        _ => Ok(()),
    }
}

/// Says something beside the data. Nobody listening is no failure.
pub fn say(world: &mut World, text: &str) {
    let _ = writeln!(world.err, "{text}");
}
