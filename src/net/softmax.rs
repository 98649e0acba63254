//! Softmax of rows, on vector registers.

use std::f32::consts::{LN_2, LOG2_E};

use super::simd::{Vector, per_isa};
use super::{Isa, LANE_STEP};

/// `1.5 * 2^23`: beside it a float has no room for fractions, so adding and subtracting it rounds.
const ROUNDER: f32 = 12_582_912.0;
/// `ln 2` in two parts; the first has so few digits that its products with whole exponents are exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = (std::f64::consts::LN_2 - LN_2_HIGH as f64) as f32;
/// Below it the exponential leaves the range of whole-precision floats.
const LOWEST: f32 = -125.0 * LN_2;
/// Taylor coefficients of the exponential, highest power first: exact to 5e-9 for `|x| <= ln 2 / 2`.
const EXPONENTIAL: [f32; 8] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];

/// Replaces the scores of a row by their exponentials, the largest of which is 1, and returns their sum.
///
/// # Panics
/// When the processor lacks `isa`, or the row's length is no multiple of [`LANE_STEP`].
pub(super) fn softmax_unscaled(isa: Isa, row: &mut [f32]) -> f32 {
    assert!(isa.is_available() && row.len().is_multiple_of(LANE_STEP));
    let mut sum = 0.0;
    // SAFETY: the instruction set was just found; the kernel stays within the row.
    unsafe { softmax_on(isa, row, &mut sum) };
    sum
}

per_isa! { fn softmax_on(row: &mut [f32], sum: &mut f32) = softmax }

#[inline(always)]
unsafe fn softmax<V: Vector>(row: &mut [f32], sum: &mut f32) {
    // SAFETY: the caller vouches for the instruction set; chunks and the stack have room for a register.
    unsafe {
        let mut largest = V::splat(f32::NEG_INFINITY);
        for chunk in row.chunks_exact(V::LANES) {
            largest = largest.max(V::load(chunk.as_ptr()));
        }
        let mut lanes = [f32::NEG_INFINITY; LANE_STEP];
        largest.store(lanes.as_mut_ptr());
        let lowered = V::splat(-lanes.into_iter().fold(f32::NEG_INFINITY, f32::max));
        let mut sums = V::splat(0.0);
        for chunk in row.chunks_exact_mut(V::LANES) {
            let value = exponential(V::load(chunk.as_ptr()).add(lowered));
            value.store(chunk.as_mut_ptr());
            sums = sums.add(value);
        }
        let mut lanes = [0.0; LANE_STEP];
        sums.store(lanes.as_mut_ptr());
        *sum = lanes.iter().sum();
    }
}

/// The exponential of numbers that are not above 0.
#[inline(always)]
unsafe fn exponential<V: Vector>(x: V) -> V {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let x = x.max(V::splat(LOWEST));
        let rounder = V::splat(ROUNDER);
        let whole = rounder.add_product(x, V::splat(LOG2_E)).add(V::splat(-ROUNDER));
        let rest = x.add_product(whole, V::splat(-LN_2_HIGH)).add_product(whole, V::splat(-LN_2_LOW));
        let mut power = V::splat(0.0);
        for coefficient in EXPONENTIAL {
            power = V::splat(coefficient).add_product(power, rest);
        }
        V::splat(0.0).add_product(power, whole.power_of_two())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_computes_the_softmax() {
        let scores: Vec<f32> = (0..96).map(|i| (i * 37 % 96) as f32 * 1.3 - 100.0).collect();
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let mut row = scores.clone();
            let sum = softmax_unscaled(isa, &mut row);
            for (&score, &value) in scores.iter().zip(&row) {
                let exact = f64::from(score - largest).exp();
                let off = (f64::from(value) - exact).abs();
                assert!(off <= 3e-7 * exact + 3e-38, "{isa}: exp({}) = {value}", score - largest);
            }
            assert!((sum - row.iter().sum::<f32>()).abs() < 1e-5 * sum, "{isa}: {sum}");
        }
    }
}
