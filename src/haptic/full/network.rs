//! What a network of the released kind does for a stream, wherever it computes.

use super::config::NetworkKind;
use super::heads::HeadRow;
use super::picture::Picture;
use crate::jobs::Jobs;
use crate::net::{CheckpointError, VitError};

/// What the rest of the system must know of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkShape {
    /// Which network it is.
    pub kind: NetworkKind,
    /// Most frames of a window.
    pub longest_window: usize,
}

/// Where a network keeps the features of one frame of one hand. Slots are numbered from 0 by who uses the
/// network; a network makes room for the highest number it has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub usize);

/// The pictures of one hand in one frame, both mirrored for a left hand.
#[derive(Clone, Copy, Debug)]
pub struct HandPictures<'a> {
    /// The hand's crop.
    pub crop: &'a Picture,
    /// The whole frame; HaMeR looks at none.
    pub frame: Option<&'a Picture>,
}

/// Why a network cannot be used or did not answer.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// The weights are damaged or another network's; the sentence's beginning names the file.
    #[error(transparent)]
    Weights(#[from] CheckpointError),
    /// The backbone is not what it should be; the sentence's beginning names the file.
    #[error(transparent)]
    Backbone(#[from] VitError),
    /// Backbone and decoder are not of one network.
    #[error(
        "its backbone makes features of {backbone} numbers and its decoder reads {decoder}; give weights of \
         one network"
    )]
    Widths {
        /// Numbers of a feature.
        backbone: usize,
        /// Numbers of a feature that the decoder reads.
        decoder: usize,
    },
    /// The number of heads is not known.
    #[error(
        "it does not say how many heads its decoder of width {width} has; give the number as \
         MODEL.MANO_HEAD.TRANSFORMER_DECODER.heads in the yaml beside it"
    )]
    HeadsUnknown {
        /// Numbers of a token.
        width: usize,
    },
    /// The number of heads does not fit.
    #[error(
        "a decoder whose attentions have {inner} numbers cannot have {heads} heads; correct the number in its \
         configuration"
    )]
    Heads {
        /// The number that was given.
        heads: usize,
        /// Numbers of all heads together.
        inner: usize,
    },
    /// HaPTIC was given a hand without its whole frame.
    #[error("this network looks at the whole frame beside the crop; give both pictures of each hand")]
    FrameMissing,
    /// A window of no frames, or of more than the network has codes for.
    #[error("a window of {length} frames does not fit this network; give 1 to {longest}")]
    Window {
        /// Its frames.
        length: usize,
        /// Most frames of a window.
        longest: usize,
    },
    /// A window names a frame that was never encoded.
    #[error("slot {0} holds no features; encode its pictures before a window names it")]
    EmptySlot(usize),
    /// The device on which the network runs failed.
    #[error("the network's device failed: {0}")]
    Device(String),
}

/// Pictures to features to the heads' numbers. A network keeps the features of frames in slots, where it
/// computes, so that a frame is encoded once, however many windows it is part of.
pub trait WindowNetwork: Send {
    /// What the rest of the system must know of it.
    fn shape(&self) -> &NetworkShape;

    /// Puts the features of each hand's pictures into its slot. All pictures are one batch.
    ///
    /// # Errors
    /// [`NetworkError::FrameMissing`], [`NetworkError::Device`]; then no slot of `hands` may be used.
    fn encode(&mut self, hands: &[(Slot, HandPictures<'_>)], jobs: &dyn Jobs) -> Result<(), NetworkError>;

    /// The heads' numbers for every frame of each window, appended to `out` in order. A window names the
    /// slots of its frames, oldest first: a frame's code is its place in the window. Windows do not see each
    /// other.
    ///
    /// # Errors
    /// [`NetworkError::Window`], [`NetworkError::EmptySlot`], [`NetworkError::Device`].
    fn decode(
        &mut self,
        windows: &[&[Slot]],
        jobs: &dyn Jobs,
        out: &mut Vec<HeadRow>,
    ) -> Result<(), NetworkError>;
}
