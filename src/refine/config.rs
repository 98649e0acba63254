//! Every number of the refinement that is a choice, with its default and where that comes from.
//!
//! Three presets: [`RefineConfig::ours`] (the default), [`RefineConfig::paper`] with the weights printed in
//! Dyn-HaMR's text, and [`RefineConfig::release`] with those of its released code. The papers' terms measure
//! joints in metres and key points in pixels; ours measure postures in standard deviations.

use crate::fit::AnatomyPrior;

/// Which stages run, for ablations and for saving time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stages {
    /// Stage I: gaps, outliers, side flips, shape.
    pub infill: Infill,
    /// Stage II: world trajectory and camera scale.
    pub world: bool,
    /// Stage III: both hands together with the motion prior, biomechanics and interpenetration.
    pub joint: bool,
    /// Whether stage III asks a motion prior.
    pub prior: bool,
    /// Whether stage III keeps hands within human limits.
    pub biomechanics: bool,
    /// Whether stage III keeps hands out of each other.
    pub penetration: bool,
}

/// How gaps inside a track are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Infill {
    /// They stay empty.
    None,
    /// Great circles between the frames around the gap; later stages leave them as they are.
    Slerp,
    /// The motion prior, started from great circles.
    Prior,
}

/// The unit of a key point's residual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PixelUnit {
    /// Pixels, as in the papers.
    Pixels,
    /// This part of the diagonal of the hand's box, at least so many pixels: a tracker's noise grows with the
    /// hand in the picture.
    PartOfHand {
        /// Part of the diagonal.
        part: f64,
        /// Least unit, pixels.
        least_px: f64,
    },
}

/// Trust in what the front end saw.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservationTerms {
    /// Weight of `conf^2 rho(du)` for each coordinate of each key point; `rho` is Geman-McClure's
    /// `s^2 r^2 / (s^2 + r^2)`.
    pub reprojection: f64,
    /// The unit of `du`.
    pub unit: PixelUnit,
    /// Geman-McClure's scale `s` in that unit.
    pub reprojection_scale: f64,
    /// Key points less sure than this are left out.
    pub least_confidence: f32,
    /// Standard deviations of the provisional pose: rotation (rad), depth along the ray in parts of it, and
    /// angles (rad); 0 leaves it out.
    pub provisional: [f64; 3],
    /// Disagreement with the provisional pose, in standard deviations, beyond which it counts as an outlier.
    pub provisional_outlier: f64,
    /// Seconds after which the provisional pose counts once more: errors of successive frames are alike.
    pub provisional_memory_seconds: f64,
    /// Standard deviation by which a tracker's key points of one hand lie elsewhere along their bones than it
    /// usually puts them, metres: an unknown of each hand and key point; 0 holds them at the usual place.
    pub keypoint_offset: f64,
    /// Whether a first fit says how noisy each hand's key points are, on top of the unit.
    pub learn_noise: bool,
}

/// How hands move in the world.
#[derive(Clone, Debug, PartialEq)]
pub struct MotionTerms {
    /// Standard deviation of the wrist's acceleration, m/s^2; 0 leaves accelerations out.
    pub wrist_acceleration: f64,
    /// Of the wrist's angular acceleration, rad/s^2.
    pub rotation_acceleration: f64,
    /// Of the finger angles' acceleration, rad/s^2.
    pub angle_acceleration: f64,
    /// Time in which a velocity that nothing confirms dies away, seconds.
    pub velocity_memory_seconds: f64,
    /// Surprise, in standard deviations, beyond which an acceleration counts as a sudden motion (Cauchy).
    pub outlier: f64,
    /// Weight of `1/2 sum |J(t+1) - J(t)|^2` over all joints, the papers' smoothness.
    pub joint_velocity: f64,
}

/// How hands are bent.
#[derive(Clone, Debug)]
pub struct PoseTerms {
    /// Weight of the sum of squared finger angles, the papers' pose prior.
    pub squared_angles: f64,
    /// Our own mean, spread and coupling of the last two joints, as in the front end's fit; `None` leaves
    /// them out.
    pub anatomy: Option<AnatomyPrior>,
    /// Weight of human limits, of the summed excess in a frame (stage III).
    pub biomechanics: f64,
}

/// The hand's shape.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapeTerms {
    /// Weight of the sum of squared coefficients, once a frame.
    pub squared_betas: f64,
    /// Weight of the squared distance to the mean of the track's provisional coefficients, once a chunk.
    pub provisional: f64,
    /// Greatest magnitude of a coefficient.
    pub limit: f64,
}

/// The camera.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraTerms {
    /// Relative standard deviation by which the scale may differ between neighbouring chunks.
    pub scale_drift: f64,
}

/// Limits of the search.
#[derive(Clone, Debug, PartialEq)]
pub struct SolverLimits {
    /// Most linearisations in stage II.
    pub world_iterations: usize,
    /// Most linearisations in stage II once more, with the key points' noise that it learned.
    pub again_iterations: usize,
    /// Most linearisations in stage III.
    pub joint_iterations: usize,
    /// Relative decrease of the cost that ends a stage.
    pub enough: f64,
}

/// Everything the refinement can be told.
#[derive(Clone, Debug)]
pub struct RefineConfig {
    /// Frames of a chunk, as in the papers: 128 at 30 Hz are 4.3 s.
    pub chunk_frames: usize,
    /// Frames that a chunk shares with the one before, as in the release: 16.
    pub overlap: usize,
    /// Longest gap inside a track that is filled, frames, as in the paper: 50.
    pub longest_gap: usize,
    /// Which stages run.
    pub stages: Stages,
    /// Trust in what was seen.
    pub observation: ObservationTerms,
    /// Motion in the world.
    pub motion: MotionTerms,
    /// Bends.
    pub pose: PoseTerms,
    /// Shape.
    pub shape: ShapeTerms,
    /// Camera.
    pub camera: CameraTerms,
    /// Limits of the search.
    pub solver: SolverLimits,
}

impl RefineConfig {
    /// The weights of this engine.
    pub fn ours() -> Self {
        Self {
            chunk_frames: 128,
            overlap: 16,
            longest_gap: 50,
            stages: Stages {
                infill: Infill::Prior,
                world: true,
                joint: true,
                prior: true,
                biomechanics: true,
                penetration: true,
            },
            observation: ObservationTerms {
                reprojection: 0.5,
                unit: PixelUnit::PartOfHand { part: 0.017, least_px: 1.0 },
                reprojection_scale: 3.0,
                least_confidence: 0.1,
                provisional: [0.15, 0.1, 0.2],
                provisional_outlier: 3.0,
                provisional_memory_seconds: 0.3,
                keypoint_offset: 2e-3,
                learn_noise: true,
            },
            motion: MotionTerms {
                wrist_acceleration: 1.2,
                rotation_acceleration: 12.0,
                angle_acceleration: 22.0,
                velocity_memory_seconds: 0.3,
                outlier: 2.0,
                joint_velocity: 0.0,
            },
            pose: PoseTerms {
                squared_angles: 0.0,
                anatomy: Some(AnatomyPrior::default()),
                biomechanics: 10.0,
            },
            shape: ShapeTerms { squared_betas: 0.0, provisional: 50.0, limit: 3.0 },
            camera: CameraTerms { scale_drift: 0.02 },
            solver: SolverLimits {
                world_iterations: 12,
                again_iterations: 4,
                joint_iterations: 8,
                enough: 1e-3,
            },
        }
    }

    /// The weights printed in Dyn-HaMR's text.
    pub fn paper() -> Self {
        let ours = Self::ours();
        Self {
            observation: ObservationTerms {
                reprojection: 0.001,
                unit: PixelUnit::Pixels,
                reprojection_scale: 100.0,
                least_confidence: 0.5,
                provisional: [0.0; 3],
                keypoint_offset: 0.0,
                learn_noise: false,
                ..ours.observation
            },
            motion: MotionTerms {
                wrist_acceleration: 0.0,
                rotation_acceleration: 0.0,
                angle_acceleration: 0.0,
                joint_velocity: 10.0,
                ..ours.motion
            },
            pose: PoseTerms { squared_angles: 0.04, anatomy: None, biomechanics: 1.0 },
            shape: ShapeTerms { squared_betas: 0.05, provisional: 0.0, ..ours.shape },
            ..ours
        }
    }

    /// The weights of Dyn-HaMR's released code: no interpenetration.
    pub fn release() -> Self {
        let paper = Self::paper();
        Self {
            observation: ObservationTerms { least_confidence: 0.4, ..paper.observation },
            pose: PoseTerms { biomechanics: 10.0, ..paper.pose },
            stages: Stages { penetration: false, ..paper.stages },
            ..paper
        }
    }

    /// The preset called `ours`, `paper` or `release`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ours" => Some(Self::ours()),
            "paper" => Some(Self::paper()),
            "release" => Some(Self::release()),
            _ => None,
        }
    }
}

impl Default for RefineConfig {
    fn default() -> Self {
        Self::ours()
    }
}
