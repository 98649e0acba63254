//! Fully connected layers on a handful of rows.
//!
//! With 1 to 16 rows the time goes into reading the weights, so they are packed once in the order in which
//! the kernel reads them: panels of two registers of outputs, and in each panel the weights input by
//! input. A panel meets all rows before the next one is read.
#![allow(clippy::needless_range_loop, reason = "index loops over constant bounds unroll into registers")]

use super::checkpoint::{CheckpointError, Scope};
use super::memory::Buffer;
use super::simd::{Vector, lanes, per_isa};
use super::{Isa, gelu};

/// Rows of outputs have room for a multiple of this many numbers: whole registers of every instruction set.
pub const LANE_STEP: usize = 16;

/// Numbers from row to row of a list whose rows have `width` numbers each: room for whole registers.
pub const fn room(width: usize) -> usize {
    width.next_multiple_of(LANE_STEP)
}

/// `y = W x + b` for rows `x`.
pub struct Linear {
    isa: Isa,
    inputs: usize,
    outputs: usize,
    /// For each panel the bias, then for each input the weights of the panel's outputs.
    packed: Buffer,
}

impl Linear {
    /// Reads `weight` `[outputs, inputs]` and `bias` `[outputs]`.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(scope: &Scope, inputs: usize, outputs: usize, isa: Isa) -> Result<Self, CheckpointError> {
        let weight = scope.tensor("weight", &[outputs, inputs])?;
        let bias = scope.tensor("bias", &[outputs])?;
        Ok(Self::new(&weight, &bias, isa))
    }

    /// A layer of `weight` `[outputs, inputs]`, row-major, and `bias` `[outputs]`.
    ///
    /// # Panics
    /// When the processor lacks `isa`, or `weight` has no whole number of rows for each bias.
    pub fn new(weight: &[f32], bias: &[f32], isa: Isa) -> Self {
        assert!(isa.is_available(), "this processor has no {isa}");
        let outputs = bias.len();
        let inputs = weight.len() / outputs.max(1);
        assert_eq!(weight.len(), inputs * outputs, "weights of {outputs} outputs");
        let padded = outputs.next_multiple_of(LANE_STEP);
        let mut packed = Buffer::zeros((inputs + 1) * padded);
        let mut at = 0;
        for columns in panels(padded, lanes(isa)) {
            for row in 0..=inputs {
                for output in columns.clone() {
                    if output < outputs {
                        packed[at] = if row == 0 { bias[output] } else { weight[output * inputs + row - 1] };
                    }
                    at += 1;
                }
            }
        }
        Self { isa, inputs, outputs, packed }
    }

    /// Numbers of a row that goes in.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Numbers of a row that comes out.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Numbers from row to row of the result: the outputs and room for whole registers.
    pub fn pitch(&self) -> usize {
        room(self.outputs)
    }

    /// The layer's result for each row of `input`, whose rows are `pitch` numbers apart, into `out`.
    /// A row's result does not depend on the rows beside it.
    ///
    /// # Panics
    /// When rows of `input` are shorter than the layer's inputs.
    pub fn apply(&self, input: &[f32], pitch: usize, out: &mut Vec<f32>) {
        assert!(self.inputs <= pitch && input.len().is_multiple_of(pitch));
        let rows = input.len() / pitch;
        out.clear();
        out.resize(rows * self.pitch(), 0.0);
        let job = Job { layer: self, input, pitch, rows };
        // SAFETY: `new` found the instruction set and packed whole panels; input and output hold `rows` rows.
        unsafe { product_on(self.isa, &job, out.as_mut_ptr()) }
    }

    /// [`Self::apply`] and GELU after it.
    pub fn apply_gelu(&self, input: &[f32], pitch: usize, out: &mut Vec<f32>) {
        self.apply(input, pitch, out);
        gelu(self.isa, out);
    }
}

/// The outputs of each panel: two registers, the last perhaps one.
fn panels(padded: usize, lanes: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..padded).step_by(2 * lanes).map(move |first| first..(first + 2 * lanes).min(padded))
}

struct Job<'a> {
    layer: &'a Linear,
    input: &'a [f32],
    pitch: usize,
    rows: usize,
}

per_isa! { fn product_on(job: &Job, out: *mut f32) = product }

#[inline(always)]
unsafe fn product<V: Vector>(job: &Job, out: *mut f32) {
    let (padded, depth) = (job.layer.pitch(), job.layer.inputs + 1);
    // Tiles of equal height: a tile of one row left over would load a register for each product.
    let tiles = job.rows.div_ceil(V::TILE_ROWS);
    let height = job.rows.div_ceil(tiles.max(1)).max(1);
    for columns in panels(padded, V::LANES) {
        for first in (0..job.rows).step_by(height) {
            let rows = height.min(job.rows - first);
            // SAFETY: panel and rows lie within the packed weights, the input and the output.
            unsafe {
                let weights = job.layer.packed.as_ptr().add(columns.start * depth);
                let input = job.input.as_ptr().add(first * job.pitch);
                let out = out.add(first * padded + columns.start);
                let place = Place { weights, input, pitch: job.pitch, depth, out, out_pitch: padded };
                if columns.len() == 2 * V::LANES {
                    tile_of::<V, 2>(rows, place);
                } else {
                    tile_of::<V, 1>(rows, place);
                }
            }
        }
    }
}

struct Place {
    weights: *const f32,
    input: *const f32,
    pitch: usize,
    depth: usize,
    out: *mut f32,
    out_pitch: usize,
}

#[inline(always)]
unsafe fn tile_of<V: Vector, const W: usize>(rows: usize, place: Place) {
    macro_rules! by_rows {
        ($($count:literal)*) => {
            match rows {
                // SAFETY: the caller's conditions, handed on.
                $($count if $count <= V::TILE_ROWS => unsafe { tile::<V, W, $count>(&place) },)*
                _ => unreachable!("tiles have at most TILE_ROWS rows"),
            }
        };
    }
    by_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

/// `R` rows times one panel of `W` registers.
#[inline(always)]
unsafe fn tile<V: Vector, const W: usize, const R: usize>(place: &Place) {
    // SAFETY: the caller's conditions: `depth` panels of weights, `R` rows of inputs and outputs.
    unsafe {
        let bias: [V; W] = std::array::from_fn(|w| V::load(place.weights.add(w * V::LANES)));
        let mut sums = [bias; R];
        for i in 1..place.depth {
            let weights = place.weights.add(i * W * V::LANES);
            let weights: [V; W] = std::array::from_fn(|w| V::load(weights.add(w * V::LANES)));
            for r in 0..R {
                let value = V::splat(*place.input.add(r * place.pitch + i - 1));
                for w in 0..W {
                    sums[r][w] = sums[r][w].add_product(value, weights[w]);
                }
            }
        }
        for r in 0..R {
            for w in 0..W {
                sums[r][w].store(place.out.add(r * place.out_pitch + w * V::LANES));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.0 - 1.0).collect()
    }

    #[test]
    fn every_instruction_set_computes_the_plain_sums_for_any_number_of_rows() {
        let (inputs, outputs, pitch) = (37, 45, 40);
        let (weight, bias) = (numbers(inputs * outputs, 1), numbers(outputs, 2));
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let layer = Linear::new(&weight, &bias, isa);
            for rows in [0, 1, 2, 5, 7, 8, 14, 15, 16, 31] {
                let input = numbers(rows * pitch, rows);
                let mut out = Vec::new();
                layer.apply(&input, pitch, &mut out);
                for (row, out) in out.chunks_exact(layer.pitch()).enumerate() {
                    for (o, value) in out.iter().enumerate() {
                        let plain: f64 = (0..inputs)
                            .filter(|_| o < outputs)
                            .map(|i| f64::from(weight[o * inputs + i]) * f64::from(input[row * pitch + i]))
                            .sum::<f64>()
                            + f64::from(bias.get(o).copied().unwrap_or(0.0));
                        assert!((plain - f64::from(*value)).abs() < 1e-5, "{isa} {rows} {row} {o}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_rows_beside_it() {
        let layer = Linear::new(&numbers(64 * 48, 3), &numbers(48, 4), Isa::best());
        let input = numbers(16 * 64, 5);
        let (mut together, mut alone) = (Vec::new(), Vec::new());
        layer.apply(&input, 64, &mut together);
        for (row, together) in input.chunks_exact(64).zip(together.chunks_exact(48)) {
            layer.apply(row, 64, &mut alone);
            assert_eq!(together, alone);
        }
    }
}
