//! What decides the hands of a run, apart from its pictures.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use handstream::engine::{Delivery, FrontEndConfig, SecondPass, Watchdog};
use handstream::event::RunInfo;
use handstream::geometry::CameraModel;
use handstream::hand::HandModel;
use handstream::slam::KnownPath;
use handstream::source::Source;

use super::pipeline::Pipeline;
use super::track::TrackArgs;

/// Hand, front end and the camera's way, as flags say.
pub struct Settings {
    /// The hand to fit.
    pub model: Arc<HandModel>,
    /// Settings of the front end.
    pub config: FrontEndConfig,
    /// Where the camera went, if that is known.
    pub path: Option<KnownPath>,
    /// How long workers may take.
    pub watchdog: Watchdog,
}

impl Settings {
    /// Every frame of `source` through these settings into `out`; with the second pass of `track` where there is
    /// one.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn pipeline(
        self,
        source: Box<dyn Source>,
        camera: CameraModel,
        track: Option<&TrackArgs>,
        out: PathBuf,
        overlay: bool,
    ) -> Result<Pipeline> {
        let delivery = Delivery::Every;
        let run = Pipeline::run_info(source.info(), &camera, &self.model, None);
        let second_pass = track.map(|track| self.second_pass(track, &run, delivery)).transpose()?;
        Ok(Pipeline {
            source: source.into(),
            info: run,
            model: self.model,
            config: self.config,
            path: self.path,
            second_pass: second_pass.flatten(),
            delivery,
            watchdog: self.watchdog,
            out,
            overlay,
            limit: None,
            pauses: Default::default(),
        })
    }

    /// The second pass that the flags of `track` ask for.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn second_pass(
        &self,
        track: &TrackArgs,
        run: &RunInfo,
        delivery: Delivery,
    ) -> Result<Option<SecondPass>> {
        let (args, limit) = (track.second_pass(), track.limit());
        args.start(&self.model, run, delivery, self.path.is_some(), limit, &self.watchdog)
    }
}
