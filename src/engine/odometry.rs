//! The odometry thread: follows the camera beside the front end and never holds it up.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use crossbeam::queue::ArrayQueue;

use super::priority::yield_to_others;
use crate::frame::Frame;
use crate::geometry::CameraPath;
use crate::slam::{Odometry, OdometryError, OdometryUpdate, PixelBox, WorkingSize};

/// Frames that wait for the thread when every frame counts.
const WAITING: usize = 4;

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
    /// The back end panicked.
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

/// Odometry on a thread of its own.
pub struct OdometryThread {
    way: Way,
    steps: Receiver<OdometryStep>,
    skipped: u64,
    thread: JoinHandle<Result<CameraPath, OdometryError>>,
}

/// How frames get to the thread.
enum Way {
    Every(Sender<Given>),
    /// The slot, and the bell that says something lies in it.
    Newest(Arc<ArrayQueue<Given>>, Sender<()>),
}

/// What the thread works with.
struct Worker {
    odometry: Box<dyn Odometry>,
    working: WorkingSize,
    tell: Sender<OdometryStep>,
}

impl Worker {
    fn take(&mut self, given: &Given) {
        let start = Instant::now();
        let hidden: Vec<PixelBox> = given.hidden.iter().map(|full| self.working.pixel_box(full)).collect();
        let outcome = self.odometry.process(&self.working.frame(&given.frame), &hidden);
        let step = OdometryStep { sequence: given.frame.sequence, outcome, took: start.elapsed() };
        // Nobody has to listen: the back end keeps the path.
        let _ = self.tell.send(step);
    }

    fn finish(mut self) -> Result<CameraPath, OdometryError> {
        self.odometry.finish()?;
        Ok(self.odometry.path())
    }
}

impl OdometryThread {
    /// Starts `odometry`, which is made for pictures of the working size.
    ///
    /// # Errors
    /// [`OdometryThreadError::Start`].
    pub fn start(
        odometry: Box<dyn Odometry>,
        working: WorkingSize,
        waiting: Waiting,
    ) -> Result<Self, OdometryThreadError> {
        let (tell, steps) = unbounded();
        let mut worker = Worker { odometry, working, tell };
        let builder = thread::Builder::new().name("odometry".into());
        let (way, thread) = match waiting {
            Waiting::Every => {
                let (give, inbox) = bounded::<Given>(WAITING);
                let work = move || {
                    inbox.iter().for_each(|given| worker.take(&given));
                    worker.finish()
                };
                (Way::Every(give), builder.spawn(work))
            }
            Waiting::Newest => {
                let slot = Arc::new(ArrayQueue::<Given>::new(1));
                let (bell, rings) = bounded(1);
                let taken = slot.clone();
                let work = move || {
                    yield_to_others();
                    for () in rings {
                        if let Some(given) = taken.pop() {
                            worker.take(&given);
                        }
                    }
                    worker.finish()
                };
                (Way::Newest(slot, bell), builder.spawn(work))
            }
        };
        let thread = thread.map_err(OdometryThreadError::Start)?;
        Ok(Self { way, steps, skipped: 0, thread })
    }

    /// Gives the next frame, with the boxes of it, in its own pixels, that belong to hands. With
    /// [`Waiting::Newest`] it returns at once.
    ///
    /// # Errors
    /// [`OdometryThreadError::Stopped`] when the thread is gone; [`Self::finish`] may say more.
    pub fn give(&mut self, frame: Arc<Frame>, hidden: Vec<PixelBox>) -> Result<(), OdometryThreadError> {
        let given = Given { frame, hidden };
        match &self.way {
            Way::Every(give) => give.send(given).map_err(|_| OdometryThreadError::Stopped),
            Way::Newest(slot, bell) => {
                self.skipped += u64::from(slot.force_push(given).is_some());
                match bell.try_send(()) {
                    // A bell that still rings is heard after this frame was laid down.
                    Ok(()) | Err(TrySendError::Full(())) => Ok(()),
                    Err(TrySendError::Disconnected(())) => Err(OdometryThreadError::Stopped),
                }
            }
        }
    }

    /// What became of the frames since the last call.
    pub fn steps(&self) -> impl Iterator<Item = OdometryStep> {
        self.steps.try_iter()
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
    pub fn finish(self) -> Result<(CameraPath, Vec<OdometryStep>), OdometryThreadError> {
        drop(self.way);
        let path = self.thread.join().map_err(|_| OdometryThreadError::Stopped)??;
        Ok((path, self.steps.try_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Isometry3;

    use super::*;
    use crate::frame::{PictureSize, Timestamp};
    use crate::geometry::{CameraModel, CameraPose};
    use crate::slam::{OdometryState, WORKING_SIDE};

    const SIZE: PictureSize = PictureSize { width: 1440, height: 810 };

    /// Stands still and takes its time; fails as a bug would at one frame.
    struct Slow {
        takes: Duration,
        panics_at: Option<u64>,
        path: CameraPath,
    }

    impl Odometry for Slow {
        fn process(&mut self, frame: &Frame, hidden: &[PixelBox]) -> Result<OdometryUpdate, OdometryError> {
            let Frame { sequence, timestamp, .. } = *frame;
            assert_ne!(self.panics_at, Some(sequence), "as a bug would");
            assert_eq!((frame.size, hidden[0].right), (PictureSize::new(720, 405), 49.75));
            thread::sleep(self.takes);
            let pose = Isometry3::identity();
            self.path.poses.push(CameraPose { sequence, timestamp, world_from_camera: pose });
            let state = OdometryState::Still;
            Ok(OdometryUpdate {
                sequence,
                timestamp,
                state,
                section: 0,
                pose: Some(pose),
                scale_free: true,
                points: Vec::new(),
            })
        }

        fn path(&self) -> CameraPath {
            self.path.clone()
        }
    }

    /// Gives `frames` frames, waiting `pause` after each.
    fn play(slow: Slow, waiting: Waiting, frames: u64, pause: Duration) -> (OdometryThread, Duration) {
        let working = WorkingSize::new(&CameraModel::guess(SIZE), WORKING_SIDE);
        let mut thread = OdometryThread::start(Box::new(slow), working, waiting).unwrap();
        let mut longest = Duration::ZERO;
        for sequence in 0..frames {
            let pixels = vec![0; SIZE.rgb_bytes()];
            let frame = Frame { pixels, size: SIZE, timestamp: Timestamp(sequence as i64), sequence };
            let hidden = vec![PixelBox { left: 0.0, top: 0.0, right: 100.0, bottom: 10.0 }];
            let start = Instant::now();
            let _ = thread.give(Arc::new(frame), hidden);
            longest = longest.max(start.elapsed());
            thread::sleep(pause);
        }
        (thread, longest)
    }

    fn slow(milliseconds: u64, panics_at: Option<u64>) -> Slow {
        Slow { takes: Duration::from_millis(milliseconds), panics_at, path: CameraPath::default() }
    }

    #[test]
    fn of_a_file_every_frame_is_taken() {
        let (thread, _) = play(slow(1, None), Waiting::Every, 20, Duration::ZERO);
        let (path, steps) = thread.finish().unwrap();
        let taken: Vec<u64> = steps.iter().map(|step| step.sequence).collect();
        assert_eq!(taken, (0..20).collect::<Vec<_>>());
        assert_eq!(path.poses.len(), 20);
    }

    #[test]
    fn of_a_camera_the_newest_frame_is_taken_nobody_waits_and_skips_are_counted() {
        let (thread, longest) = play(slow(50, None), Waiting::Newest, 40, Duration::from_millis(5));
        let skipped = thread.skipped();
        let (path, steps) = thread.finish().unwrap();
        assert!(longest < Duration::from_millis(40), "a frame had to wait {longest:?}");
        assert!(skipped > 20, "{skipped} skipped");
        assert_eq!(steps.len() as u64 + skipped, 40);
        assert_eq!(path.poses.last().map(|pose| pose.sequence), Some(39));
    }

    #[test]
    fn a_back_end_that_panics_is_told() {
        let (thread, _) = play(slow(0, Some(3)), Waiting::Every, 10, Duration::ZERO);
        assert!(matches!(thread.finish(), Err(OdometryThreadError::Stopped)));
    }
}
