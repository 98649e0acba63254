//! Watches a front end from outside: when it took a frame, when it was done, and what a reader found meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use handstream::engine::{FrontEnd, PoseStore, Processed};
use handstream::frame::{Frame, Timestamp};

/// When the front end worked on a frame.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// The frame's number.
    pub sequence: u64,
    /// When it was taken up.
    pub taken: Instant,
    /// When its hands were there.
    pub done: Instant,
}

/// What is written while a run goes on.
#[derive(Default)]
pub struct Watch(Mutex<Vec<Work>>);

impl Watch {
    /// When the front end was done with a frame.
    pub fn done(&self, sequence: u64) -> Option<Instant> {
        self.work().iter().rev().find(|work| work.sequence == sequence).map(|work| work.done)
    }

    /// The work seen since the last call.
    pub fn take(&self) -> Vec<Work> {
        std::mem::take(&mut *self.work())
    }

    fn work(&self) -> MutexGuard<'_, Vec<Work>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A front end that is watched.
pub struct Watched {
    front_end: Box<dyn FrontEnd>,
    watch: Arc<Watch>,
}

impl Watched {
    /// Watches `front_end`.
    pub fn new(front_end: Box<dyn FrontEnd>, watch: Arc<Watch>) -> Self {
        Self { front_end, watch }
    }
}

impl FrontEnd for Watched {
    fn process(&mut self, frame: &Frame) -> Processed {
        let taken = Instant::now();
        let processed = self.front_end.process(frame);
        let work = Work { sequence: frame.sequence, taken, done: Instant::now() };
        self.watch.work().push(work);
        processed
    }

    fn behind(&mut self, frame: &Frame, next_waits: &dyn Fn() -> bool) {
        self.front_end.behind(frame, next_waits);
    }
}

/// A program that asks for the newest pose many times a second, as a game does.
pub struct Reader {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<Vec<f64>>>,
}

/// The golden ratio's fraction: its multiples spread evenly over 0..1, so that reads keep no fixed phase to
/// the frames.
const SPREAD: f64 = 0.618_033_988_749_895;

impl Reader {
    /// Reads the hands of this moment from `store` about `rate` times a second, once `zero` says when the time
    /// zero of the run's clock was.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(store: Arc<PoseStore>, zero: Arc<OnceLock<Instant>>, rate: f64) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let read = move || {
            let start = Instant::now();
            let mut ages = Vec::new();
            for tick in 0u64.. {
                let at = (tick as f64 + (tick as f64 * SPREAD).fract()) / rate;
                let left = (start + Duration::from_secs_f64(at)).saturating_duration_since(Instant::now());
                thread::sleep(left);
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let Some(zero) = zero.get() else { continue };
                let now = Timestamp(zero.elapsed().as_nanos() as i64);
                // What it says of the hands is not looked at here; asking costs what it costs.
                let _hands = store.pose_at(now);
                ages.extend(store.newest().map(|newest| now.since(newest).as_secs_f64() * 1e3));
            }
            ages
        };
        let thread = thread::Builder::new().name("reader".into()).spawn(read)?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends the reading; the age of the newest pose at each read, milliseconds.
    pub fn finish(mut self) -> Vec<f64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}
