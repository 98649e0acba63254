//! The exact GELU, `x Phi(x)` (Hendrycks and Gimpel 2016), on vector registers.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::Isa;
use super::simd::{Vector, per_isa};

/// The error function as `x P(x^2) / Q(x^2)` for `|x| <= ERF_END`, beyond which it is 1 to 2e-8: own
/// minimax fit, largest error 2e-8, in 32-bit arithmetic 4e-7. Lowest power first.
const ERF_NUMERATOR: [f32; 6] =
    [FRAC_2_SQRT_PI, 0.196_249, 0.053_467_475, 0.004_003_645, 0.000_288_041_15, 1.974_826_7e-6];
const ERF_DENOMINATOR: [f32; 6] =
    [1.0, 0.507_252_3, 0.116_476_43, 0.015_444_421, 0.001_216_359_1, 3.748_081e-5];
const ERF_END: f32 = 4.0;

/// Replaces every value by its GELU.
///
/// # Panics
/// When the processor lacks `isa`.
pub fn gelu(isa: Isa, values: &mut [f32]) {
    assert!(isa.is_available(), "this processor has no {isa}");
    // SAFETY: the instruction set was just found; the kernel stays within the slice.
    unsafe { gelu_on(isa, values) }
}

per_isa! { fn gelu_on(values: &mut [f32]) = gelu_with }

#[inline(always)]
unsafe fn gelu_with<V: Vector>(values: &mut [f32]) {
    let mut whole = values.chunks_exact_mut(V::LANES);
    for chunk in whole.by_ref() {
        // SAFETY: the caller vouches for the instruction set; the chunk has `LANES` floats.
        unsafe { gelu_of(V::load(chunk.as_ptr())).store(chunk.as_mut_ptr()) };
    }
    for value in whole.into_remainder() {
        // SAFETY: as above; a register's room lies on the stack.
        unsafe {
            let mut register = [0.0; super::LANE_STEP];
            gelu_of(V::splat(*value)).store(register.as_mut_ptr());
            *value = register[0];
        }
    }
}

/// The GELU of each lane.
#[inline(always)]
pub(super) unsafe fn gelu_of<V: Vector>(x: V) -> V {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let zero = V::splat(0.0);
        let scaled = zero.add_product(x, V::splat(FRAC_1_SQRT_2));
        let z = scaled.max(V::splat(-ERF_END)).min(V::splat(ERF_END));
        let squared = zero.add_product(z, z);
        let erf = zero
            .add_product(z, polynomial(&ERF_NUMERATOR, squared))
            .divided_by(polynomial(&ERF_DENOMINATOR, squared));
        let half = zero.add_product(x, V::splat(0.5));
        half.add_product(half, erf)
    }
}

/// Horner's scheme.
#[inline(always)]
unsafe fn polynomial<V: Vector>(coefficients: &[f32; 6], x: V) -> V {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { coefficients.iter().rev().fold(V::splat(0.0), |sum, &c| V::splat(c).add_product(sum, x)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error function by its series, which converges everywhere.
    fn erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn every_instruction_set_computes_the_exact_gelu() {
        let inputs: Vec<f32> = (-557..=557).map(|i| i as f32 / 100.0).collect();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let mut values = inputs.clone();
            gelu(isa, &mut values);
            for (&x, value) in inputs.iter().zip(values) {
                let x = f64::from(x);
                let exact = 0.5 * x * (1.0 + erf(x / 2_f64.sqrt()));
                assert!((exact - f64::from(value)).abs() < 2e-6, "{isa}: gelu({x}) = {value}, not {exact}");
            }
        }
    }

    #[test]
    fn far_out_it_is_zero_or_the_value_itself() {
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            for (x, exact) in [(-1e6, 0.0), (-30.0, 0.0), (30.0, 30.0), (1e6, 1e6)] {
                let mut values = [x];
                gelu(isa, &mut values);
                let (value, size) = (values[0], x.abs());
                assert!((value - exact).abs() <= 1e-6 * size, "{isa}: gelu({x}) = {value}, not {exact}");
            }
        }
    }
}
