//! What enters the refinement and what leaves it.

use std::time::{Duration, Instant};

use nalgebra::Isometry3;

use crate::event::{HandPose, KEYPOINTS, Side, TrackId};
use crate::frame::Timestamp;
use crate::geometry::{CameraModel, CameraPoint, Pixel, WorldPoint};

/// What is known of the camera's way through the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraKnowledge {
    /// The camera does not move: its frame is the world, whatever poses the frames bring.
    Still,
    /// The frames' poses are in metres.
    Metric,
    /// The translations of the frames' poses carry an unknown common factor.
    ScaleFree,
}

/// Which points of the hand the key points are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeypointMeaning {
    /// Where MediaPipe's tracker puts its points, which are not quite the model's joints.
    Tracker,
    /// The hand model's own joints and finger tips.
    Joints,
}

/// One hand of one frame as the front end published it.
#[derive(Clone, Debug)]
pub struct ObservedHand {
    /// Which track it continues.
    pub track: TrackId,
    /// Left or right hand of the person, as this frame has it.
    pub side: Side,
    /// Probability that a hand is there, 0..1.
    pub score: f32,
    /// Key points in the full picture, pixels, `openpose21`.
    pub keypoints_px: [Pixel; KEYPOINTS],
    /// How far each key point is believed, 0..1; 0 leaves it out.
    pub confidence: [f32; KEYPOINTS],
    /// The provisional pose, camera space.
    pub pose: HandPose,
}

/// One frame of a chunk.
#[derive(Clone, Debug)]
pub struct ChunkFrame {
    /// Number of the frame in its source; frames of a chunk ascend, and overlapping chunks agree on it.
    pub sequence: u64,
    /// Capture time of the frame.
    pub timestamp: Timestamp,
    /// Where the odometry believes the camera was; `None` where it knows nothing.
    pub world_from_camera: Option<Isometry3<f64>>,
    /// Hands found.
    pub hands: Vec<ObservedHand>,
}

/// A stretch of a run that is refined at once.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The frames, in the order of time; any number.
    pub frames: Vec<ChunkFrame>,
    /// Nominal frame rate, frames per second.
    pub fps: f64,
    /// Intrinsics of all frames.
    pub camera: CameraModel,
    /// What the frames' camera poses mean.
    pub knowledge: CameraKnowledge,
    /// What the key points mean.
    pub meaning: KeypointMeaning,
}

/// Where a refined hand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The frame's observation took part.
    Observed,
    /// The frame had no observation that could be used; motion and prior fill it.
    Filled,
    /// The hand took no part (a track beyond one left and one right): as the front end gave it.
    Untouched,
}

/// One refined hand of one frame.
#[derive(Clone, Debug)]
pub struct RefinedHand {
    /// Which track it belongs to.
    pub track: TrackId,
    /// Left or right hand of the person, agreed over the track.
    pub side: Side,
    /// Probability that a hand is there: the observation's, or that of the nearest observed frame.
    pub score: f32,
    /// Where it comes from.
    pub origin: Origin,
    /// The hand in camera space.
    pub pose_camera: HandPose,
    /// The same hand in the world: `global_orient` is `world_from_hand`, and the wrist lies where
    /// `world_from_camera` takes it.
    pub pose_world: HandPose,
    /// Joints in camera space, metres, `openpose21`.
    pub joints_camera: [CameraPoint; KEYPOINTS],
    /// Joints in the world, metres, `openpose21`.
    pub joints_world: [WorldPoint; KEYPOINTS],
}

/// One refined frame.
#[derive(Clone, Debug)]
pub struct RefinedFrame {
    /// Number of the frame in its source.
    pub sequence: u64,
    /// Capture time of the frame.
    pub timestamp: Timestamp,
    /// Where the camera was, in metres.
    pub world_from_camera: Isometry3<f64>,
    /// Hands, one entry a track.
    pub hands: Vec<RefinedHand>,
}

/// A cost of one term before and after a stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TermCost {
    /// Name of the term.
    pub term: &'static str,
    /// Its weighted cost before the stage.
    pub before: f64,
    /// After it.
    pub after: f64,
}

/// What one stage did.
#[derive(Clone, Debug, Default)]
pub struct StageStatistics {
    /// Name of the stage.
    pub stage: &'static str,
    /// Wall time it took.
    pub took: Duration,
    /// Linearisations of its solver.
    pub iterations: usize,
    /// Costs of its terms.
    pub costs: Vec<TermCost>,
}

/// What a refinement did.
#[derive(Clone, Debug, Default)]
pub struct RefineStatistics {
    /// The stages that ran, in order.
    pub stages: Vec<StageStatistics>,
    /// Hands of frames without observation that were filled.
    pub filled: usize,
    /// Observations left out because their track says otherwise.
    pub outliers: usize,
    /// Observations whose side the track corrected.
    pub side_flips: usize,
    /// Whether the deadline ended the refinement early.
    pub out_of_time: bool,
}

/// The refined form of a chunk: one frame for each of its frames.
///
/// Frames that the chunk shares with the one before appear again, blended from one into the other; they
/// replace what the chunk before said of them.
#[derive(Clone, Debug, Default)]
pub struct RefinedChunk {
    /// The frames.
    pub frames: Vec<RefinedFrame>,
    /// Metres in one unit of the odometry's translations; 1 where they are metric, `None` where the chunk
    /// cannot say (no camera motion, or no hand).
    pub world_scale: Option<f64>,
    /// Standard deviation of `world_scale`, where it was estimated.
    pub world_scale_sigma: Option<f64>,
    /// What was done.
    pub statistics: RefineStatistics,
}

/// When a refinement must end, with the best result so far.
#[derive(Clone, Copy, Debug, Default)]
pub enum Deadline {
    /// It may take its time; results do not depend on the machine.
    #[default]
    Never,
    /// At this moment.
    At(Instant),
}

impl Deadline {
    /// A deadline `budget` from now.
    pub fn after(budget: Duration) -> Self {
        Instant::now().checked_add(budget).map_or(Self::Never, Self::At)
    }

    /// Whether it is over.
    pub fn passed(&self) -> bool {
        match self {
            Deadline::Never => false,
            Deadline::At(moment) => Instant::now() >= *moment,
        }
    }
}
