//! Two layers with a GELU between them.

use super::checkpoint::{CheckpointError, Scope};
use super::{Isa, Linear};

/// Linear, GELU, Linear: `0` and `2` of PyTorch's `Sequential`.
pub struct FeedForward {
    first: Linear,
    second: Linear,
}

impl FeedForward {
    /// `second` after the GELU of `first`.
    ///
    /// # Panics
    /// When the layers do not fit together.
    pub fn new(first: Linear, second: Linear) -> Self {
        assert_eq!(first.outputs(), second.inputs(), "layers of one feed-forward");
        Self { first, second }
    }

    /// Reads `0` `[hidden, inputs]` and `2` `[outputs, hidden]` with their biases.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(
        scope: &Scope,
        [inputs, hidden, outputs]: [usize; 3],
        isa: Isa,
    ) -> Result<Self, CheckpointError> {
        let first = Linear::read(&scope.part(0), inputs, hidden, isa)?;
        Ok(Self::new(first, Linear::read(&scope.part(2), hidden, outputs, isa)?))
    }

    /// Numbers from row to row of the result.
    pub fn pitch(&self) -> usize {
        self.second.pitch()
    }

    /// The result for each row of `input`, rows `pitch` apart, into `out`; `hidden` is working memory.
    pub fn apply(&self, input: &[f32], pitch: usize, hidden: &mut Vec<f32>, out: &mut Vec<f32>) {
        self.first.apply_gelu(input, pitch, hidden);
        self.second.apply(hidden, self.first.pitch(), out);
    }
}
