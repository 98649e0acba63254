//! Hands from pictures: HaMeR's or HaPTIC's network on crops of the frame, published as it says.

use std::sync::Arc;
use std::time::Instant;

use nalgebra::Vector3;

use super::poser::{Posed, Poser};
use super::workers::Workers;
use crate::event::{HandPose, Side, StageTime};
use crate::frame::Frame;
use crate::geometry::CameraModel;
use crate::hand::HandModel;
use crate::hand::mirror::mirror_pose;
use crate::haptic::HandInput;
use crate::haptic::full::{FullHand, FullHaptic};

/// Places every hand where the released network says.
pub(super) struct PicturedPoser {
    haptic: FullHaptic,
    model: Arc<HandModel>,
    camera: Arc<CameraModel>,
}

impl PicturedPoser {
    /// `model` wears the network's pose: the user's MANO, for which it was trained, or the open hand.
    pub fn new(haptic: FullHaptic, model: Arc<HandModel>, camera: Arc<CameraModel>) -> Self {
        Self { haptic, model, camera }
    }
}

/// What `model` looks like in the network's pose. The open hand wears no shapes: MANO's mean nothing to another
/// mesh; the wrists coincide.
pub(super) fn worn(model: &HandModel, hand: &FullHand, side: Side) -> Posed {
    let [wrist, fingers @ ..] = hand.rotations.map(|rotation| rotation.scaled_axis().cast());
    let (betas, translation) = if model.is_open() {
        let betas = [0.0; 10];
        (betas, hand.wrist() - model.skeleton().shaped_joints(&betas)[0])
    } else {
        (hand.betas, hand.translation)
    };
    let pose = HandPose {
        global_orient: wrist,
        hand_pose: fingers,
        betas: betas.map(|beta| beta as f32),
        translation: Vector3::cast(translation),
    };
    let pose = if side == Side::Left { mirror_pose(&pose) } else { pose };
    Posed { joints_camera: model.posed(&pose, side).joints, pose }
}

impl Poser for PicturedPoser {
    fn pose(
        &mut self,
        frame: &Frame,
        hands: &[HandInput],
        workers: &Workers,
        stages: &mut Vec<StageTime>,
    ) -> Result<Vec<Option<Posed>>, String> {
        let start = Instant::now();
        let said = self.haptic.update(frame, hands, &self.camera, workers);
        stages.push(StageTime { stage: "network", took: start.elapsed() });
        let said = said.map_err(|error| error.to_string())?;
        let posed = said.iter().zip(hands);
        Ok(posed.map(|(said, hand)| Some(worn(&self.model, said.as_ref()?, hand.observation.side))).collect())
    }
}
