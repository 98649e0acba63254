//! What the networks on a stream are given of a frame's hands.

use crate::event::TrackId;
use crate::fit::HandObservation;

/// One hand of a frame: its track and what the 2D tracker says of it.
#[derive(Clone, Debug)]
pub struct HandInput {
    /// The track it continues.
    pub track: TrackId,
    /// The 2D tracker's observation.
    pub observation: HandObservation,
}
