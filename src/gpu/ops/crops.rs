//! Frames, and pictures that were cut elsewhere, to the patches that the backbone reads.

use bytemuck::{Pod, Zeroable};

use crate::gpu::backend::{Address, Arguments, KernelBackend};
use crate::gpu::error::GpuError;
use crate::gpu::kernel::{Kernel, Precision, Source};
use crate::haptic::full::{CutPlan, Picture};
use crate::net::vit::TOKENS;

/// Pixels of a patch, one thread each.
const THREADS: u32 = 256;
/// Numbers of a patch.
pub const PATCH_NUMBERS: usize = 3 * THREADS as usize;
/// Whole numbers before a plan's starts.
const PLAN_HEAD: usize = 4;
/// Whole numbers of a plan.
pub const PLAN_INTS: usize = PLAN_HEAD + Picture::COLUMNS + Picture::ROWS;

/// How the bytes of a frame lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameLayout {
    /// Three bytes a pixel.
    Rgb,
    /// A plane of brightness, then one of colour pairs at half the size; even sizes.
    Nv12,
    /// Two pixels in four bytes; an even width.
    Yuyv,
}

impl FrameLayout {
    /// Bytes of a frame.
    pub fn bytes(self, width: usize, height: usize) -> usize {
        match self {
            Self::Rgb => 3 * width * height,
            Self::Nv12 => width * height * 3 / 2,
            Self::Yuyv => 2 * width * height,
        }
    }
}

/// The kernel's structure of the same name.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Normal {
    factor: [f32; 3],
    offset: [f32; 3],
}

/// `crops.cu`.
pub struct CropsOp<B: KernelBackend> {
    crop: B::Function,
    cut: B::Function,
}

impl<B: KernelBackend> CropsOp<B> {
    /// Its kernels: out of frames, out of pictures.
    pub fn kernels(precision: Precision) -> [Kernel; 2] {
        ["crop_patches", "cut_patches"]
            .map(|name| Kernel { precision, ..Kernel::new(Source::Crops, name, THREADS) })
    }

    /// Loads them.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn load(backend: &B, precision: Precision) -> Result<Self, GpuError> {
        let [crop, cut] = Self::kernels(precision);
        Ok(Self { crop: backend.load(&crop)?, cut: backend.load(&cut)? })
    }

    /// Appends a plan to those of other crops: its whole numbers and its shares.
    pub fn lay_out(plan: &CutPlan, ints: &mut Vec<i32>, shares: &mut Vec<f32>) {
        let [columns, rows] = plan.taps;
        ints.extend([columns as i32, rows as i32, shares.len() as i32, i32::from(plan.rounded)]);
        ints.extend_from_slice(&plan.starts);
        shares.extend_from_slice(&plan.shares);
    }

    /// The patches of `crops` crops of a frame, `[crops * 192, 768]`, by plans from [`Self::lay_out`].
    ///
    /// # Safety
    /// Frame and plans are there, and the plans are for frames of this size.
    ///
    /// # Errors
    /// [`GpuError`].
    pub unsafe fn crop(
        &self,
        backend: &B,
        (frame, layout, [width, height]): (Address, FrameLayout, [usize; 2]),
        (plans, shares, crops): (Address, Address, usize),
        patches: Address,
    ) -> Result<(), GpuError> {
        let normal = Picture::normal();
        let normal = Normal { factor: normal.map(|line| line[0]), offset: normal.map(|line| line[1]) };
        let mut arguments = Arguments::new()
            .with(frame)
            .int(layout as usize)
            .int(width)
            .int(height)
            .with(plans)
            .with(shares)
            .with(normal)
            .with(patches);
        // SAFETY: the caller's conditions; the arguments are the kernel's.
        unsafe { backend.launch(&self.crop, [TOKENS, crops, 1], &mut arguments) }
    }

    /// The patches of pictures `[count, 3, 256, 192]`, 32-bit, that are already normalised.
    ///
    /// # Safety
    /// Both have the numbers.
    ///
    /// # Errors
    /// [`GpuError`].
    pub unsafe fn cut(
        &self,
        backend: &B,
        pictures: Address,
        count: usize,
        patches: Address,
    ) -> Result<(), GpuError> {
        let mut arguments = Arguments::new().with(pictures).with(patches);
        // SAFETY: the caller's conditions; the arguments are the kernel's.
        unsafe { backend.launch(&self.cut, [TOKENS, count, 1], &mut arguments) }
    }
}
