//! Why a picture could not be made.

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
