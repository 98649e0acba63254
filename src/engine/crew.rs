//! The front-end thread, and the next one when it fails.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};

use super::capture::{Capture, Captured, Delivery, Note};
use super::exchange::Exchanged;
use super::held_back::HeldBack;
use super::run::{FrontEnd, Processed};
use super::supply::Supply;
use super::watchdog::{AtWork, Watchdog, last_words};
use crate::event::{Event, FrameHands, Recovery, Trouble, Worker, WorkerFailure};
use crate::frame::Frame;

/// Frames under way to the listener. Offline the front end waits for it, live it never does.
const FRAMES_UNDER_WAY: usize = 16;
/// Room for what is not a frame: a listener that is slow for a while misses frames, but no troubles.
const NOTES_UNDER_WAY: usize = 1024;

/// What the front-end thread sends to the listener's.
pub(super) enum Message {
    /// Something happened.
    Event(Event),
    /// No more will come.
    Ended {
        /// Whether somebody asked the run to end.
        stopped: bool,
    },
}

/// The front-end thread of a run. Nobody waits for one that hangs.
pub(super) struct Crew {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Replacements since the last frame that went well.
    restarts_at: (u32, u64),
}

/// What front-end threads, one after the other, share.
struct Shared {
    capture: Mutex<Option<Capture>>,
    supply: Mutex<Supply<Box<dyn FrontEnd>>>,
    at_work: AtWork,
    post: Post,
    delivery: Delivery,
    stop: Arc<AtomicBool>,
    watchdog: Watchdog,
    /// Longest time for one frame of the front end that is at work.
    patience: Mutex<Option<Duration>>,
    /// Frames that went well.
    done: AtomicU64,
    /// One more than the highest track number given out.
    next_track: AtomicU32,
}

/// A front end at work, and its frames that wait to be told.
struct AtHand {
    front_end: Box<dyn FrontEnd>,
    held: HeldBack,
}

impl Crew {
    /// Starts the thread; what it says comes out of the channel.
    pub fn start(
        capture: Capture,
        supply: Supply<Box<dyn FrontEnd>>,
        delivery: Delivery,
        watchdog: Watchdog,
        stop: Arc<AtomicBool>,
    ) -> (Self, Receiver<Message>) {
        let (messages, inbox) = bounded(FRAMES_UNDER_WAY + NOTES_UNDER_WAY);
        let shared = Arc::new(Shared {
            capture: Mutex::new(Some(capture)),
            supply: Mutex::new(supply),
            at_work: AtWork::default(),
            post: Post { messages, live: delivery != Delivery::Every, unseen: AtomicU64::new(0) },
            delivery,
            stop,
            patience: Mutex::new(watchdog.front_end),
            watchdog,
            done: AtomicU64::new(0),
            next_track: AtomicU32::new(0),
        });
        let thread = Some(spawn(&shared, 0));
        (Self { shared, thread, restarts_at: (0, 0) }, inbox)
    }

    /// Replaces a thread that hangs; what is to be told of it. With [`Recovery::Gone`] nothing more will come.
    pub fn look(&mut self) -> Option<Trouble> {
        let limit = *lock(&self.shared.patience);
        let (worker, sequence, took) = self.shared.at_work.replace_overdue(limit)?;
        // The thread is left behind: it holds its own share of everything.
        self.thread = None;
        let done = self.shared.done.load(Ordering::Relaxed);
        let (restarts, at) = self.restarts_at;
        let restarts = if at == done { restarts + 1 } else { 1 };
        self.restarts_at = (restarts, done);
        let another = lock(&self.shared.supply).has_next() && restarts <= self.shared.watchdog.most_restarts;
        let stopping = self.shared.stop.load(Ordering::Relaxed);
        let recovery = if another && !stopping {
            self.thread = Some(spawn(&self.shared, worker));
            Recovery::Restarted
        } else {
            self.shared.end();
            Recovery::Gone
        };
        let failure = WorkerFailure::Hung(took);
        Some(Trouble::Worker { worker: Worker::FrontEnd, failure, sequence: Some(sequence), recovery })
    }

    /// Waits for the thread's end, unless it was left behind; false where it panicked outside of a frame.
    pub fn finish(mut self) -> bool {
        self.thread.take().is_none_or(|thread| thread.join().is_ok())
    }
}

fn spawn(shared: &Arc<Shared>, worker: u64) -> JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || {
        if shared.work(worker) {
            shared.end();
        }
    })
}

/// What became of a frame.
enum Outcome {
    /// It went through the front end.
    Done {
        /// The listener is still there.
        told: bool,
    },
    /// The front end panicked, with these words.
    Panicked(String),
    /// This thread has been replaced meanwhile.
    LeftBehind,
}

impl Shared {
    /// Takes frames from the capture until there are none; false where this thread was left behind meanwhile.
    fn work(&self, worker: u64) -> bool {
        let Some(mut at_hand) = self.another() else { return true };
        let mut failures = 0;
        loop {
            let next = lock(&self.capture).as_mut().and_then(Capture::next_frame);
            let dropped = lock(&self.capture).as_ref().map_or(0, Capture::take_dropped);
            let told = (dropped == 0 || self.post.event(Event::Dropped { count: dropped }))
                && match next {
                    None => break,
                    Some(Err(Note::Error(error))) => self.post.event(Event::Warning(error.to_string())),
                    Some(Err(Note::Trouble(trouble))) => self.post.event(Event::Trouble(trouble)),
                    Some(Ok(Captured { frame, captured })) => {
                        if let Some(other) = self.exchanged(&mut at_hand) {
                            put_away(std::mem::replace(&mut at_hand, other));
                        }
                        match self.frame(worker, &mut at_hand, &frame, captured) {
                            Outcome::LeftBehind => return false,
                            Outcome::Done { told } => {
                                failures = 0;
                                self.done.fetch_add(1, Ordering::Relaxed);
                                told
                            }
                            Outcome::Panicked(words) => {
                                failures += 1;
                                let told = self.publish(&mut at_hand.held, true);
                                put_away(at_hand);
                                match self.after_panic(words, frame.sequence, failures) {
                                    Some(another) => at_hand = another,
                                    None => return true,
                                }
                                told
                            }
                        }
                    }
                };
            if !told || self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        self.settle(&mut at_hand);
        true
    }

    /// Tells of the frames that still wait.
    fn settle(&self, AtHand { front_end, held }: &mut AtHand) {
        held.settle(catch_unwind(AssertUnwindSafe(|| front_end.finish())).unwrap_or_default());
        self.publish(held, true);
    }

    /// What takes over between two frames, where another was put in the place of the front end's supply; the frames of
    /// the old one are told first.
    fn exchanged(&self, at_hand: &mut AtHand) -> Option<AtHand> {
        let exchanged = lock(&self.supply).exchanged()?;
        match exchanged {
            Ok(Exchanged { patience }) => {
                self.settle(at_hand);
                *lock(&self.patience) = patience;
                self.another()
            }
            Err(sentence) => {
                self.post.event(Event::Warning(sentence));
                None
            }
        }
    }

    /// A frame's way through the front end.
    fn frame(
        &self,
        worker: u64,
        AtHand { front_end, held }: &mut AtHand,
        frame: &Arc<Frame>,
        captured: Instant,
    ) -> Outcome {
        if !self.at_work.begin(worker, frame.sequence) {
            return Outcome::LeftBehind;
        }
        let taken = Instant::now();
        let processed = catch_unwind(AssertUnwindSafe(|| front_end.process(frame)));
        if !self.at_work.end(worker) {
            return Outcome::LeftBehind;
        }
        // Live, latency counts from the capture, offline from here.
        let since = if self.delivery == Delivery::Every { taken } else { captured };
        let (processed, panic) = match processed {
            Ok(processed) => (processed, None),
            Err(panic) => (Processed::default(), Some(panic)),
        };
        let warned = self.hold(frame, processed, since, held);
        if let Some(panic) = panic {
            return Outcome::Panicked(last_words(&*panic));
        }
        let told = warned && self.publish(held, false);
        if told {
            if !self.at_work.begin(worker, frame.sequence) {
                return Outcome::LeftBehind;
            }
            let behind = catch_unwind(AssertUnwindSafe(|| self.behind(&mut **front_end, frame)));
            if !self.at_work.end(worker) {
                return Outcome::LeftBehind;
            }
            if let Err(panic) = behind {
                return Outcome::Panicked(last_words(&*panic));
            }
        }
        Outcome::Done { told }
    }

    /// Takes in what the front end made of a frame; false when the listener is gone.
    fn hold(&self, frame: &Arc<Frame>, processed: Processed, since: Instant, held: &mut HeldBack) -> bool {
        let Processed { hands, world_from_camera, stages, warning, settled } = processed;
        let highest = hands.iter().map(|hand| held.in_run(hand.track).0.saturating_add(1)).max();
        self.next_track.fetch_max(highest.unwrap_or(0), Ordering::Relaxed);
        let hands = FrameHands {
            sequence: frame.sequence,
            timestamp: frame.timestamp,
            hands,
            world_from_camera,
            stages,
            total: since.elapsed(),
        };
        held.push(frame.clone(), hands, since);
        held.settle(settled);
        warning.is_none_or(|sentence| self.post.event(Event::Warning(sentence)))
    }

    /// Tells of the frame that has waited long enough, or of all; false when the listener is gone.
    fn publish(&self, held: &mut HeldBack, all: bool) -> bool {
        while let Some(event) = held.next(all) {
            if !self.post.event(event) {
                return false;
            }
        }
        true
    }

    /// The next front end of the supply; what keeps it from being made is told.
    fn another(&self) -> Option<AtHand> {
        let next = lock(&self.supply).next()?;
        let front_end = next.map_err(|sentence| self.post.event(Event::Warning(sentence))).ok()?;
        let held = HeldBack::new(front_end.look_ahead(), self.next_track.load(Ordering::Relaxed));
        Some(AtHand { front_end, held })
    }

    /// Tells of a panic; the front end that goes on.
    fn after_panic(&self, words: String, sequence: u64, failures: u32) -> Option<AtHand> {
        let another = (failures <= self.watchdog.most_restarts).then(|| self.another()).flatten();
        let recovery = if another.is_some() { Recovery::Restarted } else { Recovery::Gone };
        let failure = WorkerFailure::Panicked(words);
        let sequence = Some(sequence);
        let trouble = Trouble::Worker { worker: Worker::FrontEnd, failure, sequence, recovery };
        self.post.event(Event::Trouble(trouble));
        another
    }

    /// Lets the front end do what the hands of the frame did not wait for, until the next frame waits.
    fn behind(&self, front_end: &mut dyn FrontEnd, frame: &Frame) {
        let (looks, paused) = (Cell::new(0), Cell::new(false));
        front_end.behind(frame, &|| {
            let frame_waits = lock(&self.capture).as_ref().is_some_and(Capture::frame_waits);
            looks.set(looks.get() + 1);
            paused.set(frame_waits || self.stop.load(Ordering::Relaxed));
            paused.get()
        });
        if paused.get() {
            self.post.event(Event::Paused { sequence: frame.sequence, looks: looks.get() });
        }
    }

    /// The end of the run: closes the capture and says so, once.
    fn end(&self) {
        let stopped = self.stop.load(Ordering::Relaxed);
        let Some(capture) = lock(&self.capture).take() else { return };
        if let Some(trouble) = capture.finish() {
            self.post.event(Event::Trouble(trouble));
        }
        let unseen = self.post.unseen.load(Ordering::Relaxed);
        if unseen > 0 {
            self.post.event(Event::Warning(format!(
                "{unseen} results came faster than they could be written and are missing in the output; leave \
                 out --overlay or use a smaller picture"
            )));
        }
        // With the listener gone nobody needs to know.
        let _ = self.post.messages.send(Message::Ended { stopped });
    }
}

/// What a front end leaves behind may panic once more while it is put away.
fn put_away(at_hand: AtHand) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(at_hand)));
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands events to the listener: offline it waits, live it drops frames that the listener has no time for.
struct Post {
    messages: Sender<Message>,
    live: bool,
    unseen: AtomicU64,
}

impl Post {
    /// False when the listener is gone.
    fn event(&self, event: Event) -> bool {
        let frame = matches!(event, Event::Frame { .. });
        let full = frame && self.messages.len() >= FRAMES_UNDER_WAY;
        if !self.live {
            return self.messages.send(Message::Event(event)).is_ok();
        }
        let sent = match full {
            true => Err(TrySendError::Full(Message::Event(event))),
            false => self.messages.try_send(Message::Event(event)),
        };
        match sent {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.unseen.fetch_add(u64::from(frame), Ordering::Relaxed);
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}
