//! Convolution as a matrix product, one picture row at a time.
//!
//! The patch under an output pixel is a few contiguous runs of floats, one per kernel row (one run of all
//! channels for a 1x1 convolution), and neighbouring outputs start a constant step apart. So no patch
//! matrix is built: a tile of `R` pixels times `N` registers of output channels stays in registers while
//! the runs are walked, each input value broadcast against packed weights. What follows the convolution
//! in the graph (residual sum, activation) happens before the tile is stored.

use super::MAX_KERNEL;
use crate::detect::net::Isa;
use crate::detect::net::simd::{Vector, per_isa};

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
    /// Width in registers: 4, 2 or 1.
    registers: usize,
    /// Where its data starts.
    offset: usize,
}

impl PackedConv {
    /// Packs `weights` (output channel, then patch) for registers of `lanes` floats.
    ///
    /// `wide` makes panels of four registers where they fit: better for rows of few pixels.
    pub fn new(weights: &[f32], bias: &[f32], lanes: usize, wide: bool) -> Self {
        let patch = weights.len() / bias.len().max(1);
        let mut left = bias.len().div_ceil(lanes);
        let channels = left * lanes;
        let (mut panels, mut data, mut channel) = (Vec::new(), Vec::new(), 0);
        while left > 0 {
            let registers = if wide && left >= 4 { 4 } else { left.min(2) };
            panels.push(Panel { channel, registers, offset: data.len() });
            let columns = channel..channel + registers * lanes;
            data.extend(columns.clone().map(|column| bias.get(column).copied().unwrap_or(0.0)));
            for tap in 0..patch {
                let weight = |column| weights.get(column * patch + tap).copied().unwrap_or(0.0);
                data.extend(columns.clone().map(weight));
            }
            channel = columns.end;
            left -= registers;
        }
        Self { panels, data, patch, channels }
    }

    /// Number of panels.
    pub fn panels(&self) -> usize {
        self.panels.len()
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
    /// Floats from pixel to pixel.
    pub pitch: usize,
    /// Channels that are added, a whole number of registers; further outputs are left alone.
    pub channels: usize,
    /// Whether the sum comes after the activation.
    pub after_activation: bool,
}

/// One row of output pixels.
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
    /// Which panels to compute.
    pub panels: std::ops::Range<usize>,
    /// What is added to the result.
    pub residual: Option<ResidualRow<'a>>,
    /// What is applied to the result.
    pub activation: &'a Activation,
    /// Output floats from pixel to pixel.
    pub out_pitch: usize,
}

/// Computes one row into `out`, which starts at the first output pixel.
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
    assert!(row.panels.end <= row.weights.panels.len());
    assert!(row.out_pitch >= channels && out.len() >= last * row.out_pitch + channels);
    if let Some(residual) = &row.residual {
        assert!(residual.channels <= residual.pitch);
        assert!(residual.values.len() >= last * residual.pitch + residual.channels);
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
    for panel in &row.weights.panels[row.panels.clone()] {
        let limit = if panel.registers == 4 { V::WIDE_TILE_ROWS } else { V::TILE_ROWS };
        let tiles = row.pixels.div_ceil(limit);
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
                    $(($height, 4) if $height <= V::WIDE_TILE_ROWS => tile::<V, $height, 4>(row, panel, pixel, out),
                    ($height, 2) if $height <= V::TILE_ROWS => tile::<V, $height, 2>(row, panel, pixel, out),
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
            let mut input = run.as_ptr().add(pixel * row.step);
            // Two inputs per turn share the addresses of the pixels.
            for _ in 0..row.run / 2 {
                sums = add_products::<V, R, N, 2>(sums, input, row.step, weights);
                weights = weights.add(2 * N * V::LANES);
                input = input.add(2);
            }
            if row.run % 2 == 1 {
                sums = add_products::<V, R, N, 1>(sums, input, row.step, weights);
                weights = weights.add(N * V::LANES);
            }
        }
        finish::<V, R, N>(row, panel.channel, pixel, sums, out);
    }
}

/// Adds the products of `T` inputs of each of `R` pixels, `step` apart, with their weights.
#[inline(always)]
unsafe fn add_products<V: Vector, const R: usize, const N: usize, const T: usize>(
    mut sums: [[V; N]; R],
    input: *const f32,
    step: usize,
    weights: *const f32,
) -> [[V; N]; R] {
    for t in 0..T {
        // SAFETY: the caller hands pointers to that many inputs and weights.
        unsafe {
            let columns: [V; N] = std::array::from_fn(|n| V::load(weights.add((t * N + n) * V::LANES)));
            for r in 0..R {
                let value = V::splat(*input.add(r * step + t));
                for n in 0..N {
                    sums[r][n] = sums[r][n].add_product(value, columns[n]);
                }
            }
        }
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
        for r in 0..R {
            for n in 0..N {
                sums[r][n].store(out.add((pixel + r) * row.out_pitch + channel + n * V::LANES));
            }
        }
    }
}

/// Adds the residual where it has channels: a whole number of registers.
#[inline(always)]
unsafe fn add_residual<V: Vector, const R: usize, const N: usize>(
    mut sums: [[V; N]; R],
    residual: &ResidualRow,
    channel: usize,
    pixel: usize,
) -> [[V; N]; R] {
    for n in 0..N {
        let from = channel + n * V::LANES;
        if from < residual.channels {
            for r in 0..R {
                // SAFETY: pixel and channels lie within the residual, which `conv_row` checked.
                unsafe {
                    let values = residual.values.as_ptr().add((pixel + r) * residual.pitch + from);
                    sums[r][n] = sums[r][n].add(V::load(values));
                }
            }
        }
    }
    sums
}
