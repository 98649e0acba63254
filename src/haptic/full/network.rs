//! What a network of the released kind does for a stream, wherever it computes.

use super::config::NetworkKind;
use super::crop::Cut;
use super::error::NetworkError;
use super::heads::HeadRow;
use super::picture::Picture;
use super::taps::Sampling;
use crate::frame::Frame;
use crate::jobs::Jobs;

/// What the rest of the system must know of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkShape {
    /// Which network it is.
    pub kind: NetworkKind,
    /// Most frames of a window.
    pub longest_window: usize,
}

impl NetworkShape {
    /// Refuses windows without frames and those that are too long.
    ///
    /// # Errors
    /// [`NetworkError::Window`].
    pub fn check_lengths(&self, windows: &[&[Slot]]) -> Result<(), NetworkError> {
        let longest = self.longest_window;
        let bad = windows.iter().map(|window| window.len()).find(|length| !(1..=longest).contains(length));
        bad.map_or(Ok(()), |length| Err(NetworkError::Window { length, longest }))
    }
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

    /// [`Self::encode`] and [`Self::decode`] at once for a network that cuts pictures itself: of a frame each hand's
    /// crop and, for HaPTIC, the whole of it are encoded, then the windows are decoded, which may name the new slots.
    /// False, with nothing done, where it wants the pictures cut.
    ///
    /// # Errors
    /// As of both; then no slot of `hands` may be used.
    fn see(
        &mut self,
        _frame: &Frame,
        (_hands, _sampling): (&[(Slot, Cut)], Sampling),
        _windows: &[&[Slot]],
        _out: &mut Vec<HeadRow>,
    ) -> Result<bool, NetworkError> {
        Ok(false)
    }

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
