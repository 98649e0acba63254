//! Spaces, projection, rotations and alignment: the mathematics every other room stands on.
//!
//! Metres and radians. Camera space: x right, y down, z forward. Transforms are named
//! `target_from_source`; rotation matrices act on column vectors.

pub mod alignment;
mod camera;
pub mod motion;
mod path;
pub mod rotation;
pub mod se3;
mod space;

pub use camera::CameraModel;
pub use path::{CameraPath, CameraPose};
pub use space::{CameraPoint, Pixel, WorldPoint};
