//! Numbers in a backend's memory.

use super::backend::{Address, KernelBackend};
use super::error::GpuError;
use super::kernel::Precision;

/// Parts of one stretch of memory begin on multiples of this, bytes.
const ALIGNMENT: usize = 256;

/// Memory of a backend with its size.
pub struct Buffer<B: KernelBackend> {
    memory: B::Memory,
    address: Address,
    bytes: usize,
}

impl<B: KernelBackend> Buffer<B> {
    /// Memory for `bytes` bytes, zero.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn zeros(backend: &B, bytes: usize) -> Result<Self, GpuError> {
        let memory = backend.allocate(bytes)?;
        Ok(Self { address: backend.address(&memory), memory, bytes })
    }

    /// Memory that holds `bytes`.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn of_bytes(backend: &B, bytes: &[u8]) -> Result<Self, GpuError> {
        let buffer = Self::zeros(backend, bytes.len())?;
        backend.write(&buffer.memory, 0, bytes)?;
        Ok(buffer)
    }

    /// 32-bit numbers.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn of_floats(backend: &B, numbers: &[f32]) -> Result<Self, GpuError> {
        Self::of_bytes(backend, bytemuck::cast_slice(numbers))
    }

    /// Whole numbers.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn of_ints(backend: &B, numbers: &[i32]) -> Result<Self, GpuError> {
        Self::of_bytes(backend, bytemuck::cast_slice(numbers))
    }

    /// Numbers of `precision`.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn of_elements(backend: &B, numbers: &[f32], precision: Precision) -> Result<Self, GpuError> {
        Self::of_bytes(backend, &precision.to_bytes(numbers))
    }

    /// Where it begins.
    pub fn address(&self) -> Address {
        self.address
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes over it from byte `at` on.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn write(&self, backend: &B, at: usize, bytes: &[u8]) -> Result<(), GpuError> {
        backend.write(&self.memory, at, bytes)
    }

    /// Copies `bytes` bytes from byte `at` on.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn read(&self, backend: &B, at: usize, bytes: &mut [u8]) -> Result<(), GpuError> {
        backend.read(&self.memory, at, bytes)
    }

    /// The first `count` numbers, which are 32-bit.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn floats(&self, backend: &B, count: usize) -> Result<Vec<f32>, GpuError> {
        let mut numbers = vec![0.0_f32; count];
        self.read(backend, 0, bytemuck::cast_slice_mut(&mut numbers))?;
        Ok(numbers)
    }

    /// The first `count` numbers, which are whole.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn ints(&self, backend: &B, count: usize) -> Result<Vec<i32>, GpuError> {
        let mut numbers = vec![0_i32; count];
        self.read(backend, 0, bytemuck::cast_slice_mut(&mut numbers))?;
        Ok(numbers)
    }

    /// The first `count` numbers, which are of `precision`.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn elements(&self, backend: &B, count: usize, precision: Precision) -> Result<Vec<f32>, GpuError> {
        let mut bytes = vec![0; count * precision.bytes()];
        self.read(backend, 0, &mut bytes)?;
        Ok(precision.from_bytes(&bytes))
    }
}

/// Divides one stretch of memory into parts; first all parts are planned, then the memory is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    bytes: usize,
}

/// A part of a [`Plan`].
#[derive(Clone, Copy, Debug)]
pub struct Part(usize);

impl Plan {
    /// Room for `bytes` bytes.
    pub fn part(&mut self, bytes: usize) -> Part {
        let start = self.bytes;
        self.bytes = (start + bytes).next_multiple_of(ALIGNMENT);
        Part(start)
    }

    /// The bytes of all parts.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Part {
    /// Where the part begins in memory that begins at `start`.
    pub fn within(self, start: Address) -> Address {
        start.plus(self.0)
    }

    /// How far from the beginning it is, bytes.
    pub fn offset(self) -> usize {
        self.0
    }
}
