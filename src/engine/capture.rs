//! The capture thread: drains a source so that the front end always finds the frame it wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use crossbeam::queue::ArrayQueue;

use crate::frame::{Frame, Timestamp};
use crate::source::{Source, SourceError};

/// Frames decoded ahead of the front end when every frame counts.
const READ_AHEAD: usize = 4;
/// A source that fails this often in a row is given up.
const FAILURES_IN_A_ROW: usize = 10;

/// Which frames of the source the front end gets to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Every frame, as fast as it is asked for.
    Every,
    /// The newest; what the front end had no time for is counted as dropped.
    Newest {
        /// Hold frames back to their capture times, so that a file behaves like a camera.
        paced: bool,
    },
}

/// A frame and the moment it was captured.
pub struct Captured {
    /// The picture.
    pub frame: Frame,
    /// When it was captured, by the source's clock; by its due time where a file is paced like a camera;
    /// else when the source handed it over.
    pub captured: Instant,
}

/// A source being read by a thread of its own.
pub struct Capture {
    feed: Feed,
    dropped: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

enum Feed {
    Every(Receiver<Result<Captured, SourceError>>),
    Newest { slot: Arc<ArrayQueue<Captured>>, wake: Receiver<()>, errors: Receiver<SourceError> },
}

/// The capture thread's end of a [`Feed`].
enum Outlet {
    Every(Sender<Result<Captured, SourceError>>),
    Newest { slot: Arc<ArrayQueue<Captured>>, wake: Sender<()>, errors: Sender<SourceError> },
}

impl Capture {
    /// Starts reading `source`; `stop` ends it early.
    pub fn start(mut source: Box<dyn Source>, delivery: Delivery, stop: Arc<AtomicBool>) -> Self {
        let (feed, outlet) = connect(delivery);
        let dropped = Arc::new(AtomicU64::new(0));
        let paced = delivery == Delivery::Newest { paced: true };
        let thread = thread::spawn({
            let (dropped, stop) = (dropped.clone(), stop.clone());
            move || drain(&mut *source, &outlet, paced, &dropped, &stop)
        });
        Self { feed, dropped, stop, thread: Some(thread) }
    }

    /// The next frame to work on; waits for it. `None` after the last one.
    ///
    /// # Errors
    /// What the source failed with; it may be asked on.
    pub fn next_frame(&mut self) -> Option<Result<Captured, SourceError>> {
        match &self.feed {
            Feed::Every(frames) => frames.recv().ok(),
            Feed::Newest { slot, wake, errors } => loop {
                if let Ok(error) = errors.try_recv() {
                    return Some(Err(error));
                }
                if let Some(captured) = slot.pop() {
                    return Some(Ok(captured));
                }
                if wake.recv().is_err() {
                    // The source has ended; its last words may still lie here.
                    return errors.try_recv().map(Err).ok().or_else(|| slot.pop().map(Ok));
                }
            },
        }
    }

    /// Whether a frame waits that is newer than the last one taken. Never where every frame is delivered: there
    /// nobody is in a hurry.
    pub fn frame_waits(&self) -> bool {
        match &self.feed {
            Feed::Every(_) => false,
            Feed::Newest { slot, .. } => !slot.is_empty(),
        }
    }

    /// Frames dropped since this was last asked.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    /// Ends the capture and says whether its thread ended in good order.
    pub fn finish(mut self) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        // A thread waiting to hand over a frame is released by the closed channel.
        self.feed = Feed::Every(bounded(0).1);
        self.thread.take().is_none_or(|thread| thread.join().is_ok())
    }
}

fn connect(delivery: Delivery) -> (Feed, Outlet) {
    match delivery {
        Delivery::Every => {
            let (sender, receiver) = bounded(READ_AHEAD);
            (Feed::Every(receiver), Outlet::Every(sender))
        }
        Delivery::Newest { .. } => {
            let slot = Arc::new(ArrayQueue::new(1));
            let (wake_sender, wake) = bounded(1);
            let (error_sender, errors) = unbounded();
            let outlet = Outlet::Newest { slot: slot.clone(), wake: wake_sender, errors: error_sender };
            (Feed::Newest { slot, wake, errors }, outlet)
        }
    }
}

fn drain(source: &mut dyn Source, outlet: &Outlet, paced: bool, dropped: &AtomicU64, stop: &AtomicBool) {
    let mut pace = paced.then(Pace::default);
    let (mut failures, mut told) = (0, None);
    while !stop.load(Ordering::Relaxed) && failures < FAILURES_IN_A_ROW {
        let delivered = match source.next_frame() {
            Ok(None) => return,
            Ok(Some(frame)) => {
                (failures, told) = (0, None);
                let handed_over = Instant::now();
                let captured = match (&mut pace, source.clock()) {
                    (Some(pace), _) => pace.wait_for(frame.timestamp).max(handed_over),
                    (None, Some(now)) => {
                        handed_over.checked_sub(now.since(frame.timestamp)).unwrap_or(handed_over)
                    }
                    (None, None) => handed_over,
                };
                outlet.frame(Captured { frame, captured }, dropped)
            }
            Err(error) => {
                // What goes on by itself is said when it begins.
                let sentence = error.passes().then(|| error.to_string());
                failures = if error.passes() { 0 } else { failures + 1 };
                sentence.is_some() && sentence == told || {
                    told = sentence;
                    outlet.error(error)
                }
            }
        };
        if !delivered {
            return;
        }
    }
}

impl Outlet {
    /// Hands a frame over; false when nobody listens any more.
    fn frame(&self, captured: Captured, dropped: &AtomicU64) -> bool {
        match self {
            Outlet::Every(frames) => frames.send(Ok(captured)).is_ok(),
            Outlet::Newest { slot, wake, .. } => {
                if slot.force_push(captured).is_some() {
                    dropped.fetch_add(1, Ordering::Relaxed);
                }
                self.wake(wake)
            }
        }
    }

    fn error(&self, error: SourceError) -> bool {
        match self {
            Outlet::Every(frames) => frames.send(Err(error)).is_ok(),
            Outlet::Newest { wake, errors, .. } => errors.send(error).is_ok() && self.wake(wake),
        }
    }

    fn wake(&self, wake: &Sender<()>) -> bool {
        // A full channel means that the listener has not yet looked: it will find the newest.
        !matches!(wake.try_send(()), Err(crossbeam::channel::TrySendError::Disconnected(())))
    }
}

/// Holds frames of a file back to their capture times.
#[derive(Default)]
struct Pace {
    start: Option<(Instant, Timestamp)>,
}

impl Pace {
    /// Returns the moment waited for, which may lie back.
    fn wait_for(&mut self, timestamp: Timestamp) -> Instant {
        let (start, first) = *self.start.get_or_insert_with(|| (Instant::now(), timestamp));
        let due = start + timestamp.since(first);
        let left = due.saturating_duration_since(Instant::now());
        if left > Duration::ZERO {
            thread::sleep(left);
        }
        due
    }
}
