//! Real-time 4D hand tracking from one camera: two hands in metres, frame by frame.
//!
//! How a frame travels is told in `docs/architecture.md`, with a file for each step. In short:
//! [`source`] gives frames, [`engine`] hands each to the 2D tracker of [`detect`], [`fit`] turns key
//! points into a posed [`hand`] in metres, and every result leaves as an [`event::Event`] for
//! [`output`] and [`view`].
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use handstream::engine::{FrontEnd, FrontEndConfig, HandFrontEnd};
//! use handstream::geometry::CameraModel;
//! use handstream::hand::HandModel;
//! use handstream::home::ModelFiles;
//! use handstream::source::{self, OpenOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = Arc::new(HandModel::open());
//! let mut source = source::open("film.mp4", &OpenOptions::default())?;
//! let camera = CameraModel::guess(source.info().size);
//! let mut hands = HandFrontEnd::new(&ModelFiles::locate()?, model, camera, FrontEndConfig::default())?;
//! while let Some(frame) = source.next_frame()? {
//!     for hand in hands.process(&frame).hands {
//!         println!("{} wrist at {:?} m", hand.side.name(), hand.joints_camera[0]);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

pub mod detect;
pub mod engine;
pub mod event;
pub mod files;
pub mod fit;
pub mod frame;
pub mod geometry;
pub mod gpu;
pub mod hand;
pub mod haptic;
pub mod home;
pub mod jobs;
pub mod metrics;
pub mod net;
pub mod output;
mod pickle;
mod random;
pub mod recording;
pub mod refine;
#[cfg(feature = "render")]
pub mod render;
pub mod slam;
pub mod source;
pub mod view;
mod yaml;
