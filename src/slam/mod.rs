//! Where the camera went: odometry from its own pictures.
//!
//! [`Odometry`] is what every back end offers. The world is the first camera of the run; a single camera
//! cannot know the scale of its path, and says so. Nothing here starts a thread.

pub mod dpvo;
mod hands;
mod known;
mod odometry;
pub mod points;
mod remap;
mod working;

pub use hands::hand_boxes;
pub use known::{KnownPath, KnownPathConfig};
pub use odometry::{Odometry, OdometryError, OdometryState, OdometryUpdate, PixelBox, SeenPoint};
pub use working::{WORKING_SIDE, WorkingSize};

pub use crate::geometry::{CameraPath, CameraPose};
