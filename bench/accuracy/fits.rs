//! The fits of a recording's tracks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use handstream::event::{Side, TrackId};
use handstream::fit::{FitConfig, FittedHand, PoseBelief, TrackFitter};
use handstream::frame::Timestamp;
use handstream::hand::HandModel;
use handstream::haptic::LiteHand;

use super::recording::{Estimate, Joints, Recording, SeenHand2d};

/// Frames that the smoother fits together with the newest.
const LAG_FRAMES: usize = 6;

/// What the fixed-lag smoother does.
#[derive(Clone, Copy, PartialEq)]
pub enum Smoother {
    /// Nothing.
    Off,
    /// It runs, and each frame counts as it is published: as the newest.
    Newest,
    /// Each frame counts as it looks when it leaves the smoother, [`LAG_FRAMES`] frames late.
    Late,
}

/// One fitter a track.
pub struct Fits<'a> {
    model: Arc<HandModel>,
    recording: &'a Recording,
    smoother: Smoother,
    tracks: HashMap<TrackId, (Side, TrackFitter)>,
    corrected: BTreeMap<usize, Estimate>,
}

impl<'a> Fits<'a> {
    /// No tracks yet.
    pub fn new(model: Arc<HandModel>, recording: &'a Recording, smoother: Smoother) -> Self {
        Self { model, recording, smoother, tracks: HashMap::new(), corrected: BTreeMap::new() }
    }

    /// The newest frame's hand.
    pub fn update(&mut self, hand: &SeenHand2d, said: Option<LiteHand>, time: Timestamp) -> Joints {
        let side = hand.observation.side;
        let lag_frames = if self.smoother == Smoother::Off { 0 } else { LAG_FRAMES };
        let new = || {
            let config = FitConfig { lag_frames, ..FitConfig::default() };
            (side, TrackFitter::new(self.model.clone(), self.recording.camera.clone(), side, config))
        };
        let track = self.tracks.entry(hand.track).or_insert_with(new);
        if track.0 != side {
            *track = new();
        }
        let belief = said.map(|said| PoseBelief {
            rotations: said.rotations,
            wrist: said.wrist(),
            depth_change: said.depth_change,
        });
        let fitted = track.1.update(&hand.observation, belief.as_ref(), time);
        if self.smoother == Smoother::Late {
            for (time, fitted) in track.1.corrected() {
                let frame = (time.seconds() * self.recording.fps).round() as usize;
                self.corrected.insert(frame, Estimate { track: hand.track, joints: joints(&fitted) });
            }
        }
        joints(&fitted)
    }

    /// Puts what the smoother made of earlier frames in place of what was published for them.
    pub fn correct(&self, estimates: &mut [Option<Estimate>]) {
        for (&frame, corrected) in &self.corrected {
            let published = estimates.get_mut(frame).and_then(Option::as_mut);
            if let Some(published) = published.filter(|published| published.track == corrected.track) {
                *published = *corrected;
            }
        }
    }
}

fn joints(fitted: &FittedHand) -> Joints {
    fitted.joints_camera.map(|joint| joint.0.cast())
}
