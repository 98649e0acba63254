//! 2D hands in a picture: model file reader, CPU networks, palm detector, landmarks, the detect-and-follow loop.
//!
//! A picture goes through [`HandTracker`]: the [`follow`] loop runs the palm detector ([`palm`]) where
//! a hand may still be missing and the landmark network ([`landmark`]) on every region ([`region`])
//! worth a look, each on a crop of the picture ([`crop`]). What the loop finds, [`duplicates`] thins
//! out and [`identity`] turns into tracks with a side that does not flicker.

pub mod crop;
pub mod duplicates;
mod error;
pub mod follow;
pub mod identity;
pub mod landmark;
pub mod net;
pub mod palm;
pub mod region;
mod side;
mod tracker;

pub use error::DetectError;

pub use follow::Search;
pub use tracker::{Detections, Hand2d, HandTracker, TrackerConfig};
