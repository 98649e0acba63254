//! GELU as a kernel of its own.

use super::blocks;
use crate::gpu::backend::{Address, Arguments, KernelBackend};
use crate::gpu::error::GpuError;
use crate::gpu::kernel::{Kernel, Precision, Source};

const THREADS: usize = 256;
/// Numbers that a thread changes.
const STEP: usize = 4;

/// `gelu.cu`.
pub struct GeluOp<B: KernelBackend>(B::Function);

impl<B: KernelBackend> GeluOp<B> {
    /// The kernel.
    pub fn kernel(precision: Precision) -> Kernel {
        Kernel { precision, ..Kernel::new(Source::Gelu, "gelu_all", THREADS as u32) }
    }

    /// Loads it.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn load(backend: &B, precision: Precision) -> Result<Self, GpuError> {
        Ok(Self(backend.load(&Self::kernel(precision))?))
    }

    /// Changes `count` numbers, a multiple of four.
    ///
    /// # Safety
    /// There are as many numbers.
    ///
    /// # Errors
    /// [`GpuError`].
    pub unsafe fn launch(&self, backend: &B, x: Address, count: usize) -> Result<(), GpuError> {
        if !count.is_multiple_of(STEP) {
            return Err(GpuError::Unfit(format!("{count} numbers are no multiple of {STEP}: give others")));
        }
        let mut arguments = Arguments::new().with(x).int(count / STEP);
        // SAFETY: the caller's conditions; the arguments are the kernel's.
        unsafe { backend.launch(&self.0, [blocks(count / STEP, THREADS), 1, 1], &mut arguments) }
    }
}
