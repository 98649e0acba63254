//! The front end's own threads, apart from every other pool, so that it never queues behind others.

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use super::priority::run_first;
use crate::jobs::{Job, Jobs};

/// Threads beside the front end's own: two networks run side by side, those of both hands, or a
/// hand's and the palm detector.
const HELPERS: usize = 1;

/// The front end's thread and its helpers.
pub struct Workers {
    pool: ThreadPool,
}

impl Workers {
    /// Starts the helpers that small networks need.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start() -> Result<Self, ThreadPoolBuildError> {
        Self::with_helpers(HELPERS)
    }

    /// Starts a helper for every other core, for a network that keeps them all busy.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_all() -> Result<Self, ThreadPoolBuildError> {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Self::with_helpers(cores.saturating_sub(1).max(HELPERS))
    }

    /// Gives the calling thread and each helper a core of their own, as far as there are cores, and lets them run
    /// before other programs.
    ///
    /// # Errors
    /// What the system refused, in words.
    pub fn run_first(&self) -> Result<(), String> {
        let helpers = self.pool.broadcast(|helper| run_first(helper.index() + 1));
        run_first(0).and(helpers.into_iter().collect())
    }

    fn with_helpers(helpers: usize) -> Result<Self, ThreadPoolBuildError> {
        let name = |index| format!("front-end-{index}");
        Ok(Self { pool: ThreadPoolBuilder::new().num_threads(helpers).thread_name(name).build()? })
    }
}

impl Jobs for Workers {
    fn run(&self, jobs: Vec<Job<'_>>) {
        let mut jobs = jobs.into_iter();
        let Some(longest) = jobs.next() else { return };
        self.pool.in_place_scope_fifo(|scope| {
            for job in jobs {
                scope.spawn_fifo(move |_| job());
            }
            longest();
        });
    }

    fn at_once(&self) -> usize {
        self.pool.current_num_threads() + 1
    }
}
