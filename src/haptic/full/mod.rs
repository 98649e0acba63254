//! HaMeR's and HaPTIC's networks as released, streamed: pictures in, hands in metres out.
//!
//! `boxes` says where, `crop` cuts what the backbone reads out of a frame as a [`Picture`]. `decoder` and
//! `heads` turn features into numbers; `network` says what a network does for a stream, wherever it computes,
//! and `cpu` is one on the processor. `camera` takes the heads' weak cameras to metres. [`FullHaptic`] follows
//! the hands of a stream. `released` opens a user's checkpoint, `compact` rewrites it small. `demo` holds what
//! the released demo does with a whole film.

mod boxes;
mod camera;
mod compact;
mod config;
mod cpu;
mod crop;
mod decoder;
mod demo;
mod error;
mod hands;
mod heads;
mod layers;
mod mix;
mod network;
mod picture;
mod pictures;
mod released;
mod steady;
mod taps;
#[cfg(test)]
mod tests;
mod token_decoder;

pub use boxes::{CropRule, HandBox};
pub use camera::{CropView, WeakCamera};
pub(super) use compact::write_kept;
pub use compact::{CompactError, CompactNumbers, CompactOptions, CompactReport};
pub(super) use config::RELEASED_HEAD;
pub use config::{DecoderConfig, DecoderForm, NetworkKind};
pub use cpu::CpuNetwork;
pub use crop::{Cropper, Cut, CutPlan, Square};
pub use decoder::{Decoder, DecoderMemory, FrameFeatures};
pub use demo::{DemoDepth, demo_places, demo_windows};
pub use error::{NetworkError, PictureError};
pub use hands::{FullConfig, FullHand, FullHaptic};
pub use heads::{HeadRow, HeadWeights};
pub use network::{HandPictures, NetworkShape, Slot, WindowNetwork};
pub use picture::Picture;
pub(super) use pictures::Pictures;
pub use released::{ReleasedError, ReleasedFile};
pub use steady::{SteadyConfig, SteadySquare};
pub use taps::Sampling;
pub(super) use token_decoder::{TokenDecoder, roomy};
