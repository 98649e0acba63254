//! The layer that makes a Gaussian's numbers of a whole motion.

use super::signal::{add_scaled, dot};
use crate::net::{CheckpointError, Scope};

/// A fully connected layer of one row.
pub(super) struct Head {
    /// `[outputs, inputs]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Head {
    /// Reads `weight` and `bias`; as many outputs as there are.
    pub fn read(scope: &Scope, inputs: usize) -> Result<Self, CheckpointError> {
        let shape = scope.shape("weight").ok_or_else(|| CheckpointError::Missing(scope.name("weight")))?;
        let outputs = shape.first().copied().unwrap_or_default();
        Ok(Self {
            weight: scope.tensor("weight", &[outputs, inputs])?,
            bias: scope.tensor("bias", &[outputs])?,
        })
    }

    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.weight.chunks_exact((self.weight.len() / self.bias.len().max(1)).max(1))
    }

    /// What comes out for a row.
    pub fn apply(&self, input: &[f32]) -> Vec<f32> {
        self.rows().zip(&self.bias).map(|(row, bias)| bias + dot(row, input)).collect()
    }

    /// Adds the gradient by the input.
    pub fn reverse(&self, by: &[f32], by_input: &mut [f32]) {
        for (row, &by) in self.rows().zip(by) {
            add_scaled(by_input, row, by);
        }
    }
}
