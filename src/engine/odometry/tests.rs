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
    hangs_at: Option<u64>,
    path: CameraPath,
}

impl Odometry for Slow {
    fn process(&mut self, frame: &Frame, hidden: &[PixelBox]) -> Result<OdometryUpdate, OdometryError> {
        let Frame { sequence, timestamp, .. } = *frame;
        let reached = |at: Option<u64>| at.is_some_and(|at| sequence >= at);
        assert!(!reached(self.panics_at), "as a bug would");
        if reached(self.hangs_at) {
            thread::sleep(Duration::from_secs(600));
        }
        assert_eq!((frame.size, hidden[0].right), (PictureSize::new(720, 405), 49.75));
        thread::sleep(self.takes);
        let pose = Isometry3::translation(self.path.poses.len() as f64, 0.0, 0.0);
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

/// A thread that waits for a free core on a busy machine is not one that hangs.
const PATIENT: Duration = Duration::from_secs(60);
/// The same where a test waits for it, live, on whatever core is free.
const SOON: Duration = Duration::from_secs(10);

/// Frame `sequence` of a grey film, and what is hidden in it.
fn given(sequence: u64) -> (Arc<Frame>, Vec<PixelBox>) {
    let pixels = vec![0; SIZE.rgb_bytes()];
    let frame = Frame { pixels, size: SIZE, timestamp: Timestamp(sequence as i64), sequence };
    (Arc::new(frame), vec![PixelBox { left: 0.0, top: 0.0, right: 100.0, bottom: 10.0 }])
}

fn start(
    odometry: impl Into<Supply<Box<dyn Odometry>>>,
    waiting: Waiting,
    patience: Duration,
) -> OdometryThread {
    let working = WorkingSize::new(&CameraModel::guess(SIZE), WORKING_SIDE);
    OdometryThread::start(odometry, working, waiting, Watchdog::every(Some(patience))).unwrap()
}

/// Gives `frames` frames, waiting `pause` after each; also the longest time that one had to wait.
fn play(
    odometry: Box<dyn Odometry>,
    waiting: Waiting,
    frames: u64,
    pause: Duration,
) -> (OdometryThread, Duration) {
    let mut thread = start(odometry, waiting, PATIENT);
    let mut longest = Duration::ZERO;
    for sequence in 0..frames {
        let (frame, hidden) = given(sequence);
        let start = Instant::now();
        let _ = thread.give(frame, hidden);
        longest = longest.max(start.elapsed());
        thread::sleep(pause);
    }
    (thread, longest)
}

fn slow(milliseconds: u64, panics_at: Option<u64>, hangs_at: Option<u64>) -> Box<dyn Odometry> {
    let takes = Duration::from_millis(milliseconds);
    Box::new(Slow { takes, panics_at, hangs_at, path: CameraPath::default() })
}

#[test]
fn of_a_file_every_frame_is_taken() {
    let (thread, _) = play(slow(1, None, None), Waiting::Every, 20, Duration::ZERO);
    let (path, steps) = thread.finish().unwrap();
    let taken: Vec<u64> = steps.iter().map(|step| step.sequence).collect();
    assert_eq!(taken, (0..20).collect::<Vec<_>>());
    assert_eq!(path.poses.len(), 20);
}

#[test]
fn of_a_camera_the_newest_frame_is_taken_nobody_waits_and_skips_are_counted() {
    let (thread, longest) = play(slow(400, None, None), Waiting::Newest, 40, Duration::from_millis(5));
    let skipped = thread.skipped();
    let (path, steps) = thread.finish().unwrap();
    assert!(longest < Duration::from_millis(300), "a frame had to wait {longest:?}");
    assert!(skipped > 20, "{skipped} skipped");
    assert_eq!(steps.len() as u64 + skipped, 40);
    assert_eq!(path.poses.last().map(|pose| pose.sequence), Some(39));
}

#[test]
fn a_back_end_that_panics_is_told() {
    let (thread, _) = play(slow(0, Some(3), None), Waiting::Every, 10, Duration::ZERO);
    assert!(matches!(thread.finish(), Err(OdometryThreadError::Stopped)));
}

#[test]
fn a_back_end_that_panics_or_hangs_is_told_and_another_goes_on_where_it_was() {
    for (panics_at, hangs_at) in [(Some(3), None), (None, Some(3))] {
        let another = || Ok(slow(0, None, None));
        let odometry = Supply::renewable(slow(0, panics_at, hangs_at), another);
        let mut thread = start(odometry, Waiting::Newest, SOON);
        let (mut sequence, mut troubles, begun) = (0, Vec::new(), Instant::now());
        // Frames until the failure is told, and one more, which the next back end takes at the latest when it ends.
        while troubles.is_empty() && begun.elapsed() < PATIENT {
            let (frame, hidden) = given(sequence);
            let _ = thread.give(frame, hidden);
            sequence += 1;
            thread::sleep(Duration::from_millis(10));
            troubles = thread.troubles();
        }
        let (frame, hidden) = given(sequence);
        let _ = thread.give(frame, hidden);
        let [Trouble::Worker { worker: WorkerName::Odometry, failure, sequence: Some(at), recovery }] =
            &troubles[..]
        else {
            panic!("{troubles:?}")
        };
        assert_eq!(matches!(failure, WorkerFailure::Hung(_)), hangs_at.is_some());
        assert!(*at >= 3 && *recovery == Recovery::Restarted, "{troubles:?}");
        let (_, steps) = thread.finish().unwrap();
        let pose = |step: &OdometryStep| step.outcome.as_ref().unwrap().pose.unwrap().translation.x;
        let before = steps.iter().rfind(|step| step.sequence < *at).map_or(0.0, pose);
        let after = steps.iter().find(|step| step.sequence > *at).unwrap();
        assert_eq!(pose(after), before, "its world begins where the last one ended");
    }
}
