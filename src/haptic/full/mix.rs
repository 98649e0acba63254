//! The sums of products behind a crop: rows of bytes to one row of floats, its pixels to a picture's row.

use super::picture::NORMALISED;
use super::taps::Axis;

/// Pixels that are worked on together, so that colours leave as vectors.
const GROUP: usize = 4;
/// Floats that are read from a pixel on: its own, its right neighbour's and two of no meaning.
const PAIR: usize = 8;
/// Floats behind the last pixel of a mixed row that reading pairs may touch.
pub(super) const PADDING: usize = PAIR - 3;

/// The sum of rows of bytes, each times its share; false where no row has one.
pub(super) fn mix_rows<'a>(rows: impl Iterator<Item = (&'a [u8], f32)>, out: &mut [f32]) -> bool {
    let mut rows = rows.filter(|(_, share)| *share != 0.0);
    let mut fresh = true;
    while let Some((row, share)) = rows.next() {
        // Two rows at a time: without blur there are no more.
        let (other, other_share) = rows.next().unwrap_or((row, 0.0));
        for ((sum, &a), &b) in out.iter_mut().zip(row).zip(other) {
            let mixed = f32::from(a) * share + f32::from(b) * other_share;
            *sum = if fresh { mixed } else { *sum + mixed };
        }
        fresh = false;
    }
    !fresh
}

/// One row of a picture from a mixed row, whose first pixel is column `base` of the frame: mixes its pixels,
/// rounds the colours where `rounded`, and normalises them.
pub(super) fn mix_columns(row: &[f32], base: usize, columns: &Axis, rounded: bool, out: [&mut [f32]; 3]) {
    // Chosen once a row: inside the loop the choice would cost as much as the sums.
    match (columns.taps(), rounded) {
        (2, true) => each_pixel(row, base, columns, out, pair, rounded_step),
        (2, false) => each_pixel(row, base, columns, out, pair, |colour| colour),
        (_, true) => each_pixel(row, base, columns, out, many, rounded_step),
        (_, false) => each_pixel(row, base, columns, out, many, |colour| colour),
    }
}

/// The loop of [`mix_columns`] for one way to mix neighbours and one to round.
#[inline(always)]
fn each_pixel(
    row: &[f32],
    base: usize,
    columns: &Axis,
    out: [&mut [f32]; 3],
    mix: impl Fn(&[f32], &[f32]) -> [f32; 4],
    round: impl Fn(f32) -> f32,
) {
    let [[r, r0], [g, g0], [b, b0]] = NORMALISED;
    let [red, green, blue] = out.map(|row| row.as_chunks_mut::<GROUP>().0);
    let places = columns.groups::<GROUP>().zip(red.iter_mut().zip(green).zip(blue));
    for ((starts, shares), ((red, green), blue)) in places {
        let taps = shares.len() / GROUP;
        let colours: [[f32; 4]; GROUP] = std::array::from_fn(|i| {
            let pixels = row.get(starts[i].saturating_sub(base) * 3..).unwrap_or_default();
            mix(pixels, shares.get(i * taps..(i + 1) * taps).unwrap_or_default())
        });
        *red = colours.map(|colour| round(colour[0]) * r + r0);
        *green = colours.map(|colour| round(colour[1]) * g + g0);
        *blue = colours.map(|colour| round(colour[2]) * b + b0);
    }
}

/// The sum of two neighbours; the fourth value has no meaning.
#[inline(always)]
fn pair(pixels: &[f32], shares: &[f32]) -> [f32; 4] {
    let (Some(pixels), &[left, right]) = (pixels.first_chunk::<PAIR>(), shares) else { return [0.0; 4] };
    std::array::from_fn(|c| pixels[c] * left + pixels[c + 3] * right)
}

/// The sum of any number of neighbours.
fn many(pixels: &[f32], shares: &[f32]) -> [f32; 4] {
    let mut sum = [0.0; 4];
    for (pixel, share) in pixels.chunks_exact(3).zip(shares) {
        for (sum, colour) in sum.iter_mut().zip(pixel) {
            *sum += colour * share;
        }
    }
    sum
}

/// The nearest whole number, halves upward, of a multiple of 1/1024 in 0..=255.
#[inline(always)]
fn rounded_step(value: f32) -> f32 {
    /// Floats of this size have no fraction, so that adding it rounds; every processor does that in vectors.
    const WHOLE: f32 = 8_388_608.0;
    const HALF_UP: f32 = 1.0 / 2048.0;
    (value + HALF_UP + WHOLE) - WHOLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_rounded_as_whole_numbers_are() {
        for thousandths in 0..=255 * 1024_u32 {
            let expected = (thousandths + 512) >> 10;
            assert_eq!(rounded_step(thousandths as f32 / 1024.0), expected as f32);
        }
    }

    #[test]
    fn rows_without_a_share_say_so_and_rows_with_one_add_up() {
        let (a, b) = ([10_u8, 20, 30], [1_u8, 2, 3]);
        let mut out = [0.0; 3];
        assert!(!mix_rows([(a.as_slice(), 0.0)].into_iter(), &mut out));
        let rows = [(a.as_slice(), 0.5), (b.as_slice(), 2.0), (a.as_slice(), 0.1)];
        assert!(mix_rows(rows.into_iter(), &mut out));
        assert_eq!(out, [8.0, 16.0, 24.0]);
    }
}
