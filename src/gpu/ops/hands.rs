//! Posed hands.

use bytemuck::{Pod, Zeroable};

use super::blocks;
use crate::gpu::backend::{Address, Arguments, KernelBackend};
use crate::gpu::error::GpuError;
use crate::gpu::kernel::{Kernel, Source};
use crate::gpu::memory::Buffer;
use crate::hand::HandModel;
use crate::hand::joints::MANO_PARENTS;

/// Threads of a block: three for each vertex.
const THREADS: u32 = 192;
/// Vertices of a block.
const VERTICES: usize = 64;
/// Floats of shared memory: two matrices and three points for each joint, and the block's coordinates.
const SHARED: usize = 16 * (2 * 9 + 3 * 3) + THREADS as usize;

/// The kernel's structure of the same name.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Model {
    rest: Address,
    shape: Address,
    pose: Address,
    weights: Address,
    joints: Address,
    joint_shape: Address,
    parents: Address,
    tips: Address,
    point_of: Address,
    vertices: i32,
    padding: i32,
}

/// What is known of the hands that are posed; all numbers 32-bit.
#[derive(Clone, Copy, Debug)]
pub struct HandRows {
    /// How many.
    pub count: usize,
    /// Their rotations, 16 in 6D each, `pitch` numbers apart.
    pub rotations: Address,
    /// Their shapes, 10 numbers each, `pitch` numbers apart.
    pub betas: Address,
    /// Numbers from hand to hand of both.
    pub pitch: usize,
    /// `[count, 3]`, metres.
    pub translations: Address,
    /// 1 for a left hand, 0 for a right one: whole numbers. All else is said of the hand itself, as
    /// [`HandModel::posed`] has it: a left hand's rotations must be mirrored to right-hand space before.
    pub left: Address,
}

/// `hand.cu` with a hand model on the device.
pub struct HandsOp<B: KernelBackend> {
    function: B::Function,
    model: Model,
    /// What the addresses lead to.
    _tables: Vec<Buffer<B>>,
}

impl<B: KernelBackend> HandsOp<B> {
    /// The kernel.
    pub fn kernel() -> Kernel {
        Kernel {
            shared_bytes: (SHARED * size_of::<f32>()) as u32,
            ..Kernel::new(Source::Hand, "pose_hands", THREADS)
        }
    }

    /// Loads the kernel and puts `model` onto the device.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn load(backend: &B, model: &HandModel) -> Result<Self, GpuError> {
        let tables = model.tables();
        let parents: Vec<i32> =
            MANO_PARENTS.iter().map(|parent| parent.map_or(-1, |parent| parent as i32)).collect();
        let ints = |numbers: &[usize]| -> Vec<i32> { numbers.iter().map(|&number| number as i32).collect() };
        let mut kept = Vec::new();
        for numbers in
            [&tables.rest, &tables.shape, &tables.pose, &tables.weights, &tables.joints, &tables.joint_shape]
        {
            kept.push(Buffer::of_floats(backend, numbers)?);
        }
        for numbers in [parents, ints(&tables.tips), ints(&tables.point_of)] {
            kept.push(Buffer::of_ints(backend, &numbers)?);
        }
        let at = |table: usize| kept.get(table).map_or(Address::NONE, Buffer::address);
        let model = Model {
            rest: at(0),
            shape: at(1),
            pose: if tables.pose.is_empty() { Address::NONE } else { at(2) },
            weights: at(3),
            joints: at(4),
            joint_shape: at(5),
            parents: at(6),
            tips: at(7),
            point_of: at(8),
            vertices: model.vertex_count() as i32,
            padding: 0,
        };
        Ok(Self { function: backend.load(&Self::kernel())?, model, _tables: kept })
    }

    /// Vertices `[count, V, 3]` and points `[count, 21, 3]` in `openpose21` order, metres, 32-bit.
    ///
    /// # Safety
    /// All lists have the hands, and there is room for the results.
    ///
    /// # Errors
    /// [`GpuError`].
    pub unsafe fn launch(
        &self,
        backend: &B,
        hands: &HandRows,
        vertices: Address,
        points: Address,
    ) -> Result<(), GpuError> {
        let mut arguments = Arguments::new()
            .with(self.model)
            .with(hands.rotations)
            .with(hands.betas)
            .int(hands.pitch)
            .with(hands.translations)
            .with(hands.left)
            .with(vertices)
            .with(points);
        let grid = [blocks(self.model.vertices as usize, VERTICES), hands.count, 1];
        // SAFETY: the caller's conditions; the arguments are the kernel's.
        unsafe { backend.launch(&self.function, grid, &mut arguments) }
    }
}
