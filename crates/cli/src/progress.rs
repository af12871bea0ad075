//! Follows jobs until they are over, and shows how they go: bars on a terminal, a calm line each 30 seconds otherwise.

use std::io::Write;
use std::time::Duration;

use api::view::{JobState, JobView, ProgressView};
use api::{Operations, Problem};
use base::Lang;
use base::units::{bytes, count, duration};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::show;
use crate::world::World;

/// How often a job is looked at, first and at most: short jobs end at once, long ones are not disturbed.
const LOOK_MS: (u64, u64) = (5, 200);
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
    let mut pause_ms = LOOK_MS.0;
    let mut cancelled = false;
    while jobs.iter().any(|job| !job.state.is_over()) {
        let pause = Duration::from_millis(pause_ms);
        pause_ms = (pause_ms * 2).min(LOOK_MS.1);
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
                bar.set_prefix(job.source.clone().unwrap_or_default());
                bar.set_style(style(false));
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

fn style(has_total: bool) -> ProgressStyle {
    let template = if has_total {
        "{prefix}  [{bar:24}] {percent:>3} %  {msg}"
    } else {
        "{prefix}  {spinner} {msg}"
    };
    ProgressStyle::with_template(template)
        .expect("the template is a constant that a test draws")
        .progress_chars("=> ")
}

fn draw(bar: &ProgressBar, job: &JobView) {
    if job.state.is_over() {
        bar.finish_and_clear();
        return;
    }
    match job.progress.bytes_total {
        Some(total) if total > 0 => {
            bar.set_style(style(true));
            bar.set_length(total);
            bar.set_position(job.progress.bytes.min(total));
        }
        _ => bar.tick(),
    }
    bar.set_message(describe(job));
}

/// Returns how far a job is, how fast it goes and how long it will take: `transfer, 1,234 of 5,678 files, 1.20 GiB of
/// 4.00 GiB, 87.0 MiB/s, 33 s left`.
pub fn describe(job: &JobView) -> String {
    let progress = &job.progress;
    let mut parts = vec![
        match progress.files_total {
            Some(total) => format!("{} of {}", count(progress.files), show::files(total)),
            None => show::files(progress.files),
        },
        match progress.bytes_total {
            Some(total) => format!("{} of {}", bytes(progress.bytes), bytes(total)),
            None => bytes(progress.bytes),
        },
    ];
    if !progress.step.is_empty() {
        parts.insert(0, progress.step.clone());
    }
    if progress.bytes_per_second > 0 {
        parts.push(format!("{}/s", bytes(progress.bytes_per_second)));
    }
    if let Some(left) = left(progress) {
        parts.push(format!("{} left", duration(left, Lang::En)));
    }
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
            let bar = ProgressBar::hidden();
            bar.set_style(style(has_total));
        }
    }
}
