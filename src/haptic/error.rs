//! What can go wrong with the window transformer.

use crate::net::CheckpointError;

/// Why the window transformer could not start.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum HapticError {
    /// The weights are damaged or another network's.
    #[error("the weights of the lite window transformer are unusable: {0}")]
    Weights(#[from] CheckpointError),
    /// A setting has no meaning.
    #[error("the window's stride must be at least 1 frame")]
    Stride,
}
