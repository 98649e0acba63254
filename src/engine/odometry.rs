//! The odometry thread: follows the camera beside the front end and never holds it up.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, SendTimeoutError, Sender, TrySendError, bounded, unbounded};
use crossbeam::queue::ArrayQueue;
use nalgebra::Isometry3;

use super::priority::yield_to_others;
use super::supply::Supply;
use super::watchdog::{AtWork, Watchdog, last_words};
use crate::event::{Recovery, Trouble, Worker as WorkerName, WorkerFailure};
use crate::frame::Frame;
use crate::geometry::CameraPath;
use crate::slam::{Odometry, OdometryError, OdometryUpdate, PixelBox, WorkingSize};

/// Frames that wait for the thread when every frame counts.
const WAITING: usize = 4;
/// Time between two looks at a thread that one waits for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What happens to frames that come faster than odometry takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The giver waits: for files.
    Every,
    /// The newest replaces the one that waits, and the skip is counted; the thread gives way to the front end: for
    /// cameras.
    Newest,
}

/// What became of one frame.
#[derive(Clone, Debug)]
pub struct OdometryStep {
    /// Number of the frame in its source.
    pub sequence: u64,
    /// What is known after it, or why it was refused.
    pub outcome: Result<OdometryUpdate, OdometryError>,
    /// Wall time from the full frame to the outcome.
    pub took: Duration,
}

/// Why the odometry thread has no path to give.
#[derive(Debug, thiserror::Error)]
pub enum OdometryThreadError {
    /// The system gives no more threads.
    #[error("the odometry thread could not be started ({0}): close other programs")]
    Start(std::io::Error),
    /// The back end panicked or hangs, and there is no other.
    #[error("odometry stopped on an internal error; the hands are not affected, please report it")]
    Stopped,
    /// The last refinement failed.
    #[error(transparent)]
    Finish(#[from] OdometryError),
}

/// A frame on its way and the boxes, in its own pixels, that hide the scene.
struct Given {
    frame: Arc<Frame>,
    hidden: Vec<PixelBox>,
}

/// What a thread ends with.
type Ending = Result<CameraPath, OdometryError>;

/// Odometry on a thread of its own.
///
/// One that panics or hangs is replaced where there is another; the path then goes on from the last known place,
/// its scale a guess.
pub struct OdometryThread {
    waiting: Waiting,
    working: WorkingSize,
    supply: Supply<Box<dyn Odometry>>,
    watchdog: Watchdog,
    shared: Arc<Shared>,
    steps: Receiver<OdometryStep>,
    /// `None` after a failure that nothing has replaced.
    running: Option<Running>,
    troubles: Vec<Trouble>,
    skipped: u64,
    restarts_at: (u32, u64),
}

/// A thread and the way to it.
struct Running {
    way: Way,
    thread: JoinHandle<Ending>,
}

/// How frames get to the thread.
enum Way {
    Every(Sender<Given>),
    /// The slot, and the bell that says something lies in it.
    Newest(Arc<ArrayQueue<Given>>, Sender<()>),
}

/// What threads, one after the other, share.
struct Shared {
    at_work: AtWork,
    tell: Sender<OdometryStep>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// Frames taken.
    done: u64,
    /// The last pose.
    pose: Option<Isometry3<f64>>,
}

impl Shared {
    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread works with.
struct Worker {
    number: u64,
    odometry: Box<dyn Odometry>,
    working: WorkingSize,
    /// Where the world of this back end lies in the first one's; `None` for the first.
    world_from_start: Option<Isometry3<f64>>,
    /// Memory of the last picture at the working size.
    memory: Vec<u8>,
    shared: Arc<Shared>,
}

impl Worker {
    /// Takes a frame; false where this thread has been left behind.
    fn take(&mut self, given: &Given) -> bool {
        let start = Instant::now();
        if !self.shared.at_work.begin(self.number, given.frame.sequence) {
            return false;
        }
        let hidden: Vec<PixelBox> = given.hidden.iter().map(|full| self.working.pixel_box(full)).collect();
        let small = self.working.frame(&given.frame, std::mem::take(&mut self.memory));
        let mut outcome = self.odometry.process(&small, &hidden);
        if let Cow::Owned(small) = small {
            self.memory = small.pixels;
        }
        if !self.shared.at_work.end(self.number) {
            return false;
        }
        if let (Ok(update), Some(world_from_start)) = (&mut outcome, self.world_from_start) {
            update.pose = update.pose.map(|pose| world_from_start * pose);
        }
        let mut progress = self.shared.progress();
        progress.done += 1;
        progress.pose = outcome.as_ref().ok().and_then(|update| update.pose).or(progress.pose);
        drop(progress);
        let step = OdometryStep { sequence: given.frame.sequence, outcome, took: start.elapsed() };
        // Nobody has to listen: the back end keeps the path.
        let _ = self.shared.tell.send(step);
        true
    }

    fn finish(mut self) -> Ending {
        self.odometry.finish()?;
        Ok(self.odometry.path())
    }
}

impl OdometryThread {
    /// Starts odometry, which is made for pictures of the working size.
    ///
    /// # Errors
    /// [`OdometryThreadError::Start`].
    pub fn start(
        odometry: impl Into<Supply<Box<dyn Odometry>>>,
        working: WorkingSize,
        waiting: Waiting,
        watchdog: Watchdog,
    ) -> Result<Self, OdometryThreadError> {
        let (tell, steps) = unbounded();
        let mut supply = odometry.into();
        let shared = Arc::new(Shared { at_work: AtWork::default(), tell, progress: Mutex::default() });
        let running = match supply.next() {
            Some(Ok(odometry)) => {
                let working = working.clone();
                let worker = Worker {
                    number: 0,
                    odometry,
                    working,
                    world_from_start: None,
                    memory: Vec::new(),
                    shared: shared.clone(),
                };
                Some(run(worker, waiting).map_err(OdometryThreadError::Start)?)
            }
            _ => None,
        };
        Ok(Self {
            waiting,
            working,
            supply,
            watchdog,
            shared,
            steps,
            running,
            troubles: Vec::new(),
            skipped: 0,
            restarts_at: (0, 0),
        })
    }

    /// Gives the next frame, with the boxes of it, in its own pixels, that belong to hands. With
    /// [`Waiting::Newest`] it returns at once.
    ///
    /// # Errors
    /// [`OdometryThreadError::Stopped`] when the thread is gone and there is no other.
    pub fn give(&mut self, frame: Arc<Frame>, hidden: Vec<PixelBox>) -> Result<(), OdometryThreadError> {
        let mut given = Given { frame, hidden };
        loop {
            self.look();
            let running = self.running.as_ref().ok_or(OdometryThreadError::Stopped)?;
            match &running.way {
                Way::Every(give) => match give.send_timeout(given, LOOK_EVERY) {
                    Ok(()) => return Ok(()),
                    Err(SendTimeoutError::Timeout(back)) => given = back,
                    Err(SendTimeoutError::Disconnected(back)) => {
                        given = back;
                        self.bury();
                    }
                },
                Way::Newest(slot, bell) => {
                    self.skipped += u64::from(slot.force_push(given).is_some());
                    match bell.try_send(()) {
                        // A bell that still rings is heard after this frame was laid down.
                        Ok(()) | Err(TrySendError::Full(())) => return Ok(()),
                        Err(TrySendError::Disconnected(())) => match slot.pop() {
                            Some(back) => {
                                given = back;
                                self.bury();
                            }
                            None => return Ok(()),
                        },
                    }
                }
            }
        }
    }

    /// What became of the frames since the last call.
    pub fn steps(&self) -> impl Iterator<Item = OdometryStep> {
        self.steps.try_iter()
    }

    /// What went wrong with the thread since the last call.
    pub fn troubles(&mut self) -> Vec<Trouble> {
        std::mem::take(&mut self.troubles)
    }

    /// Frames that a newer one replaced.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Waits for the last frame; returns the refined path and what became of the frames since the last
    /// [`Self::steps`].
    ///
    /// # Errors
    /// [`OdometryThreadError`] where the back end failed.
    pub fn finish(mut self) -> Result<(CameraPath, Vec<OdometryStep>), OdometryThreadError> {
        let Running { way, thread } = self.running.take().ok_or(OdometryThreadError::Stopped)?;
        drop(way);
        while !thread.is_finished() {
            if self.shared.at_work.replace_overdue(self.watchdog.odometry).is_some() {
                return Err(OdometryThreadError::Stopped);
            }
            thread::sleep(Duration::from_millis(1));
        }
        let path = thread.join().map_err(|_| OdometryThreadError::Stopped)??;
        Ok((path, self.steps.try_iter().collect()))
    }

    /// Replaces a thread that hangs.
    fn look(&mut self) {
        let overdue = self.shared.at_work.replace_overdue(self.watchdog.odometry);
        if let Some((number, sequence, took)) = overdue {
            self.running = None;
            self.replace(number, WorkerFailure::Hung(took), Some(sequence));
        }
    }

    /// Replaces a thread that panicked.
    fn bury(&mut self) {
        let Some(Err(panic)) = self.running.take().map(|running| running.thread.join()) else { return };
        let (number, sequence) = self.shared.at_work.replace();
        self.replace(number, WorkerFailure::Panicked(last_words(&*panic)), sequence);
    }

    fn replace(&mut self, number: u64, failure: WorkerFailure, sequence: Option<u64>) {
        let (done, pose) = {
            let progress = self.shared.progress();
            (progress.done, progress.pose)
        };
        let (restarts, at) = self.restarts_at;
        let restarts = if at == done { restarts + 1 } else { 1 };
        self.restarts_at = (restarts, done);
        let next = (restarts <= self.watchdog.most_restarts).then(|| self.supply.next()).flatten();
        if let Some(Ok(odometry)) = next {
            let worker = Worker {
                number,
                odometry,
                working: self.working.clone(),
                world_from_start: pose,
                memory: Vec::new(),
                shared: self.shared.clone(),
            };
            self.running = run(worker, self.waiting).ok();
        }
        let recovery = if self.running.is_some() { Recovery::Restarted } else { Recovery::Gone };
        self.troubles.push(Trouble::Worker { worker: WorkerName::Odometry, failure, sequence, recovery });
    }
}

fn run(mut worker: Worker, waiting: Waiting) -> std::io::Result<Running> {
    let builder = thread::Builder::new().name("odometry".into());
    match waiting {
        Waiting::Every => {
            let (give, inbox) = bounded::<Given>(WAITING);
            let work = move || {
                if inbox.iter().all(|given| worker.take(&given)) {
                    worker.finish()
                } else {
                    Ok(CameraPath::default())
                }
            };
            Ok(Running { way: Way::Every(give), thread: builder.spawn(work)? })
        }
        Waiting::Newest => {
            let slot = Arc::new(ArrayQueue::<Given>::new(1));
            let (bell, rings) = bounded(1);
            let taken = slot.clone();
            let work = move || {
                yield_to_others();
                for () in rings {
                    if taken.pop().is_some_and(|given| !worker.take(&given)) {
                        return Ok(CameraPath::default());
                    }
                }
                worker.finish()
            };
            Ok(Running { way: Way::Newest(slot, bell), thread: builder.spawn(work)? })
        }
    }
}

#[cfg(test)]
mod tests;
