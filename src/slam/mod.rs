//! Where the camera went: odometry from its own pictures.
//!
//! [`Odometry`] is what every back end offers. The world is the first camera of the run; a single camera
//! cannot know the scale of its path, and says so. Nothing here starts a thread.

mod odometry;

pub use odometry::{Odometry, OdometryError, OdometryState, OdometryUpdate, PixelBox, SeenPoint};

pub use crate::geometry::{CameraPath, CameraPose};
