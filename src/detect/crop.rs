//! Square, rotated cut-outs of a picture as network input.
//!
//! The rule is that of OpenCV's `warpPerspective` with linear interpolation, which the released graph
//! uses: an output pixel (x, y) reads the picture at
//! `centre + R(rotation) * ((x, y) - SIDE / 2) * region.side / SIDE`, positions rounded to 1/32 pixel,
//! the weighted mean of the four neighbours rounded to a byte. There is no antialiasing.

use super::region::Region;
use crate::frame::Frame;

/// Positions are fixed-point numbers with this many fractional bits.
const FRACTION_BITS: u32 = 5;
/// Steps of a position between two pixels.
const STEPS: i32 = 1 << FRACTION_BITS;
/// Adding this to a double of magnitude below 2^31 leaves its nearest integer (ties to even) in the low
/// 32 bits, and unlike a rounding instruction every processor does it in vectors.
const ROUND_MAGIC: f64 = 6_755_399_441_055_744.0;

/// What lies beyond the picture's border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Zeros.
    Black,
    /// The nearest pixel of the border, repeated.
    Edge,
}

/// Samples `region` of the picture into `out`: `SIDE` x `SIDE` x 3 values, rows first, RGB in 0..1. The processor's wide
/// registers are used where it has them.
///
/// The frame must hold `frame.size.rgb_bytes()` bytes and at least one pixel, `region` must be
/// [usable](Region::usable); `out` is filled as far as it reaches.
pub fn crop<const SIDE: usize>(frame: &Frame, region: &Region, outside: Outside, out: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        #[target_feature(enable = "avx2")]
        fn crop_avx2<const SIDE: usize>(frame: &Frame, region: &Region, outside: Outside, out: &mut [f32]) {
            // SAFETY: AVX2 brings the instructions that `blend_ssse3` needs.
            let blend = |top: &_, bottom: &_, fx, fy| unsafe { blend_ssse3(top, bottom, fx, fy) };
            crop_with::<SIDE>(frame, region, outside, out, blend);
        }
        // SAFETY: the processor has AVX2.
        return unsafe { crop_avx2::<SIDE>(frame, region, outside, out) };
    }
    crop_with::<SIDE>(frame, region, outside, out, blend);
}

/// [`crop`] with a given [`blend`].
#[inline(always)]
fn crop_with<const SIDE: usize>(
    frame: &Frame,
    region: &Region,
    outside: Outside,
    out: &mut [f32],
    blend: impl Fn(&[u8; 8], &[u8; 8], i32, i32) -> [f32; 4],
) {
    let picture = Picture::new(frame, outside);
    let (sin, cos) = (f64::from(region.rotation.sin()), f64::from(region.rotation.cos()));
    let scale = f64::from(region.side) / SIDE as f64;
    let steps = f64::from(STEPS);
    let offset = |i: usize| (i as f64 - SIDE as f64 / 2.0) * scale;
    let column_x: [f64; SIDE] =
        std::array::from_fn(|x| (f64::from(region.center.x) + cos * offset(x)) * steps);
    let column_y: [f64; SIDE] =
        std::array::from_fn(|x| (f64::from(region.center.y) + sin * offset(x)) * steps);
    let (mut xs, mut ys) = ([0i32; SIDE], [0i32; SIDE]);
    for (y, row) in out.chunks_exact_mut(SIDE * 3).take(SIDE).enumerate() {
        let (dx, dy) = (-sin * offset(y) * steps, cos * offset(y) * steps);
        picture.positions(&column_x, dx, picture.last_x, &mut xs);
        picture.positions(&column_y, dy, picture.last_y, &mut ys);
        // Four values are written for each pixel of three, so that they leave as one vector; the next
        // pixel overwrites the fourth.
        let mut rest = row;
        for (&px, &py) in xs.iter().zip(&ys) {
            let rgb = picture.sample(px, py, &blend);
            if let Some((four, _)) = rest.split_first_chunk_mut() {
                *four = rgb;
            } else {
                rest.copy_from_slice(&rgb[..3]);
            }
            rest = &mut rest[3..];
        }
    }
}

/// A picture with what sampling needs to know of it.
struct Picture<'a> {
    pixels: &'a [u8],
    width: i32,
    height: i32,
    /// Bytes from a pixel to the one below.
    stride: usize,
    /// Fixed-point positions of the last column and the last row.
    last_x: i32,
    last_y: i32,
    outside: Outside,
}

impl<'a> Picture<'a> {
    fn new(frame: &'a Frame, outside: Outside) -> Self {
        let (width, height) = (frame.size.width as i32, frame.size.height as i32);
        Self {
            pixels: &frame.pixels,
            width,
            height,
            stride: frame.size.width * 3,
            last_x: (width - 1) * STEPS,
            last_y: (height - 1) * STEPS,
            outside,
        }
    }

    /// Rounds one coordinate of a row's positions. Repeating the border is the same as staying on it.
    #[inline(always)]
    fn positions<const SIDE: usize>(
        &self,
        column: &[f64; SIDE],
        shift: f64,
        last: i32,
        out: &mut [i32; SIDE],
    ) {
        let (low, high) = if self.outside == Outside::Edge { (0, last) } else { (i32::MIN, i32::MAX) };
        for (position, value) in out.iter_mut().zip(column) {
            *position = ((value + shift + ROUND_MAGIC).to_bits() as i32).clamp(low, high);
        }
    }

    /// The interpolated colour at a fixed-point position, and a fourth value without meaning.
    #[inline(always)]
    fn sample(
        &self,
        px: i32,
        py: i32,
        blend: &impl Fn(&[u8; 8], &[u8; 8], i32, i32) -> [f32; 4],
    ) -> [f32; 4] {
        // Negative numbers become large ones.
        if px as u32 <= self.last_x as u32 && py as u32 <= self.last_y as u32 {
            // On the last column the pixel before it takes part with weight zero, not the one behind it.
            let x = (px >> FRACTION_BITS).min((self.width - 2).max(0));
            let y = (py >> FRACTION_BITS).min((self.height - 2).max(0));
            let at = y as usize * self.stride + x as usize * 3;
            if let Some(window) = self.pixels.get(at..at + self.stride + 8)
                && let (Some(top), Some(bottom)) = (window.first_chunk(), window.last_chunk())
            {
                return blend(top, bottom, px - x * STEPS, py - y * STEPS);
            }
        }
        self.sample_border(px, py)
    }

    /// The same where some neighbours lie outside, or reading eight bytes would leave the picture.
    #[cold]
    fn sample_border(&self, px: i32, py: i32) -> [f32; 4] {
        let (x, y) = (px >> FRACTION_BITS, py >> FRACTION_BITS);
        if self.outside == Outside::Black && (x < -1 || y < -1 || x >= self.width || y >= self.height) {
            return [0.0; 4];
        }
        let pair = |y: i32| {
            let ([r0, g0, b0], [r1, g1, b1]) = (self.pixel(x, y), self.pixel(x + 1, y));
            [r0, g0, b0, r1, g1, b1, 0, 0]
        };
        blend(&pair(y), &pair(y + 1), px - x * STEPS, py - y * STEPS)
    }

    fn pixel(&self, x: i32, y: i32) -> [u8; 3] {
        let (nx, ny) = (x.clamp(0, self.width - 1), y.clamp(0, self.height - 1));
        if self.outside == Outside::Black && (nx, ny) != (x, y) {
            return [0; 3];
        }
        let at = ny as usize * self.stride + nx as usize * 3;
        self.pixels.get(at..).and_then(|rest| rest.first_chunk().copied()).unwrap_or_default()
    }
}

/// Weighted mean of two neighbours above two neighbours (three bytes each, then two of no meaning),
/// rounded to whole steps of 1/255. The weights `fx` and `fy` of the right and lower ones are 0..=32.
#[inline(always)]
fn blend(top: &[u8; 8], bottom: &[u8; 8], fx: i32, fy: i32) -> [f32; 4] {
    let (above, below) = ((STEPS - fy) as i16, fy as i16);
    let column: [i16; 8] = std::array::from_fn(|i| i16::from(top[i]) * above + i16::from(bottom[i]) * below);
    let mean = |k: usize| {
        let sum = i32::from(column[k]) * (STEPS - fx) + i32::from(column[k + 3]) * fx;
        (sum + STEPS * STEPS / 2) >> (2 * FRACTION_BITS)
    };
    std::array::from_fn(|k| mean(k) as f32 * (1.0 / 255.0))
}

/// [`blend`] in a register: a third less time for a whole crop.
///
/// # Safety
/// The processor has SSSE3.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn blend_ssse3(top: &[u8; 8], bottom: &[u8; 8], fx: i32, fy: i32) -> [f32; 4] {
    use std::arch::x86_64::*;
    // SAFETY: each load reads the eight bytes of an array, the store fills four floats; the caller vouches for
    // the instructions.
    unsafe {
        let rows =
            _mm_unpacklo_epi8(_mm_loadl_epi64(top.as_ptr().cast()), _mm_loadl_epi64(bottom.as_ptr().cast()));
        let column = _mm_maddubs_epi16(rows, _mm_set1_epi16(((STEPS - fy) | (fy << 8)) as i16));
        // Each channel beside that of the next pixel.
        let pairs = _mm_setr_epi8(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, -1, -1, -1, -1);
        let pairs = _mm_shuffle_epi8(column, pairs);
        let sum = _mm_madd_epi16(pairs, _mm_set1_epi32((STEPS - fx) | (fx << 16)));
        let half = _mm_set1_epi32(STEPS * STEPS / 2);
        let mean = _mm_srli_epi32::<{ 2 * FRACTION_BITS as i32 }>(_mm_add_epi32(sum, half));
        let mut rgb = [0.0; 4];
        _mm_storeu_ps(rgb.as_mut_ptr(), _mm_mul_ps(_mm_cvtepi32_ps(mean), _mm_set1_ps(1.0 / 255.0)));
        rgb
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::region::tests::region;
    use crate::frame::{PictureSize, Timestamp};

    fn noise(width: usize, height: usize) -> Frame {
        let mut state = 1u32;
        let pixels = (0..width * height * 3).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        Frame {
            pixels: pixels.collect(),
            size: PictureSize::new(width, height),
            timestamp: Timestamp(0),
            sequence: 0,
        }
    }

    /// The rule of this file's first lines, written as plainly as it reads.
    fn plain<const SIDE: usize>(frame: &Frame, region: &Region, outside: Outside) -> Vec<f32> {
        let (w, h) = (frame.size.width as i64, frame.size.height as i64);
        let byte = |x: i64, y: i64, k: usize| {
            if outside == Outside::Black && (x < 0 || y < 0 || x >= w || y >= h) {
                return 0;
            }
            let at = y.clamp(0, h - 1) * w + x.clamp(0, w - 1);
            i64::from(frame.pixels[at as usize * 3 + k])
        };
        let (sin, cos) = (f64::from(region.rotation.sin()), f64::from(region.rotation.cos()));
        let scale = f64::from(region.side) / SIDE as f64;
        let mut out = Vec::new();
        for y in 0..SIDE {
            for x in 0..SIDE {
                let (u, v) = ((x as f64 - SIDE as f64 / 2.0) * scale, (y as f64 - SIDE as f64 / 2.0) * scale);
                let px = (f64::from(region.center.x) + cos * u - sin * v) * 32.0;
                let py = (f64::from(region.center.y) + sin * u + cos * v) * 32.0;
                let (px, py) = (px.round_ties_even() as i64, py.round_ties_even() as i64);
                let (x, y, fx, fy) = (px >> 5, py >> 5, px & 31, py & 31);
                for k in 0..3 {
                    let top = byte(x, y, k) * (32 - fx) + byte(x + 1, y, k) * fx;
                    let bottom = byte(x, y + 1, k) * (32 - fx) + byte(x + 1, y + 1, k) * fx;
                    let mean = (top * (32 - fy) + bottom * fy + 512) >> 10;
                    out.push(mean as f32 * (1.0 / 255.0));
                }
            }
        }
        out
    }

    #[test]
    fn the_fast_crop_equals_the_plain_rule_inside_and_across_the_border() {
        let frame = noise(97, 61);
        let regions = [
            region(48.5, 30.5, 97.0, 0.0),
            region(48.0, 30.0, 40.3, 0.7),
            region(3.0, 58.0, 70.1, -2.5),
            region(-20.0, 90.0, 33.0, 3.1),
            region(96.0, 60.0, 1.5, 1.0),
        ];
        for region in regions {
            for outside in [Outside::Black, Outside::Edge] {
                let mut out = vec![-1.0; 64 * 64 * 3];
                crop::<64>(&frame, &region, outside, &mut out);
                assert!(out == plain::<64>(&frame, &region, outside), "{region:?} {outside:?}");
            }
        }
    }

    #[test]
    fn a_picture_of_one_pixel_can_be_cropped() {
        let mut frame = noise(1, 1);
        frame.pixels = vec![255, 0, 51];
        let mut out = vec![-1.0; 8 * 8 * 3];
        crop::<8>(&frame, &region(0.5, 0.5, 1.0, 0.3), Outside::Edge, &mut out);
        assert!(out.chunks(3).all(|rgb| rgb == [1.0, 0.0, 51.0 * (1.0 / 255.0)]));
    }
}
