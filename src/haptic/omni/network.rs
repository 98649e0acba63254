//! What the network does for a stream, wherever it computes.

use crate::haptic::full::{HandBox, HeadRow, NetworkError, Picture};
use crate::jobs::Jobs;

/// One hand of a frame.
#[derive(Clone, Copy, Debug)]
pub struct SeenHand<'a> {
    /// Its crop, mirrored for a left hand.
    pub crop: &'a Picture,
    /// Where the crop lies, pixels of the frame as captured.
    pub place: HandBox,
}

/// The hands of one person in one frame, of which one may be missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct PairPictures<'a> {
    /// The right hand.
    pub right: Option<SeenHand<'a>>,
    /// The left hand.
    pub left: Option<SeenHand<'a>>,
}

/// All that a stream must keep of one frame: a token of each hand that is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairTokens {
    /// The right hand's.
    pub right: Option<Vec<f32>>,
    /// The left hand's.
    pub left: Option<Vec<f32>>,
}

/// The tokens of each hand's window, oldest first; a hand that is missing has none.
#[derive(Clone, Debug, Default)]
pub struct PairWindow<'a> {
    /// The right hand's.
    pub right: Vec<&'a [f32]>,
    /// The left hand's.
    pub left: Vec<&'a [f32]>,
}

/// What the network says of a pair in the frame in the middle of its window, right-hand space each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PairRow {
    /// The right hand.
    pub right: Option<HeadRow>,
    /// The left hand.
    pub left: Option<HeadRow>,
    /// Joint 9 of the left hand (the middle finger's knuckle) from the right hand's, metres, camera axes; only
    /// where both are there.
    pub left_from_right: Option<[f32; 3]>,
}

/// Pictures to tokens to hands. Every frame is encoded once; what its hands' windows need of it is a token each.
pub trait PairNetwork: Send {
    /// Frames of a window.
    fn window(&self) -> usize;

    /// The tokens of each pair, appended to `out`: the backbone on every picture, all as one batch, and the
    /// hands of each pair together. A missing hand is taken as the paper says: the mirror image of the hand
    /// that is there, far away.
    ///
    /// # Errors
    /// [`NetworkError::NoHand`], [`NetworkError::Device`].
    fn encode(
        &mut self,
        pairs: &[PairPictures<'_>],
        jobs: &dyn Jobs,
        out: &mut Vec<PairTokens>,
    ) -> Result<(), NetworkError>;

    /// The hands of each pair in the middle of its window, appended to `out`.
    ///
    /// # Errors
    /// [`NetworkError::Window`], [`NetworkError::Device`].
    fn decode(
        &mut self,
        windows: &[PairWindow<'_>],
        jobs: &dyn Jobs,
        out: &mut Vec<PairRow>,
    ) -> Result<(), NetworkError>;
}
