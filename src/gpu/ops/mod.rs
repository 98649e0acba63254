//! The kernels one by one, each with its arguments checked.

mod attention;
mod contacts;
mod correlation;
mod crops;
mod gelu;
mod hands;
mod norm;

pub use attention::AttentionOp;
pub use contacts::{ContactsOp, DeviceSurface};
pub use correlation::{CorrelationEdges, CorrelationMaps, CorrelationOp};
pub use crops::{CropsOp, FrameLayout, PATCH_NUMBERS, PLAN_INTS};
pub use gelu::GeluOp;
pub use hands::{HandRows, HandsOp};
pub use norm::{LayerNormOp, NormTarget, NormWeights};

/// Blocks of `size` that cover `count`.
fn blocks(count: usize, size: usize) -> usize {
    count.div_ceil(size)
}
