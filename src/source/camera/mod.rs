//! Webcams as a source: which mode to ask for, what to say when there is none.
//!
//! The operating system's cameras come through [`CameraSystem`]; a stand-in takes their place in
//! tests. No thread here: whoever reads a live source keeps up with it.

mod choice;
mod listing;
#[cfg(feature = "camera")]
mod native;
mod running;
#[cfg(test)]
mod stand_in;
mod watch;

use std::time::Duration;

pub use listing::CameraListing;
#[cfg(feature = "camera")]
pub use native::NativeCameras;
pub use running::CameraSource;

use super::SourceError;
use crate::frame::PictureSize;

/// How pictures travel from a camera, the cheapest to decode first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CameraFormat {
    /// Planar 4:2:0.
    Nv12,
    /// Packed 4:2:2.
    Yuyv,
    /// Motion JPEG: fits high rates through a narrow bus, costs time to decode.
    Mjpeg,
}

impl CameraFormat {
    /// Every format.
    pub const ALL: [CameraFormat; 3] = [Self::Nv12, Self::Yuyv, Self::Mjpeg];

    /// Name on the command line and in lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nv12 => "nv12",
            Self::Yuyv => "yuyv",
            Self::Mjpeg => "mjpeg",
        }
    }
}

/// What is asked of a camera. A field left out is chosen: 1280x720 or the nearest size, the highest
/// rate up to 60 a second, and of equals the format that costs least to decode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CameraRequest {
    /// Picture size.
    pub size: Option<PictureSize>,
    /// Frames per second.
    pub fps: Option<u32>,
    /// How pictures travel from the camera.
    pub format: Option<CameraFormat>,
}

/// One way in which a camera can deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CameraMode {
    /// Picture size.
    pub size: PictureSize,
    /// Frames per second.
    pub fps: u32,
    /// How pictures travel.
    pub format: CameraFormat,
}

impl std::fmt::Display for CameraMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} fps {}", self.size, self.fps, self.format.name())
    }
}

/// A camera that the system knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraName {
    /// Number to open it with.
    pub index: u32,
    /// What the maker calls it.
    pub name: String,
}

/// A picture as it comes from a camera.
#[derive(Clone, Debug)]
pub struct CameraPicture {
    /// RGB, rows top to bottom.
    pub pixels: Vec<u8>,
    /// Columns and rows.
    pub size: PictureSize,
    /// How long ago it was captured, where the driver says; decoding included.
    pub age: Duration,
}

/// The cameras of a machine. Errors are the system's own words.
pub trait CameraSystem {
    /// Every camera there is.
    ///
    /// # Errors
    /// Where the system refuses to list them.
    fn list(&self) -> Result<Vec<CameraName>, String>;

    /// Opens a camera without starting it.
    ///
    /// # Errors
    /// Where it is in use or the system refuses.
    fn open(&self, index: u32) -> Result<Box<dyn CameraDevice>, String>;
}

/// An open camera. Errors are the system's own words.
pub trait CameraDevice: Send {
    /// The modes it offers, of those that can be decoded.
    ///
    /// # Errors
    /// Where the device does not answer.
    fn modes(&mut self) -> Result<Vec<CameraMode>, String>;

    /// Starts delivering in one of its modes.
    ///
    /// # Errors
    /// Where the device is in use or refuses the mode.
    fn start(&mut self, mode: CameraMode) -> Result<(), String>;

    /// Waits for the next picture; `pixels` is memory for it.
    ///
    /// # Errors
    /// Where the picture is damaged or the device is gone.
    fn next_picture(&mut self, pixels: Vec<u8>) -> Result<CameraPicture, String>;
}

/// Sorts the system's words into the cases a user can do something about.
fn camera_error(index: u32, reason: String) -> SourceError {
    let says = |words: &[&str]| words.iter().any(|word| reason.to_lowercase().contains(word));
    if says(&["busy", "in use", "os error 16"]) {
        SourceError::CameraBusy { index }
    } else if says(&["permission denied", "not authorized", "os error 13"]) {
        SourceError::CameraForbidden { index }
    } else if says(&["no such device", "os error 19", "disconnected"]) {
        SourceError::CameraGone { index, reason }
    } else {
        SourceError::Camera { index, reason }
    }
}
