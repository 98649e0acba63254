//! The second pass: chunks of frames fitted together in world coordinates, both hands at once.
//!
//! A [`Chunk`] holds what the front end found (key points and provisional poses in camera space) and where
//! the odometry believes the camera was. The [`Refiner`] fills gaps, places both hands in the world, finds
//! the odometry's scale from the hands' size, smooths, and gives back a [`RefinedChunk`]. What it follows
//! and where it departs from it: Dyn-HaMR (Yu et al. 2025, "Dyn-HaMR: Recovering 4D Interacting Hand Motion
//! from a Dynamic Camera").
//!
//! The room starts no thread and reads no file. Its time is bounded by the [`Deadline`] that the caller gives.

mod belief;
mod chunk;
mod chunk_solver;
mod config;
mod data;
mod output;
pub mod prior;
mod refiner;
mod scene;
mod solver;
mod stitch;
pub mod terms;

pub use belief::{FrameBelief, MotionFrame, MotionPrior};
pub use chunk::Chunker;
pub use config::{
    CameraTerms, Infill, MotionTerms, ObservationTerms, PixelUnit, PoseTerms, RefineConfig, ShapeTerms,
    SolverLimits, Stages,
};
pub use data::{
    CameraKnowledge, Chunk, ChunkFrame, Deadline, KeypointMeaning, ObservedHand, Origin, RefineStatistics,
    RefinedChunk, RefinedFrame, RefinedHand, StageStatistics, TermCost,
};
pub use output::world_pose;
pub use prior::LearnedPrior;
pub use refiner::Refiner;

#[cfg(test)]
mod tests;
