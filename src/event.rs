//! Everything that can happen in a run, as one enum, and the hands that travel in it.

mod trouble;

use std::sync::Arc;
use std::time::Duration;

use nalgebra::{Isometry3, Vector3};

pub use self::trouble::{Recovery, Trouble, Worker, WorkerFailure};
use crate::frame::{Frame, PictureSize, Timestamp};
use crate::geometry::{CameraModel, CameraPoint, Pixel};

/// Key points of a hand in the order `openpose21` = `mediapipe21`: wrist, then thumb, index, middle,
/// ring, little finger from base to tip.
pub const KEYPOINTS: usize = 21;

/// Left or right hand of the person (not of the picture).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The person's left hand.
    Left,
    /// The person's right hand.
    Right,
}

impl Side {
    /// `"left"` or `"right"`, as written to files.
    pub fn name(self) -> &'static str {
        match self {
            Side::Left => "left",
            Side::Right => "right",
        }
    }

    /// The side that a file names.
    pub fn from_name(name: &str) -> Option<Side> {
        [Side::Left, Side::Right].into_iter().find(|side| side.name() == name)
    }

    /// The other hand.
    pub fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

/// Number of one hand's track, never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u32);

/// How final a pose is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoseState {
    /// From the front end, published at once.
    Provisional,
    /// From the second pass, seconds later; the frame's observation took part.
    Refined,
    /// From the second pass, in a frame without usable observation: motion before and after says where the
    /// hand was.
    Filled,
}

impl PoseState {
    /// The state's name, as written to files.
    pub fn name(self) -> &'static str {
        match self {
            PoseState::Provisional => "provisional",
            PoseState::Refined => "refined",
            PoseState::Filled => "filled",
        }
    }
}

/// Parameters of a MANO-shaped hand in camera space.
///
/// Left hands carry MANO-left parameters: the mirror image of the right hand's (axis-angle with y
/// and z negated), so that `hand_pose` and `betas` mean the same bend and shape on both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct HandPose {
    /// Axis-angle rotation of the wrist, radians, `camera_from_hand`.
    pub global_orient: Vector3<f32>,
    /// Axis-angle of the 15 finger joints in MANO order (index, middle, pinky, ring, thumb), radians.
    pub hand_pose: [Vector3<f32>; 15],
    /// Shape coefficients of the hand model.
    pub betas: [f32; 10],
    /// Added to the posed model, metres; the model rotates about its own wrist joint.
    pub translation: Vector3<f32>,
}

/// One hand of one frame.
#[derive(Clone, Debug)]
pub struct TrackedHand {
    /// Which track it continues.
    pub track: TrackId,
    /// Left or right of the person.
    pub side: Side,
    /// Probability that a hand is there, 0..1.
    pub score: f32,
    /// How final the pose is.
    pub state: PoseState,
    /// Box around the key points in the picture: x0 y0 x1 y1, pixels.
    pub box_px: [f32; 4],
    /// Key points seen in the picture, `openpose21`.
    pub keypoints_px: [Pixel; KEYPOINTS],
    /// Joints of the posed hand in metres, `openpose21`.
    pub joints_camera: [CameraPoint; KEYPOINTS],
    /// The posed hand.
    pub pose: HandPose,
}

/// Time one stage of the pipeline took for one frame.
#[derive(Clone, Copy, Debug)]
pub struct StageTime {
    /// Name of the stage, e.g. `detect`.
    pub stage: &'static str,
    /// Wall time it took.
    pub took: Duration,
}

/// What is known of a run before its first frame.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// Name of the source, as the user gave it.
    pub source: String,
    /// Picture size.
    pub size: PictureSize,
    /// Nominal frame rate, frames per second.
    pub fps: f64,
    /// Frames to come, where the source knows.
    pub frame_count: Option<u64>,
    /// Intrinsics in use.
    pub camera: CameraModel,
    /// Name of the hand model in use.
    pub hand_model: String,
}

/// The hands of one frame, with how long they took.
#[derive(Clone, Debug)]
pub struct FrameHands {
    /// Number of the frame in its source.
    pub sequence: u64,
    /// Capture time of the frame.
    pub timestamp: Timestamp,
    /// Hands found, one entry a track.
    pub hands: Vec<TrackedHand>,
    /// Where the camera was, in metres of the world; `None` where nobody knows.
    pub world_from_camera: Option<Isometry3<f64>>,
    /// Wall time per stage, in the order they ran.
    pub stages: Vec<StageTime>,
    /// Wall time to its publication: live from the frame's capture, offline from its arrival at the front
    /// end.
    pub total: Duration,
}

/// Frames that the second pass has made better. They replace what was published of them before.
#[derive(Clone, Debug)]
pub struct Refinement {
    /// Number of the refined chunk, from 1. Chunks share frames; of such a frame the higher number counts.
    pub revision: u64,
    /// The frames, in order. Cameras are placed in metres of the world, hands are refined, filled in, or
    /// provisional where they took no part.
    pub frames: Vec<FrameHands>,
    /// Frames with lower numbers will not change any more.
    pub settled: u64,
    /// Metres in a unit of the odometry's path, where the chunk could tell.
    pub world_scale: Option<f64>,
    /// Time from the publication of the chunk's newest frame to this event.
    pub age: Duration,
    /// Time the refinement took.
    pub took: Duration,
}

/// How the second pass keeps up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondPassStatus {
    /// What odometry last said of the camera, as `odometry` names it in files; `None` without odometry, and before its
    /// first frame.
    pub odometry: Option<&'static str>,
    /// Frames that odometry had no time for.
    pub skipped: u64,
    /// Chunks that came while an earlier one was still in work.
    pub waited: u64,
    /// Of these, chunks that were refined together with the one before.
    pub merged: u64,
    /// Of these, chunks that stay provisional because a newer one came.
    pub dropped: u64,
}

/// Everything a run tells its listeners, in order.
#[derive(Clone, Debug)]
pub enum Event {
    /// The source is open; frames follow.
    Started(Arc<RunInfo>),
    /// A frame went through the front end.
    Frame {
        /// The picture.
        frame: Arc<Frame>,
        /// Its hands.
        hands: Arc<FrameHands>,
    },
    /// The second pass is through with a chunk of earlier frames.
    Refined(Arc<Refinement>),
    /// The run has a second pass, and this about it is new.
    SecondPass(SecondPassStatus),
    /// The work behind a frame's publication gave way to the next frame, and goes on behind that one. Whoever plays
    /// a run again needs to know when.
    Paused {
        /// Number of the frame.
        sequence: u64,
        /// How often the work had looked whether a frame waits, this time included.
        looks: u64,
    },
    /// Frames a live source delivered while the front end was busy.
    Dropped {
        /// How many, since the last event of this kind.
        count: u64,
    },
    /// Something went wrong that the run survived, in one sentence.
    Warning(String),
    /// The same, where a program may want to know exactly.
    Trouble(Trouble),
    /// The source ended or the run was stopped; nothing follows.
    Finished,
}
