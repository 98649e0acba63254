//! 4 floats in a 128-bit register.
#![allow(unused_unsafe, reason = "NEON is always on here, which makes its functions safe to call")]

use std::arch::aarch64::*;

use super::Vector;

/// One of 32 registers.
#[derive(Clone, Copy)]
pub(crate) struct Neon(float32x4_t);

// SAFETY lines: every function's condition (the instruction set is on, pointers are good) is the trait's.
impl Vector for Neon {
    const LANES: usize = 4;
    const TILE_ROWS: usize = 12;
    const DEPTHWISE_COLUMNS: usize = 14;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the trait's condition.
        Self(unsafe { vdupq_n_f32(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the trait's condition.
        Self(unsafe { vld1q_f32(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the trait's condition.
        unsafe { vst1q_f32(to, self.0) }
    }
    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: the trait's condition.
        Self(unsafe { vfmaq_f32(self.0, a.0, b.0) })
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the trait's condition.
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn divided_by(self, other: Self) -> Self {
        // SAFETY: the trait's condition.
        Self(unsafe { vdivq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: the trait's condition.
        Self(unsafe { vmaxq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: the trait's condition.
        Self(unsafe { vminq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        // SAFETY: the trait's condition.
        unsafe {
            let exponent = vaddq_s32(vcvtq_s32_f32(self.0), vdupq_n_s32(127));
            Self(vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
        }
    }
    #[inline(always)]
    unsafe fn prelu(self, slope: Self) -> Self {
        // SAFETY: the trait's condition.
        unsafe {
            let negative = vcltzq_f32(self.0);
            Self(vbslq_f32(negative, vmulq_f32(self.0, slope.0), self.0))
        }
    }
}
