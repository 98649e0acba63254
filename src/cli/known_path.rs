//! Flags of a camera path that is known beforehand.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use handstream::frame::Timestamp;
use handstream::output::read_path;
use handstream::slam::{KnownPath, KnownPathConfig};

/// A known path and how its clock stands to the source's.
#[derive(Args)]
pub struct KnownPathArgs {
    /// A path that is known in metres (TUM or EuRoC form, the camera's own poses) in place of odometry.
    #[arg(long, value_name = "FILE", conflicts_with = "camera")]
    camera_path: Option<PathBuf>,
    /// Time of the source's zero on that path's clock, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, requires = "camera_path")]
    camera_path_start: f64,
}

impl KnownPathArgs {
    /// The file, if one was given.
    pub fn file(&self) -> Option<&Path> {
        self.camera_path.as_deref()
    }

    /// The path for a source of `fps` frames a second, if one was given.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn read(&self, fps: f64) -> Result<Option<KnownPath>> {
        let Some(file) = self.file() else { return Ok(None) };
        let start = self.camera_path_start;
        ensure!(start.is_finite(), "{start} is no time: give --camera-path-start in seconds");
        let path = read_path(file)?.placed_in_time(Some(fps));
        let path = path.with_context(|| format!("the poses of {} have no times", file.display()))?;
        let config = KnownPathConfig { start: Timestamp::from_seconds(start), ..KnownPathConfig::default() };
        Ok(Some(KnownPath::new(path, config)))
    }

    /// What to tell where no frame has a pose although there is a path.
    pub fn nowhere(file: &Path) -> String {
        format!(
            "no frame lies within the times of {}: give the first frame's time on that clock with \
             --camera-path-start",
            file.display()
        )
    }
}
