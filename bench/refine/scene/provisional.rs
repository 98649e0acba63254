//! What the front end publishes for the tracker's hands: the lite network and the fit, as in the engine.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use handstream::event::{Side, TrackId};
use handstream::fit::{FitConfig, HandObservation, PoseBelief, TrackFitter};
use handstream::frame::Timestamp;
use handstream::geometry::CameraModel;
use handstream::hand::HandModel;
use handstream::haptic::{HandInput, LiteConfig, LiteHand, LiteHaptic};
use handstream::jobs::InOrder;
use handstream::refine::ObservedHand;

/// Frames without a hand after which the tracker gives it a new number.
const FORGOTTEN_AFTER: usize = 15;

/// The front end of one scene.
pub struct FrontEnd {
    network: LiteHaptic,
    model: Arc<HandModel>,
    camera: Arc<CameraModel>,
    fits: HashMap<TrackId, (Side, TrackFitter)>,
    /// For each hand of the scene: its track and the frames since it was seen.
    tracks: Vec<Option<(TrackId, usize)>>,
    next: u32,
}

impl FrontEnd {
    /// For `hands` hands.
    ///
    /// # Errors
    /// Where the embedded network cannot be used.
    pub fn new(hands: usize, model: Arc<HandModel>, camera: Arc<CameraModel>) -> Result<Self> {
        let network = LiteHaptic::new(LiteConfig::default())?;
        Ok(Self { network, model, camera, fits: HashMap::new(), tracks: vec![None; hands], next: 0 })
    }

    /// The published hands of a frame.
    pub fn publish(&mut self, seen: &[Option<HandObservation>], time: Timestamp) -> Vec<ObservedHand> {
        let mut inputs = Vec::new();
        for (track, observation) in self.tracks.iter_mut().zip(seen) {
            let Some(observation) = observation else {
                *track = track.map(|(id, unseen)| (id, unseen + 1));
                continue;
            };
            let known = track.filter(|(_, unseen)| *unseen <= FORGOTTEN_AFTER).map(|(id, _)| id);
            let id = known.unwrap_or_else(|| {
                self.next += 1;
                TrackId(self.next - 1)
            });
            *track = Some((id, 0));
            inputs.push(HandInput { track: id, observation: observation.clone() });
        }
        let said = self.network.update(&inputs, &self.camera, time, &InOrder);
        inputs.iter().zip(said).map(|(input, said)| self.fit(input, said, time)).collect()
    }

    fn fit(&mut self, input: &HandInput, said: Option<LiteHand>, time: Timestamp) -> ObservedHand {
        let observation = &input.observation;
        let side = observation.side;
        let belief = said.map(|hand| PoseBelief {
            wrist: hand.wrist(),
            rotations: hand.rotations,
            depth_change: hand.depth_change,
        });
        let new =
            || (side, TrackFitter::new(self.model.clone(), self.camera.clone(), side, FitConfig::default()));
        let fit = self.fits.entry(input.track).or_insert_with(new);
        if fit.0 != side {
            *fit = new();
        }
        let fitted = fit.1.update(observation, belief.as_ref(), time);
        ObservedHand {
            track: input.track,
            side,
            score: observation.score,
            keypoints_px: observation.keypoints_px,
            confidence: [observation.score; 21],
            pose: fitted.pose,
        }
    }
}
