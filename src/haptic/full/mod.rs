//! HaMeR's and HaPTIC's networks as released, streamed: pictures in, hands in metres out.
//!
//! `crop` cuts what the backbone reads out of a frame, as a [`Picture`].

mod boxes;
mod crop;
mod error;
mod picture;
mod taps;

pub use boxes::{CropRule, HandBox};
pub use crop::{Cropper, Cut, Sampling, Square};
pub use error::PictureError;
pub use picture::Picture;
