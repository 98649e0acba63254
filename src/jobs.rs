//! How rooms below the engine ask for work to be done side by side without knowing a thread.

/// One piece of work; it may borrow from the caller.
pub type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Runs pieces of work, side by side where it can.
pub trait Jobs: Sync {
    /// Runs every job once and returns after the last has ended. The longest job comes first.
    fn run(&self, jobs: Vec<Job<'_>>);
}

/// Runs the jobs one after the other on the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct InOrder;

impl Jobs for InOrder {
    fn run(&self, jobs: Vec<Job<'_>>) {
        for job in jobs {
            job();
        }
    }
}
