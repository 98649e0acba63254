//! The fits of all hands of a run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nalgebra::Vector2;

use super::belief::PoseBelief;
use super::config::FitConfig;
use super::observation::HandObservation;
use super::pairing::{Single, pairs};
use super::track::{FittedHand, TrackFitter};
use crate::event::{KEYPOINTS, Side, TrackId};
use crate::frame::Timestamp;
use crate::geometry::CameraModel;
use crate::hand::HandModel;
use crate::jobs::{Job, Jobs};

/// A track not seen for this long, seconds, will not be asked for again.
const FORGET_SECONDS: f64 = 5.0;

/// One hand of a frame.
#[derive(Clone, Copy, Debug)]
pub struct SeenTrack<'a> {
    /// The track it continues.
    pub track: TrackId,
    /// What the 2D tracker says of it.
    pub observation: &'a HandObservation,
    /// What a network says of it.
    pub belief: Option<&'a PoseBelief>,
}

/// A fit for every track; the two hands of a person agree on their shape.
pub struct HandFits {
    model: Arc<HandModel>,
    camera: Arc<CameraModel>,
    config: FitConfig,
    tracks: HashMap<TrackId, Track>,
}

/// The fit of one track.
struct Track {
    side: Side,
    fitter: TrackFitter,
    last_seen: Timestamp,
}

impl HandFits {
    /// No tracks yet; hands like `model` are seen by `camera`.
    pub fn new(model: Arc<HandModel>, camera: Arc<CameraModel>, config: FitConfig) -> Self {
        Self { model, camera, config, tracks: HashMap::new() }
    }

    /// Fits all hands of the frame captured at `now`, each as a job of its own; the answers are in their order.
    pub fn update(&mut self, hands: &[SeenTrack], now: Timestamp, jobs: &dyn Jobs) -> Vec<FittedHand> {
        let mut fitting: Vec<Track> = hands.iter().map(|hand| self.take_track(hand, now)).collect();
        if self.config.shape.shared {
            agree(&mut fitting, hands);
        }
        let mut fitted: Vec<Option<FittedHand>> = vec![None; hands.len()];
        let work = fitting.iter_mut().zip(hands).zip(&mut fitted).map(|((track, hand), fitted)| -> Job<'_> {
            Box::new(move || *fitted = Some(track.fitter.update(hand.observation, hand.belief, now)))
        });
        jobs.run(work.collect());
        self.tracks.extend(hands.iter().map(|hand| hand.track).zip(fitting));
        let remembered = Duration::from_secs_f64(FORGET_SECONDS);
        self.tracks.retain(|_, track| now.since(track.last_seen) < remembered);
        fitted.into_iter().flatten().collect()
    }

    /// The track that a hand continues, taken out of the list.
    fn take_track(&mut self, hand: &SeenTrack, now: Timestamp) -> Track {
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

/// Brings the shapes of each person's hands together.
fn agree(fitting: &mut [Track], hands: &[SeenTrack]) {
    let single = |hand: &SeenTrack| {
        let points = hand.observation.keypoints_px.iter();
        let sum: Vector2<f64> = points.map(|p| Vector2::new(f64::from(p.x), f64::from(p.y))).sum();
        Single { track: hand.track, side: hand.observation.side, centre: sum / KEYPOINTS as f64 }
    };
    for pair in pairs(&hands.iter().map(single).collect::<Vec<_>>()) {
        let [Some(right), Some(left)] = pair else { continue };
        if let Ok([right, left]) = fitting.get_disjoint_mut([right, left]) {
            right.fitter.agree_on_shape(&mut left.fitter);
        }
    }
}
