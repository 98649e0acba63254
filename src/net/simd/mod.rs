//! One vector of floats in a register: what every kernel is written in, and its form for each instruction set.
//!
//! Kernels are generic functions over [`Vector`], inlined into entry functions that switch the
//! instruction set on (`per_isa!`). So a kernel is written once and compiled for each set.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use portable::Portable;

/// A register of floats.
///
/// # Safety
/// All functions must run on a processor that has the instruction set, inside a function that enables it;
/// `load` and `store` touch `LANES` floats from the pointer on, at any alignment.
pub(crate) trait Vector: Copy {
    /// Floats in a register.
    const LANES: usize;
    /// Rows of a convolution tile two registers wide: as many accumulators as the register file holds.
    const TILE_ROWS: usize;
    /// Neighbouring outputs that a depthwise convolution works on at once.
    const DEPTHWISE_COLUMNS: usize;

    /// Asks for the cache line at `place`, which need not exist, to be fetched.
    #[inline(always)]
    unsafe fn prefetch(_place: *const f32) {}
    /// Asks for the cache line at `place`, which need not exist, to be brought as near as the second cache.
    #[inline(always)]
    unsafe fn prefetch_far(_place: *const f32) {}
    /// `value` in every lane.
    unsafe fn splat(value: f32) -> Self;
    /// Reads `LANES` floats.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes `LANES` floats.
    unsafe fn store(self, to: *mut f32);
    /// `self + a * b`, fused where the set can.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    /// Lane-wise sum.
    unsafe fn add(self, other: Self) -> Self;
    /// Lane-wise quotient.
    unsafe fn divided_by(self, other: Self) -> Self;
    /// Lane-wise larger value.
    unsafe fn max(self, other: Self) -> Self;
    /// Lane-wise smaller value.
    unsafe fn min(self, other: Self) -> Self;
    /// 2 to the power of each lane, which holds a whole number from -126 to 127.
    unsafe fn power_of_two(self) -> Self;
    /// `self` where it is positive, `self * slope` elsewhere.
    unsafe fn prelu(self, slope: Self) -> Self;
}

/// Floats in a register of `isa`.
pub(crate) fn lanes(isa: super::Isa) -> usize {
    use super::Isa;
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => Avx512::LANES,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => Avx2::LANES,
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => Neon::LANES,
        _ => Portable::LANES,
    }
}

/// Builds `fn name(isa, args…)` that runs the generic kernel with the registers of `isa`.
///
/// # Safety
/// The built function is unsafe: `isa` must be available, and the kernel's own conditions hold.
macro_rules! per_isa {
    ($(#[$doc:meta])* fn $name:ident($($argument:ident: $kind:ty),* $(,)?) = $kernel:ident) => {
        $(#[$doc])*
        unsafe fn $name(isa: $crate::net::Isa, $($argument: $kind),*) {
            use $crate::net::{Isa, simd};
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
            unsafe fn avx512($($argument: $kind),*) {
                // SAFETY: the same conditions, handed on.
                unsafe { $kernel::<simd::Avx512>($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($argument: $kind),*) {
                // SAFETY: the same conditions, handed on.
                unsafe { $kernel::<simd::Avx2>($($argument),*) }
            }
            // SAFETY: the caller vouches that the processor has `isa` and for the kernel's conditions.
            unsafe {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => avx512($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => avx2($($argument),*),
                    #[cfg(target_arch = "aarch64")]
                    Isa::Neon => $kernel::<simd::Neon>($($argument),*),
                    _ => $kernel::<simd::Portable>($($argument),*),
                }
            }
        }
    };
}
pub(crate) use per_isa;
