//! Flags that say what to ask a camera for, and at what rate a folder of images was taken.

use clap::Args;
use handstream::frame::PictureSize;
use handstream::source::{CameraFormat, CameraRequest, OpenOptions};

/// What to ask the source for.
#[derive(Args, Clone)]
pub struct CameraArgs {
    /// Camera: picture size to ask for.
    #[arg(long, value_name = "WxH", value_parser = picture_size)]
    size: Option<PictureSize>,
    /// Camera: frame rate to ask for; folder of images: rate they were taken at.
    #[arg(long, value_name = "FPS", value_parser = clap::value_parser!(u32).range(1..=1000))]
    fps: Option<u32>,
    /// Camera: how pictures travel: mjpeg, yuyv or nv12.
    #[arg(long, value_name = "NAME", value_parser = camera_format)]
    format: Option<CameraFormat>,
}

impl CameraArgs {
    /// How to open the source.
    pub fn options(&self) -> OpenOptions {
        let camera = CameraRequest { size: self.size, fps: self.fps, format: self.format };
        let picture_fps = self.fps.map_or(OpenOptions::default().picture_fps, f64::from);
        OpenOptions { camera, picture_fps }
    }
}

/// Columns and rows as a user types them.
///
/// # Errors
/// What is wrong with them.
pub fn picture_size(text: &str) -> Result<PictureSize, String> {
    let parts = text.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parts
        .filter(|&(width, height)| width > 0 && height > 0)
        .map(|(width, height)| PictureSize::new(width, height))
        .ok_or_else(|| format!("{text} is no size: write for example 1280x720"))
}

fn camera_format(text: &str) -> Result<CameraFormat, String> {
    let known = CameraFormat::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(text));
    known.ok_or_else(|| format!("{text} is none of {}", CameraFormat::ALL.map(CameraFormat::name).join(", ")))
}
