//! Attention of a picture's tokens to each other.

use crate::gpu::backend::{Address, Arguments, KernelBackend};
use crate::gpu::error::GpuError;
use crate::gpu::kernel::{Kernel, Precision, Source};
use crate::net::vit::TOKENS;

/// Warps of a block and queries of a warp.
const WARPS: usize = 4;
const ROWS: usize = 16;
const WARP: usize = 32;

/// `attention.cu` for heads of a certain size.
pub struct AttentionOp<B: KernelBackend> {
    function: B::Function,
    heads: usize,
    size: usize,
}

impl<B: KernelBackend> AttentionOp<B> {
    /// The kernel for heads of `size` numbers.
    pub fn kernel(size: usize, precision: Precision) -> Kernel {
        let numbers = match precision {
            Precision::Bf16 | Precision::F16 => 2 * TOKENS * (size + 8),
            Precision::F32 => 2 * TOKENS * (size + 1) + WARPS * TOKENS,
        };
        Kernel {
            sizes: vec![("HEAD", size)],
            precision,
            shared_bytes: (numbers * precision.bytes()) as u32,
            ..Kernel::new(Source::Attention, "attention", (WARPS * WARP) as u32)
        }
    }

    /// Loads the kernel for `heads` heads of `size` numbers.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn load(backend: &B, heads: usize, size: usize, precision: Precision) -> Result<Self, GpuError> {
        if size == 0 || !size.is_multiple_of(16) {
            return Err(GpuError::Unfit(format!(
                "heads of {size} numbers are no multiple of 16: use --device cpu"
            )));
        }
        Ok(Self { function: backend.load(&Self::kernel(size, precision))?, heads, size })
    }

    /// What each token gathers, `[pictures * 192, heads * size]` into `out`, for rows `qkv` of queries, keys and
    /// values, each of which has all heads one after the other.
    ///
    /// # Safety
    /// Both have the rows.
    ///
    /// # Errors
    /// [`GpuError`].
    pub unsafe fn launch(
        &self,
        backend: &B,
        qkv: Address,
        pictures: usize,
        out: Address,
    ) -> Result<(), GpuError> {
        let scale = 1.0 / (self.size as f32).sqrt();
        let mut arguments = Arguments::new().with(qkv).with(out).int(self.heads).with(scale);
        // SAFETY: the caller's conditions; the arguments are the kernel's.
        unsafe {
            backend.launch(&self.function, [TOKENS / (WARPS * ROWS), self.heads, pictures], &mut arguments)
        }
    }
}
