//! Hands from key points: the window transformer's belief, then each track's fit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::poser::{Posed, Poser};
use super::workers::Workers;
use crate::event::{Side, StageTime, TrackId};
use crate::fit::{FitConfig, FittedHand, PoseBelief, TrackFitter};
use crate::frame::{Frame, Timestamp};
use crate::geometry::CameraModel;
use crate::hand::HandModel;
use crate::haptic::{HandInput, LiteHand, LiteHaptic};
use crate::jobs::{Job, Jobs};

/// A track not seen for this long, seconds, will not be asked for again.
const FORGET_SECONDS: f64 = 5.0;

/// Fits every track, with the window transformer before it or alone.
pub(super) struct FittedPoser {
    lite: Option<LiteHaptic>,
    tracks: HashMap<TrackId, Track>,
    model: Arc<HandModel>,
    camera: Arc<CameraModel>,
    config: FitConfig,
}

/// The fit of one track.
struct Track {
    side: Side,
    fitter: TrackFitter,
    last_seen: Timestamp,
}

impl FittedPoser {
    /// `lite` speaks before the fit; without it the fit is alone.
    pub fn new(
        lite: Option<LiteHaptic>,
        model: Arc<HandModel>,
        camera: Arc<CameraModel>,
        config: FitConfig,
    ) -> Self {
        Self { lite, tracks: HashMap::new(), model, camera, config }
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

    /// The fit of every hand, side by side; a hand's fit does not know the others'.
    fn fit(
        &mut self,
        hands: &[HandInput],
        beliefs: &[Option<PoseBelief>],
        now: Timestamp,
        workers: &Workers,
    ) -> Vec<Option<FittedHand>> {
        let mut fitting: Vec<Track> = hands.iter().map(|hand| self.take_track(hand, now)).collect();
        let mut fitted = vec![None; hands.len()];
        let jobs = fitting.iter_mut().zip(hands).zip(beliefs).zip(&mut fitted).map(
            |(((track, hand), belief), fitted)| -> Job<'_> {
                Box::new(move || {
                    *fitted = Some(track.fitter.update(&hand.observation, belief.as_ref(), now));
                })
            },
        );
        workers.run(jobs.collect());
        self.tracks.extend(hands.iter().map(|hand| hand.track).zip(fitting));
        fitted
    }

    /// The track that a hand continues, taken out of the list.
    fn take_track(&mut self, hand: &HandInput, now: Timestamp) -> Track {
        let side = hand.observation.side;
        // The evidence for the other side may have won; a left hand's fit is of no use to a right one.
        let known = self.tracks.remove(&hand.track).filter(|track| track.side == side);
        let fitter = match known {
            Some(track) => track.fitter,
            None => TrackFitter::new(self.model.clone(), self.camera.clone(), side, self.config.clone()),
        };
        Track { side, fitter, last_seen: now }
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
        let fitted = self.fit(hands, &beliefs, now, workers);
        let remembered = Duration::from_secs_f64(FORGET_SECONDS);
        self.tracks.retain(|_, track| now.since(track.last_seen) < remembered);
        stages.push(StageTime { stage: "network", took: believed - start });
        stages.push(StageTime { stage: "fit", took: believed.elapsed() });
        let posed = |hand: FittedHand| Posed { joints_camera: hand.joints_camera, pose: hand.pose };
        Ok(fitted.into_iter().map(|hand| hand.map(posed)).collect())
    }
}
