//! How rooms below the engine ask for work to be done side by side without knowing a thread.

use std::sync::atomic::{AtomicUsize, Ordering};

/// One piece of work; it may borrow from the caller.
pub type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Runs pieces of work, side by side where it can.
pub trait Jobs: Sync {
    /// Runs every job once and returns after the last has ended. The longest job comes first.
    fn run(&self, jobs: Vec<Job<'_>>);

    /// How many jobs it can run at the same time: as many as it pays to ask for.
    fn at_once(&self) -> usize {
        1
    }
}

/// Calls `work` once with each number below `units`, in as many jobs as `workers`, each of which takes the
/// next number when it is done with one. A worker is what a job needs for itself.
pub fn share<W: Send>(
    jobs: &dyn Jobs,
    workers: &mut [W],
    units: usize,
    work: &(dyn Fn(&mut W, usize) + Sync),
) {
    let next = &AtomicUsize::new(0);
    let job = |worker: &'_ mut W| {
        while let Some(unit) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&unit| unit < units) {
            work(worker, unit);
        }
    };
    let job = &job;
    jobs.run(workers.iter_mut().take(units).map(|worker| Box::new(move || job(worker)) as Job<'_>).collect());
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

/// Takes work that nobody waits for.
pub trait Background: Send {
    /// Begins the work on another thread, soon, and returns at once.
    fn start(&mut self, work: Box<dyn FnOnce() + Send>);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_work_is_done_once_whoever_does_it() {
        let done: Vec<AtomicUsize> = (0..10).map(|_| AtomicUsize::new(0)).collect();
        let mut counts = [0; 3];
        share(&InOrder, &mut counts, done.len(), &|count, unit| {
            *count += 1;
            done[unit].fetch_add(1, Ordering::Relaxed);
        });
        assert!(done.iter().all(|done| done.load(Ordering::Relaxed) == 1));
        assert_eq!(counts.iter().sum::<usize>(), done.len());
    }
}
