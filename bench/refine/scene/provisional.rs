//! What the front end publishes for the tracker's hands: the lite network and the fit, as in the engine.

use std::sync::Arc;

use anyhow::Result;
use handstream::event::TrackId;
use handstream::fit::{FitConfig, FittedHand, HandFits, HandObservation, PoseBelief, SeenTrack};
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
    camera: Arc<CameraModel>,
    fits: HandFits,
    /// For each hand of the scene: its track and the frames since it was seen.
    tracks: Vec<Option<(TrackId, usize)>>,
    next: u32,
}

impl FrontEnd {
    /// For `hands` hands, fitted as `config` says.
    ///
    /// # Errors
    /// Where the embedded network cannot be used.
    pub fn new(
        hands: usize,
        model: Arc<HandModel>,
        camera: Arc<CameraModel>,
        config: FitConfig,
    ) -> Result<Self> {
        let network = LiteHaptic::new(LiteConfig::default())?;
        let fits = HandFits::new(model, camera.clone(), config);
        Ok(Self { network, camera, fits, tracks: vec![None; hands], next: 0 })
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
        self.fit(&inputs, time)
    }

    /// The published hands of a frame whose hands have their tracks.
    pub fn fit(&mut self, inputs: &[HandInput], time: Timestamp) -> Vec<ObservedHand> {
        let said = self.network.update(inputs, &self.camera, time, &InOrder);
        let belief = |hand: LiteHand| PoseBelief {
            wrist: hand.wrist(),
            rotations: hand.rotations,
            depth_change: hand.depth_change,
        };
        let beliefs: Vec<Option<PoseBelief>> = said.into_iter().map(|hand| hand.map(belief)).collect();
        let tracks = inputs.iter().zip(&beliefs).map(|(input, belief)| SeenTrack {
            track: input.track,
            observation: &input.observation,
            belief: belief.as_ref(),
        });
        let fitted = self.fits.update(&tracks.collect::<Vec<_>>(), time, &InOrder);
        let published = |(input, fitted): (&HandInput, FittedHand)| ObservedHand {
            track: input.track,
            side: input.observation.side,
            score: input.observation.score,
            keypoints_px: input.observation.keypoints_px,
            confidence: [input.observation.score; 21],
            pose: fitted.pose,
        };
        inputs.iter().zip(fitted).map(published).collect()
    }
}
