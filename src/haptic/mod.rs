//! The window transformer: the last frames of a hand's key points in, pose, shape and metric depth out.
//!
//! HaPTIC (Ye et al. 2025) in small: each frame is one token made of key points, landmarks and box
//! ([`SeenHand`]); a window of up to [`WINDOW`] tokens goes through cross-view self-attention and
//! cross-attention to the boxes of both hands and the camera (`network`); heads give 16 rotations, shape,
//! a weak-perspective scale, the wrist's ray and the change of metric depth. `stream` keeps each track's
//! window, `placement` turns scales and depth changes into one depth, [`LiteHaptic`] ties them together.
//!
//! Everything here lives in right-hand space: left hands are mirrored on the way in, and leave mirrored
//! ([`LiteHand`]).

mod error;
mod lite;
mod network;
#[cfg(test)]
mod parity;
mod placement;
#[cfg(feature = "candle")]
mod reference;
mod stream;
#[cfg(test)]
mod tests;
mod tokens;

pub use error::HapticError;
pub use lite::{HandInput, LiteConfig, LiteHand, LiteHaptic, SeenInput};
pub use network::{Batch, LiteNetwork, NetworkMemory, WINDOW, WindowEstimate};
pub use placement::PlacementMode;
#[cfg(feature = "candle")]
pub use reference::ReferenceNetwork;
pub use stream::StreamConfig;
pub use tokens::{FrameToken, HandBox, SeenHand};
