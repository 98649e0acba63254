//! What every odometry back end takes and gives.

use nalgebra::Isometry3;
use thiserror::Error;

use crate::frame::{Frame, PictureSize, Timestamp};
use crate::geometry::{CameraPath, Pixel};

/// A box of the picture in pixels, edges included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelBox {
    /// Least column.
    pub left: f32,
    /// Least row.
    pub top: f32,
    /// Largest column.
    pub right: f32,
    /// Largest row.
    pub bottom: f32,
}

impl PixelBox {
    /// Whether a pixel lies in the box.
    pub fn contains(&self, pixel: Pixel) -> bool {
        (self.left..=self.right).contains(&pixel.x) && (self.top..=self.bottom).contains(&pixel.y)
    }
}

/// How much a back end knows about the camera's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OdometryState {
    /// The camera has begun to move, or sees too little texture, and how it moved cannot be told yet. No pose.
    Starting,
    /// The camera stands: most points lie where they lay. The pose is that of the frame in which it came to rest,
    /// to the last digit, with a map or without one.
    Still,
    /// The camera has turned on the spot: the rotation is right. Or it has moved by so little, a few percent of the
    /// scene's depth, that a turn explains most of what is seen: the rotation is right to a degree or two. The
    /// translation is that of the last frame in which it was known, or of the first.
    RotationOnly,
    /// The pose comes from a map.
    Tracking,
    /// The map is not recognised in this frame. No pose; a later frame may recognise it.
    Lost,
}

impl OdometryState {
    /// The state's name, as written to files.
    pub fn name(self) -> &'static str {
        match self {
            OdometryState::Starting => "starting",
            OdometryState::Still => "still",
            OdometryState::RotationOnly => "rotation_only",
            OdometryState::Tracking => "tracking",
            OdometryState::Lost => "lost",
        }
    }
}

/// A point of the map where this frame sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeenPoint {
    /// Where in the working-size picture.
    pub pixel: Pixel,
    /// Distance along the camera's z axis, in the unit of the path.
    pub depth: f64,
}

/// What one frame told.
#[derive(Clone, Debug, PartialEq)]
pub struct OdometryUpdate {
    /// Number of the frame in its source.
    pub sequence: u64,
    /// Capture time of the frame.
    pub timestamp: Timestamp,
    /// What is known; says what the pose means.
    pub state: OdometryState,
    /// Poses of one section share one place and scale. After a loss from which the camera does not find back, a new
    /// section goes on from where the last one ended, its scale a guess; a section seen again gets its number back.
    pub section: u32,
    /// `world_from_camera` as believed now, without any later frame.
    pub pose: Option<Isometry3<f64>>,
    /// True while translations and depths carry an unknown common factor.
    pub scale_free: bool,
    /// Points of the map seen in this frame; empty where the back end keeps none.
    pub points: Vec<SeenPoint>,
}

/// Why a frame was not taken. The back end stays as it was, and the next frame may be given.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum OdometryError {
    /// The frame is of another size than the camera's intrinsics.
    #[error("odometry works on {expected} pictures and was given {found}; scale the frame or the intrinsics")]
    Size {
        /// Size of the intrinsics.
        expected: PictureSize,
        /// Size of the frame.
        found: PictureSize,
    },
    /// The frame's buffer does not hold its pixels.
    #[error("a {size} frame needs {expected} bytes and has {found}; the source is broken", expected = size.rgb_bytes())]
    Buffer {
        /// Size the frame claims.
        size: PictureSize,
        /// Bytes it holds.
        found: usize,
    },
    /// The frame is not later than the one before.
    #[error("frame {sequence} is not later than the one before it; give frames in the order of time")]
    Time {
        /// Number of the frame.
        sequence: u64,
    },
    /// The intrinsics cannot belong to a camera.
    #[error("odometry cannot use this camera: {reason}")]
    Camera {
        /// What is wrong with it.
        reason: String,
    },
    /// A back end with a network could not run it.
    #[error("the odometry network failed: {reason}")]
    Network {
        /// What went wrong.
        reason: String,
    },
}

/// A back end that follows the camera.
pub trait Odometry: Send {
    /// Takes the next frame, at the size the back end was made for; `hidden` are boxes of the picture that
    /// do not belong to the scene, such as hands.
    ///
    /// # Errors
    /// [`OdometryError`] where the frame cannot be used; it counts as not given.
    fn process(&mut self, frame: &Frame, hidden: &[PixelBox]) -> Result<OdometryUpdate, OdometryError>;

    /// Poses of all frames so far, as they are believed now.
    fn path(&self) -> CameraPath;

    /// Ends the run: does what is left to refine the path.
    ///
    /// # Errors
    /// [`OdometryError`] where the last refinement cannot be done; the path stays as it was.
    fn finish(&mut self) -> Result<(), OdometryError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_holds_its_edges_and_nothing_that_is_not_a_number() {
        let hand = PixelBox { left: 10.0, top: 20.0, right: 30.0, bottom: 40.0 };
        assert!(hand.contains(Pixel::new(10.0, 40.0)));
        assert!(!hand.contains(Pixel::new(9.9, 30.0)));
        assert!(!hand.contains(Pixel::new(f32::NAN, 30.0)));
    }
}
