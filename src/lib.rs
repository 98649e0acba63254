//! Real-time 4D hand tracking from one camera: two hands in metres, frame by frame.
//!
//! How a frame travels is told in `docs/architecture.md`, with a file for each step. In short:
//! [`source`] gives frames, [`engine`] hands each to the 2D tracker of [`detect`], [`fit`] turns key
//! points into a posed [`hand`] in metres, and every result leaves as an [`event::Event`] for
//! [`output`] and [`view`].

pub mod detect;
pub mod engine;
pub mod event;
pub mod files;
pub mod fit;
pub mod frame;
pub mod geometry;
pub mod hand;
pub mod home;
pub mod metrics;
pub mod output;
#[cfg(feature = "render")]
pub mod render;
pub mod source;
pub mod view;
