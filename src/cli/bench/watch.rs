//! Watches a front end from outside: when it took a frame, when it was done, and what a reader found meanwhile.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use handstream::engine::{FrontEnd, Processed};
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
pub struct Watch {
    origin: Instant,
    work: Mutex<Vec<Work>>,
    /// Nanoseconds after `origin` at which the newest posed frame was due; negative before the first.
    newest: AtomicI64,
}

impl Watch {
    /// A watch that begins now.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { origin: Instant::now(), work: Mutex::default(), newest: AtomicI64::new(-1) })
    }

    /// The work seen since the last call.
    pub fn take(&self) -> Vec<Work> {
        std::mem::take(&mut *self.work.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A front end that is watched.
pub struct Watched<'a> {
    front_end: &'a mut dyn FrontEnd,
    watch: Arc<Watch>,
    /// When the frame of time zero was due: learnt from the first frame.
    start: Option<(Instant, Timestamp)>,
}

impl<'a> Watched<'a> {
    /// Watches `front_end`.
    pub fn new(front_end: &'a mut dyn FrontEnd, watch: Arc<Watch>) -> Self {
        Self { front_end, watch, start: None }
    }
}

impl FrontEnd for Watched<'_> {
    fn process(&mut self, frame: &Frame) -> Processed {
        let taken = Instant::now();
        let processed = self.front_end.process(frame);
        let done = Instant::now();
        let (start, first) = *self.start.get_or_insert((taken, frame.timestamp));
        let due = start + frame.timestamp.since(first);
        let after = due.saturating_duration_since(self.watch.origin).as_nanos();
        self.watch.newest.store(after as i64, Ordering::Release);
        let work = Work { sequence: frame.sequence, taken, done };
        self.watch.work.lock().unwrap_or_else(PoisonError::into_inner).push(work);
        processed
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
    /// Reads `watch` about `rate` times a second.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(watch: Arc<Watch>, rate: f64) -> std::io::Result<Self> {
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
                let newest = watch.newest.load(Ordering::Acquire);
                if newest >= 0 {
                    let now = watch.origin.elapsed().as_nanos() as i64;
                    ages.push((now - newest) as f64 * 1e-6);
                }
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
