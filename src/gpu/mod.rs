//! The released networks, and what else is worth it, on an NVIDIA card.
//!
//! `kernel` names the kernels of `kernels/`, `ops` launches each, `vit` and `decoder` are made of them, and
//! [`GpuNetwork`] is a [`crate::haptic::full::WindowNetwork`] made of those. `backend` is what they run on: a card
//! (`cuda`, with `nvrtc` and `cache` for its machine code), or, in tests, the processor through `kernels/host/`, where
//! the same files are compiled as C++. What a kernel computes is what the rooms below compute without it, and the
//! tests hold the one against the other on both backends.

pub mod backend;
mod cache;
mod catalogue;
mod cuda;
mod decoder;
mod error;
#[cfg(test)]
mod host;
mod kernel;
mod matrix;
mod memory;
mod network;
mod nvrtc;
pub mod ops;
mod random_release;
#[cfg(test)]
mod tests;
mod vit;

pub use cache::KernelCache;
pub use catalogue::catalogue;
pub use cuda::{CardInfo, CudaBackend};
pub use error::GpuError;
pub use kernel::{Kernel, Precision, Source};
pub use memory::{Buffer, Part, Plan};
pub use network::{GpuNetwork, GpuNetworkError};
pub use nvrtc::{Compiled, LIBRARY_VARIABLE, Nvrtc, Resources};
pub use random_release::{FULL_SIZE, write_random_release};
