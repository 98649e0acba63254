//! What kernels run on: a card, or, in tests, the processor in a card's place.

use std::ffi::c_void;

use bytemuck::{NoUninit, Pod, Zeroable};

use super::error::GpuError;
use super::kernel::{Kernel, Precision};

/// An address in a backend's memory. Zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct Address(pub u64);

impl Address {
    /// None.
    pub const NONE: Self = Self(0);

    /// The address `bytes` further.
    pub fn plus(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }
}

/// What runs kernels and matrix products, in the order in which they are given.
pub trait KernelBackend: Send + Sized {
    /// Memory of its own; freed when dropped.
    type Memory: Send;
    /// A kernel that can be launched.
    type Function: Send;
    /// Recorded work.
    type Graph: Send;

    /// Processors of the card: how many blocks of a cooperative kernel it takes for certain.
    fn processors(&self) -> usize;

    /// Compiles and loads a kernel.
    ///
    /// # Errors
    /// [`GpuError`].
    fn load(&self, kernel: &Kernel) -> Result<Self::Function, GpuError>;

    /// Takes memory, all zero.
    ///
    /// # Errors
    /// [`GpuError`].
    fn allocate(&self, bytes: usize) -> Result<Self::Memory, GpuError>;

    /// Where memory begins, on a multiple of 256.
    fn address(&self, memory: &Self::Memory) -> Address;

    /// Copies `bytes` into memory from byte `at` on.
    ///
    /// # Errors
    /// [`GpuError::Unfit`] where they do not fit, and [`GpuError`].
    fn write(&self, memory: &Self::Memory, at: usize, bytes: &[u8]) -> Result<(), GpuError>;

    /// Copies memory from byte `at` on into `bytes`, after all work that was given before.
    ///
    /// # Errors
    /// [`GpuError::Unfit`] where there is not so much, and [`GpuError`].
    fn read(&self, memory: &Self::Memory, at: usize, bytes: &mut [u8]) -> Result<(), GpuError>;

    /// Launches a kernel on a grid of blocks.
    ///
    /// # Safety
    /// The arguments are of the kernel's types, and what it reads and writes lies in memory of this backend that
    /// lives until the work is done.
    ///
    /// # Errors
    /// [`GpuError`].
    unsafe fn launch(
        &self,
        function: &Self::Function,
        grid: [usize; 3],
        arguments: &mut Arguments,
    ) -> Result<(), GpuError>;

    /// A matrix product.
    ///
    /// # Safety
    /// As of [`Self::launch`].
    ///
    /// # Errors
    /// [`GpuError`].
    unsafe fn product(&self, product: &Product) -> Result<(), GpuError>;

    /// Records the launches and products that `work` gives, without running them.
    ///
    /// # Errors
    /// [`GpuError`].
    fn record(&self, work: &mut dyn FnMut() -> Result<(), GpuError>) -> Result<Self::Graph, GpuError>;

    /// Runs recorded work.
    ///
    /// # Safety
    /// What it reads and writes still lives.
    ///
    /// # Errors
    /// [`GpuError`].
    unsafe fn replay(&self, graph: &Self::Graph) -> Result<(), GpuError>;
}

/// The arguments of a launch, in order.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    words: Vec<u64>,
    starts: Vec<usize>,
}

impl Arguments {
    /// No arguments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a number, an address or a structure.
    #[must_use]
    pub fn with<T: NoUninit>(mut self, value: T) -> Self {
        self.starts.push(self.words.len());
        let bytes = bytemuck::bytes_of(&value);
        for word in bytes.chunks(size_of::<u64>()) {
            let mut whole = [0; size_of::<u64>()];
            whole[..word.len()].copy_from_slice(word);
            self.words.push(u64::from_ne_bytes(whole));
        }
        self
    }

    /// Appends a whole number as C's `int`.
    #[must_use]
    pub fn int(self, value: usize) -> Self {
        self.with(value as i32)
    }

    /// A pointer to each argument, as the driver takes them; valid until the arguments are changed.
    pub fn pointers(&mut self) -> Vec<*mut c_void> {
        let words = self.words.as_mut_ptr();
        // SAFETY: every start lies within the words.
        self.starts.iter().map(|&start| unsafe { words.add(start) }.cast()).collect()
    }
}

/// What becomes of a matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Into {
    /// Numbers of the product's precision.
    Elements,
    /// The same after GELU in its tanh form: for 16 bits, whose rounding is coarser than the difference.
    Gelu,
    /// 32-bit numbers: a residual stream.
    Stream,
    /// Added to 32-bit numbers.
    AddedToStream,
}

/// `y = f(x W^T + bias)` for `rows` rows of x, W `[outputs, inputs]`, all rows one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// Rows of x and y.
    pub rows: usize,
    /// Numbers of a row of x.
    pub inputs: usize,
    /// Numbers of a row of y.
    pub outputs: usize,
    /// x.
    pub x: Address,
    /// W.
    pub weight: Address,
    /// 32-bit, `[outputs]`, where y is a stream; of the product's precision otherwise.
    pub bias: Address,
    /// y.
    pub y: Address,
    /// Of x and W.
    pub precision: Precision,
    /// What becomes of it.
    pub into: Into,
}
