//! Weights on the device.

use super::backend::{Address, KernelBackend};
use super::error::GpuError;
use super::kernel::Precision;
use super::memory::Buffer;
use crate::net::{CheckpointError, Scope};

/// Rows of weights in the decoder have room for a multiple of this many numbers; the rest is zero.
pub(super) const PITCH_STEP: usize = 32;

/// A fully connected layer as matrix products take it.
pub(super) struct Layer<B: KernelBackend> {
    weight: Buffer<B>,
    bias: Buffer<B>,
    /// Numbers of a row that goes in.
    pub inputs: usize,
    /// Numbers of a row that comes out.
    pub outputs: usize,
}

impl<B: KernelBackend> Layer<B> {
    /// Reads `weight` `[outputs, inputs]` and `bias` of a checkpoint; the bias is 32-bit where the result is a
    /// stream.
    pub fn read(
        backend: &B,
        scope: &Scope,
        [inputs, outputs]: [usize; 2],
        (precision, to_stream): (Precision, bool),
    ) -> Result<Self, LoadError> {
        let weight = scope.tensor("weight", &[outputs, inputs])?;
        let bias = scope.tensor("bias", &[outputs])?;
        Ok(Self::new(backend, &weight, &bias, (precision, to_stream))?)
    }

    /// The layer of `weight` `[outputs, inputs]` and `bias`.
    pub fn new(
        backend: &B,
        weight: &[f32],
        bias: &[f32],
        (precision, to_stream): (Precision, bool),
    ) -> Result<Self, GpuError> {
        let outputs = bias.len();
        let inputs = weight.len() / outputs.max(1);
        let of_bias = if to_stream { Precision::F32 } else { precision };
        Ok(Self {
            weight: Buffer::of_elements(backend, weight, precision)?,
            bias: Buffer::of_elements(backend, bias, of_bias)?,
            inputs,
            outputs,
        })
    }

    pub fn weight(&self) -> Address {
        self.weight.address()
    }

    pub fn bias(&self) -> Address {
        self.bias.address()
    }
}

/// Why a network could not be put onto the device.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Weights(#[from] CheckpointError),
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// Rows of `width` numbers with room for whole chunks, the rest zero.
pub(super) fn padded(rows: &[f32], width: usize) -> Vec<f32> {
    let pitch = width.next_multiple_of(PITCH_STEP);
    let mut out = Vec::with_capacity(rows.len() / width.max(1) * pitch);
    for row in rows.chunks_exact(width.max(1)) {
        out.extend_from_slice(row);
        out.resize(out.len().next_multiple_of(pitch.max(1)), 0.0);
    }
    out
}

/// `[rows, columns]` as `[columns, rows]`.
pub(super) fn turned(matrix: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns.max(1))).copied().collect()
}
