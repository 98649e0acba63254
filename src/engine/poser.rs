//! What stands between the 2D tracker and the published hands.

use super::run::SettledHand;
use super::workers::Workers;
use crate::event::{HandPose, KEYPOINTS, StageTime};
use crate::frame::Frame;
use crate::geometry::CameraPoint;
use crate::haptic::HandInput;

/// One hand in metres, on its own side.
pub(super) struct Posed {
    /// Joints of the posed hand in metres, `openpose21`.
    pub joints_camera: [CameraPoint; KEYPOINTS],
    /// The posed hand.
    pub pose: HandPose,
}

/// Makes hands in metres of the 2D tracker's hands.
pub(super) trait Poser: Send {
    /// The hands of `frame` in metres, in the order of `hands`; `None` for one that cannot be placed. Adds
    /// the times of its stages.
    ///
    /// # Errors
    /// One sentence; this frame then has no hands.
    fn pose(
        &mut self,
        frame: &Frame,
        hands: &[HandInput],
        workers: &Workers,
        stages: &mut Vec<StageTime>,
    ) -> Result<Vec<Option<Posed>>, String>;

    /// How many frames it looks ahead.
    fn look_ahead(&self) -> usize {
        0
    }

    /// What it says of hands of earlier frames now that it has seen more; of all of them, when no frame will
    /// follow.
    ///
    /// # Errors
    /// One sentence; these hands then stay as they are.
    fn settle(&mut self, _ended: bool, _workers: &Workers) -> Result<Vec<SettledHand>, String> {
        Ok(Vec::new())
    }
}
