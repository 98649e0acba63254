//! DPVO, deep patch visual odometry (Teed, Lipson, Deng 2023), and the proximity loop closure of DPV-SLAM
//! (Lipson, Teed, Deng 2024), as released.
//!
//! A frame's way: patches are chosen, `schedule` guesses the pose and connects patches with frames, the
//! matcher says where patches are, `bundle` adjusts poses and depths, frames that add nothing leave again.

pub mod bundle;
mod choice;
pub mod config;
pub mod graph;
mod loops;
pub mod net;
mod network;
mod odometry;
pub mod projection;
pub mod schedule;

pub use config::{DpvoConfig, LoopClosure, PatchChoice};
pub use network::{DpvoNetwork, FrameFeatures};
pub use odometry::{DpvoOdometry, picture};
