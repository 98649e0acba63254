//! How much the pixels about a patch's expected place look like the patch, on two levels.

use super::map::Map;
use crate::net::Isa;
use crate::net::simd::{Vector, per_isa};
use crate::slam::dpvo::projection::{PATCH_PIXELS, PATCH_SIDE, PatchView};

/// Numbers that describe a pixel.
pub const FEATURES: usize = 128;
/// How far about the expected place is looked, pixels of the level's map.
const RADIUS: usize = 3;
/// Places per side.
const SIDE: usize = 2 * RADIUS + 1;
/// Pixels per side that those places lie between.
const RAW: usize = SIDE + 1;
/// Levels: the map itself, and the map at a quarter of its size.
const LEVELS: usize = 2;
/// How much smaller the second level is.
pub const SHRUNK: usize = 4;
/// Numbers of an edge.
pub const CORRELATIONS: usize = LEVELS * SIDE * SIDE * PATCH_PIXELS;

/// A frame's features on both levels.
#[derive(Clone, Debug, Default)]
pub struct FeatureMaps {
    levels: [Map; LEVELS],
}

impl FeatureMaps {
    /// Both levels of a map of [`FEATURES`] channels.
    ///
    /// # Panics
    /// When it has other channels.
    pub fn new(map: Map) -> Self {
        assert_eq!(map.channels, FEATURES, "channels of a feature map");
        let small = map.averaged(SHRUNK);
        Self { levels: [map, small] }
    }

    /// The products of a patch, nine rows of [`FEATURES`] numbers, with the places about where its pixels
    /// are expected, into `out`: `[dx, dy, row, column, level]`, the full level first.
    ///
    /// # Panics
    /// When the patch or `out` is too short.
    pub fn correlate(&self, patch: &[f32], view: &PatchView, isa: Isa, out: &mut [f32]) {
        assert!(patch.len() >= PATCH_PIXELS * FEATURES && out.len() >= CORRELATIONS);
        for (level, map) in self.levels.iter().enumerate() {
            let shrink = if level == 0 { 1.0 } else { SHRUNK as f64 };
            for (at, place) in view.iter().enumerate() {
                let pixel = &patch[at * FEATURES..(at + 1) * FEATURES];
                let mut raw = [0.0; RAW * RAW];
                let (x, y) = ((place.x / shrink) as f32, (place.y / shrink) as f32);
                let (left, top) = (x.floor(), y.floor());
                if left.is_finite() && top.is_finite() {
                    // Far outside there is nothing to meet; the limit keeps the sums below in range.
                    let corner = |value: f32| value.clamp(-1e6, 1e6) as isize - RADIUS as isize;
                    products(isa, map, pixel, corner(left), corner(top), &mut raw);
                    let (right, low) = (x - left, y - top);
                    blend(&raw, right, low, &mut out[at * LEVELS + level..]);
                }
            }
        }
    }
}

/// Products with the window whose first pixel is given, zero outside the map: `[row, column]`.
fn products(isa: Isa, map: &Map, pixel: &[f32], left: isize, top: isize, raw: &mut [f32; RAW * RAW]) {
    for (at, raw) in raw.iter_mut().enumerate() {
        let (row, column) = ((at / RAW) as isize, (at % RAW) as isize);
        if let Some(other) = map.pixel(left + column, top + row) {
            // SAFETY: every caller got `isa` from a network that found it available; both are rows of
            // `FEATURES` numbers.
            unsafe { dot(isa, pixel.as_ptr(), other.as_ptr(), raw) };
        }
    }
}

per_isa! { fn dot(a: *const f32, b: *const f32, out: &mut f32) = dot_with }

#[inline(always)]
unsafe fn dot_with<V: Vector>(a: *const f32, b: *const f32, out: &mut f32) {
    const {
        assert!(FEATURES.is_multiple_of(2 * V::LANES) && V::LANES <= 16);
    }
    // SAFETY: both pointers lead to `FEATURES` floats, and `lanes` has room for any register.
    unsafe {
        let mut sums = [V::splat(0.0); 2];
        for at in (0..FEATURES).step_by(2 * V::LANES) {
            for (half, sum) in sums.iter_mut().enumerate() {
                let at = at + half * V::LANES;
                *sum = sum.add_product(V::load(a.add(at)), V::load(b.add(at)));
            }
        }
        let mut lanes = [0.0_f32; 16];
        sums[0].add(sums[1]).store(lanes.as_mut_ptr());
        *out = lanes.iter().sum();
    }
}

/// The values between the raw ones, at every offset; `out` begins at the pixel's first number.
fn blend(raw: &[f32; RAW * RAW], right: f32, low: f32, out: &mut [f32]) {
    let step = PATCH_SIDE * PATCH_SIDE * LEVELS;
    for dx in 0..SIDE {
        for dy in 0..SIDE {
            let at = |row: usize, column: usize| raw[row * RAW + column];
            let upper = at(dy, dx) * (1.0 - right) + at(dy, dx + 1) * right;
            let lower = at(dy + 1, dx) * (1.0 - right) + at(dy + 1, dx + 1) * right;
            out[(dx * SIDE + dy) * step] = upper * (1.0 - low) + lower * low;
        }
    }
}
