//! Upright BRIEF (Calonder et al., ECCV 2010): 256 comparisons of a smoothed picture around a corner.

use super::pyramid::Level;
use crate::geometry::Pixel;
use crate::random::Random;

/// 256 bits.
pub(super) type Descriptor = [u64; 4];

/// Comparisons reach this far from the corner, pixels.
const REACH: isize = 15;

/// Spread of the compared places, pixels (a fifth of the patch, the paper's G II).
const SPREAD: f64 = 6.2;

/// The places compared; fixed, so that descriptors of two runs agree.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<[(isize, isize); 2]>);

impl Default for Pattern {
    fn default() -> Self {
        let mut random = Random::new(0x1234_5678);
        let mut offset = || {
            // The sum of six uniform draws is close to normal.
            let normal = (0..6).map(|_| random.signed()).sum::<f64>() / 2.0_f64.sqrt();
            ((normal * SPREAD).round() as isize).clamp(-REACH, REACH)
        };
        Self((0..256).map(|_| [(offset(), offset()), (offset(), offset())]).collect())
    }
}

impl Pattern {
    /// The descriptor at `pixel` of a smoothed picture; `None` outside it.
    pub fn describe(&self, smooth: &Level, pixel: Pixel) -> Option<Descriptor> {
        if !smooth.holds(pixel, 0.0) {
            return None;
        }
        let (column, row) = (pixel.x.round() as isize, pixel.y.round() as isize);
        let at = |(x, y): (isize, isize)| smooth.run(column + x, row + y, 1).map(|run| run[0]);
        let mut bits = [0; 4];
        for (k, [a, b]) in self.0.iter().enumerate() {
            bits[k / 64] |= u64::from(at(*a)? < at(*b)?) << (k % 64);
        }
        Some(bits)
    }
}

/// Bits in which two descriptors differ.
#[inline]
pub(super) fn distance(a: &Descriptor, b: &Descriptor) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

/// When two descriptors count as the same place.
#[derive(Clone, Copy, Debug)]
pub(super) struct MatchConfig {
    /// Bits that may differ.
    pub most_bits: u32,
    /// The best must differ in less than this share of the second best's bits.
    pub ratio: f32,
}

impl Default for MatchConfig {
    fn default() -> Self {
        Self { most_bits: 64, ratio: 0.8 }
    }
}

/// Pairs (index in `a`, index in `b`) that are each other's best match and clearly better than the second.
pub(super) fn matches(a: &[Descriptor], b: &[Descriptor], config: &MatchConfig) -> Vec<(usize, usize)> {
    // For each of `b`, the best of `a`, to cross-check without a second pass.
    let mut best_of_b = vec![(u32::MAX, 0); b.len()];
    let mut best_of_a = Vec::with_capacity(a.len());
    for (i, one) in a.iter().enumerate() {
        let (mut best, mut second, mut place) = (u32::MAX, u32::MAX, 0);
        for (j, other) in b.iter().enumerate() {
            let bits = distance(one, other);
            if bits < best_of_b[j].0 {
                best_of_b[j] = (bits, i);
            }
            if bits < best {
                (second, best, place) = (best, bits, j);
            } else if bits < second {
                second = bits;
            }
        }
        best_of_a.push((best, second, place));
    }
    let clear = |&(i, &(best, second, j)): &(usize, &(u32, u32, usize))| {
        best <= config.most_bits
            && (best as f32) < config.ratio * second as f32
            && best_of_b.get(j).is_some_and(|&(_, back)| back == i)
    };
    best_of_a.iter().enumerate().filter(clear).map(|(i, &(_, _, j))| (i, j)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(shift: usize) -> Level {
        Level::from_fn(120, 100, |x, y| {
            let mut random = Random::new(((x + shift) / 3 * 1000 + y / 3) as u64);
            (random.signed() * 100.0 + 128.0) as u8
        })
        .smoothed()
    }

    #[test]
    fn a_moved_picture_matches_itself_corner_by_corner() {
        let (pattern, places) = (Pattern::default(), [(30.0, 40.0), (60.0, 20.0), (80.0, 70.0)]);
        let describe = |level: &Level, shift: f32| -> Vec<Descriptor> {
            places.iter().map(|&(x, y)| pattern.describe(level, Pixel::new(x - shift, y)).unwrap()).collect()
        };
        let (here, there) = (describe(&noise(0), 0.0), describe(&noise(7), 7.0));
        assert_eq!(matches(&here, &there, &MatchConfig::default()), [(0, 0), (1, 1), (2, 2)]);
        assert_eq!(pattern.describe(&noise(0), Pixel::new(-3.0, 5.0)), None);
    }
}
