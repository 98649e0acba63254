//! The rows of the tables: ways from 2D hands to joints in metres. All are causal and give the newest
//! frame, but for the one that says so.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use handstream::event::Side;
use handstream::hand::HandModel;
use handstream::hand::mirror::mirror_point;
use handstream::haptic::LiteHand;

use super::fits::{Fits, Smoother};
use super::network::{Network, Reading};
use super::one_euro::one_euro;
use super::pnp;
use super::recording::{Estimate, Joints, Recording, SeenHand2d};

/// What a method does with the 2D hands.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// The tracker's landmarks as a rigid hand, posed by its key points.
    Pnp,
    /// The network alone.
    Network(Reading),
    /// The network, then a filter on every joint.
    Filtered(Reading),
    /// The fit, with or without what the network says.
    Fit(Option<Reading>, Smoother),
}

/// One row.
#[derive(Clone, Copy)]
pub struct Method {
    /// Its name in the tables.
    pub name: &'static str,
    way: Way,
}

/// Every method, peers first.
pub const METHODS: [Method; 11] = [
    Method { name: "MediaPipe + PnP", way: Way::Pnp },
    Method { name: "Weak2Full (image mode)", way: Way::Network(Reading::Image) },
    Method { name: "Weak2Full + One-Euro(1, 2)", way: Way::Filtered(Reading::Image) },
    Method { name: "Weak2Full (window)", way: Way::Network(Reading::Video) },
    Method { name: "depth change, paper's chaining", way: Way::Network(Reading::Chained) },
    Method { name: "depth change, window anchor", way: Way::Network(Reading::Anchored) },
    Method { name: "fit alone", way: Way::Fit(None, Smoother::Off) },
    Method { name: "Weak2Full (image mode) + fit", way: Way::Fit(Some(Reading::Image), Smoother::Off) },
    Method { name: "window anchor + fit", way: Way::Fit(Some(Reading::Anchored), Smoother::Off) },
    Method { name: "the same, smoother on", way: Way::Fit(Some(Reading::Anchored), Smoother::Newest) },
    Method {
        name: "the same, corrected (not causal)",
        way: Way::Fit(Some(Reading::Anchored), Smoother::Late),
    },
];

/// What a method made of a recording.
pub struct Outcome {
    /// The measured hand of each frame.
    pub estimates: Vec<Option<Estimate>>,
    /// Wall time of each hand, milliseconds.
    pub milliseconds: Vec<f64>,
}

impl Method {
    /// True where the method has nothing but the tracker's landmarks.
    pub fn needs_landmarks(&self) -> bool {
        self.way == Way::Pnp
    }

    /// Runs over the recording, frame by frame.
    ///
    /// # Errors
    /// Where the network cannot be started.
    pub fn run(&self, recording: &Recording, model: &Arc<HandModel>) -> Result<Outcome> {
        let reading = match self.way {
            Way::Pnp => None,
            Way::Network(reading) | Way::Filtered(reading) => Some(reading),
            Way::Fit(reading, _) => reading,
        };
        let mut network = reading.map(Network::start).transpose()?;
        let smoother = match self.way {
            Way::Fit(_, smoother) => smoother,
            _ => Smoother::Off,
        };
        let mut fits = Fits::new(model.clone(), recording, smoother);
        let mut outcome = Outcome { estimates: Vec::new(), milliseconds: Vec::new() };
        for (index, frame) in recording.frames.iter().enumerate() {
            let time = recording.time(index);
            let start = Instant::now();
            let said = match &mut network {
                Some(network) => network.read(frame, recording, time),
                None => vec![None; frame.len()],
            };
            let place = |(hand, said): (&SeenHand2d, Option<LiteHand>)| match self.way {
                Way::Pnp => pnp::posed(&hand.observation, &recording.camera),
                Way::Network(_) | Way::Filtered(_) => said.map(|said| placed(&said, hand, model)),
                Way::Fit(..) => Some(fits.update(hand, said, time)),
            };
            let hands: Vec<Option<Joints>> = frame.iter().zip(said).map(place).collect();
            if !frame.is_empty() {
                outcome.milliseconds.push(start.elapsed().as_secs_f64() * 1e3 / frame.len() as f64);
            }
            let both = frame.iter().zip(&hands);
            let best = both.max_by(|a, b| a.0.observation.score.total_cmp(&b.0.observation.score));
            let estimate =
                best.and_then(|(hand, joints)| Some(Estimate { track: hand.track, joints: (*joints)? }));
            outcome.estimates.push(estimate);
        }
        fits.correct(&mut outcome.estimates);
        if matches!(self.way, Way::Filtered(_)) {
            outcome.estimates = one_euro(&outcome.estimates, recording.fps);
        }
        Ok(outcome)
    }
}

/// The network's hand on its own side.
fn placed(said: &LiteHand, hand: &SeenHand2d, model: &HandModel) -> Joints {
    let joints = said.joints(model.skeleton());
    match hand.observation.side {
        Side::Right => joints,
        Side::Left => joints.map(mirror_point),
    }
}
