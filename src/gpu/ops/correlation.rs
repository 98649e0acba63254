//! DPVO's correlation.

use bytemuck::{Pod, Zeroable};

use crate::gpu::backend::{Address, Arguments, KernelBackend};
use crate::gpu::error::GpuError;
use crate::gpu::kernel::{Kernel, Source};

const THREADS: u32 = 128;
const PATCH_PIXELS: usize = 9;
const LEVELS: usize = 2;
/// Products of a pixel.
const RAW: u32 = 64;

/// Feature maps of all frames on both levels, `[frames, height, width, 128]`, 32-bit.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct CorrelationMaps {
    /// The full level.
    pub full: Address,
    /// The level at a quarter of its size.
    pub small: Address,
    /// Columns of the full level.
    pub width: i32,
    /// Rows of the full level.
    pub height: i32,
    /// Columns of the small level.
    pub small_width: i32,
    /// Rows of the small level.
    pub small_height: i32,
}

/// Which patches are looked for where.
#[derive(Clone, Copy, Debug)]
pub struct CorrelationEdges {
    /// How many.
    pub count: usize,
    /// `[patches, 9, 128]`, 32-bit.
    pub patches: Address,
    /// The patch of each edge.
    pub patch_of: Address,
    /// The frame of each edge.
    pub frame_of: Address,
    /// Where the patch's pixels are expected, `[edges, 9, 2]`, x and y in pixels of the full level, 32-bit.
    pub places: Address,
}

/// `correlation.cu`.
pub struct CorrelationOp<B: KernelBackend>(B::Function);

impl<B: KernelBackend> CorrelationOp<B> {
    /// The kernel.
    pub fn kernel() -> Kernel {
        Kernel {
            shared_bytes: RAW * size_of::<f32>() as u32,
            ..Kernel::new(Source::Correlation, "correlate", THREADS)
        }
    }

    /// Loads it.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn load(backend: &B) -> Result<Self, GpuError> {
        Ok(Self(backend.load(&Self::kernel())?))
    }

    /// The correlations of all edges into `out`, `[edges, 7 (dx), 7 (dy), 9, 2]`, 32-bit.
    ///
    /// # Safety
    /// All lists have as many entries as the sizes say, and name patches and frames that are there.
    ///
    /// # Errors
    /// [`GpuError`].
    pub unsafe fn launch(
        &self,
        backend: &B,
        maps: &CorrelationMaps,
        edges: &CorrelationEdges,
        out: Address,
    ) -> Result<(), GpuError> {
        let mut arguments = Arguments::new()
            .with(*maps)
            .with(edges.patches)
            .with(edges.patch_of)
            .with(edges.frame_of)
            .with(edges.places)
            .with(out);
        // SAFETY: the caller's conditions; the arguments are the kernel's.
        unsafe { backend.launch(&self.0, [PATCH_PIXELS, LEVELS, edges.count], &mut arguments) }
    }
}
