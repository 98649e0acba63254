//! Ordinary kriging in time: weights of the frames around a gap whose sum is one.

use nalgebra::{Const, LU, SMatrix, SVector};

use super::context::{AROUND, CONTEXT};

/// Half the expected square of how far a number moves in a time `t` is `1 - exp(-(t / RANGE)^POWER)` of its
/// sill, `t` in frames of the trained rate: fitted to recorded motion.
const RANGE: f64 = 30.0;
const POWER: f64 = 1.45;
/// Variance of the error of a seen frame, in parts of the sill.
const NUGGET: f64 = 0.003;
/// The same for a frame that was not seen: it gets no weight.
const UNKNOWN: f64 = 1e4;
/// Least variance of what is said, in parts of the sill.
const LEAST_VARIANCE: f64 = 1e-4;

/// Weights and the multiplier that makes their sum one.
const SIZE: usize = AROUND + 1;

/// The frames around one gap.
pub(super) struct Kriging {
    at: [f64; AROUND],
    system: LU<f64, Const<SIZE>, Const<SIZE>>,
}

/// How far a number has moved after `frames`: half the expected square, in parts of its sill.
pub(super) fn variogram(frames: f64) -> f64 {
    1.0 - (-(frames.abs() / RANGE).powf(POWER)).exp()
}

impl Kriging {
    /// The frames before a gap end at time 0, those after it begin at `length`; times in frames.
    pub fn new(known: &[bool; AROUND], length: f64) -> Self {
        let at: [f64; AROUND] = std::array::from_fn(|i| {
            if i < CONTEXT { i as f64 - (CONTEXT - 1) as f64 } else { length + (i - CONTEXT) as f64 }
        });
        let mut system = SMatrix::<f64, SIZE, SIZE>::repeat(1.0);
        system[(AROUND, AROUND)] = 0.0;
        for i in 0..AROUND {
            for j in 0..AROUND {
                system[(i, j)] = -variogram(at[i] - at[j]);
            }
            system[(i, i)] += if known[i] { NUGGET } else { UNKNOWN };
        }
        Self { at, system: system.lu() }
    }

    /// Weights at the time `step`, and the variance of what they say in parts of the sill.
    pub fn weights(&self, step: f64) -> ([f64; AROUND], f64) {
        let right =
            SVector::<f64, SIZE>::from_fn(|i, _| self.at.get(i).map_or(1.0, |at| -variogram(at - step)));
        let solved = self.system.solve(&right).unwrap_or_else(SVector::zeros);
        (std::array::from_fn(|i| solved[i]), (-solved.dot(&right)).max(LEAST_VARIANCE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(known: [bool; AROUND], length: f64, step: f64) -> ([f64; AROUND], f64) {
        Kriging::new(&known, length).weights(step)
    }

    #[test]
    fn weights_add_up_to_one_and_unseen_frames_have_none() {
        let mut known = [true; AROUND];
        known[3] = false;
        for step in [0.5, 7.0, 19.5] {
            let (weights, variance) = weights(known, 20.0, step);
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            assert!(weights[3].abs() < 1e-3 && variance > 0.0);
        }
    }

    #[test]
    fn the_middle_of_a_gap_is_least_sure() {
        let variance = |step| weights([true; AROUND], 30.0, step).1;
        assert!(variance(1.0) < variance(5.0) && variance(5.0) < variance(15.0));
        assert!((variance(5.0) - variance(25.0)).abs() < 1e-9);
    }

    #[test]
    fn a_steady_motion_goes_on_into_the_gap() {
        let (weights, _) = weights([true; AROUND], 10.0, 1.0);
        let motion = |i: usize| if i < CONTEXT { i as f64 - 9.0 } else { 0.0 };
        let said: f64 = (0..AROUND).map(|i| weights[i] * motion(i)).sum();
        assert!(said > 0.15, "a hand that moved by one a frame is expected at {said}");
    }
}
