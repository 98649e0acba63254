//! The capture thread: drains a source so that the front end always finds the frame it wants.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, unbounded};
use crossbeam::queue::ArrayQueue;

use super::gate::{Gate, Verdict};
use super::supply::Supply;
use super::watchdog::{Watchdog, last_words};
use crate::event::{Recovery, Trouble, Worker, WorkerFailure};
use crate::frame::{Frame, Timestamp};
use crate::source::{Source, SourceError};

/// Frames decoded ahead of the front end when every frame counts.
const READ_AHEAD: usize = 4;
/// Frames on their way whose memory is awaited back.
const MOST_LENT: usize = 8;
/// A source that fails this often in a row is given up.
const FAILURES_IN_A_ROW: usize = 10;
/// Time between two looks at the thread while it gives nothing.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the thread may take to end.
const PATIENCE: Duration = Duration::from_secs(2);

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
pub(super) struct Captured {
    /// The picture.
    pub frame: Arc<Frame>,
    /// When it was captured, by the source's clock; by its due time where a file is paced like a camera;
    /// else when the source handed it over.
    pub captured: Instant,
}

/// What came instead of a frame.
pub(super) enum Note {
    /// The source failed; it may be asked on.
    Error(SourceError),
    /// The frame, its time, or the thread itself is in trouble.
    Trouble(Trouble),
}

/// A source being read by a thread of its own.
pub(super) struct Capture {
    feed: Feed,
    shared: Arc<Shared>,
    delivery: Delivery,
    supply: Supply<Box<dyn Source>>,
    watchdog: Watchdog,
    /// Restarts since the last frame.
    restarts: u32,
    /// The thread is known to hang and is waited for.
    waiting: bool,
    thread: Option<JoinHandle<()>>,
}

/// What threads that read the same source, one after the other, share.
struct Shared {
    dropped: AtomicU64,
    stop: Arc<AtomicBool>,
    reading: Mutex<Reading>,
}

/// Where the reading stands.
#[derive(Default)]
struct Reading {
    /// Since when the thread waits for the source; `None` while it does not.
    since: Option<Instant>,
    /// Number and capture time of the newest frame, and when it came.
    newest: Option<(u64, Timestamp, Instant)>,
}

impl Shared {
    fn reading(&self) -> std::sync::MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Feed {
    Every(Receiver<Result<Captured, Note>>),
    Newest { slot: Arc<ArrayQueue<Captured>>, wake: Receiver<()>, notes: Receiver<Note> },
}

/// The capture thread's end of a [`Feed`].
enum Outlet {
    Every(Sender<Result<Captured, Note>>),
    Newest { slot: Arc<ArrayQueue<Captured>>, wake: Sender<()>, notes: Sender<Note> },
}

impl Capture {
    /// Starts reading the source; `stop` ends it early. A live source that panics or hangs is replaced where
    /// there is another.
    pub fn start(
        mut supply: Supply<Box<dyn Source>>,
        delivery: Delivery,
        watchdog: Watchdog,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let shared = Arc::new(Shared { dropped: AtomicU64::new(0), stop, reading: Mutex::default() });
        let (feed, outlet) = connect(delivery);
        let thread =
            supply.next().and_then(Result::ok).map(|source| spawn(source, outlet, delivery, &shared));
        Self { feed, shared, delivery, supply, watchdog, restarts: 0, waiting: false, thread }
    }

    /// The next frame to work on; waits for it. `None` after the last one, or when the run is stopped.
    ///
    /// # Errors
    /// What came instead; it may be asked on.
    pub fn next_frame(&mut self) -> Option<Result<Captured, Note>> {
        loop {
            match self.feed.next() {
                Ok(Ok(captured)) => {
                    (self.restarts, self.waiting) = (0, false);
                    return Some(Ok(captured));
                }
                Ok(Err(note)) => return Some(Err(note)),
                Err(RecvTimeoutError::Disconnected) => {
                    let Err(panic) = self.thread.take()?.join() else { return None };
                    let failure = WorkerFailure::Panicked(last_words(&*panic));
                    return Some(Err(Note::Trouble(self.replace(failure))));
                }
                Err(RecvTimeoutError::Timeout) => {
                    if self.shared.stop.load(Ordering::Relaxed) {
                        return None;
                    }
                    if let Some(trouble) = self.look() {
                        return Some(Err(Note::Trouble(trouble)));
                    }
                }
            }
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
        self.shared.dropped.swap(0, Ordering::Relaxed)
    }

    /// Ends the capture; what went wrong with its thread.
    pub fn finish(mut self) -> Option<Trouble> {
        self.shared.stop.store(true, Ordering::Relaxed);
        // A thread waiting to hand over a frame is released by the closed channel.
        self.feed = Feed::Every(bounded(0).1);
        let thread = self.thread.take()?;
        let asked = Instant::now();
        while !thread.is_finished() && asked.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        let failure = match thread.is_finished() {
            true => WorkerFailure::Panicked(last_words(&*thread.join().err()?)),
            false => WorkerFailure::Hung(asked.elapsed()),
        };
        Some(trouble(failure, Recovery::Gone))
    }

    /// What there is to say of a thread that gives nothing.
    fn look(&mut self) -> Option<Trouble> {
        let silent = self.shared.reading().since?.elapsed();
        if self.waiting || silent <= self.watchdog.capture? {
            return None;
        }
        Some(self.replace(WorkerFailure::Hung(silent)))
    }

    /// Starts another thread where a live source can be had again.
    fn replace(&mut self, failure: WorkerFailure) -> Trouble {
        let hangs = matches!(failure, WorkerFailure::Hung(_));
        let live = self.delivery == Delivery::Newest { paced: false };
        let again = live && self.restarts < self.watchdog.most_restarts && self.supply.has_next();
        if let Some(Ok(source)) = again.then(|| self.supply.next()).flatten() {
            self.restarts += 1;
            let (feed, outlet) = connect(self.delivery);
            // A thread that is left behind finds its old channel closed.
            self.feed = feed;
            self.thread = Some(spawn(source, outlet, self.delivery, &self.shared));
            return trouble(failure, Recovery::Restarted);
        }
        self.waiting = hangs;
        trouble(failure, if hangs { Recovery::WaitedFor } else { Recovery::Gone })
    }
}

fn trouble(failure: WorkerFailure, recovery: Recovery) -> Trouble {
    Trouble::Worker { worker: Worker::Capture, failure, sequence: None, recovery }
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
            let (note_sender, notes) = unbounded();
            let outlet = Outlet::Newest { slot: slot.clone(), wake: wake_sender, notes: note_sender };
            (Feed::Newest { slot, wake, notes }, outlet)
        }
    }
}

impl Feed {
    /// The next frame or note; waits for it a while.
    fn next(&self) -> Result<Result<Captured, Note>, RecvTimeoutError> {
        match self {
            Feed::Every(frames) => frames.recv_timeout(LOOK_EVERY),
            Feed::Newest { slot, wake, notes } => loop {
                let waiting = || notes.try_recv().map(Err).ok().or_else(|| slot.pop().map(Ok));
                if let Some(next) = waiting() {
                    return Ok(next);
                }
                if let Err(end) = wake.recv_timeout(LOOK_EVERY) {
                    // The source may have ended between the two looks; its last words still lie here.
                    return waiting().ok_or(end);
                }
            },
        }
    }
}

fn spawn(
    mut source: Box<dyn Source>,
    outlet: Outlet,
    delivery: Delivery,
    shared: &Arc<Shared>,
) -> JoinHandle<()> {
    let shared = shared.clone();
    shared.reading().since = Some(Instant::now());
    thread::spawn(move || {
        let info = source.info();
        let gate = Gate::new(info.size, info.fps, info.live);
        let pace = (delivery == Delivery::Newest { paced: true }).then(Pace::default);
        let before = shared.reading().newest;
        let lent = VecDeque::with_capacity(MOST_LENT);
        Drain { gate, pace, before, offset: None, lent, outlet, shared }.run(&mut *source);
    })
}

/// What the capture thread works with.
struct Drain {
    gate: Gate,
    pace: Option<Pace>,
    /// Where the source before this one ended.
    before: Option<(u64, Timestamp, Instant)>,
    /// What is added to numbers and times, so that they go on from there.
    offset: Option<(u64, i64)>,
    /// The newest frames, which others may still hold.
    lent: VecDeque<Arc<Frame>>,
    outlet: Outlet,
    shared: Arc<Shared>,
}

impl Drain {
    fn run(mut self, source: &mut dyn Source) {
        let (mut failures, mut told) = (0, None);
        while !self.shared.stop.load(Ordering::Relaxed) && failures < FAILURES_IN_A_ROW {
            self.bring_back(source);
            self.shared.reading().since = Some(Instant::now());
            let next = source.next_frame();
            self.shared.reading().since = None;
            let delivered = match next {
                Ok(None) => return,
                Ok(Some(frame)) => {
                    (failures, told) = (0, None);
                    let now = source.clock();
                    self.frame(frame, now)
                }
                Err(error) => {
                    self.gate.excuse();
                    // What goes on by itself is said when it begins.
                    let sentence = error.passes().then(|| error.to_string());
                    failures = if error.passes() { 0 } else { failures + 1 };
                    sentence.is_some() && sentence == told || {
                        told = sentence;
                        self.outlet.note(Note::Error(error))
                    }
                }
            };
            if !delivered {
                return;
            }
        }
    }

    /// Hands a frame over; false when nobody listens any more.
    fn frame(&mut self, mut frame: Frame, now: Option<Timestamp>) -> bool {
        let age = now.map(|now| now.since(frame.timestamp));
        self.go_on(&mut frame, age.unwrap_or_default());
        let Verdict { passes, trouble } = self.gate.see(&frame, age);
        if trouble.is_some_and(|trouble| !self.outlet.note(Note::Trouble(trouble))) {
            return false;
        }
        if !passes {
            return true;
        }
        let handed_over = Instant::now();
        let captured = match (&mut self.pace, age) {
            (Some(pace), _) => pace.wait_for(frame.timestamp).max(handed_over),
            (None, Some(age)) => handed_over.checked_sub(age).unwrap_or(handed_over),
            (None, None) => handed_over,
        };
        if let Some((sequence, timestamp)) = self.gate.newest() {
            self.shared.reading().newest = Some((sequence, timestamp, captured));
        }
        let frame = Arc::new(frame);
        self.lent.push_back(frame.clone());
        self.outlet.frame(Captured { frame, captured }, &self.shared.dropped)
    }

    /// Gives the memory of frames that nobody holds any more back to the source: taking and freeing megabytes for each
    /// frame tears holes into the heap, which grows for it.
    fn bring_back(&mut self, source: &mut dyn Source) {
        while let Some(at) = self.lent.iter().position(|frame| Arc::strong_count(frame) == 1) {
            let frame = self.lent.remove(at).and_then(Arc::into_inner);
            frame.into_iter().for_each(|frame| source.take_back(frame.pixels));
        }
        // Frames that others keep are theirs.
        while self.lent.len() > MOST_LENT {
            self.lent.pop_front();
        }
    }

    /// Lets numbers and times go on from where an earlier source ended.
    fn go_on(&mut self, frame: &mut Frame, age: Duration) {
        let Some((sequence, timestamp, captured)) = self.before else { return };
        let (number, time) = *self.offset.get_or_insert_with(|| {
            let since = captured.elapsed().saturating_sub(age).as_nanos() as i64;
            let time = timestamp.0.saturating_add(since.max(1)).saturating_sub(frame.timestamp.0);
            ((sequence + 1).saturating_sub(frame.sequence), time)
        });
        frame.sequence += number;
        frame.timestamp.0 = frame.timestamp.0.saturating_add(time);
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

    fn note(&self, note: Note) -> bool {
        match self {
            Outlet::Every(frames) => frames.send(Err(note)).is_ok(),
            Outlet::Newest { wake, notes, .. } => notes.send(note).is_ok() && self.wake(wake),
        }
    }

    fn wake(&self, wake: &Sender<()>) -> bool {
        // A full channel means that the listener has not yet looked: it will find the newest.
        !matches!(wake.try_send(()), Err(TrySendError::Disconnected(())))
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
