//! Pictures stretched to the size of a panel, each pixel between the four around it as graphics devices do it: a
//! picture of a camera changes with every frame, and where the processor itself draws this is the cheapest way.

use crate::frame::PictureSize;

/// Weights are parts of this.
const ONE: u32 = 256;
/// A half in every quarter of 64 bits, and the lower half of each.
const HALVES: u64 = 0x0080_0080_0080_0080;
const LOWER: u64 = 0x00FF_00FF_00FF_00FF;

/// Between which two pixels one lies: the first, the second, the weight of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Between {
    first: usize,
    second: usize,
    weight: u32,
}

/// Stretches pictures and keeps its tables and rows from one to the next.
#[derive(Default)]
pub(super) struct Stretch {
    sizes: Option<(PictureSize, PictureSize, bool)>,
    columns: Vec<Between>,
    rows: Vec<Between>,
    /// A row between two of the picture: RGB bytes, then its pixels with 16 bits for each level.
    bytes: Vec<u8>,
    row: Vec<u64>,
    rgba: Vec<u8>,
}

impl Stretch {
    /// The picture `rgb` of size `from` (at least one pixel, `from.rgb_bytes()` bytes) with the size `to`: RGBA bytes,
    /// opaque; `mirrored`, left and right change places.
    pub fn picture(&mut self, rgb: &[u8], from: PictureSize, to: PictureSize, mirrored: bool) -> &[u8] {
        if self.sizes != Some((from, to, mirrored)) {
            self.sizes = Some((from, to, mirrored));
            self.rows = places(from.height, to.height);
            self.columns = places(from.width, to.width);
            if mirrored {
                self.columns.reverse();
            }
        }
        let bytes = 3 * from.width;
        self.bytes.resize(bytes, 0);
        self.row.resize(from.width, 0);
        self.rgba.resize(4 * to.width * to.height, 0);
        for (out, between) in self.rgba.chunks_exact_mut(4 * to.width).zip(&self.rows) {
            let [first, second] = [between.first, between.second].map(|row| &rgb[row * bytes..][..bytes]);
            let (near, far) = ((ONE - between.weight) as u16, between.weight as u16);
            for ((level, a), b) in self.bytes.iter_mut().zip(first).zip(second) {
                *level = ((u16::from(*a) * near + u16::from(*b) * far + 128) >> 8) as u8;
            }
            for (pixel, rgb) in self.row.iter_mut().zip(self.bytes.chunks_exact(3)) {
                *pixel = u64::from(rgb[0]) | u64::from(rgb[1]) << 16 | u64::from(rgb[2]) << 32;
            }
            for (pixel, between) in out.chunks_exact_mut(4).zip(&self.columns) {
                let [first, second] = [between.first, between.second].map(|column| self.row[column]);
                let (near, far) = (u64::from(ONE - between.weight), u64::from(between.weight));
                // All levels in one product: each stays in its 16 bits.
                let levels = ((first * near + second * far + HALVES) >> 8) & LOWER;
                let pairs = levels | levels >> 8;
                let rgb = (pairs & 0xFFFF) | (pairs >> 16 & 0xFF_0000);
                pixel.copy_from_slice(&(rgb as u32 | 0xFF00_0000).to_le_bytes());
            }
        }
        &self.rgba
    }
}

/// For each of `to` pixels across the same width, between which of `from` its middle lies; the border goes on outside.
fn places(from: usize, to: usize) -> Vec<Between> {
    let scale = from as f64 / to as f64;
    let last = from.saturating_sub(1);
    let place = |pixel: usize| {
        let at = ((pixel as f64 + 0.5) * scale - 0.5).clamp(0.0, last as f64);
        let first = at as usize;
        let weight = ((at - first as f64) * f64::from(ONE)).round() as u32;
        Between { first, second: (first + 1).min(last), weight }
    };
    (0..to).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_the_same_size_stays_and_its_mirror_image_is_turned() {
        let rgb: Vec<u8> = (0..24).map(|k| k * 10).collect();
        let size = PictureSize::new(4, 2);
        let mut stretch = Stretch::default();
        let opaque =
            |pixels: &[[u8; 3]]| pixels.iter().flat_map(|p| [p[0], p[1], p[2], 255]).collect::<Vec<u8>>();
        let pixels: Vec<[u8; 3]> = rgb.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
        assert_eq!(stretch.picture(&rgb, size, size, false), opaque(&pixels));
        let turned: Vec<[u8; 3]> = pixels.chunks_exact(4).flat_map(|row| row.iter().rev().copied()).collect();
        assert_eq!(stretch.picture(&rgb, size, size, true), opaque(&turned));
    }

    #[test]
    fn a_slope_stays_a_slope_at_any_size() {
        let rgb: Vec<u8> = (0..5).flat_map(|_| (0..9).flat_map(|x| [20 * x, 20 * x, 20 * x])).collect();
        let mut stretch = Stretch::default();
        for to in [PictureSize::new(6, 3), PictureSize::new(31, 17)] {
            let picture = stretch.picture(&rgb, PictureSize::new(9, 5), to, false);
            for (x, pixel) in picture.chunks_exact(4).take(to.width).enumerate() {
                let at = ((x as f32 + 0.5) * 9.0 / to.width as f32 - 0.5).clamp(0.0, 8.0);
                assert!((f32::from(pixel[1]) - 20.0 * at).abs() < 0.6, "{x}: {pixel:?} for {at}");
            }
        }
    }
}
