//! Convolution as a matrix product, one picture row at a time.
//!
//! The patch under an output pixel is a few contiguous runs of floats, one per kernel row (one run of all
//! channels for a 1x1 convolution), and neighbouring outputs start a constant step apart. So no patch
//! matrix is built: a tile of `R` pixels times `N` registers of output channels stays in registers while
//! the runs are walked, each input value broadcast against packed weights. What follows the convolution
//! in the graph (residual sum, activation) happens before the tile is stored.
#![allow(clippy::needless_range_loop, reason = "index loops over constant bounds unroll into registers")]

use super::MAX_KERNEL;
use super::places::{PixelGrid, TileInput};
use crate::detect::net::Isa;
use crate::net::simd::{Vector, per_isa};

/// How many floats ahead weights are asked for: the time to fetch from memory, and beyond the page where
/// the processor's own prefetching ends.
const PREFETCH: usize = 512;

/// What is applied to every output value.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::detect::net) enum Activation {
    /// Nothing.
    None,
    /// Limits: ReLU is `0..inf`, ReLU6 `0..6`.
    Clamp(f32, f32),
    /// Negative values times a slope per channel, padded to whole registers.
    Prelu(Vec<f32>),
}

/// Weights in the order in which the kernel reads them.
pub(in crate::detect::net) struct PackedConv {
    panels: Vec<Panel>,
    /// Per panel: bias, then one group of registers for each input value of a patch.
    data: Vec<f32>,
    /// Input values of a patch.
    patch: usize,
    /// Output channels in whole registers.
    channels: usize,
}

struct Panel {
    /// First output channel.
    channel: usize,
    /// Width in registers: 2 or 1.
    registers: usize,
    /// Where its data starts.
    offset: usize,
}

impl PackedConv {
    /// Packs `weights` (output channel, then patch) for registers of `lanes` floats.
    pub fn new(weights: &[f32], bias: &[f32], lanes: usize) -> Self {
        let patch = weights.len() / bias.len().max(1);
        let mut left = bias.len().div_ceil(lanes);
        let channels = left * lanes;
        let (mut panels, mut data, mut channel) = (Vec::new(), Vec::new(), 0);
        while left > 0 {
            let registers = left.min(2);
            panels.push(Panel { channel, registers, offset: data.len() });
            let width = registers * lanes;
            let start = data.len();
            data.resize(start + (patch + 1) * width, 0.0);
            for (column, bias) in bias.iter().enumerate().skip(channel).take(width) {
                let packed = data[start..].iter_mut().skip(column - channel).step_by(width);
                let own = weights[column * patch..].iter().take(patch);
                for (packed, value) in packed.zip(std::iter::once(bias).chain(own)) {
                    *packed = *value;
                }
            }
            channel += width;
            left -= registers;
        }
        Self { panels, data, patch, channels }
    }

    /// Size of the packed weights in bytes.
    pub fn bytes(&self) -> usize {
        self.data.len() * size_of::<f32>()
    }
}

/// A sum with an earlier tensor.
#[derive(Clone, Copy)]
pub(in crate::detect::net) struct ResidualRow<'a> {
    /// Its values from the first output pixel on.
    pub values: &'a [f32],
    /// Where its pixels lie.
    pub grid: PixelGrid,
    /// Channels that are added, a whole number of registers; further outputs are left alone.
    pub channels: usize,
    /// Whether the sum comes after the activation.
    pub after_activation: bool,
}

/// A run of output pixels: one picture row, or several where their inputs follow each other.
pub(in crate::detect::net) struct ConvRow<'a> {
    /// For each kernel row: the input from the first output's patch on.
    pub runs: &'a [&'a [f32]],
    /// Floats of a run that belong to one patch.
    pub run: usize,
    /// Floats from one output's patch to the next.
    pub step: usize,
    /// Output pixels.
    pub pixels: usize,
    /// Weights and bias.
    pub weights: &'a PackedConv,
    /// What is added to the result.
    pub residual: Option<ResidualRow<'a>>,
    /// What is applied to the result.
    pub activation: &'a Activation,
    /// Where output pixels lie.
    pub grid: PixelGrid,
}

/// Computes the run into `out`, which starts at the first output pixel.
///
/// # Panics
/// When slices are shorter than the row asks for: the plan has verified all shapes before.
pub(in crate::detect::net) fn conv_row(isa: Isa, row: &ConvRow, out: &mut [f32]) {
    if row.pixels == 0 {
        return;
    }
    let last = row.pixels - 1;
    let channels = row.weights.channels;
    assert!(row.runs.len() <= MAX_KERNEL && row.runs.len() * row.run == row.weights.patch);
    assert!(row.runs.iter().all(|run| run.len() >= last * row.step + row.run));
    assert!(row.grid.covers(row.pixels, channels, out.len()));
    if let Some(residual) = &row.residual {
        assert!(residual.grid.covers(row.pixels, residual.channels, residual.values.len()));
    }
    if let Activation::Prelu(slopes) = row.activation {
        assert!(slopes.len() >= channels);
    }
    // SAFETY: the instruction set was found available when the plan was made, the packed data hold what
    // their panels say by construction, and every slice was just checked against the row.
    unsafe { conv_row_on(isa, row, out.as_mut_ptr()) }
}

per_isa! { fn conv_row_on(row: &ConvRow, out: *mut f32) = conv_row_with }

#[inline(always)]
unsafe fn conv_row_with<V: Vector>(row: &ConvRow, out: *mut f32) {
    for panel in &row.weights.panels {
        let tiles = row.pixels.div_ceil(V::TILE_ROWS);
        // Tiles of nearly equal height, so that none runs nearly empty.
        let mut pixel = 0;
        for tile in 0..tiles {
            let height = (row.pixels - pixel).div_ceil(tiles - tile);
            // SAFETY: pixel + height <= row.pixels, and `conv_row` checked all slices up to there.
            unsafe { tile_of_height::<V>(row, panel, pixel, height, out) };
            pixel += height;
        }
    }
}

/// Chooses the kernel built for this height and width.
#[inline(always)]
unsafe fn tile_of_height<V: Vector>(
    row: &ConvRow,
    panel: &Panel,
    pixel: usize,
    height: usize,
    out: *mut f32,
) {
    macro_rules! heights {
        ($($height:literal)*) => {
            // SAFETY: the caller's conditions, handed on.
            unsafe {
                match (height, panel.registers) {
                    $(($height, 2) if $height <= V::TILE_ROWS => tile::<V, $height, 2>(row, panel, pixel, out),
                    ($height, 1) if $height <= V::TILE_ROWS => tile::<V, $height, 1>(row, panel, pixel, out),)*
                    _ => unreachable!("tiles are no higher than the registers allow"),
                }
            }
        };
    }
    heights!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

/// `R` pixels times `N` registers of output channels.
#[inline(always)]
unsafe fn tile<V: Vector, const R: usize, const N: usize>(
    row: &ConvRow,
    panel: &Panel,
    pixel: usize,
    out: *mut f32,
) {
    // SAFETY: the panel's data hold N registers of bias and N for each of the patch's inputs; pixels
    // `pixel..pixel + R` lie within the row, whose slices `conv_row` checked.
    unsafe {
        let mut weights = row.weights.data.as_ptr().add(panel.offset);
        let bias: [V; N] = std::array::from_fn(|n| V::load(weights.add(n * V::LANES)));
        weights = weights.add(N * V::LANES);
        let mut sums = [bias; R];
        for run in row.runs {
            let mut input = TileInput::new(run.as_ptr().add(pixel * row.step), row.step);
            for _ in 0..row.run {
                for n in 0..N {
                    V::prefetch(weights.wrapping_add(PREFETCH + n * V::LANES));
                }
                sums = add_products(sums, &input, weights);
                weights = weights.add(N * V::LANES);
                input.advance();
            }
        }
        finish::<V, R, N>(row, panel.channel, pixel, sums, out);
    }
}

/// Adds the products of one input of each of `R` pixels with its weights.
#[inline(always)]
unsafe fn add_products<V: Vector, const R: usize, const N: usize>(
    mut sums: [[V; N]; R],
    input: &TileInput,
    weights: *const f32,
) -> [[V; N]; R] {
    // SAFETY: the caller's pointers lead to an input of each pixel and to N registers of weights.
    unsafe {
        let columns: [V; N] = std::array::from_fn(|n| V::load(weights.add(n * V::LANES)));
        // Written out, since a loop this long is not unrolled and would keep the sums in memory.
        macro_rules! pixels {
            ($($r:literal)*) => {
                $(if $r < R {
                    let value = V::splat(*input.pixel($r));
                    for n in 0..N {
                        sums[$r][n] = sums[$r][n].add_product(value, columns[n]);
                    }
                })*
            };
        }
        pixels!(0 1 2 3 4 5 6 7 8 9 10 11 12 13);
    }
    sums
}

/// Residual sum, activation and store of a tile.
#[inline(always)]
unsafe fn finish<V: Vector, const R: usize, const N: usize>(
    row: &ConvRow,
    channel: usize,
    pixel: usize,
    mut sums: [[V; N]; R],
    out: *mut f32,
) {
    // SAFETY: as for `tile`.
    unsafe {
        if let Some(residual) = row.residual.as_ref().filter(|residual| !residual.after_activation) {
            sums = add_residual(sums, residual, channel, pixel);
        }
        match row.activation {
            Activation::None => {}
            Activation::Clamp(low, high) => {
                let (low, high) = (V::splat(*low), V::splat(*high));
                for r in 0..R {
                    for n in 0..N {
                        sums[r][n] = sums[r][n].max(low).min(high);
                    }
                }
            }
            Activation::Prelu(slopes) => {
                for n in 0..N {
                    let slope = V::load(slopes.as_ptr().add(channel + n * V::LANES));
                    for r in 0..R {
                        sums[r][n] = sums[r][n].prelu(slope);
                    }
                }
            }
        }
        if let Some(residual) = row.residual.as_ref().filter(|residual| residual.after_activation) {
            sums = add_residual(sums, residual, channel, pixel);
        }
        match row.grid.row_of_tile(pixel, R) {
            Some(first) => store(sums, |r| out.add(first + r * row.grid.pitch + channel)),
            None => {
                let places = row.grid.places::<R>(pixel);
                store(sums, |r| out.add(places[r] + channel));
            }
        }
    }
}

/// Writes each pixel of a tile to its place.
#[inline(always)]
unsafe fn store<V: Vector, const R: usize, const N: usize>(
    sums: [[V; N]; R],
    to: impl Fn(usize) -> *mut f32,
) {
    for r in 0..R {
        for n in 0..N {
            // SAFETY: the caller's places lie within the output, which `conv_row` checked.
            unsafe { sums[r][n].store(to(r).add(n * V::LANES)) };
        }
    }
}

/// Adds the residual where it has channels: a whole number of registers.
#[inline(always)]
unsafe fn add_residual<V: Vector, const R: usize, const N: usize>(
    sums: [[V; N]; R],
    residual: &ResidualRow,
    channel: usize,
    pixel: usize,
) -> [[V; N]; R] {
    // SAFETY: pixels and channels lie within the residual, which `conv_row` checked.
    unsafe {
        let values = residual.values.as_ptr().wrapping_add(channel);
        let registers = residual.channels.saturating_sub(channel) / V::LANES;
        match residual.grid.row_of_tile(pixel, R) {
            Some(first) => add(sums, registers, |r| values.add(first + r * residual.grid.pitch)),
            None => {
                let places = residual.grid.places::<R>(pixel);
                add(sums, registers, |r| values.add(places[r]))
            }
        }
    }
}

/// Adds the first `registers` registers of each pixel of a tile.
#[inline(always)]
unsafe fn add<V: Vector, const R: usize, const N: usize>(
    mut sums: [[V; N]; R],
    registers: usize,
    from: impl Fn(usize) -> *const f32,
) -> [[V; N]; R] {
    for n in 0..N {
        if n < registers {
            for r in 0..R {
                // SAFETY: the caller's places hold that many registers.
                sums[r][n] = unsafe { sums[r][n].add(V::load(from(r).add(n * V::LANES))) };
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::simd::lanes;

    #[test]
    fn rows_of_any_length_and_channels_equal_the_plain_sum() {
        // Two rows of 11 pixels in one run, a gap after each output row, 5 inputs and 35 outputs.
        let (pixels, patch, outputs, pitch) = (22, 5, 35, 48);
        let number = |seed: usize| (seed * 37 % 19) as f32 - 9.0;
        let input: Vec<f32> = (0..pixels * patch).map(number).collect();
        let weights: Vec<f32> = (0..outputs * patch).map(|i| number(i + 3)).collect();
        let bias: Vec<f32> = (0..outputs).map(|i| number(i + 5)).collect();
        let slopes = vec![0.25; pitch];
        let residual: Vec<f32> = (0..pixels * pitch).map(|i| number(i + 7)).collect();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let packed = PackedConv::new(&weights, &bias, lanes(isa));
            let grid = PixelGrid { width: 11, pitch, row: 12 * pitch };
            let row = ConvRow {
                runs: &[&input],
                run: patch,
                step: patch,
                pixels,
                weights: &packed,
                residual: Some(ResidualRow {
                    values: &residual,
                    grid: PixelGrid { width: pixels, pitch, row: pixels * pitch },
                    channels: 16,
                    after_activation: false,
                }),
                activation: &Activation::Prelu(slopes.clone()),
                grid,
            };
            let mut out = vec![0.0; 24 * pitch];
            conv_row(isa, &row, &mut out);
            for pixel in 0..pixels {
                for channel in 0..outputs {
                    let products =
                        (0..patch).map(|t| input[pixel * patch + t] * weights[channel * patch + t]);
                    let added = if channel < 16 { residual[pixel * pitch + channel] } else { 0.0 };
                    let sum = products.sum::<f32>() + bias[channel] + added;
                    let expected = if sum < 0.0 { 0.25 * sum } else { sum };
                    let found = out[(pixel / 11 * 12 + pixel % 11) * pitch + channel];
                    assert!((found - expected).abs() < 1e-3, "{isa} {pixel} {channel}: {found} {expected}");
                }
            }
        }
    }
}
