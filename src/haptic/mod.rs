//! The window transformer: the last frames of a hand in, pose, shape and metric depth out.
//!
//! HaPTIC (Ye et al. 2025): a hand's last frames look at each other and at what surrounds them, and the
//! change of depth that they agree on becomes a trajectory in metres. `lite` is the network on key points
//! that ships with handstream. `stream` keeps each track's window, `placement` turns scales and depth
//! changes into one depth.
//!
//! Everything here lives in right-hand space: left hands are mirrored on the way in, and leave mirrored.

mod error;
pub mod full;
mod input;
mod lite;
pub mod omni;
mod placement;
mod stream;

pub use error::HapticError;
pub use input::HandInput;
pub use lite::*;
pub use placement::PlacementMode;
pub use stream::StreamConfig;

/// Most frames of a window.
pub const WINDOW: usize = 8;
