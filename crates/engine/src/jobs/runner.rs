//! The threads that jobs run on.
//!
//! At most [`JOBS_RUNNING_MAX`] at a time, in the order they were asked for. A thread ends when nothing is left
//! to do. The runner does not know what a job is: it is given tasks, and keeps each one's [`Live`] findable
//! from the moment it was asked for until it is over.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use base::{JobId, limits::JOBS_RUNNING_MAX};

use super::{JobContext, Live};

/// What a job's thread does. It must not panic; one that does takes its thread with it, and the next
/// submission starts another.
pub(crate) type Task = Box<dyn FnOnce(&JobContext) + Send>;

/// Runs tasks.
#[derive(Default)]
pub(crate) struct Runner {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    idle: Condvar,
}

#[derive(Default)]
struct State {
    live: BTreeMap<JobId, Arc<Live>>,
    queue: VecDeque<(JobId, Task)>,
    threads: usize,
    stopping: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is in the queue, then ends.
    fn work(&self) {
        let mut place = Place(Some(self));
        while let Some((id, live, task)) = self.next(&mut place) {
            let _over = Over(self, id);
            task(&JobContext::new(live));
        }
    }

    /// Takes the next task. Where there is none the place is given back at once: whoever puts one into the queue afterwards
    /// sees that nobody comes for it.
    fn next(&self, place: &mut Place<'_>) -> Option<(JobId, Arc<Live>, Task)> {
        let mut state = self.lock();
        while let Some((id, task)) = state.queue.pop_front() {
            if let Some(live) = state.live.get(&id) {
                return Some((id, live.clone(), task));
            }
        }
        place.0 = None;
        state.threads -= 1;
        self.idle.notify_all();
        None
    }

    /// Gives back the place of a thread that could not be started. While there are others they come to all that waits.
    fn without_thread(&self, error: io::Error) -> Result<(), Stranded> {
        let mut state = self.lock();
        state.threads -= 1;
        if state.threads > 0 {
            tracing::warn!(%error, "a job waits for another one's thread");
            return Ok(());
        }
        let waiting: Vec<JobId> = state.queue.drain(..).map(|(id, _)| id).collect();
        let jobs = waiting.iter().filter_map(|id| state.live.remove(id));
        let jobs = jobs.collect();
        self.idle.notify_all();
        Err(Stranded { error, jobs })
    }
}

/// Jobs that nobody comes to.
pub(crate) struct Stranded {
    pub(crate) error: io::Error,
    pub(crate) jobs: Vec<Arc<Live>>,
}

/// A thread's place, given back however it ends.
struct Place<'a>(Option<&'a Shared>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.0 {
            shared.lock().threads -= 1;
            shared.idle.notify_all();
        }
    }
}

/// A job's place in the list, given back however it ends.
struct Over<'a>(&'a Shared, JobId);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.lock().live.remove(&self.1);
        self.0.idle.notify_all();
    }
}

impl Runner {
    /// Puts a task at the end of the queue. Once the runner is stopping the task is dropped: its job stays
    /// as it is written down, and is interrupted at the next opening.
    ///
    /// # Errors
    /// The system has no thread for it, and no other one will come to it, nor to what waited before it. All that is dropped.
    pub(crate) fn submit(&self, id: JobId, live: Arc<Live>, task: Task) -> Result<(), Stranded> {
        let mut state = self.shared.lock();
        if state.stopping {
            return Ok(());
        }
        state.live.insert(id, live);
        state.queue.push_back((id, task));
        if state.threads >= JOBS_RUNNING_MAX {
            return Ok(());
        }
        state.threads += 1;
        drop(state);
        let shared = self.shared.clone();
        let started = thread::Builder::new()
            .name("dozo-job".to_owned())
            .spawn(move || shared.work());
        match started {
            Ok(_) => Ok(()),
            Err(error) => self.shared.without_thread(error),
        }
    }

    /// Finds a job that is not over.
    pub(crate) fn find(&self, id: &JobId) -> Option<Arc<Live>> {
        self.shared.lock().live.get(id).cloned()
    }

    /// Returns the jobs that are not over.
    pub(crate) fn ids(&self) -> Vec<JobId> {
        self.shared.lock().live.keys().copied().collect()
    }

    /// Tells every job to stop and waits until they have.
    pub(crate) fn stop(&self) {
        let mut state = self.shared.lock();
        state.stopping = true;
        let live: Vec<_> = state.live.values().cloned().collect();
        drop(state);
        live.iter().for_each(|live| live.cancel());
        self.wait_idle();
    }

    /// Waits until no job is queued or running.
    pub(crate) fn wait_idle(&self) {
        let mut state = self.shared.lock();
        while state.threads > 0 {
            state = self
                .shared
                .idle
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{Cause, Job, JobKind, JobSpec};
    use crate::pool::VerifyOrder;

    #[test]
    fn of_jobs_that_wait_for_each_others_threads_none_is_forgotten() {
        let (env, _) = testkit::env(5);
        let runner = Runner::default();
        for _ in 0..2 {
            let what = (
                JobSpec::Verify {
                    order: VerifyOrder::default(),
                    rate: None,
                },
                Cause::Manual,
            );
            let job = Job::queued(&env, JobKind::Verify, None, what);
            let mut state = runner.shared.lock();
            state.threads += 1;
            state.queue.push_back((job.id, Box::new(|_| ())));
            let live = Live::new(job.clone(), env.clone(), None);
            state.live.insert(job.id, Arc::new(live));
        }
        let no_thread = || {
            runner
                .shared
                .without_thread(io::ErrorKind::WouldBlock.into())
        };
        assert!(no_thread().is_ok(), "the other one is just being started");
        let stranded = no_thread().err().unwrap();
        assert_eq!(stranded.jobs.len(), 2);
        assert_eq!(runner.ids(), []);
        runner.wait_idle();
    }
}
