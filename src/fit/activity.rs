//! How lively each part of the hand is at present: a still hand needs little acceleration noise.
//!
//! The filter expects corrections of a certain size; where they come out larger, the part moves more
//! than assumed, where smaller, less. The acceleration variance of each part follows (innovation-based
//! adaptive filtering, Mehra 1970).

use std::ops::Range;

use super::config::MotionConfig;
use super::parameters::{FIRST_ANGLE, Step, StepMatrix, TRANSLATION, UNKNOWNS};

/// Parts that move on their own: root rotation, wrist, index, middle, little, ring finger, thumb.
const PARTS: [Range<usize>; 7] = [
    0..TRANSLATION,
    TRANSLATION..FIRST_ANGLE,
    FIRST_ANGLE..FIRST_ANGLE + 4,
    FIRST_ANGLE + 4..FIRST_ANGLE + 8,
    FIRST_ANGLE + 8..FIRST_ANGLE + 12,
    FIRST_ANGLE + 12..FIRST_ANGLE + 16,
    FIRST_ANGLE + 16..UNKNOWNS,
];
/// A correction this many times its expected variance counts no more than this.
const LARGEST_SURPRISE: f64 = 9.0;
/// Expected variances below this say nothing.
const LEAST_EXPECTED: f64 = 1e-14;

/// Factor on the acceleration variance of each part.
#[derive(Clone, Debug)]
pub(super) struct Activity([f64; PARTS.len()]);

impl Default for Activity {
    fn default() -> Self {
        Self([1.0; PARTS.len()])
    }
}

impl Activity {
    /// Factor on the acceleration variance of each unknown.
    pub fn factors(&self) -> Step {
        let mut factors = Step::zeros();
        for (part, &factor) in PARTS.iter().zip(&self.0) {
            factors.rows_mut(part.start, part.len()).fill(factor);
        }
        factors
    }

    /// Takes in a frame's `correction`, whose covariance the filter thought `expected`.
    pub fn follow(&mut self, correction: &Step, expected: &StepMatrix, dt: f64, config: &MotionConfig) {
        let rate = dt / config.activity_seconds;
        for (part, factor) in PARTS.iter().zip(&mut self.0) {
            let happened: f64 = part.clone().map(|i| correction[i] * correction[i]).sum();
            let thought: f64 = part.clone().map(|i| expected[(i, i)]).sum();
            if thought > LEAST_EXPECTED {
                let surprise = (happened / thought).min(LARGEST_SURPRISE) - 1.0;
                let [least, most] = config.activity_range;
                *factor = (*factor * (rate * surprise).exp()).clamp(least, most);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_corrections_calm_a_part_and_large_ones_wake_it() {
        let config = MotionConfig::default();
        let mut activity = Activity::default();
        let expected = StepMatrix::identity() * 1e-4;
        for _ in 0..20 {
            activity.follow(&Step::zeros(), &expected, 1.0 / 30.0, &config);
        }
        let calm = activity.factors()[0];
        assert!(calm < 0.5);
        activity.follow(&Step::ith(1, 0.1), &expected, 1.0 / 30.0, &config);
        assert!(activity.factors()[0] > 2.0 * calm);
        assert!(activity.factors()[5] <= calm);
    }
}
