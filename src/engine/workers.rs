//! The front end's own threads, apart from every other pool, so that it never queues behind others.

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::jobs::{Job, Jobs};

/// Threads beside the front end's own: two networks run side by side, those of both hands, or a
/// hand's and the palm detector.
const HELPERS: usize = 1;

/// The front end's thread and its helpers.
pub struct Workers {
    pool: ThreadPool,
}

impl Workers {
    /// Starts the helpers.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start() -> Result<Self, ThreadPoolBuildError> {
        let name = |index| format!("front-end-{index}");
        Ok(Self { pool: ThreadPoolBuilder::new().num_threads(HELPERS).thread_name(name).build()? })
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
        HELPERS + 1
    }
}
