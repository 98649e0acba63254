//! A machine with one camera, for tests: it does what it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::{CameraDevice, CameraFormat, CameraMode, CameraName, CameraPicture, CameraSystem};
use crate::frame::PictureSize;

pub const HD: PictureSize = PictureSize { width: 1280, height: 720 };
pub const VGA: PictureSize = PictureSize { width: 640, height: 480 };

pub fn mode(size: PictureSize, fps: u32, format: CameraFormat) -> CameraMode {
    CameraMode { size, fps, format }
}

/// The modes of an ordinary webcam.
pub fn webcam() -> Vec<CameraMode> {
    vec![
        mode(VGA, 30, CameraFormat::Yuyv),
        mode(HD, 10, CameraFormat::Yuyv),
        mode(HD, 30, CameraFormat::Mjpeg),
        mode(HD, 120, CameraFormat::Mjpeg),
        mode(VGA, 30, CameraFormat::Mjpeg),
    ]
}

/// What the camera answers when it is asked for a picture.
#[derive(Clone)]
pub enum Delivery {
    Picture(PictureSize),
    Fails(&'static str),
}

/// A machine whose camera 2 is a desk camera, unless it is told otherwise.
#[derive(Clone)]
pub struct StandIn(Arc<Mutex<State>>);

struct State {
    index: Option<u32>,
    refuses: Option<&'static str>,
    refuses_once: Option<&'static str>,
    refused_format: Option<CameraFormat>,
    deliveries: VecDeque<Delivery>,
    started: Vec<CameraMode>,
}

impl Default for StandIn {
    fn default() -> Self {
        Self::delivering([])
    }
}

impl StandIn {
    pub fn delivering(deliveries: impl IntoIterator<Item = Delivery>) -> Self {
        Self(Arc::new(Mutex::new(State {
            index: Some(2),
            refuses: None,
            refuses_once: None,
            refused_format: None,
            deliveries: deliveries.into_iter().collect(),
            started: Vec::new(),
        })))
    }

    pub fn refusing(words: &'static str) -> Self {
        let stand_in = Self::default();
        stand_in.state().refuses = Some(words);
        stand_in
    }

    pub fn without_cameras() -> Self {
        let stand_in = Self::default();
        stand_in.unplug();
        stand_in
    }

    pub fn unplug(&self) {
        self.state().index = None;
    }

    pub fn plug(&self, index: u32) {
        self.state().index = Some(index);
    }

    pub fn refuse_once(&self, words: &'static str) {
        self.state().refuses_once = Some(words);
    }

    pub fn refuse_format(&self, format: CameraFormat) {
        self.state().refused_format = Some(format);
    }

    /// Every mode that was started, in order.
    pub fn started(&self) -> Vec<CameraMode> {
        self.state().started.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl CameraSystem for StandIn {
    fn list(&self) -> Result<Vec<CameraName>, String> {
        let named = |index| CameraName { index, name: "Desk camera".to_owned() };
        Ok(self.state().index.map(named).into_iter().collect())
    }

    fn open(&self, _index: u32) -> Result<Box<dyn CameraDevice>, String> {
        let mut state = self.state();
        match state.refuses_once.take().or(state.refuses) {
            Some(words) => Err(words.to_owned()),
            None => Ok(Box::new(self.clone())),
        }
    }
}

impl CameraDevice for StandIn {
    fn modes(&mut self) -> Result<Vec<CameraMode>, String> {
        Ok(webcam())
    }

    fn start(&mut self, mode: CameraMode) -> Result<(), String> {
        let mut state = self.state();
        if state.refused_format == Some(mode.format) {
            return Err("format rejected".to_owned());
        }
        state.started.push(mode);
        Ok(())
    }

    fn next_picture(&mut self, mut pixels: Vec<u8>) -> Result<CameraPicture, String> {
        match self.state().deliveries.pop_front() {
            Some(Delivery::Picture(size)) => {
                pixels.resize(size.rgb_bytes(), 128);
                Ok(CameraPicture { pixels, size, age: Duration::ZERO })
            }
            Some(Delivery::Fails(words)) => Err(words.to_owned()),
            None => Err("nothing left to deliver".to_owned()),
        }
    }
}
