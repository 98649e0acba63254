//! Layer normalisation.

use super::blocks;
use crate::gpu::backend::{Address, Arguments, KernelBackend};
use crate::gpu::error::GpuError;
use crate::gpu::kernel::{Kernel, Precision, Source};

/// Threads of a block, and the rows that they norm.
const THREADS: usize = 128;
const ROWS: usize = 4;
/// Numbers that a lane reads at once.
const STEP: usize = 4;

/// Weights of a norm, 32-bit.
#[derive(Clone, Copy, Debug)]
pub struct NormWeights {
    /// `[width]`.
    pub weight: Address,
    /// `[width]`.
    pub bias: Address,
    /// Added to the variance.
    pub epsilon: f32,
}

/// Where normed rows go.
#[derive(Clone, Copy, Debug)]
pub struct NormTarget {
    /// Numbers of the kernel's precision.
    pub to: Address,
    /// For each `group` rows as which group of the target they are written; none: in order.
    pub places: Address,
    /// Rows of a group; at least one.
    pub group: usize,
}

impl NormTarget {
    /// Rows in order.
    pub fn rows(to: Address) -> Self {
        Self { to, places: Address::NONE, group: 1 }
    }
}

/// `layer_norm.cu` for rows of a certain width.
pub struct LayerNormOp<B: KernelBackend>(B::Function);

impl<B: KernelBackend> LayerNormOp<B> {
    /// The kernel.
    pub fn kernel(width: usize, precision: Precision) -> Kernel {
        Kernel {
            sizes: vec![("WIDTH", width)],
            precision,
            ..Kernel::new(Source::LayerNorm, "layer_norm", THREADS as u32)
        }
    }

    /// Loads it.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn load(backend: &B, width: usize, precision: Precision) -> Result<Self, GpuError> {
        if width == 0 || !width.is_multiple_of(STEP) {
            return Err(GpuError::Unfit(format!(
                "rows of {width} numbers are no multiple of {STEP}: give others"
            )));
        }
        Ok(Self(backend.load(&Self::kernel(width, precision))?))
    }

    /// Norms `rows` rows of the stream `x`, to which row `r % period` of `added`, where there is one, is added first.
    ///
    /// # Safety
    /// All addresses have the rows, and all places are groups of the target.
    ///
    /// # Errors
    /// [`GpuError`].
    pub unsafe fn launch(
        &self,
        backend: &B,
        (x, rows): (Address, usize),
        (added, period): (Address, usize),
        weights: &NormWeights,
        target: &NormTarget,
    ) -> Result<(), GpuError> {
        let mut arguments = Arguments::new()
            .with(x)
            .with(added)
            .int(period)
            .with(weights.weight)
            .with(weights.bias)
            .with(target.to)
            .with(target.places)
            .int(target.group)
            .int(rows)
            .with(weights.epsilon);
        // SAFETY: the caller's conditions; the arguments are the kernel's.
        unsafe { backend.launch(&self.0, [blocks(rows, ROWS), 1, 1], &mut arguments) }
    }
}
