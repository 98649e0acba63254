//! What is expected of a frame that was not seen, and how sure that is.

use nalgebra::{Rotation3, Vector3};

use super::context::{CONTEXT, RATE, is_finite};
use super::gap::Gap;
use super::kriging::variogram;
use super::network::Said;
use super::{STATE, TURNS};
use crate::hand::anatomy::FREE_ANGLES;
use crate::refine::{FrameBelief, MotionFrame};

/// Square root of the variogram's sill, radians: of an angle, of a turn.
const ANGLE_SILL: f64 = 0.39;
const TURN_SILL: f64 = 0.74;

/// What is expected of a frame that was not seen.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub frame: MotionFrame,
    /// Standard deviations of angles, then of the turn, radians.
    pub sigma: [f64; STATE],
}

impl Expected {
    /// The hand at a time in a gap: what the frames around it say, corrected as the network said.
    pub fn inside(gap: &Gap, said: &Said, seconds: f64) -> Self {
        let step = (seconds - gap.begins) * RATE;
        let part = step / gap.length;
        let (weights, variance) = gap.kriging.weights(step);
        let (mut angles, mut wrist, mut there) = ([0.0; FREE_ANGLES], Vector3::zeros(), Vector3::zeros());
        for ((weight, frame), way) in weights.iter().zip(&gap.frames).zip(&gap.way) {
            for (sum, angle) in angles.iter_mut().zip(&frame.angles) {
                *sum += weight * angle;
            }
            wrist += frame.wrist * *weight;
            there += way * *weight;
        }
        let correction = said.correction(part);
        for (angle, change) in angles.iter_mut().zip(correction) {
            *angle += change;
        }
        let circle = gap.way[CONTEXT] * part;
        let turn = Vector3::from_row_slice(&correction[FREE_ANGLES..]);
        let [before, _] = gap.ends();
        let rotation =
            Rotation3::new(there - circle) * Rotation3::new(circle) * before.rotation * Rotation3::new(turn);
        let factors = said.sigma_factors(part);
        let sigma = std::array::from_fn(|k| sill(k) * variance.sqrt() * factors[k]);
        Self { frame: MotionFrame { seconds, rotation, wrist, angles, seen: false }, sigma }
    }

    /// A hand that stays as it was at `nearest`, `since` seconds away: nothing is known of the other side.
    pub fn held(nearest: &MotionFrame, since: f64) -> Self {
        let moved = (2.0 * variogram(since * RATE)).sqrt().max(variogram(1.0).sqrt());
        Self {
            frame: MotionFrame { seen: false, ..nearest.clone() },
            sigma: std::array::from_fn(|k| sill(k) * moved),
        }
    }

    /// Whether all its numbers are.
    pub fn is_finite(&self) -> bool {
        is_finite(&self.frame) && self.sigma.iter().all(|s| s.is_finite() && *s > 0.0)
    }

    /// The same as the solver takes it.
    pub fn belief(&self) -> FrameBelief {
        let information = |sigma: f64| 1.0 / (sigma * sigma);
        let turn: f64 = self.sigma[FREE_ANGLES..].iter().map(|s| s * s).sum::<f64>() / TURNS as f64;
        FrameBelief {
            angles: self.frame.angles,
            angle_information: std::array::from_fn(|k| information(self.sigma[k])),
            rotation: Some((self.frame.rotation, 1.0 / turn)),
        }
    }
}

fn sill(k: usize) -> f64 {
    if k < FREE_ANGLES { ANGLE_SILL } else { TURN_SILL }
}
