//! Procedural surfaces: soft noise with sharper marks in it, rich in corners and never skin-coloured.

use crate::frame::PictureSize;
use crate::random::mixed;

/// How a surface looks.
#[derive(Clone, Copy)]
pub(super) struct Surface {
    /// Mean colour, sRGB.
    pub tint: [f32; 3],
    /// Contrast of the soft noise, 0..1.
    pub cloud: f32,
    /// Contrast of the sharp marks, 0..1.
    pub marks: f32,
    /// How much longer the grain is than wide; 1 for none.
    pub grain: f32,
    /// Tells surfaces apart.
    pub seed: u64,
}

/// The surface as an RGB picture whose opposite edges fit together.
pub(super) fn picture(surface: &Surface, size: PictureSize) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(size.rgb_bytes());
    for y in 0..size.height {
        for x in 0..size.width {
            let u = x as f32 / size.width as f32;
            let v = y as f32 / size.height as f32;
            let shade = 1.0 + surface.cloud * clouds(surface, u, v) + surface.marks * marks(surface, u, v);
            rgb.extend(surface.tint.map(|channel| (channel * shade).clamp(0.0, 255.0) as u8));
        }
    }
    rgb
}

/// Five octaves of noise, -1..1.
fn clouds(surface: &Surface, u: f32, v: f32) -> f32 {
    let mut sum = 0.0;
    let mut weight = 0.5;
    for octave in 0..5 {
        let cells = 4 << octave;
        let across = (cells as f32 * surface.grain) as i64;
        sum += weight * (2.0 * noise(surface.seed + octave, u, v, across, cells) - 1.0);
        weight *= 0.62;
    }
    sum
}

/// Patches with firm edges where a second noise is high: stains, scratches, corners.
fn marks(surface: &Surface, u: f32, v: f32) -> f32 {
    let patch = |seed: u64, cells: i64, from: f32| {
        let across = (cells as f32 * surface.grain) as i64;
        ((noise(surface.seed + seed, u, v, across, cells) - from) * 14.0).clamp(0.0, 1.0)
    };
    patch(11, 22, 0.68) - patch(12, 27, 0.70) + 0.6 * patch(13, 61, 0.74) - 0.6 * patch(14, 67, 0.76)
}

/// Value noise on a lattice of `across` x `down` cells that repeats after the whole picture, 0..1.
fn noise(seed: u64, u: f32, v: f32, across: i64, down: i64) -> f32 {
    let (x, y) = (u * across as f32, v * down as f32);
    let (column, row) = (x.floor() as i64, y.floor() as i64);
    let corner = |dx: i64, dy: i64| {
        let cell = ((column + dx).rem_euclid(across) << 20) + (row + dy).rem_euclid(down);
        (mixed(seed.wrapping_mul(0x5851_f42d) ^ cell as u64) >> 40) as f32 / (1_u64 << 24) as f32
    };
    let soft = |t: f32| t * t * (3.0 - 2.0 * t);
    let (a, b) = (soft(x - column as f32), soft(y - row as f32));
    let top = corner(0, 0) * (1.0 - a) + corner(1, 0) * a;
    let bottom = corner(0, 1) * (1.0 - a) + corner(1, 1) * a;
    top * (1.0 - b) + bottom * b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opposite_edges_fit_together() {
        for t in [0.1, 0.37, 0.92] {
            assert!((noise(3, 0.0, t, 7, 9) - noise(3, 0.999_999, t, 7, 9)).abs() < 1e-3);
            assert!((noise(3, t, 0.0, 7, 9) - noise(3, t, 0.999_999, 7, 9)).abs() < 1e-3);
        }
    }
}
