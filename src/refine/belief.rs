//! What a motion prior is: it fills gaps and says what it expects of every frame.

use nalgebra::{Rotation3, Vector3};

use crate::hand::anatomy::FREE_ANGLES;

/// One frame of one hand, as a prior sees it: in right-hand space (left hands mirrored), in the world.
#[derive(Clone, Debug)]
pub struct MotionFrame {
    /// Capture time, seconds.
    pub seconds: f64,
    /// `world_from_hand`, about the wrist.
    pub rotation: Rotation3<f64>,
    /// The wrist, metres.
    pub wrist: Vector3<f64>,
    /// Finger angles in the order of [`crate::hand::anatomy::FREE`], radians.
    pub angles: [f64; FREE_ANGLES],
    /// Whether the frame was seen; otherwise it lies on a great circle between its neighbours.
    pub seen: bool,
}

/// What a prior expects of one frame.
#[derive(Clone, Debug)]
pub struct FrameBelief {
    /// The expected angles, radians.
    pub angles: [f64; FREE_ANGLES],
    /// Inverse variance of each, 1/rad^2; 0 where the prior says nothing.
    pub angle_information: [f64; FREE_ANGLES],
    /// The expected `world_from_hand` with its inverse variance, 1/rad^2.
    pub rotation: Option<(Rotation3<f64>, f64)>,
}

/// A prior of hands' motion. The refinement's own terms (velocities that die away, usual bends, joint limits)
/// are always there; a prior of this kind adds to them.
pub trait MotionPrior: Send {
    /// Name of the prior, as written to statistics.
    fn name(&self) -> &'static str;

    /// Replaces the frames of gaps (`seen` is false) by what the prior expects of them. Stretches of a hand
    /// come one by one, without breaks.
    fn fill(&mut self, motion: &mut [MotionFrame]);

    /// What the prior expects of each frame of a stretch, given all of it; `None` where it says nothing.
    fn believe(&mut self, motion: &[MotionFrame]) -> Vec<Option<FrameBelief>>;
}
