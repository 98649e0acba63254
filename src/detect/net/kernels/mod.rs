//! The arithmetic: safe functions over slices, each for one row of output pixels.

mod conv;
mod depthwise;
mod places;
mod row;

pub(super) use conv::{Activation, ConvRow, PackedConv, ResidualRow, conv_row};
pub(super) use depthwise::{DepthwiseRow, PackedDepthwise, depthwise_row, has_depthwise};
pub(super) use places::PixelGrid;
pub(super) use row::{add_pixels, logistic, max_pool_row, upsample_row};

/// The largest kernel side, in pixels.
pub(super) const MAX_KERNEL: usize = 7;
