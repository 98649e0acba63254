//! Why a picture could not be made, or a network cannot be used.

use crate::net::{CheckpointError, VitError};

/// Why numbers are no picture for the backbone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// The numbers do not fill a picture.
    #[error("a picture of {wanted} numbers cannot be made of {given}: give all of them")]
    Length {
        /// How many there are.
        given: usize,
        /// How many there should be.
        wanted: usize,
    },
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
    /// A pair without hands.
    #[error("a pair of hands needs at least one of them; give the picture of a hand")]
    NoHand,
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
