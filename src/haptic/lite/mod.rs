//! The window transformer on key points: small enough to ship, trained here (`weights/lite_haptic.md`).
//!
//! Each frame is one token made of key points, landmarks and box ([`SeenHand`]); a window of up to
//! [`WINDOW`](super::WINDOW) tokens goes through cross-view self-attention and cross-attention to the boxes
//! of both hands and the camera (`network`); heads give 16 rotations, shape, a weak-perspective scale, the
//! wrist's ray and the change of metric depth. [`LiteHaptic`] follows the hands of a stream.

mod hands;
mod network;
#[cfg(test)]
mod parity;
#[cfg(feature = "candle")]
mod reference;
#[cfg(test)]
mod tests;
mod tokens;

pub use hands::{LiteConfig, LiteHand, LiteHaptic, SeenInput};
pub use network::{Batch, LiteNetwork, NetworkMemory, WindowEstimate};
#[cfg(feature = "candle")]
pub use reference::ReferenceNetwork;
pub use tokens::{FrameToken, HandBox, SeenHand};
