//! `handstream live [SOURCE]`: the hands on the screen while they move.

#[cfg(feature = "window")]
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use handstream::detect::Search;
use handstream::engine::{
    Delivery, FrontEndConfig, HandFrontEnd, Run, SecondPass, Session, Supply, Watchdog,
};
use handstream::event::{Event, RunInfo};
use handstream::hand::HandModel;
use handstream::source::{Source, SourceError, open};
use handstream::view::live::LiveFeed;
#[cfg(feature = "window")]
use handstream::view::live::{LiveWindow, WindowOptions};

use super::camera_request::CameraArgs;
use super::intrinsics::IntrinsicsArgs;
use super::record::{RecordArgs, Recording};
use super::second_pass::SecondPassArgs;
use super::settings::Settings;
use super::setup;
use super::workers::WorkerArgs;

/// What a user types for the built-in scene, and how long it goes on.
const DEMO: &str = "demo";
#[cfg(feature = "render")]
const DEMO_SECONDS: f64 = 600.0;
/// Time between two lines without a window, and between two looks whether the run is over.
const LINE_EVERY: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Args, Clone)]
pub struct LiveArgs {
    /// `0`, `1`, … for a camera, a video file or a folder of images at their own speed, or `demo` for the
    /// built-in scene; default: the first camera.
    source: Option<String>,
    /// No window: print the numbers once a second.
    #[arg(long)]
    headless: bool,
    /// Stop after N frames, and close the window.
    #[arg(long, value_name = "N")]
    frames: Option<u64>,
    /// Folder for the stills that the key `s` takes.
    #[cfg(feature = "window")]
    #[arg(long, value_name = "DIR", default_value = "out/live")]
    out: PathBuf,
    /// Most hands followed at once.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    max_hands: u8,
    /// The picture is mirrored, as selfie cameras show it.
    #[arg(long)]
    mirrored: bool,
    #[command(flatten)]
    intrinsics: IntrinsicsArgs,
    #[command(flatten)]
    second_pass: SecondPassArgs,
    #[command(flatten)]
    workers: WorkerArgs,
    #[command(flatten)]
    record: RecordArgs,
    #[command(flatten)]
    camera: CameraArgs,
}

impl LiveArgs {
    /// Shows the hands until the user closes the window, presses Ctrl-C, or the frames asked for are over.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        // Before the camera is switched on: without a display it would be for nothing.
        let screen = Screen::connect(self.headless)?;
        let model = Arc::new(HandModel::open());
        let source = self.source(&model)?;
        let info = source.info();
        let paced = !info.live;
        let camera = self.intrinsics.camera(info)?;
        let run_info = RunInfo {
            source: info.name.clone(),
            size: info.size,
            fps: info.fps,
            frame_count: info.frame_count,
            camera: camera.clone(),
            hand_model: model.name().to_string(),
        };
        let Settings { config, watchdog, .. } = self.settings();
        let (delivery, limit) = (Delivery::Newest { paced }, self.frames);
        let second_pass = self.second_pass.start(&model, &run_info, delivery, false, limit, &watchdog)?;
        let second_pass = second_pass.map(SecondPass::left_when_stopped);
        #[cfg(feature = "window")]
        let refined = second_pass.is_some();
        let front_end = HandFrontEnd::supply(&setup::models()?, &model, &camera, &config)?;

        let stop = Arc::new(AtomicBool::new(false));
        let interrupted = stop.clone();
        ctrlc::set_handler(move || interrupted.store(true, Ordering::Relaxed))
            .context("Ctrl-C cannot be caught on this system")?;
        let feed = Arc::new(screen.feed());
        let run = Run {
            source: self.again(source, &model),
            front_end,
            info: run_info.clone(),
            delivery,
            second_pass,
            watchdog,
            stop: stop.clone(),
        };
        let name = self.source.as_deref().unwrap_or_default();
        let recording = self.record.start(name, &run.info, run.delivery)?;
        let recording = Arc::new(Mutex::new(recording));
        let session = Session::start(run, listener(feed.clone(), stop, self.frames, recording.clone()))?;
        match screen {
            #[cfg(feature = "window")]
            Screen::Window(window) => {
                let options = self.window_options(refined);
                window.show(run_info, model, feed.clone(), options)?;
            }
            Screen::None => print_numbers(&feed, &session),
        }
        let in_order = session.stop();
        if let Some(recording) = recording.lock().unwrap_or_else(PoisonError::into_inner).take() {
            recording.finish()?;
        }
        let numbers = feed.numbers();
        println!("{numbers}");
        match (in_order, numbers.frames) {
            (false, _) => {
                bail!("the source does not answer any more: unplug the camera and plug it in again")
            }
            (true, 0) => bail!(numbers.warning.unwrap_or_else(|| "the source gave no frame".into())),
            (true, _) => Ok(()),
        }
    }

    #[cfg(feature = "window")]
    fn window_options(&self, second_pass: bool) -> WindowOptions {
        WindowOptions {
            stills: self.out.clone(),
            second_pass,
            mirrored: false,
            close_at_end: self.frames.is_some(),
        }
    }

    /// What the flags say of the hands of a run.
    pub fn settings(&self) -> Settings {
        let mut config = FrontEndConfig::default();
        config.tracker.max_hands = usize::from(self.max_hands);
        config.tracker.mirrored = self.mirrored;
        config.tracker.search = Search::Behind;
        config.pin = self.workers.pin();
        let watchdog = self.workers.watchdog(Watchdog::default());
        Settings { model: Arc::new(HandModel::open()), config, path: None, watchdog }
    }

    /// The source, and a camera again whenever its thread has panicked or hangs.
    fn again(&self, source: Box<dyn Source>, model: &Arc<HandModel>) -> Supply<Box<dyn Source>> {
        if !source.info().live {
            return source.into();
        }
        let (args, model) = (self.clone(), model.clone());
        Supply::renewable(source, move || args.source(&model).map_err(|error| error.to_string()))
    }

    fn source(&self, model: &Arc<HandModel>) -> Result<Box<dyn Source>> {
        if self.source.as_deref() == Some(DEMO) {
            return demo(model);
        }
        let options = self.camera.options();
        match &self.source {
            Some(source) => Ok(open(source, &options)?),
            None => Ok(open(&first_camera()?, &options)?),
        }
    }
}

/// What the user looks at.
enum Screen {
    /// A terminal.
    None,
    #[cfg(feature = "window")]
    Window(Box<LiveWindow>),
}

impl Screen {
    #[cfg(feature = "window")]
    fn connect(headless: bool) -> Result<Self> {
        Ok(if headless { Self::None } else { Self::Window(Box::new(LiveWindow::connect()?)) })
    }

    #[cfg(not(feature = "window"))]
    fn connect(headless: bool) -> Result<Self> {
        anyhow::ensure!(
            headless,
            "this build opens no window: build it with the feature `window`, or add --headless for the numbers \
             alone"
        );
        Ok(Self::None)
    }

    fn feed(&self) -> LiveFeed {
        match self {
            Self::None => LiveFeed::new(|| ()),
            #[cfg(feature = "window")]
            Self::Window(window) => LiveFeed::new(window.waker()),
        }
    }
}

/// A line a second until the run is over.
fn print_numbers(feed: &LiveFeed, session: &Session) {
    let mut printed = Instant::now();
    while !session.ended() {
        thread::sleep(LOOK_EVERY);
        if printed.elapsed() >= LINE_EVERY {
            printed += LINE_EVERY;
            println!("{}", feed.numbers());
        }
    }
}

/// Feeds what is shown, prints warnings, and counts the frames that were asked for.
fn listener(
    feed: Arc<LiveFeed>,
    stop: Arc<AtomicBool>,
    frames: Option<u64>,
    recording: Arc<Mutex<Option<Recording>>>,
) -> impl FnMut(&Event) + Send {
    let mut seen = 0;
    move |event| {
        if let Some(recording) = &mut *recording.lock().unwrap_or_else(PoisonError::into_inner) {
            recording.event(event);
        }
        match event {
            Event::Frame { .. } => seen += 1,
            Event::Warning(sentence) => eprintln!("warning: {sentence}"),
            Event::Trouble(trouble) => eprintln!("warning: {trouble}"),
            _ => {}
        }
        if frames.is_some_and(|frames| seen >= frames) {
            stop.store(true, Ordering::Relaxed);
        }
        feed.event(event);
    }
}

/// The camera with the lowest number.
#[cfg(feature = "camera")]
fn first_camera() -> Result<String> {
    use handstream::source::{CameraSystem, NativeCameras};
    let cameras = NativeCameras.list().map_err(|reason| SourceError::Cameras { reason })?;
    let first = cameras.first().context(
        "no camera was found: plug one in, or name a video file, a folder of images or `demo` (`handstream live \
         demo`)",
    )?;
    Ok(first.index.to_string())
}

#[cfg(not(feature = "camera"))]
fn first_camera() -> Result<String> {
    Err(SourceError::NoCameraSupport.into())
}

#[cfg(feature = "render")]
fn demo(model: &Arc<HandModel>) -> Result<Box<dyn Source>> {
    use handstream::source::synthetic::{SceneConfig, SyntheticScene};
    let config = SceneConfig::default();
    let frames = (DEMO_SECONDS * config.fps) as u64;
    Ok(Box::new(SyntheticScene::new(SceneConfig { frames, ..config }, model.clone())?))
}

#[cfg(not(feature = "render"))]
fn demo(_model: &Arc<HandModel>) -> Result<Box<dyn Source>> {
    bail!("this build cannot draw the built-in scene: build with the feature `render`")
}
