//! A stretch of motion as the prior looks at it: which frames were seen, and the hand at any time between.

use std::ops::Range;

use super::logarithm;
use crate::refine::MotionFrame;
use nalgebra::Rotation3;

/// Frames a second of the motion that the prior was trained on.
pub(super) const RATE: f64 = 30.0;
/// Frames on each side of a gap that count.
pub(super) const CONTEXT: usize = 10;
/// Frames around a gap: those before, then those after.
pub(super) const AROUND: usize = 2 * CONTEXT;
/// A time counts as seen if a seen frame is nearer than this, in steps of the trained rate.
const NEAR: f64 = 0.51;
/// Shortest time between two frames, seconds; a clock that stands still counts as this.
const SHORTEST_STEP: f64 = 1e-3;

/// A stretch with ascending times. Broken frames count as not seen.
pub(super) struct Track<'a> {
    motion: &'a [MotionFrame],
    seconds: Vec<f64>,
    /// Frames that were seen, ascending.
    seen: Vec<usize>,
    first: usize,
    last: usize,
}

/// Successive frames that were not seen.
pub(super) enum Unseen {
    /// Between two seen frames.
    Between(Range<usize>),
    /// Before the first seen frame or after the last.
    Open { frames: Range<usize>, nearest: usize },
}

impl<'a> Track<'a> {
    /// `None` where nothing was seen.
    pub fn new(motion: &'a [MotionFrame]) -> Option<Self> {
        let mut seconds: Vec<f64> = Vec::with_capacity(motion.len());
        for frame in motion {
            let least = seconds.last().map_or(f64::NEG_INFINITY, |before| before + SHORTEST_STEP);
            let own = if frame.seconds.is_finite() { frame.seconds } else { 0.0 };
            seconds.push(own.max(least));
        }
        let usable = |(i, frame): (usize, &MotionFrame)| (frame.seen && is_finite(frame)).then_some(i);
        let seen: Vec<usize> = motion.iter().enumerate().filter_map(usable).collect();
        let (&first, &last) = (seen.first()?, seen.last()?);
        Some(Self { motion, seconds, seen, first, last })
    }

    /// Time of a frame, ascending.
    pub fn seconds(&self, i: usize) -> f64 {
        self.seconds[i]
    }

    /// All frames that were not seen, in stretches.
    pub fn unseen(&self) -> Vec<Unseen> {
        let before = Unseen::Open { frames: 0..self.first, nearest: self.first };
        let after = Unseen::Open { frames: self.last + 1..self.motion.len(), nearest: self.last };
        let between = self.seen.windows(2).map(|pair| Unseen::Between(pair[0] + 1..pair[1]));
        let all = std::iter::once(before).chain(between).chain([after]);
        all.filter(|unseen| !unseen.frames().is_empty()).collect()
    }

    /// The hand at a time, on straight lines and great circles between seen frames, and whether a seen frame
    /// is near; before the first and after the last it stays as it was.
    pub fn at(&self, seconds: f64) -> (MotionFrame, bool) {
        let next = self.seen.partition_point(|&i| self.seconds[i] <= seconds);
        let from = next.checked_sub(1).map_or(self.first, |k| self.seen[k]);
        let to = self.seen.get(next).copied().unwrap_or(self.last);
        let known = [from, to].into_iter().any(|i| (self.seconds[i] - seconds).abs() * RATE < NEAR);
        if from == to {
            return (self.motion[from].clone(), known);
        }
        let part = (seconds - self.seconds[from]) / (self.seconds[to] - self.seconds[from]);
        (between(&self.motion[from], &self.motion[to], part), known)
    }
}

impl Unseen {
    fn frames(&self) -> &Range<usize> {
        match self {
            Unseen::Between(frames) | Unseen::Open { frames, .. } => frames,
        }
    }
}

fn between(from: &MotionFrame, to: &MotionFrame, part: f64) -> MotionFrame {
    let turn = logarithm(&(to.rotation * from.rotation.inverse()));
    MotionFrame {
        seconds: from.seconds + part * (to.seconds - from.seconds),
        rotation: Rotation3::new(turn * part) * from.rotation,
        wrist: from.wrist.lerp(&to.wrist, part),
        angles: std::array::from_fn(|k| from.angles[k] + part * (to.angles[k] - from.angles[k])),
        seen: false,
    }
}

/// Whether all numbers of a frame are.
pub(super) fn is_finite(frame: &MotionFrame) -> bool {
    let turn = frame.rotation.matrix();
    frame.angles.iter().chain(frame.wrist.iter()).chain(turn.iter()).all(|v| v.is_finite())
}
