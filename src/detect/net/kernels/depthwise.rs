//! Depthwise convolution, one picture row at a time.
//!
//! For one register of channels, a block of neighbouring outputs stays in registers, and so do the weights
//! of one kernel row. Each input register is then loaded once per kernel row and used for every output
//! that it touches, so the loads are few against the products.
#![allow(clippy::needless_range_loop, reason = "index loops over constant bounds unroll into registers")]

use crate::detect::net::Isa;
use crate::net::simd::{Vector, per_isa};

/// Weights in the order in which the kernel reads them: for each register of channels the bias, then the
/// kernel positions row by row.
pub(in crate::detect::net) struct PackedDepthwise {
    data: Vec<f32>,
    kernel: usize,
    /// Channels in whole registers.
    channels: usize,
}

impl PackedDepthwise {
    /// Packs `weights` (kernel row, kernel column, channel) for registers of `lanes` floats.
    pub fn new(weights: &[f32], bias: &[f32], kernel: usize, lanes: usize) -> Self {
        let channels = bias.len().next_multiple_of(lanes);
        let mut data = Vec::with_capacity((kernel * kernel + 1) * channels);
        for first in (0..channels).step_by(lanes) {
            let columns = first..first + lanes;
            data.extend(columns.clone().map(|c| bias.get(c).copied().unwrap_or(0.0)));
            for position in weights.chunks_exact(bias.len().max(1)) {
                data.extend(columns.clone().map(|c| position.get(c).copied().unwrap_or(0.0)));
            }
        }
        Self { data, kernel, channels }
    }

    /// Size of the packed weights in bytes.
    pub fn bytes(&self) -> usize {
        self.data.len() * size_of::<f32>()
    }
}

/// One row of output pixels.
pub(in crate::detect::net) struct DepthwiseRow<'a> {
    /// For each kernel row: the input from the first output's window on.
    pub rows: &'a [&'a [f32]],
    /// Input pixels from one output's window to the next: 1 or 2.
    pub stride: usize,
    /// Floats from pixel to pixel, in input and output.
    pub pitch: usize,
    /// Output pixels.
    pub pixels: usize,
    /// Weights and bias; the kernel side is 3 or 5.
    pub weights: &'a PackedDepthwise,
    /// Limits put on the result.
    pub clamp: Option<(f32, f32)>,
}

/// Whether there is a kernel of this side and stride.
pub(in crate::detect::net) fn has_depthwise(kernel: usize, stride: usize) -> bool {
    matches!((kernel, stride), (3 | 5, 1 | 2))
}

/// Computes one row into `out`, which starts at the first output pixel.
///
/// # Panics
/// When slices are shorter than the row asks for: the plan has verified all shapes before.
pub(in crate::detect::net) fn depthwise_row(isa: Isa, row: &DepthwiseRow, out: &mut [f32]) {
    if row.pixels == 0 {
        return;
    }
    let (last, channels) = (row.pixels - 1, row.weights.channels);
    assert!(has_depthwise(row.weights.kernel, row.stride) && row.rows.len() == row.weights.kernel);
    assert!(channels <= row.pitch && out.len() >= last * row.pitch + channels);
    let window = (last * row.stride + row.weights.kernel - 1) * row.pitch + channels;
    assert!(row.rows.iter().all(|input| input.len() >= window));
    // SAFETY: the instruction set was found available when the plan was made, the packed data hold what
    // the kernel side and the channels say by construction, and every slice was just checked.
    unsafe { depthwise_row_on(isa, row, out.as_mut_ptr()) }
}

per_isa! { fn depthwise_row_on(row: &DepthwiseRow, out: *mut f32) = depthwise_row_with }

#[inline(always)]
unsafe fn depthwise_row_with<V: Vector>(row: &DepthwiseRow, out: *mut f32) {
    // SAFETY: the caller's conditions, handed on.
    unsafe {
        match (row.weights.kernel, row.stride) {
            (3, 1) => whole_row::<V, 3, 1>(row, out),
            (3, _) => whole_row::<V, 3, 2>(row, out),
            (_, 1) => whole_row::<V, 5, 1>(row, out),
            (_, _) => whole_row::<V, 5, 2>(row, out),
        }
    }
}

#[inline(always)]
unsafe fn whole_row<V: Vector, const K: usize, const S: usize>(row: &DepthwiseRow, out: *mut f32) {
    // Blocks of one size where the row divides evenly, since narrow blocks load more per product.
    let divides = |columns: &usize| *columns <= V::DEPTHWISE_COLUMNS && row.pixels.is_multiple_of(*columns);
    let widest = [14, 12, 8, 7, 6, 4].into_iter().find(divides).unwrap_or(V::DEPTHWISE_COLUMNS);
    for channel in (0..row.weights.channels).step_by(V::LANES) {
        let mut pixel = 0;
        macro_rules! blocks {
            ($($columns:literal)*) => {
                $(while $columns <= V::DEPTHWISE_COLUMNS && $columns <= widest && row.pixels - pixel >= $columns {
                    // SAFETY: the block lies within the row, whose slices `depthwise_row` checked.
                    unsafe { block::<V, K, S, $columns>(row, channel, pixel, out) };
                    pixel += $columns;
                })*
            };
        }
        blocks!(14 12 8 7 6 4 2 1);
    }
}

/// `COLUMNS` neighbouring outputs of one register of channels.
#[inline(always)]
unsafe fn block<V: Vector, const K: usize, const S: usize, const COLUMNS: usize>(
    row: &DepthwiseRow,
    channel: usize,
    pixel: usize,
    out: *mut f32,
) {
    // SAFETY: the caller's conditions: outputs `pixel..pixel + COLUMNS` lie within the row.
    unsafe {
        let mut weights = row.weights.data.as_ptr().add(channel * (K * K + 1));
        let mut sums = [V::load(weights); COLUMNS];
        weights = weights.add(V::LANES);
        for y in 0..K {
            let input = row.rows.get_unchecked(y).as_ptr().add(pixel * S * row.pitch + channel);
            let taps: [V; K] = std::array::from_fn(|x| V::load(weights.add(x * V::LANES)));
            weights = weights.add(K * V::LANES);
            // Written out, since a loop this long is not unrolled and would keep the sums in memory.
            macro_rules! input_columns {
                ($($column:literal)*) => {
                    $(if $column < (COLUMNS - 1) * S + K {
                        let value = V::load(input.add($column * row.pitch));
                        for x in 0..K {
                            if $column >= x && ($column - x) % S == 0 && ($column - x) / S < COLUMNS {
                                let sum = &mut sums[($column - x) / S];
                                *sum = sum.add_product(value, taps[x]);
                            }
                        }
                    })*
                };
            }
            input_columns!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30);
        }
        if let Some((low, high)) = row.clamp {
            let (low, high) = (V::splat(low), V::splat(high));
            for sum in &mut sums {
                *sum = sum.max(low).min(high);
            }
        }
        for (column, sum) in sums.iter().enumerate() {
            sum.store(out.add((pixel + column) * row.pitch + channel));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::simd::lanes;

    #[test]
    fn rows_of_any_length_equal_the_plain_sum() {
        let pitch = 32;
        let number = |seed: usize| (seed * 37 % 19) as f32 - 9.0;
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            for (kernel, stride, pixels) in [(3, 1, 31), (3, 2, 14), (5, 1, 12), (5, 2, 14), (5, 1, 1)] {
                let columns = (pixels - 1) * stride + kernel;
                let input: Vec<f32> = (0..kernel * columns * pitch).map(number).collect();
                let weights: Vec<f32> = (0..kernel * kernel * pitch).map(|i| number(i + 3)).collect();
                let bias: Vec<f32> = (0..pitch).map(|i| number(i + 5)).collect();
                let rows: Vec<&[f32]> = input.chunks_exact(columns * pitch).collect();
                let packed = PackedDepthwise::new(&weights, &bias, kernel, lanes(isa));
                let clamp = Some((-100.0, 100.0));
                let row = DepthwiseRow { rows: &rows, stride, pitch, pixels, weights: &packed, clamp };
                let mut out = vec![0.0; pixels * pitch];
                depthwise_row(isa, &row, &mut out);
                for (index, found) in out.iter().enumerate() {
                    let (pixel, channel) = (index / pitch, index % pitch);
                    let product = |tap: usize| {
                        let column = pixel * stride + tap % kernel;
                        rows[tap / kernel][column * pitch + channel] * weights[tap * pitch + channel]
                    };
                    let sum = bias[channel] + (0..kernel * kernel).map(product).sum::<f32>();
                    let expected = sum.clamp(-100.0, 100.0);
                    assert!((found - expected).abs() < 1e-2, "{isa} {kernel} {stride}: {found} {expected}");
                }
            }
        }
    }
}
