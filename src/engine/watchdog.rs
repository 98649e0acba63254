//! How long workers may take, and what the last words of a panic were.

use std::any::Any;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long each worker may go without a sign of life before it is left behind, and how often it is replaced.
///
/// A thread cannot be ended from outside: one that hangs is left behind, keeps what memory it holds, and ends by
/// itself if it ever comes back; nothing that it says then is heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Watchdog {
    /// Longest time for one frame; 10 s by default. `None` waits for ever.
    pub front_end: Option<Duration>,
    /// Longest time in which a source gives neither a frame nor an error; 5 s by default.
    pub capture: Option<Duration>,
    /// Longest time for odometry to take one frame; 60 s by default: it runs where a core is free, and on a full machine
    /// that takes its time.
    pub odometry: Option<Duration>,
    /// Longest time for one chunk; 120 s by default.
    pub refinement: Option<Duration>,
    /// Times that a worker is replaced without having done anything of use between; 3 by default.
    pub most_restarts: u32,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self {
            front_end: Some(Duration::from_secs(10)),
            capture: Some(Duration::from_secs(5)),
            odometry: Some(Duration::from_secs(60)),
            refinement: Some(Duration::from_secs(120)),
            most_restarts: 3,
        }
    }
}

impl Watchdog {
    /// The same time for every worker.
    pub fn every(limit: Option<Duration>) -> Self {
        Self { front_end: limit, capture: limit, odometry: limit, refinement: limit, ..Self::default() }
    }
}

/// Who of several workers, one after the other, is at work on what, and since when.
#[derive(Default)]
pub(super) struct AtWork(Mutex<State>);

#[derive(Default)]
struct State {
    /// Number of the worker that counts.
    current: u64,
    /// What it is at: a frame's or chunk's number.
    task: Option<(u64, Instant)>,
}

impl AtWork {
    /// The worker says that it begins with a task; false where it has been replaced.
    pub fn begin(&self, worker: u64, task: u64) -> bool {
        let mut state = self.lock();
        let counts = state.current == worker;
        if counts {
            state.task = Some((task, Instant::now()));
        }
        counts
    }

    /// The worker says that it is through; false where it has been replaced meanwhile and nothing it has made
    /// counts.
    pub fn end(&self, worker: u64) -> bool {
        let mut state = self.lock();
        let counts = state.current == worker;
        if counts {
            state.task = None;
        }
        counts
    }

    /// Where the worker has been at its task for longer than `limit`: replaces it. The new worker's number, the
    /// task, and how long it took.
    pub fn replace_overdue(&self, limit: Option<Duration>) -> Option<(u64, u64, Duration)> {
        let mut state = self.lock();
        let (task, since) = state.task?;
        let took = since.elapsed();
        if took <= limit? {
            return None;
        }
        state.current += 1;
        state.task = None;
        Some((state.current, task, took))
    }

    /// Whether the worker is at a task.
    pub fn is_busy(&self) -> bool {
        self.lock().task.is_some()
    }

    /// Replaces the worker, which has ended; the new one's number, and what the old one was at.
    pub fn replace(&self) -> (u64, Option<u64>) {
        let mut state = self.lock();
        state.current += 1;
        (state.current, state.task.take().map(|(task, _)| task))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a panic said.
pub(super) fn last_words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
    words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_too_long_is_replaced_and_not_heard_any_more() {
        let at_work = AtWork::default();
        assert!(at_work.begin(0, 7) && at_work.replace_overdue(None).is_none());
        std::thread::sleep(Duration::from_millis(5));
        let replaced = at_work.replace_overdue(Some(Duration::from_millis(1)));
        assert!(matches!(replaced, Some((1, 7, _))), "{replaced:?}");
        assert!(!at_work.end(0) && !at_work.begin(0, 8));
        assert!(at_work.begin(1, 8) && at_work.end(1));
    }
}
