//! Layer normalisation (Ba et al. 2016).

use super::checkpoint::{CheckpointError, Scope};
use super::simd::{Vector, per_isa};
use super::slabs::SharedSlabs;
use super::{Isa, LANE_STEP, Slabs, room};
use crate::jobs::{Jobs, share};

/// PyTorch's default for what is added to the variance.
pub const EPSILON: f32 = 1e-5;
/// Partial sums: enough to fill the registers of every processor.
const PARTS: usize = 16;
/// Rows of a piece of work.
const PIECE_ROWS: usize = 16;

/// Rows to mean 0 and variance 1, then scaled and shifted per column.
pub struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl LayerNorm {
    /// Reads `weight` and `bias`, both `[width]`. `epsilon` is added to the variance ([`EPSILON`] unless
    /// the network says otherwise).
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(scope: &Scope, width: usize, epsilon: f32) -> Result<Self, CheckpointError> {
        let [weight, bias] = ["weight", "bias"].map(|name| scope.tensor(name, &[width]));
        Ok(Self { weight: weight?, bias: bias?, epsilon })
    }

    /// A norm of `weight` and `bias`, one of each per column.
    ///
    /// # Panics
    /// When there are not as many of the one as of the other.
    pub fn new(weight: Vec<f32>, bias: Vec<f32>, epsilon: f32) -> Self {
        assert_eq!(weight.len(), bias.len(), "columns of a norm");
        Self { weight, bias, epsilon }
    }

    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.weight.len()
    }

    /// The norm of each row of `input`, rows [`room`] apart, into `out`.
    pub fn apply(&self, input: &[f32], out: &mut Vec<f32>) {
        out.clear();
        let width = self.weight.len();
        for row in input.chunks_exact(room(width).max(1)) {
            let (row, rest) = row.split_at(width);
            let count = row.len() as f32;
            let mean = sum(row, |value| value) / count;
            let variance = sum(row, |value| (value - mean) * (value - mean)) / count;
            let scale = 1.0 / (variance + self.epsilon).sqrt();
            let columns = row.iter().zip(&self.weight).zip(&self.bias);
            out.extend(columns.map(|((value, weight), bias)| (value - mean) * scale * weight + bias));
            out.resize(out.len() + rest.len(), 0.0);
        }
    }

    /// The norm of each of hundreds of rows of `input` into `out`.
    ///
    /// # Panics
    /// When the sizes differ or the processor lacks `isa`.
    pub fn apply_slabs(&self, input: &Slabs, isa: Isa, jobs: &dyn Jobs, out: &mut Slabs) {
        assert!(isa.is_available() && input.width() == self.width());
        let rows = input.rows();
        out.resize(rows, input.width());
        let out = out.shared();
        share(jobs, &mut vec![(); jobs.at_once()], rows.div_ceil(PIECE_ROWS), &|(), piece| {
            for row in piece * PIECE_ROWS..rows.min((piece + 1) * PIECE_ROWS) {
                // SAFETY: the instruction set is there; a piece has its own rows.
                unsafe { norm_row_on(isa, self, input, row, out) }
            }
        });
    }
}

per_isa! { fn norm_row_on(norm: &LayerNorm, input: &Slabs, row: usize, out: SharedSlabs) = norm_row }

#[inline(always)]
unsafe fn norm_row<V: Vector>(norm: &LayerNorm, input: &Slabs, row: usize, out: SharedSlabs) {
    let LayerNorm { weight, bias, epsilon } = norm;
    let count = weight.len() as f32;
    let (mut sums, mut rest) = ([0.0; LANE_STEP], 0.0);
    // SAFETY: the caller vouches for the instruction set and owns the row; a chunk has a register's floats.
    unsafe {
        let mut sum = V::splat(0.0);
        for columns in input.stretches() {
            let chunks = input.part(row, columns).chunks_exact(V::LANES);
            rest += chunks.remainder().iter().sum::<f32>();
            for chunk in chunks {
                sum = sum.add(V::load(chunk.as_ptr()));
            }
        }
        sum.store(sums.as_mut_ptr());
        let mean = (sums.iter().sum::<f32>() + rest) / count;

        (sum, rest) = (V::splat(0.0), 0.0);
        for columns in input.stretches() {
            let chunks = input.part(row, columns).chunks_exact(V::LANES);
            rest += chunks.remainder().iter().map(|value| (value - mean) * (value - mean)).sum::<f32>();
            for chunk in chunks {
                let off = V::load(chunk.as_ptr()).add(V::splat(-mean));
                sum = sum.add_product(off, off);
            }
        }
        sum.store(sums.as_mut_ptr());
        let scale = 1.0 / ((sums.iter().sum::<f32>() + rest) / count + epsilon).sqrt();

        for columns in input.stretches() {
            let (weight, bias) = (&weight[columns.clone()], &bias[columns.clone()]);
            let (input, out) = (input.part(row, columns.clone()), out.part(row, columns));
            let whole = input.len() / V::LANES * V::LANES;
            for i in (0..whole).step_by(V::LANES) {
                let off = V::load(input.as_ptr().add(i)).add(V::splat(-mean));
                let scaled = V::splat(0.0).add_product(off, V::splat(scale));
                let bias = V::load(bias.as_ptr().add(i));
                bias.add_product(scaled, V::load(weight.as_ptr().add(i))).store(out.as_mut_ptr().add(i));
            }
            for i in whole..input.len() {
                out[i] = (input[i] - mean) * scale * weight[i] + bias[i];
            }
        }
    }
}

/// The sum of `f` over a row, in partial sums that a compiler can keep in registers.
fn sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (whole, rest) = row.as_chunks::<PARTS>();
    let mut parts = [0.0; PARTS];
    for chunk in whole {
        for (part, &value) in parts.iter_mut().zip(chunk) {
            *part += f(value);
        }
    }
    parts.iter().sum::<f32>() + rest.iter().map(|&value| f(value)).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::InOrder;

    fn rows(slabs: &Slabs, pitch: usize) -> Vec<f32> {
        let mut rows = Vec::new();
        slabs.copy_rows(pitch, &mut rows);
        rows
    }

    #[test]
    fn rows_come_out_with_mean_zero_and_variance_one() {
        let norm = LayerNorm { weight: vec![1.0; 40], bias: vec![0.0; 40], epsilon: EPSILON };
        let rows: Vec<f32> = (0..2 * room(40)).map(|i| (i * i % 37) as f32 * 3.0 - 20.0).collect();
        let mut out = Vec::new();
        norm.apply(&rows, &mut out);
        assert_eq!(out.len(), rows.len());
        for row in out.chunks_exact(room(40)) {
            let (row, rest) = row.split_at(40);
            assert!(rest.iter().all(|&v| v == 0.0));
            let mean = row.iter().sum::<f32>() / 40.0;
            let variance = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / 40.0;
            assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
        }
    }

    #[test]
    fn hundreds_of_rows_are_normed_as_a_handful_is() {
        let width = Slabs::COLUMNS + 37;
        let numbers = |seed: usize| move |i: usize| ((i * 7919 + seed) % 1009) as f32 / 504.0 - 1.0;
        let [weight, bias] = [1, 2].map(|seed| (0..width).map(numbers(seed)).collect());
        let norm = LayerNorm { weight, bias, epsilon: EPSILON };
        let (count, pitch) = (PIECE_ROWS + 3, room(width));
        let mut input = Slabs::default();
        input.resize(count, width);
        for row in 0..count {
            for columns in input.stretches() {
                let part = input.part_mut(row, columns.clone()).iter_mut();
                part.zip(columns).for_each(|(value, i)| *value = numbers(3)(row * width + i));
            }
        }
        let (mut plain, mut out) = (Vec::new(), Slabs::default());
        norm.apply(&rows(&input, pitch), &mut plain);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            norm.apply_slabs(&input, isa, &InOrder, &mut out);
            for (ours, plain) in rows(&out, pitch).into_iter().zip(&plain) {
                assert!((ours - plain).abs() < 1e-5, "{isa}: {ours} for {plain}");
            }
        }
    }
}
