//! Sixteen numbers at once: a row of a patch in the registers of each instruction set.
//!
//! Products and sums are rounded one by one everywhere, so the sets agree to the last bit.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Numbers of a row.
pub(super) const LANES: usize = 16;

/// A row in memory.
pub(super) type Line = [f32; LANES];

/// A row in registers.
///
/// # Safety
/// Every function must run on a processor that has the instruction set, inside a function that enables it.
pub(super) trait Lanes: Copy {
    /// `value` in every lane.
    unsafe fn splat(value: f32) -> Self;
    /// Pixels as numbers.
    unsafe fn pixels(from: &[u8; LANES]) -> Self;
    /// From memory.
    unsafe fn load(from: &Line) -> Self;
    /// To memory.
    unsafe fn store(self, to: &mut Line);
    /// Lane by lane.
    unsafe fn plus(self, other: Self) -> Self;
    /// Lane by lane.
    unsafe fn minus(self, other: Self) -> Self;
    /// Lane by lane.
    unsafe fn times(self, other: Self) -> Self;

    /// Sum of all lanes, by halves.
    #[inline(always)]
    unsafe fn total(self) -> f32 {
        let mut line = [0.0; LANES];
        // SAFETY: as for the caller.
        unsafe { self.store(&mut line) };
        for half in [8, 4, 2, 1] {
            for x in 0..half {
                line[x] += line[x + half];
            }
        }
        line[0]
    }
}

/// Any processor.
#[derive(Clone, Copy)]
pub(super) struct Portable(Line);

impl Lanes for Portable {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    unsafe fn pixels(from: &[u8; LANES]) -> Self {
        Self(from.map(f32::from))
    }
    #[inline(always)]
    unsafe fn load(from: &Line) -> Self {
        Self(*from)
    }
    #[inline(always)]
    unsafe fn store(self, to: &mut Line) {
        *to = self.0;
    }
    #[inline(always)]
    unsafe fn plus(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
        self
    }
    #[inline(always)]
    unsafe fn minus(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a -= b);
        self
    }
    #[inline(always)]
    unsafe fn times(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a *= b);
        self
    }
}

/// Two registers of eight.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256, __m256);

// SAFETY of all blocks: the caller has AVX2, and references to arrays cover what is read or written.
#[cfg(target_arch = "x86_64")]
impl Lanes for Avx2 {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
    }
    #[inline(always)]
    unsafe fn pixels(from: &[u8; LANES]) -> Self {
        // SAFETY: see above.
        unsafe {
            let bytes = _mm_loadu_si128(from.as_ptr().cast());
            let wide = |eight| _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight));
            Self(wide(bytes), wide(_mm_unpackhi_epi64(bytes, bytes)))
        }
    }
    #[inline(always)]
    unsafe fn load(from: &Line) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))) }
    }
    #[inline(always)]
    unsafe fn store(self, to: &mut Line) {
        // SAFETY: see above.
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), self.0);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), self.1);
        }
    }
    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn times(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }
}

/// One register.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512);

// SAFETY of all blocks: the caller has AVX-512 F, and references to arrays cover what is read or written.
#[cfg(target_arch = "x86_64")]
impl Lanes for Avx512 {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_set1_ps(value)) }
    }
    #[inline(always)]
    unsafe fn pixels(from: &[u8; LANES]) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.as_ptr().cast())))) }
    }
    #[inline(always)]
    unsafe fn load(from: &Line) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_loadu_ps(from.as_ptr())) }
    }
    #[inline(always)]
    unsafe fn store(self, to: &mut Line) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn times(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }
}
