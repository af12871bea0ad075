//! Follows jobs until they are over, and shows how they go: bars on a terminal, a calm line each 30 seconds otherwise.

use std::io::Write;
use std::time::Duration;

use api::view::{JobState, JobView, ProgressView};
use api::{Operations, Problem};
use base::Lang;
use base::units::{bytes, count, duration};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::show;
use crate::show::column::width;
use crate::world::World;

/// How long to wait until a job is looked at again, at least and at most, and which part of the time it has taken so far: its
/// end is told soon for how long it was, and long ones are not disturbed.
const LOOK_MS: (u64, u64) = (5, 200);
/// See [`LOOK_MS`].
const LOOK_PART: u32 = 32;
/// How often a calm line is written.
const LINE_SECONDS: u64 = 30;

/// Follows `jobs` until all are over; returns them as they ended. If a person stops the command meanwhile, the
/// jobs are cancelled, and followed until they have stopped.
///
/// # Errors
/// The server went away.
pub fn follow(
    world: &mut World,
    operations: &dyn Operations,
    jobs: &[JobView],
) -> Result<Vec<JobView>, Problem> {
    watch(world, operations, jobs, OnStop::Cancel)
}

/// What to do with jobs when a person stops the command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// They are the command's own.
    Cancel,
    /// They go on without being watched.
    Leave,
}

/// As [`follow`], for jobs that may not be the command's own.
///
/// # Errors
/// The server went away.
pub fn watch(
    world: &mut World,
    operations: &dyn Operations,
    jobs: &[JobView],
    on_stop: OnStop,
) -> Result<Vec<JobView>, Problem> {
    let mut jobs = jobs.to_vec();
    let mut display = Display::new(world, &jobs);
    let began = world.env.clock.since_boot();
    let [shortest, longest] = [LOOK_MS.0, LOOK_MS.1].map(Duration::from_millis);
    let mut cancelled = false;
    while jobs.iter().any(|job| !job.state.is_over()) {
        let so_far = world.env.clock.since_boot().saturating_sub(began);
        let pause = (so_far / LOOK_PART).clamp(shortest, longest);
        if cancelled {
            std::thread::sleep(pause);
        } else if world.stop.wait(pause) {
            if on_stop == OnStop::Leave {
                break;
            }
            cancelled = true;
            display.note(world, "Stopping ...");
            for job in jobs.iter().filter(|job| !job.state.is_over()) {
                operations.cancel_job(&job.id)?;
            }
        }
        for job in jobs.iter_mut().filter(|job| !job.state.is_over()) {
            *job = operations.job(&job.id)?;
        }
        display.update(world, &jobs);
    }
    Ok(jobs)
}

/// How it is shown.
enum Display {
    Bars {
        bars: Vec<ProgressBar>,
        _all: MultiProgress,
    },
    Lines {
        last: Duration,
    },
}

impl Display {
    fn new(world: &World, jobs: &[JobView]) -> Self {
        let now = world.env.clock.since_boot();
        if !world.draws {
            return Self::Lines { last: now };
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let bars = jobs
            .iter()
            .map(|job| {
                let bar = all.add(ProgressBar::new_spinner());
                draw(&bar, job);
                bar
            })
            .collect();
        Self::Bars { bars, _all: all }
    }

    fn update(&mut self, world: &mut World, jobs: &[JobView]) {
        let now = world.env.clock.since_boot();
        match self {
            Self::Bars { bars, .. } => {
                for (bar, job) in bars.iter().zip(jobs) {
                    draw(bar, job);
                }
            }
            Self::Lines { last } => {
                if now.saturating_sub(*last) < Duration::from_secs(LINE_SECONDS) {
                    return;
                }
                *last = now;
                for job in jobs.iter().filter(|job| job.state == JobState::Running) {
                    let source = job.source.as_deref().unwrap_or("the server");
                    let _ = writeln!(world.err, "{source}: {}", describe(job));
                }
            }
        }
    }

    fn note(&self, world: &mut World, text: &str) {
        match self {
            Self::Bars { bars, .. } => {
                if let Some(bar) = bars.first() {
                    bar.println(text);
                }
            }
            Self::Lines { .. } => {
                let _ = writeln!(world.err, "{text}");
            }
        }
    }
}

/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;
/// A terminal with fewer columns shows no bar, only how much of it there would be.
const COLUMNS_FOR_BAR: usize = 60;

/// Returns how wide the terminal is now.
fn columns() -> usize {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => COLUMNS,
    }
}

/// Two lines a job: what it is about and how far it is, then in words as much as there is room for.
fn style(has_total: bool, columns: usize) -> (ProgressStyle, usize) {
    let (template, rest) = match (has_total, columns >= COLUMNS_FOR_BAR) {
        (true, true) => (
            "{prefix}  [{bar:20}] {percent:>3} %\n  {wide_msg}",
            "  [] 100 %".len() + 20,
        ),
        (true, false) => ("{prefix}  {percent:>3} %\n  {wide_msg}", "  100 %".len()),
        (false, _) => ("{prefix}  {spinner}\n  {wide_msg}", "  *".len()),
    };
    // The last column stays free: a terminal may go to the next line when it is written to.
    (with_template(template), columns.saturating_sub(rest + 1))
}

/// Returns a text, without its beginning if it has no room: the end of an address says most.
fn ending(text: &str, columns: usize) -> String {
    let mut rest = text.chars();
    while width(rest.as_str()) > columns.saturating_sub(1).max(1) && rest.next().is_some() {}
    match width(text) > columns {
        true => format!("…{}", rest.as_str()),
        false => text.to_owned(),
    }
}

fn with_template(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the template is a constant that a test draws")
        .progress_chars("=> ")
}

fn draw(bar: &ProgressBar, job: &JobView) {
    if job.state.is_over() {
        bar.finish_and_clear();
        return;
    }
    let total = job.progress.bytes_total.filter(|total| *total > 0);
    let (style, room) = style(total.is_some(), columns());
    bar.set_style(style);
    bar.set_prefix(ending(job.source.as_deref().unwrap_or("the server"), room));
    match total {
        Some(total) => {
            bar.set_length(total);
            bar.set_position(job.progress.bytes.min(total));
        }
        None => bar.tick(),
    }
    bar.set_message(describe(job));
}

/// Returns how far a job is, how fast it goes and how long it will take, the most telling first: `transfer, 1.20 GiB of
/// 4.00 GiB, 87.0 MiB/s, 33 s left, 1,234 of 5,678 files`.
pub fn describe(job: &JobView) -> String {
    let progress = &job.progress;
    let mut parts = Vec::new();
    if !progress.step.is_empty() {
        parts.push(progress.step.clone());
    }
    parts.push(match progress.bytes_total {
        Some(total) => format!("{} of {}", bytes(progress.bytes), bytes(total)),
        None => bytes(progress.bytes),
    });
    if progress.bytes_per_second > 0 {
        parts.push(format!("{}/s", bytes(progress.bytes_per_second)));
    }
    if let Some(left) = left(progress) {
        parts.push(format!("{} left", duration(left, Lang::En)));
    }
    if matches!(job.kind.as_str(), "verify" | "collect" | "drain") {
        return parts.join(", ");
    }
    parts.push(match progress.files_total {
        Some(total) => format!("{} of {}", count(progress.files), show::files(total)),
        None => show::files(progress.files),
    });
    parts.join(", ")
}

/// Returns how long the rest takes at the rate of the last seconds; `None` while nobody can know.
fn left(progress: &ProgressView) -> Option<Duration> {
    let rest = progress.bytes_total?.checked_sub(progress.bytes)?;
    let seconds = rest.div_ceil(progress.bytes_per_second.max(1));
    (progress.bytes_per_second > 0 && rest > 0).then_some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid() {
        for has_total in [true, false] {
            for columns in [20, 40, 80] {
                ProgressBar::hidden().set_style(style(has_total, columns).0);
            }
        }
    }

    #[test]
    fn an_address_keeps_its_end_where_there_is_little_room() {
        let check = |columns, expected| assert_eq!(ending("vm:/srv/蔵/docs", columns), expected);
        check(15, "vm:/srv/蔵/docs");
        check(14, "…:/srv/蔵/docs");
        check(8, "…蔵/docs");
        check(7, "…/docs");
        check(0, "…s");
    }
}
