//! Where frames come from, behind one trait.

mod camera;
mod error;
mod faulty;
mod images;
mod intrinsics;
mod looped;
mod open;
mod recorded;
mod spare;
#[cfg(feature = "render")]
pub mod synthetic;
mod video;

#[cfg(feature = "camera")]
pub use camera::NativeCameras;
pub use camera::{
    CameraDevice, CameraFormat, CameraListing, CameraMode, CameraName, CameraPicture, CameraRequest,
    CameraSource, CameraSystem,
};
pub use error::SourceError;
pub use faulty::{Fault, FaultAccount, FaultKind, FaultLedger, FaultLog, FaultySource};
pub use images::ImagesSource;
pub use intrinsics::{IntrinsicsChoice, IntrinsicsError, intrinsics_for};
pub use looped::{LoopedSource, Opener};
pub use open::{DEFAULT_PICTURE_FPS, OpenOptions, open};
pub use recorded::{RecordedNotes, RecordedSource};
pub use spare::SpareMemory;
pub use video::VideoSource;

use crate::frame::{Frame, PictureSize, Timestamp};
use crate::geometry::CameraModel;

/// What a source knows about itself before its first frame.
#[derive(Clone, Debug)]
pub struct SourceInfo {
    /// Name for people and files.
    pub name: String,
    /// Size of every frame.
    pub size: PictureSize,
    /// Nominal frame rate, frames per second.
    pub fps: f64,
    /// Number of frames, as the source announces it: exact for pictures and most files, an estimate from
    /// the duration for others.
    pub frame_count: Option<u64>,
    /// True for sources that go on whether we read them or not: the engine then keeps the newest
    /// frame and counts the rest as dropped.
    pub live: bool,
    /// Intrinsics, where the source itself knows them.
    pub camera: Option<CameraModel>,
}

/// A stream of frames in capture order. Reading may block; the engine reads live sources on a thread
/// of its own.
pub trait Source: Send {
    /// What is known beforehand.
    fn info(&self) -> &SourceInfo;

    /// The next frame, or `None` after the last. A source that failed in a way it can survive
    /// (one damaged picture) returns the error and may be read on.
    ///
    /// # Errors
    /// [`SourceError`] with one sentence saying what is wrong and what to do.
    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError>;

    /// Now, on the clock of the frames' timestamps; `None` where their times are not the world's (files).
    fn clock(&self) -> Option<Timestamp> {
        None
    }

    /// Takes back the memory of a frame that nobody needs any more, for one of the next.
    fn take_back(&mut self, _pixels: Vec<u8>) {}
}
