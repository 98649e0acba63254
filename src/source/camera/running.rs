//! A running camera as a source: it survives what cameras do.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::choice::choose;
use super::watch::{Note, Watch};
use super::{CameraDevice, CameraMode, CameraName, CameraPicture, CameraRequest, CameraSystem, camera_error};
use crate::frame::{Frame, Timestamp};
use crate::source::{Source, SourceError, SourceInfo, SpareMemory};

/// Modes listed in an error; cameras offer up to a hundred.
const MODES_LISTED: usize = 12;
/// So many bad pictures in a row, and the camera is opened anew.
const BAD_IN_A_ROW: u32 = 5;
/// Time between two looks for a camera that is gone.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A running camera as a source. Timestamps are times of capture on a clock that starts with it.
///
/// A camera that is unplugged, stops, or gives one bad picture after another is said to be
/// [gone](SourceError::CameraGone) and looked for until it is back; one that never gave a good picture in
/// its mode is then tried in the next best mode of the same size. Slow and black pictures are said once.
pub struct CameraSource {
    info: SourceInfo,
    system: Box<dyn CameraSystem + Send>,
    camera: CameraName,
    device: Option<Box<dyn CameraDevice>>,
    /// Modes of the size that was opened, the best first.
    modes: Vec<CameraMode>,
    /// The mode in use.
    mode: usize,
    /// Good pictures since the camera was opened in this mode.
    good: u64,
    bad_in_a_row: u32,
    watch: Watch,
    /// What the watch noticed about the last frame.
    note: Option<Note>,
    started: Instant,
    last: Option<Timestamp>,
    frames: u64,
    spare: SpareMemory,
}

impl CameraSource {
    /// Opens camera `index` of `system` in the mode that meets `request` best and can be started.
    ///
    /// # Errors
    /// [`SourceError`] where the camera is absent, in use, or has no such mode; the message lists what
    /// there is.
    pub fn open(
        system: Box<dyn CameraSystem + Send>,
        index: u32,
        request: &CameraRequest,
    ) -> Result<Self, SourceError> {
        let failed = |reason: String| camera_error(index, reason);
        let present = system.list().map_err(|reason| SourceError::Cameras { reason })?;
        let camera = present
            .iter()
            .find(|camera| camera.index == index)
            .ok_or_else(|| SourceError::CameraAbsent { index, present: name_list(&present) })?
            .clone();
        let mut device = system.open(index).map_err(failed)?;
        let offered = device.modes().map_err(failed)?;
        let mut modes = choose(&offered, request);
        let Some(&best) = modes.first() else {
            return Err(SourceError::CameraMode { index, offered: mode_list(&offered) });
        };
        modes.retain(|mode| mode.size == best.size);
        let (mode, device) = start_any(&*system, index, device, &modes)?;
        let fps = f64::from(modes[mode].fps);
        let info = SourceInfo {
            name: format!("camera {index} ({})", camera.name),
            size: best.size,
            fps,
            frame_count: None,
            live: true,
            camera: None,
        };
        Ok(Self {
            info,
            system,
            camera,
            device: Some(device),
            modes,
            mode,
            good: 0,
            bad_in_a_row: 0,
            watch: Watch::new(fps),
            note: None,
            started: Instant::now(),
            last: None,
            frames: 0,
            spare: SpareMemory::default(),
        })
    }

    fn frame(&mut self, picture: CameraPicture) -> Result<Frame, SourceError> {
        let size = self.info.size;
        if picture.size != size || picture.pixels.len() != size.rgb_bytes() {
            return Err(self.bad(format!("a picture of {} came instead of {size}", picture.size)));
        }
        let captured = self.started.elapsed().saturating_sub(picture.age).as_nanos() as i64;
        // The driver's clock may tremble; frames must not change places.
        let timestamp = Timestamp(self.last.map_or(captured, |last| captured.max(last.0 + 1)));
        let frame = Frame { pixels: picture.pixels, size, timestamp, sequence: self.frames };
        self.last = Some(timestamp);
        self.frames += 1;
        self.good += 1;
        self.bad_in_a_row = 0;
        self.note = self.watch.see(&frame);
        Ok(frame)
    }

    /// Counts a picture that did not come; after some the camera itself is given up until it is back.
    fn bad(&mut self, reason: String) -> SourceError {
        let index = self.camera.index;
        self.bad_in_a_row += 1;
        let gone = matches!(camera_error(index, reason.clone()), SourceError::CameraGone { .. });
        if !gone && self.bad_in_a_row < BAD_IN_A_ROW {
            return SourceError::CameraPicture { index, reason };
        }
        self.device = None;
        SourceError::CameraGone { index, reason }
    }

    /// Looks for a camera that is gone.
    fn look_again(&mut self) -> Result<(), SourceError> {
        sleep(LOOK_EVERY);
        let index = self.camera.index;
        let gone = |reason: String| match camera_error(index, reason) {
            SourceError::Camera { index, reason } => SourceError::CameraGone { index, reason },
            told => told,
        };
        let present = self.system.list().map_err(gone)?;
        // Another number may be free now, so the name counts, where only one camera has it.
        let mut same_name = present.iter().filter(|camera| camera.name == self.camera.name);
        let found = match (same_name.next(), same_name.next()) {
            (Some(only), None) => Some(only),
            _ => present.iter().find(|camera| camera.index == index),
        };
        let found = found.ok_or_else(|| gone("no such device".into()))?.index;
        let mut device = self.system.open(found).map_err(gone)?;
        if self.good == 0 {
            self.mode = (self.mode + 1) % self.modes.len();
        }
        device.start(self.modes[self.mode]).map_err(gone)?;
        self.device = Some(device);
        (self.good, self.bad_in_a_row) = (0, 0);
        self.watch = Watch::new(f64::from(self.modes[self.mode].fps));
        Ok(())
    }
}

impl Source for CameraSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        let index = self.camera.index;
        match self.note.take() {
            Some(Note::Slow { measured, promised }) => {
                return Err(SourceError::CameraRate { index, measured, promised });
            }
            Some(Note::Dark) => return Err(SourceError::CameraDark { index }),
            None => {}
        }
        if self.device.is_none() {
            self.look_again()?;
        }
        let Self { device, spare, .. } = self;
        match device.as_mut().map(|device| device.next_picture(spare.take())) {
            Some(Ok(picture)) => self.frame(picture).map(Some),
            Some(Err(reason)) => Err(self.bad(reason)),
            None => Ok(None),
        }
    }

    fn clock(&self) -> Option<Timestamp> {
        Some(Timestamp(self.started.elapsed().as_nanos() as i64))
    }

    fn take_back(&mut self, pixels: Vec<u8>) {
        self.spare.keep(pixels);
    }
}

/// Starts the first of `modes` that the camera takes, and says which.
fn start_any(
    system: &dyn CameraSystem,
    index: u32,
    mut device: Box<dyn CameraDevice>,
    modes: &[CameraMode],
) -> Result<(usize, Box<dyn CameraDevice>), SourceError> {
    let mut first_failure = None;
    for (number, mode) in modes.iter().enumerate() {
        match device.start(*mode).map_err(|reason| camera_error(index, reason)) {
            Ok(()) => return Ok((number, device)),
            // Another mode may work: some drivers list formats that they then refuse.
            Err(failure @ SourceError::Camera { .. }) => _ = first_failure.get_or_insert(failure),
            Err(failure) => return Err(failure),
        }
        drop(device);
        device = system.open(index).map_err(|reason| camera_error(index, reason))?;
    }
    Err(first_failure.unwrap_or_else(|| SourceError::CameraMode { index, offered: mode_list(modes) }))
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
    use super::super::CameraFormat;
    use super::super::stand_in::{Delivery, HD, StandIn, VGA, mode};
    use super::*;
    use crate::frame::PictureSize;

    fn opened(stand_in: &StandIn) -> CameraSource {
        CameraSource::open(Box::new(stand_in.clone()), 2, &CameraRequest::default()).unwrap()
    }

    fn error(stand_in: StandIn, index: u32, request: CameraRequest) -> String {
        CameraSource::open(Box::new(stand_in), index, &request).err().expect("must fail").to_string()
    }

    #[test]
    fn an_absent_camera_is_answered_with_those_that_are_there() {
        let said = error(StandIn::default(), 0, CameraRequest::default());
        assert!(said.contains("camera 0") && said.contains("2 Desk camera"), "{said}");
    }

    #[test]
    fn a_busy_camera_and_a_forbidden_one_are_told_apart() {
        let busy = StandIn::refusing("V4L2 Error: Device or resource busy (os error 16)");
        let said = error(busy, 2, CameraRequest::default());
        assert!(said.contains("another program"), "{said}");
        let said = error(StandIn::refusing("Permission denied (os error 13)"), 2, CameraRequest::default());
        assert!(said.contains("group video"), "{said}");
    }

    #[test]
    fn a_mode_the_camera_has_not_is_answered_with_its_modes() {
        let request = CameraRequest { size: Some(PictureSize::new(1, 1)), ..CameraRequest::default() };
        let said = error(StandIn::default(), 2, request);
        assert!(said.contains("640x480 30 fps yuyv"), "{said}");
    }

    #[test]
    fn a_damaged_picture_is_an_error_and_the_next_one_comes() {
        let stand_in = StandIn::delivering([
            Delivery::Picture(HD),
            Delivery::Fails("damaged"),
            Delivery::Picture(VGA),
            Delivery::Picture(HD),
        ]);
        let mut source = opened(&stand_in);
        assert!(source.info().live);
        let first = source.next_frame().unwrap().unwrap();
        for _ in 0..2 {
            let error = source.next_frame().unwrap_err();
            assert!(matches!(error, SourceError::CameraPicture { .. }) && error.passes(), "{error}");
        }
        let last = source.next_frame().unwrap().unwrap();
        assert_eq!((first.sequence, last.sequence), (0, 1));
        assert!(last.timestamp > first.timestamp && source.clock().unwrap() >= last.timestamp);
    }

    #[test]
    fn an_unplugged_camera_is_said_to_be_gone_and_goes_on_when_it_is_back() {
        let stand_in = StandIn::delivering([
            Delivery::Picture(HD),
            Delivery::Fails("VIDIOC_DQBUF: No such device (os error 19)"),
            Delivery::Picture(HD),
        ]);
        let mut source = opened(&stand_in);
        source.next_frame().unwrap().unwrap();
        stand_in.unplug();
        let gone = source.next_frame().unwrap_err();
        assert!(gone.passes() && gone.to_string().contains("plug it in again"), "{gone}");
        let still_gone = source.next_frame().unwrap_err();
        assert!(matches!(still_gone, SourceError::CameraGone { .. }), "{still_gone}");
        stand_in.plug(7);
        assert_eq!(source.next_frame().unwrap().unwrap().sequence, 1, "found by its name, not its number");
        assert_eq!(stand_in.started(), vec![mode(HD, 30, CameraFormat::Mjpeg); 2]);
    }

    #[test]
    fn a_camera_that_comes_back_busy_says_so_and_is_tried_again() {
        let stand_in =
            StandIn::delivering([Delivery::Fails("No such device (os error 19)"), Delivery::Picture(HD)]);
        let mut source = opened(&stand_in);
        assert!(source.next_frame().is_err());
        stand_in.refuse_once("Device or resource busy (os error 16)");
        let busy = source.next_frame().unwrap_err();
        assert!(matches!(busy, SourceError::CameraBusy { .. }) && busy.passes(), "{busy}");
        assert!(source.next_frame().unwrap().is_some());
    }

    #[test]
    fn a_format_that_never_gives_a_good_picture_is_left_for_the_next_best() {
        let damaged = || Delivery::Fails("no JPEG");
        let stand_in = StandIn::delivering([
            damaged(),
            damaged(),
            damaged(),
            damaged(),
            damaged(),
            Delivery::Picture(HD),
        ]);
        let mut source = opened(&stand_in);
        let told: Vec<_> = (0..5).map(|_| source.next_frame().unwrap_err()).collect();
        assert!(matches!(told[4], SourceError::CameraGone { .. }), "{}", told[4]);
        assert!(source.next_frame().unwrap().is_some());
        let expected = [mode(HD, 30, CameraFormat::Mjpeg), mode(HD, 10, CameraFormat::Yuyv)];
        assert_eq!(stand_in.started(), expected);
    }

    #[test]
    fn a_mode_that_cannot_be_started_is_left_for_the_next_best() {
        let stand_in = StandIn::delivering([Delivery::Picture(HD)]);
        stand_in.refuse_format(CameraFormat::Mjpeg);
        let source = opened(&stand_in);
        assert_eq!(stand_in.started(), [mode(HD, 10, CameraFormat::Yuyv)]);
        assert_eq!(source.info().fps, 10.0);
    }
}
