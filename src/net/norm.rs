//! Layer normalisation (Ba et al. 2016).

use super::checkpoint::{CheckpointError, Scope};
use super::room;

/// PyTorch's default for what is added to the variance.
pub const EPSILON: f32 = 1e-5;
/// Partial sums: enough to fill the registers of every processor.
const PARTS: usize = 16;

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
}
