//! Flags that say what is known of the camera.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use handstream::geometry::CameraModel;
use handstream::source::{IntrinsicsChoice, SourceInfo, intrinsics_for};

/// Where the intrinsics come from; without any of these they are a stated guess.
#[derive(Args, Clone)]
#[group(multiple = false)]
pub struct IntrinsicsArgs {
    /// Intrinsics from a file: OpenCV or ROS yaml, or one line `fx fy cx cy [k1 k2 p1 p2 [k3]]`.
    #[arg(long, value_name = "FILE")]
    camera_file: Option<PathBuf>,
    /// Focal length in pixels.
    #[arg(long, value_name = "PX")]
    focal: Option<f64>,
    /// Horizontal field of view in degrees.
    #[arg(long, value_name = "DEG")]
    fov: Option<f64>,
}

impl IntrinsicsArgs {
    /// The camera of `source`: from the flags, from the source itself, or a guess that is told.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn camera(&self, source: &SourceInfo) -> Result<CameraModel> {
        let camera = match (&source.camera, self.choice()) {
            (Some(known), IntrinsicsChoice::Guess) => known.clone(),
            (_, choice) => intrinsics_for(&choice, source.size)?,
        };
        if camera.guessed {
            eprintln!(
                "note: no intrinsics given; a focal length of {:.0} px is assumed, so distances are as wrong \
                 as that guess (--camera-file, --focal or --fov)",
                camera.focal()
            );
        }
        Ok(camera)
    }

    fn choice(&self) -> IntrinsicsChoice {
        match (&self.camera_file, self.focal, self.fov) {
            (Some(path), _, _) => IntrinsicsChoice::File(path.clone()),
            (None, Some(focal), _) => IntrinsicsChoice::Focal(focal),
            (None, None, Some(degrees)) => IntrinsicsChoice::FieldOfView(degrees),
            (None, None, None) => IntrinsicsChoice::Guess,
        }
    }
}
