//! What `track` and `demo` share: one source through the engine into files, film and progress bar.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use handstream::engine::{
    AsPaused, Delivery, FrontEnd, FrontEndConfig, FrontEndError, HandFrontEnd, OnPath, Run, SecondPass,
    Supply, Watchdog,
};
use handstream::event::{Event, RunInfo};
use handstream::geometry::CameraModel;
use handstream::hand::HandModel;
use handstream::output::{RunFiles, Summary};
use handstream::slam::KnownPath;
use handstream::source::{Source, SourceInfo};
#[cfg(feature = "render")]
use handstream::view::OverlayFilm;

#[cfg(not(feature = "render"))]
use super::no_film::OverlayFilm;
use super::progress::Progress;
use super::setup;

/// One run, ready to start.
pub struct Pipeline {
    /// Where the frames come from.
    pub source: Supply<Box<dyn Source>>,
    /// What is known of the run, the intrinsics in use among it.
    pub info: RunInfo,
    /// The hand to fit.
    pub model: Arc<HandModel>,
    /// Settings of the front end.
    pub config: FrontEndConfig,
    /// Where the camera went, if that is known.
    pub path: Option<KnownPath>,
    /// The second pass, if there is one.
    pub second_pass: Option<SecondPass>,
    /// Every frame, or the newest.
    pub delivery: Delivery,
    /// How long workers may take.
    pub watchdog: Watchdog,
    /// Folder for the results.
    pub out: PathBuf,
    /// Whether to film the overlay.
    pub overlay: bool,
    /// Stop after so many frames.
    pub limit: Option<u64>,
    /// Where the work behind frames gave way, in a run that is played again.
    pub pauses: Option<HashMap<u64, u64>>,
}

impl Pipeline {
    /// Runs to the end, to the limit or to Ctrl-C, and completes the files. `also` sees every event.
    ///
    /// # Errors
    /// One sentence for the user; what was complete stays.
    pub fn run(self, mut also: impl FnMut(&Event)) -> Result<Summary> {
        let front_end = self.front_end()?;
        let stop = Arc::new(AtomicBool::new(false));
        let interrupted = stop.clone();
        ctrlc::set_handler(move || interrupted.store(true, Ordering::Relaxed))
            .context("Ctrl-C cannot be caught on this system")?;

        let mut files = RunFiles::create(&self.out, self.second_pass.is_some())?;
        let film_path = self.out.join("overlay.mp4");
        let mut film = if self.overlay {
            Some(OverlayFilm::create(&film_path, &self.info, self.model.clone(), self.second_pass.is_some())?)
        } else {
            None
        };
        let mut progress = Progress::new();
        let (mut frames, mut last_warning) = (0, None);
        let run = Run {
            source: self.source,
            front_end,
            info: self.info,
            delivery: self.delivery,
            second_pass: self.second_pass,
            watchdog: self.watchdog,
            stop: stop.clone(),
        };
        run.follow(|event| -> Result<()> {
            let full = self.limit.is_some_and(|limit| frames >= limit);
            if full && matches!(event, Event::Frame { .. } | Event::Dropped { .. }) {
                // Already under way when the last one asked for arrived.
                return Ok(());
            }
            files.event(event)?;
            match (&mut film, event) {
                (Some(film), Event::Frame { frame, hands }) => film.frame(frame, hands)?,
                (Some(film), Event::Refined(refinement)) => film.refined(refinement),
                _ => {}
            }
            match event {
                Event::Warning(sentence) => last_warning = Some(sentence.clone()),
                Event::Trouble(trouble) => last_warning = Some(trouble.to_string()),
                _ => {}
            }
            frames += u64::from(matches!(event, Event::Frame { .. }));
            if self.limit.is_some_and(|limit| frames >= limit) {
                stop.store(true, Ordering::Relaxed);
            }
            progress.event(event);
            also(event);
            Ok(())
        })?;
        if frames == 0 {
            bail!(last_warning.unwrap_or_else(|| "the source held no frame: check the file".into()));
        }
        if let Some(film) = film {
            film.finish()?;
        }
        Ok(files.finish()?)
    }

    /// What is known of a run of a source that ends after `limit` frames.
    pub fn run_info(
        info: &SourceInfo,
        camera: &CameraModel,
        model: &HandModel,
        limit: Option<u64>,
    ) -> RunInfo {
        RunInfo {
            source: info.name.clone(),
            size: info.size,
            fps: info.fps,
            frame_count: info.frame_count.map(|count| limit.map_or(count, |limit| count.min(limit))),
            camera: camera.clone(),
            hand_model: model.name().to_string(),
        }
    }

    /// The front end, and the next one should it fail.
    fn front_end(&self) -> Result<Supply<Box<dyn FrontEnd>>> {
        let (files, model, camera) = (setup::models()?, self.model.clone(), self.info.camera.clone());
        let (config, pauses) = (self.config.clone(), self.pauses.clone());
        let path = self.path.clone().map(|path| Arc::new(Mutex::new(path)));
        let make = move || -> Result<Box<dyn FrontEnd>, FrontEndError> {
            let front_end = HandFrontEnd::new(&files, model.clone(), camera.clone(), config.clone())?;
            Ok(match (&path, &pauses) {
                (None, None) => Box::new(front_end),
                (None, Some(pauses)) => Box::new(AsPaused::new(front_end, pauses.clone())),
                (Some(path), None) => Box::new(OnPath::new(front_end, path.clone())),
                (Some(path), Some(pauses)) => {
                    Box::new(OnPath::new(AsPaused::new(front_end, pauses.clone()), path.clone()))
                }
            })
        };
        Ok(Supply::renewable(make()?, move || make().map_err(|error| error.to_string())))
    }
}
