//! 4DHands (Lin et al. 2024), released as OmniHands: two hands that see each other, over nine frames.
//!
//! `relation` tells every patch where the other hand's crop lies, `embedding` puts that into the backbone's
//! tokens, `spatial` lets the tokens of both hands look at each other and makes one token of each hand and
//! frame. `temporal` makes one token of a hand's window of them, and `regression` reads hands off it.
//! `network` says what the network does for a stream and `cpu` is one on the processor. [`OmniHands`] follows the
//! hands of a stream: `tokens` keeps each hand's window; [`Together`] places hands that are close as one. `file`
//! opens a user's checkpoint. Crops, weak cameras and
//! decoder layers are those of [`super::full`].

mod config;
mod cpu;
mod embedding;
mod file;
mod hands;
mod network;
mod regression;
mod relation;
mod spatial;
mod temporal;
mod together;
mod tokens;

pub use config::{OmniHeads, OmniShape};
pub use cpu::CpuPairNetwork;
pub use embedding::{EmbeddingMemory, RelationEmbedding};
pub use file::{OmniFile, OmniFileError};
pub use hands::{HandPair, OmniConfig, OmniFrame, OmniHand, OmniHands};
pub use network::{PairNetwork, PairPictures, PairRow, PairTokens, PairWindow, SeenHand};
pub use regression::{Regressed, Regression};
pub use relation::{RelationMaps, RelationMode};
pub use spatial::{SpatialMemory, SpatialReasoning};
pub use temporal::{TemporalMemory, TemporalReasoning, temporal_code};
pub use together::Together;

/// Frames of the released video model's window.
pub const WINDOW: usize = 9;
/// Frames of the released model for single pictures.
pub const IMAGE_WINDOW: usize = 1;
