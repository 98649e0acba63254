//! Webcams as a source: which mode to ask for, what to say when there is none.
//!
//! The operating system's cameras come through [`CameraSystem`]; a fake one stands in for them in
//! tests. No thread here: whoever reads a live source keeps up with it.

#[cfg(feature = "camera")]
mod native;

use std::time::{Duration, Instant};

#[cfg(feature = "camera")]
pub use native::NativeCameras;

use super::{Source, SourceError, SourceInfo};
use crate::frame::{Frame, PictureSize, Timestamp};

/// Size chosen where none is asked for: what nearly every webcam has, and more than the networks use.
const USUAL_SIZE: PictureSize = PictureSize { width: 1280, height: 720 };
/// Rates above this are only taken on request: each picture costs its decoding.
const HIGHEST_CHOSEN_FPS: u32 = 60;
/// Modes listed in an error; cameras offer up to a hundred.
const MODES_LISTED: usize = 12;

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
    /// How long ago it was captured, where the driver says.
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

    /// Waits for the next picture.
    ///
    /// # Errors
    /// Where the picture is damaged or the device is gone.
    fn next_picture(&mut self) -> Result<CameraPicture, String>;
}

/// A running camera as a source. Timestamps are times of capture on a clock that starts with it.
pub struct CameraSource {
    info: SourceInfo,
    index: u32,
    device: Box<dyn CameraDevice>,
    started: Instant,
    frames: u64,
}

impl CameraSource {
    /// Opens camera `index` of `system` in the mode that meets `request`.
    ///
    /// # Errors
    /// [`SourceError`] where the camera is absent, in use, or has no such mode; the message lists what
    /// there is.
    pub fn open(system: &dyn CameraSystem, index: u32, request: &CameraRequest) -> Result<Self, SourceError> {
        let failed = |reason: String| camera_error(index, reason);
        let present = system.list().map_err(failed)?;
        let name = present
            .iter()
            .find(|camera| camera.index == index)
            .map(|camera| format!("camera {index} ({})", camera.name))
            .ok_or_else(|| SourceError::CameraAbsent { index, present: name_list(&present) })?;
        let mut device = system.open(index).map_err(failed)?;
        let modes = device.modes().map_err(failed)?;
        let mode = choose(&modes, request)
            .ok_or_else(|| SourceError::CameraMode { index, offered: mode_list(&modes) })?;
        device.start(mode).map_err(failed)?;
        let info = SourceInfo {
            name,
            size: mode.size,
            fps: f64::from(mode.fps),
            frame_count: None,
            live: true,
            camera: None,
        };
        Ok(Self { info, index, device, started: Instant::now(), frames: 0 })
    }
}

impl Source for CameraSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        let failed = |reason| SourceError::CameraPicture { index: self.index, reason };
        let picture = self.device.next_picture().map_err(failed)?;
        let size = self.info.size;
        if picture.size != size || picture.pixels.len() != size.rgb_bytes() {
            return Err(failed(format!("a picture of {} came instead of {size}", picture.size)));
        }
        let captured = self.started.elapsed().saturating_sub(picture.age);
        let timestamp = Timestamp(captured.as_nanos() as i64);
        let sequence = self.frames;
        self.frames += 1;
        Ok(Some(Frame { pixels: picture.pixels, size, timestamp, sequence }))
    }
}

/// The mode that meets the request best; `None` where none meets it.
fn choose(modes: &[CameraMode], request: &CameraRequest) -> Option<CameraMode> {
    let met = |mode: &&CameraMode| {
        request.size.is_none_or(|size| size == mode.size)
            && request.fps.is_none_or(|fps| fps == mode.fps)
            && request.format.is_none_or(|format| format == mode.format)
    };
    let rank = |mode: &&CameraMode| {
        let size = mode.size;
        let off = size.width.abs_diff(USUAL_SIZE.width) + size.height.abs_diff(USUAL_SIZE.height);
        let too_fast = mode.fps > HIGHEST_CHOSEN_FPS;
        let rate = if too_fast { u32::MAX - mode.fps } else { mode.fps };
        (off, too_fast, std::cmp::Reverse(rate), mode.format)
    };
    modes.iter().filter(met).min_by_key(rank).copied()
}

/// Sorts the system's words into the cases a user can do something about.
fn camera_error(index: u32, reason: String) -> SourceError {
    let says = |words: &[&str]| words.iter().any(|word| reason.to_lowercase().contains(word));
    if says(&["busy", "in use", "os error 16"]) {
        SourceError::CameraBusy { index }
    } else if says(&["permission denied", "not authorized", "os error 13"]) {
        SourceError::CameraForbidden { index }
    } else {
        SourceError::Camera { index, reason }
    }
}

fn name_list(cameras: &[CameraName]) -> String {
    if cameras.is_empty() {
        return "none was found".to_owned();
    }
    let names: Vec<_> = cameras.iter().map(|camera| format!("{} {}", camera.index, camera.name)).collect();
    format!("found: {}", names.join(", "))
}

fn mode_list(modes: &[CameraMode]) -> String {
    if modes.is_empty() {
        return "it offers none that can be decoded".to_owned();
    }
    let mut listed: Vec<_> = modes.iter().take(MODES_LISTED).map(CameraMode::to_string).collect();
    if modes.len() > MODES_LISTED {
        listed.push(format!("and {} more", modes.len() - MODES_LISTED));
    }
    format!("it offers {}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: PictureSize = PictureSize { width: 1280, height: 720 };
    const VGA: PictureSize = PictureSize { width: 640, height: 480 };

    fn mode(size: PictureSize, fps: u32, format: CameraFormat) -> CameraMode {
        CameraMode { size, fps, format }
    }

    fn webcam() -> Vec<CameraMode> {
        vec![
            mode(VGA, 30, CameraFormat::Yuyv),
            mode(HD, 10, CameraFormat::Yuyv),
            mode(HD, 30, CameraFormat::Mjpeg),
            mode(HD, 120, CameraFormat::Mjpeg),
            mode(VGA, 30, CameraFormat::Mjpeg),
        ]
    }

    /// A machine with camera 2, which fails where it is told to.
    #[derive(Default)]
    struct Fake {
        refuses: Option<&'static str>,
        delivers: Vec<Result<PictureSize, &'static str>>,
    }

    struct FakeDevice {
        refuses: Option<&'static str>,
        delivers: std::vec::IntoIter<Result<PictureSize, &'static str>>,
    }

    impl CameraSystem for Fake {
        fn list(&self) -> Result<Vec<CameraName>, String> {
            Ok(vec![CameraName { index: 2, name: "Desk camera".to_owned() }])
        }

        fn open(&self, _index: u32) -> Result<Box<dyn CameraDevice>, String> {
            Ok(Box::new(FakeDevice { refuses: self.refuses, delivers: self.delivers.clone().into_iter() }))
        }
    }

    impl CameraDevice for FakeDevice {
        fn modes(&mut self) -> Result<Vec<CameraMode>, String> {
            Ok(webcam())
        }

        fn start(&mut self, _mode: CameraMode) -> Result<(), String> {
            self.refuses.map_or(Ok(()), |reason| Err(reason.to_owned()))
        }

        fn next_picture(&mut self) -> Result<CameraPicture, String> {
            let size = self.delivers.next().ok_or("gone")??;
            Ok(CameraPicture { pixels: vec![0; size.rgb_bytes()], size, age: Duration::ZERO })
        }
    }

    fn error(fake: &Fake, index: u32, request: CameraRequest) -> String {
        CameraSource::open(fake, index, &request).err().expect("must fail").to_string()
    }

    #[test]
    fn without_a_request_the_usual_size_comes_at_its_best_rate() {
        let chosen = choose(&webcam(), &CameraRequest::default());
        assert_eq!(chosen, Some(mode(HD, 30, CameraFormat::Mjpeg)));
        let request = CameraRequest { size: Some(VGA), ..CameraRequest::default() };
        assert_eq!(choose(&webcam(), &request), Some(mode(VGA, 30, CameraFormat::Yuyv)));
        let request = CameraRequest { fps: Some(120), ..CameraRequest::default() };
        assert_eq!(choose(&webcam(), &request), Some(mode(HD, 120, CameraFormat::Mjpeg)));
    }

    #[test]
    fn an_absent_camera_is_answered_with_those_that_are_there() {
        let said = error(&Fake::default(), 0, CameraRequest::default());
        assert!(said.contains("camera 0") && said.contains("2 Desk camera"), "{said}");
    }

    #[test]
    fn a_busy_camera_and_a_forbidden_one_are_told_apart() {
        let busy =
            Fake { refuses: Some("V4L2 Error: Device or resource busy (os error 16)"), ..Fake::default() };
        let said = error(&busy, 2, CameraRequest::default());
        assert!(said.contains("another program"), "{said}");
        let forbidden = Fake { refuses: Some("Permission denied (os error 13)"), ..Fake::default() };
        let said = error(&forbidden, 2, CameraRequest::default());
        assert!(said.contains("group video"), "{said}");
    }

    #[test]
    fn a_mode_the_camera_has_not_is_answered_with_its_modes() {
        let request = CameraRequest { size: Some(PictureSize::new(1, 1)), ..CameraRequest::default() };
        let said = error(&Fake::default(), 2, request);
        assert!(said.contains("640x480 30 fps yuyv"), "{said}");
    }

    #[test]
    fn a_damaged_picture_is_an_error_and_the_next_one_comes() {
        let fake = Fake { delivers: vec![Ok(HD), Err("damaged"), Ok(VGA), Ok(HD)], ..Fake::default() };
        let mut source = CameraSource::open(&fake, 2, &CameraRequest::default()).unwrap();
        assert!(source.info().live);
        let first = source.next_frame().unwrap().unwrap();
        assert!(source.next_frame().is_err() && source.next_frame().is_err());
        let last = source.next_frame().unwrap().unwrap();
        assert_eq!((first.sequence, last.sequence), (0, 1));
        assert!(last.timestamp > first.timestamp);
    }
}
