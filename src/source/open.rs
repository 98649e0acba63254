//! From what a user types to a source.

use std::path::Path;

use super::{CameraRequest, ImagesSource, Source, SourceError, VideoSource};

/// Frame rate at which pictures are placed in time where nothing else is asked for.
pub const DEFAULT_PICTURE_FPS: f64 = 30.0;

/// How to open a source; fields that do not concern it are not looked at.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Frame rate of a folder of pictures, frames per second; 30 by default.
    pub picture_fps: f64,
    /// What is asked of a camera; all its own choice by default.
    pub camera: CameraRequest,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { picture_fps: DEFAULT_PICTURE_FPS, camera: CameraRequest::default() }
    }
}

/// Opens `spec`: a camera (`0`, `1`, `camera:0`), a folder of pictures, a picture, or else a video.
/// A file whose name is a number is given as `./0`.
///
/// # Errors
/// [`SourceError`] with one sentence saying what is wrong and what to do.
pub fn open(spec: &str, options: &OpenOptions) -> Result<Box<dyn Source>, SourceError> {
    if let Some(index) = camera_index(spec) {
        return open_camera(index, options);
    }
    let path = Path::new(spec);
    let metadata = std::fs::metadata(path).map_err(|source| SourceError::file(path, source))?;
    if metadata.is_dir() || ImagesSource::reads(path) {
        return Ok(Box::new(ImagesSource::open(path, options.picture_fps)?));
    }
    Ok(Box::new(VideoSource::open(path)?))
}

/// The number in `3` or `camera:3`.
fn camera_index(spec: &str) -> Option<u32> {
    let number = spec.strip_prefix("camera:").unwrap_or(spec);
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok()).flatten()
}

#[cfg(feature = "camera")]
fn open_camera(index: u32, options: &OpenOptions) -> Result<Box<dyn Source>, SourceError> {
    let source = super::CameraSource::open(Box::new(super::NativeCameras), index, &options.camera)?;
    Ok(Box::new(source))
}

#[cfg(not(feature = "camera"))]
fn open_camera(_index: u32, _options: &OpenOptions) -> Result<Box<dyn Source>, SourceError> {
    Err(SourceError::NoCameraSupport)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_cameras_and_everything_else_is_a_path() {
        for (spec, expected) in [
            ("0", Some(0)),
            ("camera:12", Some(12)),
            ("./0", None),
            ("0.mp4", None),
            ("camera:", None),
            ("", None),
            ("99999999999", None),
        ] {
            assert_eq!(camera_index(spec), expected, "{spec}");
        }
    }
}
