//! What the networks of the upper floors are built from.
//!
//! Transformer parts for a handful of rows ([`Linear`], [`LayerNorm`], [`Attention`], [`FeedForward`],
//! [`WindowBlock`]) and for hundreds ([`Slabs`], the backbone [`Vit`]; `bench/vit.py` times it beside PyTorch),
//! reading their numbers from checkpoints ([`Checkpoint`]), and the vector
//! registers that all kernels of this crate are written in (`simd`, [`Isa`]). With the `candle` feature the
//! same parts exist on candle tensors: a pass of the lite network takes 2.6 ms there and 0.4 ms here, least of
//! 2000 on one thread (`bench/lite.rs`).
//!
//! Tensors are named and laid out as in PyTorch. Rows of numbers lie one after the other; where a row has
//! more room than numbers the rest is zero.

mod absorbed;
mod attention;
mod block;
#[cfg(feature = "candle")]
pub mod candle;
pub mod checkpoint;
mod feed_forward;
mod gelu;
mod isa;
mod linear;
pub(crate) mod memory;
mod norm;
mod probe;
mod product;
pub(crate) mod simd;
mod slabs;
mod softmax;
mod token_attention;
mod token_block;
pub mod vit;

pub use absorbed::AbsorbedAttention;
pub use attention::{Attention, AttentionMemory, Group, Sight};
pub(crate) use block::add;
pub use block::{Across, BlockMemory, CodePlace, Sublayer, Surroundings, WindowBlock};
pub use checkpoint::{
    Checkpoint, CheckpointError, CheckpointFile, CheckpointFileError, Dtype, PlannedTensor, Scope,
    write_safetensors,
};
pub use feed_forward::FeedForward;
pub use gelu::gelu;
pub use isa::Isa;
pub use linear::{LANE_STEP, Linear, room};
pub use norm::{EPSILON as LAYER_NORM_EPSILON, LayerNorm};
pub use probe::Probe;
pub use product::Then;
pub use slabs::Slabs;
pub(crate) use token_block::{TokenBlock, TokenMemory};
pub use vit::{Vit, VitConfig, VitError, VitMemory};
