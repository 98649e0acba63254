//! The operating system's cameras through nokhwa: Video4Linux, AVFoundation, Media Foundation.

use std::io::Cursor;
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use image::codecs::jpeg::JpegDecoder;
use image::{ColorType, DynamicImage, ImageDecoder, ImageResult, Limits};
use nokhwa::pixel_format::{FormatDecoder, RgbFormat};
use nokhwa::utils::{
    ApiBackend, CameraFormat as NokhwaMode, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType,
    Resolution,
};
use nokhwa::{Camera, NokhwaError};

use super::{CameraDevice, CameraFormat, CameraMode, CameraName, CameraPicture, CameraSystem};
use crate::frame::PictureSize;

/// How long a user may take to answer the system's question whether the camera may be used.
const PERMISSION_WAIT: Duration = Duration::from_secs(60);
/// An age beyond this comes from a clock that is not ours.
const OLDEST: Duration = Duration::from_secs(1);

const FORMATS: [(FrameFormat, CameraFormat); 3] = [
    (FrameFormat::NV12, CameraFormat::Nv12),
    (FrameFormat::YUYV, CameraFormat::Yuyv),
    (FrameFormat::MJPEG, CameraFormat::Mjpeg),
];

/// The cameras of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeCameras;

impl CameraSystem for NativeCameras {
    fn list(&self) -> Result<Vec<CameraName>, String> {
        ask_permission();
        let cameras = nokhwa::query(ApiBackend::Auto).map_err(words)?;
        let named = |camera: &nokhwa::utils::CameraInfo| {
            let index = camera.index().as_index().ok()?;
            Some(CameraName { index, name: camera.human_name() })
        };
        let mut cameras: Vec<_> = cameras.iter().filter_map(named).collect();
        cameras.sort_by_key(|camera| camera.index);
        Ok(cameras)
    }

    fn open(&self, index: u32) -> Result<Box<dyn CameraDevice>, String> {
        let formats: Vec<_> = FORMATS.iter().map(|(format, _)| *format).collect();
        let any = RequestedFormat::with_formats(RequestedFormatType::None, &formats);
        let camera = Camera::new(CameraIndex::Index(index), any).map_err(words)?;
        Ok(Box::new(NativeCamera(camera)))
    }
}

struct NativeCamera(Camera);

impl CameraDevice for NativeCamera {
    fn modes(&mut self) -> Result<Vec<CameraMode>, String> {
        let known = |mode: NokhwaMode| {
            let (_, format) = *FORMATS.iter().find(|(format, _)| *format == mode.format())?;
            let size = PictureSize::new(mode.width() as usize, mode.height() as usize);
            Some(CameraMode { size, fps: mode.frame_rate(), format })
        };
        let modes = self.0.compatible_camera_formats().map_err(words)?;
        Ok(modes.into_iter().filter_map(known).collect())
    }

    fn start(&mut self, mode: CameraMode) -> Result<(), String> {
        let format = FORMATS
            .iter()
            .find_map(|(theirs, ours)| (*ours == mode.format).then_some(*theirs))
            .ok_or_else(|| format!("{} is not decoded", mode.format.name()))?;
        let size = Resolution::new(mode.size.width as u32, mode.size.height as u32);
        let exact = RequestedFormatType::Exact(NokhwaMode::new(size, format, mode.fps));
        self.0.set_camera_requset(RequestedFormat::with_formats(exact, &[format])).map_err(words)?;
        self.0.open_stream().map_err(words)
    }

    fn next_picture(&mut self, mut pixels: Vec<u8>) -> Result<CameraPicture, String> {
        let buffer = self.0.frame().map_err(words)?;
        let size = decode(buffer.source_frame_format(), buffer.resolution(), buffer.buffer(), &mut pixels)?;
        // After the decoding, which is part of the delay.
        let age = buffer.capture_timestamp().map_or(Duration::ZERO, age);
        Ok(CameraPicture { pixels, size, age })
    }
}

/// RGB of a picture, into `pixels`, and its size. JPEG goes through the image crate, which takes damaged data as an
/// error; nokhwa's own decoder is C and panics.
fn decode(
    format: FrameFormat,
    resolution: Resolution,
    data: &[u8],
    pixels: &mut Vec<u8>,
) -> Result<PictureSize, String> {
    if format == FrameFormat::MJPEG {
        return decode_jpeg(data, pixels).map_err(|error| error.to_string());
    }
    let size = PictureSize::new(resolution.width() as usize, resolution.height() as usize);
    pixels.resize(size.rgb_bytes(), 0);
    RgbFormat::write_output_buffer(format, resolution, data, pixels).map_err(words)?;
    Ok(size)
}

fn decode_jpeg(data: &[u8], pixels: &mut Vec<u8>) -> ImageResult<PictureSize> {
    let decoder = JpegDecoder::new(Cursor::new(data))?;
    // A damaged header must not ask for all memory.
    Limits::default().reserve(decoder.total_bytes())?;
    let (width, height) = decoder.dimensions();
    let size = PictureSize::new(width as usize, height as usize);
    if decoder.color_type() == ColorType::Rgb8 {
        pixels.resize(size.rgb_bytes(), 0);
        decoder.read_image(pixels)?;
    } else {
        *pixels = DynamicImage::from_decoder(decoder)?.into_rgb8().into_raw();
    }
    Ok(size)
}

/// Time since a moment on the wall clock.
fn age(captured: Duration) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.checked_sub(captured).filter(|age| *age < OLDEST).unwrap_or_default()
}

/// macOS asks the user before a program may see cameras; elsewhere the answer comes at once.
fn ask_permission() {
    if nokhwa::nokhwa_check() {
        return;
    }
    let (answer, answered) = mpsc::channel();
    nokhwa::nokhwa_initialize(move |granted| {
        // Nobody listens any more where the user took too long.
        let _ = answer.send(granted);
    });
    if !matches!(answered.recv_timeout(PERMISSION_WAIT), Ok(true)) {
        tracing::warn!("the system has not permitted the camera: allow it in the privacy settings");
    }
}

fn words(error: NokhwaError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use image::ExtendedColorType;
    use image::codecs::jpeg::JpegEncoder;

    use super::*;

    #[test]
    fn packed_and_planar_grey_become_grey_rgb() {
        let size = Resolution::new(2, 2);
        // Luma 126 of 16..235 with neutral chroma is the middle grey.
        for (format, data) in [
            (FrameFormat::YUYV, [126, 128, 126, 128, 126, 128, 126, 128].as_slice()),
            (FrameFormat::NV12, [126, 126, 126, 126, 128, 128].as_slice()),
        ] {
            // Memory of another picture does not shine through.
            let mut pixels = vec![7; 30];
            decode(format, size, data, &mut pixels).unwrap();
            assert_eq!(pixels, [128; 12], "{format}");
        }
    }

    #[test]
    fn damaged_data_is_an_error_in_every_format() {
        let size = Resolution::new(64, 64);
        for format in [FrameFormat::MJPEG, FrameFormat::YUYV, FrameFormat::NV12] {
            assert!(decode(format, size, &[0xFF, 0xD8, 0xFF], &mut Vec::new()).is_err(), "{format}");
        }
    }

    #[test]
    fn a_damaged_header_does_not_ask_for_all_memory() {
        let mut data = Vec::new();
        JpegEncoder::new(&mut data).encode(&[128; 3], 1, 1, ExtendedColorType::Rgb8).unwrap();
        let frame = data.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
        // Height and width stand behind marker, length and precision.
        data[frame + 5..frame + 9].fill(0xFF);
        let mut pixels = Vec::new();
        assert!(decode(FrameFormat::MJPEG, Resolution::new(1, 1), &data, &mut pixels).is_err());
        assert_eq!(pixels.capacity(), 0);
    }
}
