//! Two hands in each other.

use bytemuck::{Pod, Zeroable};

use super::blocks;
use crate::gpu::backend::{Address, Arguments, KernelBackend};
use crate::gpu::error::GpuError;
use crate::gpu::kernel::{Kernel, Source};
use crate::gpu::memory::Buffer;
use crate::metrics::ClosedSurface;

const WARPS: usize = 8;
const WARP: usize = 32;
/// Floats of a triangle.
const CORNERS: usize = 9;

/// A closed surface on the device: which vertices its triangles join.
pub struct DeviceSurface<B: KernelBackend> {
    surface: Surface,
    /// What the addresses lead to.
    _lists: [Buffer<B>; 3],
}

/// The kernel's structure of the same name.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Surface {
    faces: Address,
    face_count: i32,
    padding: i32,
    rims: Address,
    rim_ends: Address,
    rim_count: i32,
    padding_too: i32,
}

impl<B: KernelBackend> DeviceSurface<B> {
    /// Puts a surface onto the device.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn new(backend: &B, surface: &ClosedSurface) -> Result<Self, GpuError> {
        let ints = |numbers: &[u32]| -> Vec<i32> { numbers.iter().map(|&number| number as i32).collect() };
        let rims = surface.rims();
        let ends = rims.iter().scan(0, |end, rim| {
            *end += rim.len() as i32;
            Some(*end)
        });
        let lists = [
            Buffer::of_ints(backend, &ints(surface.faces().as_flattened()))?,
            Buffer::of_ints(backend, &ints(&rims.concat()))?,
            Buffer::of_ints(backend, &ends.collect::<Vec<i32>>())?,
        ];
        let surface = Surface {
            faces: lists[0].address(),
            face_count: surface.faces().len() as i32,
            padding: 0,
            rims: lists[1].address(),
            rim_ends: lists[2].address(),
            rim_count: rims.len() as i32,
            padding_too: 0,
        };
        Ok(Self { surface, _lists: lists })
    }
}

/// `contacts.cu` for surfaces of up to a certain number of triangles.
pub struct ContactsOp<B: KernelBackend> {
    function: B::Function,
    most_faces: usize,
}

impl<B: KernelBackend> ContactsOp<B> {
    /// The kernel.
    pub fn kernel(most_faces: usize) -> Kernel {
        Kernel {
            shared_bytes: (most_faces * CORNERS * size_of::<f32>()) as u32,
            ..Kernel::new(Source::Contacts, "find_contacts", (WARPS * WARP) as u32)
        }
    }

    /// Loads it.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn load(backend: &B, most_faces: usize) -> Result<Self, GpuError> {
        Ok(Self { function: backend.load(&Self::kernel(most_faces))?, most_faces })
    }

    /// For each of `count` vertices of both hands, `[2, count, 3]` metres, the other hand's nearest vertex where it
    /// lies inside the other hand, and -1 elsewhere, into `nearest`, `[2, count]`.
    ///
    /// # Safety
    /// The lists have as many entries, and both surfaces are of `count` vertices.
    ///
    /// # Errors
    /// [`GpuError`].
    pub unsafe fn launch(
        &self,
        backend: &B,
        (vertices, count): (Address, usize),
        surfaces: [&DeviceSurface<B>; 2],
        nearest: Address,
    ) -> Result<(), GpuError> {
        let faces = surfaces.map(|surface| surface.surface.face_count as usize);
        if faces.iter().any(|&faces| faces > self.most_faces) {
            let most = self.most_faces;
            return Err(GpuError::Unfit(format!(
                "surfaces of {faces:?} triangles have more than {most}: load for these"
            )));
        }
        let [first, second] = surfaces.map(|surface| surface.surface);
        let mut arguments = Arguments::new().with(vertices).int(count).with(first).with(second).with(nearest);
        // SAFETY: the caller's conditions; the arguments are the kernel's.
        unsafe { backend.launch(&self.function, [blocks(count, WARPS), 2, 1], &mut arguments) }
    }
}
