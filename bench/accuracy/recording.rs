//! What every method gets to see: the 2D hands of a film or of a held-out sequence, with what is true.

use std::sync::Arc;

use handstream::event::{Side, TrackId};
use handstream::fit::HandObservation;
use handstream::frame::Timestamp;
use handstream::geometry::CameraModel;
use handstream::metrics::{HandSample, HandSequence, KnownJoints, MatchedHand};
use nalgebra::Vector3;

/// The 21 joints of a hand in camera space, metres, `openpose21`.
pub type Joints = [Vector3<f64>; 21];

/// One hand of one frame in 2D.
#[derive(Clone)]
pub struct SeenHand2d {
    /// The track it continues.
    pub track: TrackId,
    /// What the 2D tracker says.
    pub observation: HandObservation,
    /// Confidence of each key point, where the set has one; else the hand's score counts for all.
    pub confidence: Option<[f32; 21]>,
}

/// A sequence of frames from one camera.
pub struct Recording {
    /// The camera.
    pub camera: Arc<CameraModel>,
    /// Frames per second.
    pub fps: f64,
    /// The hands of every frame.
    pub frames: Vec<Vec<SeenHand2d>>,
    /// True joints of one hand, where they are known.
    pub truth: HandSequence,
}

/// The hand that a method gives for a frame.
#[derive(Clone, Copy)]
pub struct Estimate {
    /// Its track.
    pub track: TrackId,
    /// Its joints.
    pub joints: Joints,
}

impl Recording {
    /// Capture time of frame `index`.
    pub fn time(&self, index: usize) -> Timestamp {
        Timestamp::from_seconds(index as f64 / self.fps)
    }

    /// True where the 2D hands have landmarks in metres.
    pub fn has_landmarks(&self) -> bool {
        let mut hands = self.frames.iter().flatten();
        hands.any(|hand| hand.observation.landmarks_m.iter().any(|landmark| landmark.norm() > 0.0))
    }

    /// A method's hands beside the true ones.
    pub fn matched(&self, estimates: &[Option<Estimate>]) -> MatchedHand {
        MatchedHand::new(&sequence(estimates), &self.truth, self.fps)
    }
}

/// Estimates by frame number.
pub fn sequence(estimates: &[Option<Estimate>]) -> HandSequence {
    let known = (0..).zip(estimates).filter_map(|(frame, estimate)| Some((frame, estimate.as_ref()?)));
    known
        .map(|(frame, estimate)| (frame, sample(estimate.joints.map(Some), Some(estimate.track.0))))
        .collect()
}

/// A frame of joints without mesh.
pub fn sample(joints: KnownJoints, track: Option<u32>) -> HandSample {
    HandSample { joints, vertices: Vec::new(), track }
}

/// The side whose recordings the held-out sets hold.
pub const HOLDOUT_SIDE: Side = Side::Right;
