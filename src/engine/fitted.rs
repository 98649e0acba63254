//! Hands from key points: the window transformer's belief, then each track's fit.

use std::sync::Arc;
use std::time::Instant;

use super::poser::{Posed, Poser};
use super::workers::Workers;
use crate::event::StageTime;
use crate::fit::{FitConfig, FittedHand, HandFits, PoseBelief, SeenTrack};
use crate::frame::{Frame, Timestamp};
use crate::geometry::CameraModel;
use crate::hand::HandModel;
use crate::haptic::{HandInput, LiteHand, LiteHaptic};

/// Fits every track, with the window transformer before it or alone.
pub(super) struct FittedPoser {
    lite: Option<LiteHaptic>,
    fits: HandFits,
    camera: Arc<CameraModel>,
}

impl FittedPoser {
    /// `lite` speaks before the fit; without it the fit is alone.
    pub fn new(
        lite: Option<LiteHaptic>,
        model: Arc<HandModel>,
        camera: Arc<CameraModel>,
        config: FitConfig,
    ) -> Self {
        Self { lite, fits: HandFits::new(model, camera.clone(), config), camera }
    }

    /// What the window transformer says of each hand; nothing where there is none.
    fn believe(&mut self, hands: &[HandInput], now: Timestamp, workers: &Workers) -> Vec<Option<PoseBelief>> {
        let Some(lite) = &mut self.lite else { return vec![None; hands.len()] };
        let placed = lite.update(hands, &self.camera, now, workers);
        let belief = |hand: LiteHand| PoseBelief {
            wrist: hand.wrist(),
            rotations: hand.rotations,
            depth_change: hand.depth_change,
        };
        placed.into_iter().map(|hand| hand.map(belief)).collect()
    }
}

impl Poser for FittedPoser {
    fn pose(
        &mut self,
        frame: &Frame,
        hands: &[HandInput],
        workers: &Workers,
        stages: &mut Vec<StageTime>,
    ) -> Result<Vec<Option<Posed>>, String> {
        let now = frame.timestamp;
        let start = Instant::now();
        let beliefs = self.believe(hands, now, workers);
        let believed = Instant::now();
        let seen = hands.iter().zip(&beliefs).map(|(hand, belief)| SeenTrack {
            track: hand.track,
            observation: &hand.observation,
            belief: belief.as_ref(),
        });
        let fitted = self.fits.update(&seen.collect::<Vec<_>>(), now, workers);
        stages.push(StageTime { stage: "network", took: believed - start });
        stages.push(StageTime { stage: "fit", took: believed.elapsed() });
        let posed = |hand: FittedHand| Posed { joints_camera: hand.joints_camera, pose: hand.pose };
        Ok(fitted.into_iter().map(|hand| Some(posed(hand))).collect())
    }
}
