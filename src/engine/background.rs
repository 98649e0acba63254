//! A thread for work that nobody waits for, such as bundle adjustment.

use std::thread::{self, JoinHandle};

use crossbeam::channel::{Sender, unbounded};

use super::priority::yield_to_others;
use crate::jobs::Background;

/// One piece of work.
type Work = Box<dyn FnOnce() + Send>;

/// Does the work it is given on a thread of its own, in order, where a core is free. Dropped, it finishes what was begun or
/// waits.
pub struct BackgroundThread {
    give: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl BackgroundThread {
    /// Starts the thread, under a name that debuggers and profilers show.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn spawn(name: &str) -> std::io::Result<Self> {
        let (give, work) = unbounded::<Work>();
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            yield_to_others();
            work.iter().for_each(|work| work());
        })?;
        Ok(Self { give: Some(give), thread: Some(thread) })
    }
}

impl Background for BackgroundThread {
    fn start(&mut self, work: Work) {
        if let Some(give) = &self.give {
            // After a panic of earlier work there is nobody left to do it; nobody waits for it either.
            let _ = give.send(work);
        }
    }
}

impl Drop for BackgroundThread {
    fn drop(&mut self) {
        self.give = None;
        if let Some(thread) = self.thread.take() {
            // What the panic of a piece of work said is on the screen already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn work_is_done_elsewhere_in_order_and_to_the_end() {
        let done = Arc::new(AtomicUsize::new(0));
        let mut background = BackgroundThread::spawn("test").unwrap();
        let given = Instant::now();
        for number in 0..5 {
            let done = done.clone();
            background.start(Box::new(move || {
                thread::sleep(Duration::from_millis(20));
                assert_eq!(done.fetch_add(1, Ordering::Relaxed), number);
            }));
        }
        assert!(given.elapsed() < Duration::from_millis(50), "the giver does not wait");
        drop(background);
        assert_eq!(done.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn work_that_panics_takes_nobody_with_it() {
        let mut background = BackgroundThread::spawn("test").unwrap();
        background.start(Box::new(|| panic!("as a bug would")));
        thread::sleep(Duration::from_millis(20));
        background.start(Box::new(|| ()));
    }
}
