//! The released networks, and what else is worth it, on an NVIDIA card.
//!
//! `kernel` names the kernels of `kernels/`, `ops` launches each. `backend` is what they run on: a card, or, in
//! tests, the processor through `kernels/host/`, where the same files are compiled as C++. What a kernel computes is
//! what the rooms below compute without it, and the tests hold the one against the other on both backends.

pub mod backend;
mod error;
#[cfg(test)]
mod host;
mod kernel;
mod memory;
pub mod ops;
#[cfg(test)]
mod tests;

pub use error::GpuError;
pub use kernel::{Kernel, Precision, Source};
pub use memory::{Buffer, Part, Plan};
