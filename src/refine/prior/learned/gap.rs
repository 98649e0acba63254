//! One gap: the frames around it, and the hand inside.

use std::f64::consts::PI;
use std::ops::Range;

use nalgebra::{Rotation3, Vector3};

use super::context::{RATE, Track};
use super::kriging::{Kriging, variogram};
use super::network::Said;
use super::{Expected, logarithm};
use crate::hand::anatomy::FREE_ANGLES;
use crate::refine::MotionFrame;

/// Frames on each side of a gap that count.
pub(super) const CONTEXT: usize = 10;
/// Frames around a gap: those before, then those after.
pub(super) const AROUND: usize = 2 * CONTEXT;
/// Square root of the variogram's sill, radians: of an angle, of a turn.
const ANGLE_SILL: f64 = 0.39;
const TURN_SILL: f64 = 0.74;

/// A gap between two seen frames.
pub(super) struct Gap {
    /// The frames around it, at the trained rate.
    pub frames: [MotionFrame; AROUND],
    /// Which of them were seen.
    pub known: [bool; AROUND],
    /// Steps of the trained rate from the last seen frame to the next.
    pub length: f64,
    /// Time of the last seen frame, seconds.
    begins: f64,
    kriging: Kriging,
    /// Rotation vectors in the world's axes whose differences are the turns from frame to frame; zero at the
    /// last frame before the gap.
    way: [Vector3<f64>; AROUND],
}

impl Gap {
    /// The gap of the frames `unseen`, which lie between two seen ones.
    pub fn new(track: &Track, unseen: &Range<usize>) -> Self {
        let (begins, ends) = (track.seconds(unseen.start - 1), track.seconds(unseen.end));
        let time = |i: usize| match i.checked_sub(CONTEXT) {
            None => begins - (CONTEXT - 1 - i) as f64 / RATE,
            Some(later) => ends + later as f64 / RATE,
        };
        let around: [(MotionFrame, bool); AROUND] = std::array::from_fn(|i| track.at(time(i)));
        let known = std::array::from_fn(|i| around[i].1);
        let frames = around.map(|(frame, _)| frame);
        let length = (ends - begins) * RATE;
        let mut way = [Vector3::zeros(); AROUND];
        for i in (0..CONTEXT - 1).rev() {
            way[i] = way[i + 1] - turn(&frames[i], &frames[i + 1]);
        }
        for i in CONTEXT..AROUND {
            way[i] = way[i - 1] + turn(&frames[i - 1], &frames[i]);
        }
        Self { kriging: Kriging::new(&known, length), frames, known, length, begins, way }
    }

    /// The last frame before the gap and the first after it.
    pub fn ends(&self) -> [&MotionFrame; 2] {
        [&self.frames[CONTEXT - 1], &self.frames[CONTEXT]]
    }

    /// The hand at a time in the gap: what the frames around it say, corrected as the network said.
    pub fn expected(&self, said: &Said, seconds: f64) -> Expected {
        let step = (seconds - self.begins) * RATE;
        let part = step / self.length;
        let (weights, variance) = self.kriging.weights(step);
        let (mut angles, mut wrist, mut there) = ([0.0; FREE_ANGLES], Vector3::zeros(), Vector3::zeros());
        for ((weight, frame), way) in weights.iter().zip(&self.frames).zip(&self.way) {
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
        let circle = self.way[CONTEXT] * part;
        let turn = Vector3::from_row_slice(&correction[FREE_ANGLES..]);
        let rotation = Rotation3::new(there - circle)
            * Rotation3::new(circle)
            * self.frames[CONTEXT - 1].rotation
            * Rotation3::new(turn);
        let factors = said.sigma_factors(part);
        let sigma = std::array::from_fn(|k| sill(k) * variance.sqrt() * factors[k]);
        Expected { frame: MotionFrame { seconds, rotation, wrist, angles, seen: false }, sigma }
    }
}

/// A hand that stays as it was at `nearest`, `since` seconds away: nothing is known of the other side.
pub(super) fn held(nearest: &MotionFrame, since: f64) -> Expected {
    let moved = (2.0 * variogram(since * RATE)).sqrt().max(variogram(1.0).sqrt());
    Expected {
        frame: MotionFrame { seen: false, ..nearest.clone() },
        sigma: std::array::from_fn(|k| sill(k) * moved),
    }
}

/// The waves in which a correction is told, at a part of the way through the gap: the ends' own errors, then
/// half waves that vanish there.
pub(super) fn waves<const MODES: usize>(part: f64) -> [f64; MODES] {
    std::array::from_fn(|k| match k {
        0 => 1.0 - part,
        1 => part,
        _ => ((k - 1) as f64 * PI * part).sin(),
    })
}

fn sill(k: usize) -> f64 {
    if k < FREE_ANGLES { ANGLE_SILL } else { TURN_SILL }
}

/// The turn from one frame to another in the world's axes.
fn turn(from: &MotionFrame, to: &MotionFrame) -> Vector3<f64> {
    logarithm(&(to.rotation * from.rotation.inverse()))
}
