//! Hands from pictures that see each other: OmniHands' network, published as it says.

use std::sync::Arc;
use std::time::Instant;

use nalgebra::Vector3;

use super::pictured::worn;
use super::poser::{Posed, Poser};
use super::run::SettledHand;
use super::workers::Workers;
use crate::event::{StageTime, TrackId};
use crate::frame::Frame;
use crate::geometry::{CameraModel, CameraPoint};
use crate::hand::HandModel;
use crate::haptic::HandInput;
use crate::haptic::omni::{OmniFrame, OmniHands, Together};

/// Places every hand where the network says, close hands as far apart as it says.
pub(super) struct PairedPoser {
    omni: OmniHands,
    /// Whether frames wait to be the middle of their windows.
    look_ahead: usize,
    newest: Together,
    centres: Together,
    model: Arc<HandModel>,
    camera: Arc<CameraModel>,
}

impl PairedPoser {
    /// `model` wears the network's pose: the user's MANO, for which it was trained, or the open hand. With
    /// `centre` frames wait half a window.
    pub fn new(omni: OmniHands, centre: bool, model: Arc<HandModel>, camera: Arc<CameraModel>) -> Self {
        let look_ahead = if centre { omni.half_window() } else { 0 };
        Self { omni, look_ahead, newest: Together::default(), centres: Together::default(), model, camera }
    }
}

/// The hands of a frame as `model` wears them, pairs placed together.
fn placed(model: &HandModel, together: &mut Together, frame: &OmniFrame) -> Vec<(TrackId, Posed)> {
    let posed = frame.hands.iter().map(|hand| (hand.track, worn(model, &hand.hand, hand.side)));
    let mut posed: Vec<(TrackId, Posed)> = posed.collect();
    let joints: Vec<_> = posed.iter().map(|(track, posed)| (*track, posed.joints_camera)).collect();
    for ((_, posed), shift) in posed.iter_mut().zip(together.shifts(&joints, &frame.pairs)) {
        let shift: Vector3<f32> = shift.cast();
        posed.pose.translation += shift;
        posed.joints_camera = posed.joints_camera.map(|joint| CameraPoint(joint.0 + shift));
    }
    posed
}

impl Poser for PairedPoser {
    fn pose(
        &mut self,
        frame: &Frame,
        hands: &[HandInput],
        workers: &Workers,
        stages: &mut Vec<StageTime>,
    ) -> Result<Vec<Option<Posed>>, String> {
        let start = Instant::now();
        let said = self.omni.update(frame, hands, &self.camera, workers);
        stages.push(StageTime { stage: "network", took: start.elapsed() });
        let said = said.map_err(|error| error.to_string())?;
        let mut posed: Vec<(TrackId, Posed)> = placed(&self.model, &mut self.newest, &said);
        let mut of = |track: TrackId| {
            let at = posed.iter().position(|(posed, _)| *posed == track)?;
            Some(posed.swap_remove(at).1)
        };
        Ok(hands.iter().map(|hand| of(hand.track)).collect())
    }

    fn look_ahead(&self) -> usize {
        self.look_ahead
    }

    fn settle(&mut self, ended: bool, workers: &Workers) -> Result<Vec<SettledHand>, String> {
        let mut settled = Vec::new();
        while let Some(frame) = self.omni.centre(ended, workers).map_err(|error| error.to_string())? {
            let hands = placed(&self.model, &mut self.centres, &frame).into_iter();
            settled.extend(hands.map(|(track, Posed { joints_camera, pose })| SettledHand {
                sequence: frame.sequence,
                track,
                pose,
                joints_camera,
            }));
        }
        Ok(settled)
    }
}
