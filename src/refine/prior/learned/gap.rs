//! One gap and the frames around it.

use std::ops::Range;

use nalgebra::Vector3;

use super::context::{AROUND, CONTEXT, RATE, Track};
use super::kriging::Kriging;
use super::logarithm;
use crate::refine::MotionFrame;

/// A gap between two seen frames.
pub(super) struct Gap {
    /// The frames around it, at the trained rate.
    pub frames: [MotionFrame; AROUND],
    /// Which of them were seen.
    pub known: [bool; AROUND],
    /// Steps of the trained rate from the last seen frame to the next.
    pub length: f64,
    /// Time of the last seen frame, seconds.
    pub begins: f64,
    /// Weights of the frames around it.
    pub kriging: Kriging,
    /// Rotation vectors in the world's axes whose differences are the turns from frame to frame; zero at the
    /// last frame before the gap.
    pub way: [Vector3<f64>; AROUND],
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
}

/// The turn from one frame to another in the world's axes.
fn turn(from: &MotionFrame, to: &MotionFrame) -> Vector3<f64> {
    logarithm(&(to.rotation * from.rotation.inverse()))
}
