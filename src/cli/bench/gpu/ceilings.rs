//! What the card could do at best, measured.

use anyhow::Result;
use handstream::gpu::backend::{Address, Into, KernelBackend, Product};
use handstream::gpu::ops::{LayerNormOp, NormTarget, NormWeights};
use handstream::gpu::{Buffer, CudaBackend, GpuError, Precision};

use super::median;

/// Bytes that are copied for the memory's ceiling, and the side of the product for the other one.
const COPIED: usize = 1 << 30;
const SIDE: usize = 8192;

/// What the card could do at best, measured.
#[derive(Clone, Copy)]
pub struct Ceilings {
    /// Bytes per second, read and written.
    pub bytes: f64,
    /// Operations per second of 16-bit products.
    pub operations: f64,
}

impl Ceilings {
    /// Least seconds for so many bytes and operations.
    pub fn floor(&self, bytes: f64, operations: f64) -> f64 {
        (bytes / self.bytes).max(operations / self.operations)
    }

    /// Measures them.
    pub fn measure(card: &CudaBackend, runs: usize) -> Result<Self> {
        let runs = runs.min(20);
        let floats = COPIED / size_of::<f32>();
        let rows = floats / 1280;
        let stream = Buffer::zeros(card, COPIED)?;
        let out = Buffer::zeros(card, COPIED)?;
        // A norm reads and writes each number once, and computes next to nothing.
        let norm = LayerNormOp::load(card, 1280, Precision::F32)?;
        let (weight, bias) = (Buffer::zeros(card, 1280 * 4)?, Buffer::zeros(card, 1280 * 4)?);
        let weights = NormWeights { weight: weight.address(), bias: bias.address(), epsilon: 1e-6 };
        // SAFETY: both buffers have the rows.
        let copied = card.time(runs, || unsafe { normed(card, &norm, (&stream, &out), rows, &weights) })?;
        let square = noise(card, SIDE * SIDE)?;
        let other = noise(card, SIDE * SIDE)?;
        let bias = Buffer::zeros(card, SIDE * 2)?;
        let product = Product {
            rows: SIDE,
            inputs: SIDE,
            outputs: SIDE,
            x: square.address(),
            weight: other.address(),
            bias: bias.address(),
            y: out.address(),
            precision: Precision::Bf16,
            into: Into::Elements,
        };
        // SAFETY: the buffers have the numbers.
        let multiplied = card.time(runs, || unsafe { card.product(&product) })?;
        let ceilings = Self {
            bytes: 2.0 * COPIED as f64 / (median(copied) * 1e-3),
            operations: 2.0 * (SIDE as f64).powi(3) / (median(multiplied) * 1e-3),
        };
        println!(
            "Measured ceilings: {:.2} TB/s read and written, {:.0} TFLOP/s in a product of {SIDE} x {SIDE} x {SIDE}.\n",
            ceilings.bytes * 1e-12,
            ceilings.operations * 1e-12
        );
        Ok(ceilings)
    }
}

/// One norm over `rows` rows of a buffer into another.
///
/// # Safety
/// Both buffers have as many rows.
pub unsafe fn normed(
    card: &CudaBackend,
    norm: &LayerNormOp<CudaBackend>,
    (stream, out): (&Buffer<CudaBackend>, &Buffer<CudaBackend>),
    rows: usize,
    weights: &NormWeights,
) -> Result<(), GpuError> {
    // SAFETY: as promised.
    unsafe {
        norm.launch(
            card,
            (stream.address(), rows),
            (Address::NONE, 1),
            weights,
            &NormTarget::rows(out.address()),
        )
    }
}

/// Numbers of no pattern, 16-bit: a product of zeros is faster than one of numbers.
pub fn noise(card: &CudaBackend, count: usize) -> Result<Buffer<CudaBackend>, GpuError> {
    let number = |i: usize| ((i.wrapping_mul(2_654_435_761) >> 7) % 4093) as f32 / 2046.0 - 1.0;
    Buffer::of_elements(card, &(0..count).map(number).collect::<Vec<f32>>(), Precision::Bf16)
}
