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
    Delivery, Device, FrontEnd, FrontEndConfig, HandFrontEnd, Run, SecondPass, Session, Supply, Watchdog,
};
use handstream::event::Event;
use handstream::geometry::CameraModel;
use handstream::hand::HandModel;
use handstream::haptic::{PlacementMode, StreamConfig};
use handstream::source::{Source, SourceError, open};
use handstream::view::live::LiveFeed;
#[cfg(feature = "window")]
use handstream::view::live::{LiveWindow, WindowOptions};

use super::camera_request::CameraArgs;
#[cfg(feature = "window")]
use super::controls::Controls;
use super::intrinsics::IntrinsicsArgs;
use super::omnihands::OmniArgs;
use super::pipeline::Pipeline;
use super::profile::{Networks, ProfileName};
use super::record::{RecordArgs, Recording};
use super::second_pass::SecondPassArgs;
use super::settings::Settings;
use super::setup;
use super::sources::taken_up_again;
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
    /// What makes hands in metres; the key `p` goes on to the next that is set up.
    #[arg(long, value_enum, default_value_t)]
    profile: ProfileName,
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
        let run_info = Pipeline::run_info(info, &camera, &model, None);
        let watchdog = self.watchdog(self.profile);
        let (delivery, limit) = (Delivery::Newest { paced }, self.frames);
        let second_pass = self.second_pass.start(&model, &run_info, delivery, false, limit, &watchdog)?;
        let second_pass = second_pass.map(SecondPass::left_when_stopped);
        #[cfg(feature = "window")]
        let refined = second_pass.is_some();
        let make = self.maker(model.clone(), camera)?;
        let front_end = make(self.profile)?;
        #[cfg(feature = "window")]
        let (front_end, exchange) = front_end.exchangeable();

        let stop = Arc::new(AtomicBool::new(false));
        let interrupted = stop.clone();
        ctrlc::set_handler(move || interrupted.store(true, Ordering::Relaxed))
            .context("Ctrl-C cannot be caught on this system")?;
        let feed = Arc::new(screen.feed());
        feed.set_profile(self.profile.name());
        let run = Run {
            source: {
                let (args, model) = (self.clone(), model.clone());
                taken_up_again(source, move || args.source(&model))
            },
            front_end,
            info: run_info.clone(),
            delivery,
            second_pass,
            watchdog,
            stop: stop.clone(),
        };
        let name = self.source.clone().unwrap_or_default();
        let recording = self.record.start(&name, &run.info, run.delivery)?;
        feed.set_recording(recording.as_ref().map(|recording| recording.path().display().to_string()));
        let recording = Arc::new(Mutex::new(recording));
        let session = Session::start(run, listener(feed.clone(), stop, self.frames, recording.clone()))?;
        match screen {
            #[cfg(feature = "window")]
            Screen::Window(window) => {
                let args = self.clone();
                let mut controls = Controls {
                    source: name,
                    run: run_info.clone(),
                    delivery,
                    feed: feed.clone(),
                    exchange,
                    make,
                    watchdog: Box::new(move |profile| args.watchdog(profile)),
                    profile: Arc::new(Mutex::new(self.profile)),
                    recording: recording.clone(),
                    closing: Vec::new(),
                };
                let options = self.window_options(refined);
                window.show(run_info, model, feed.clone(), options, move |request| controls.ask(request))?;
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
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn settings(&self) -> Result<Settings> {
        let (model, config) = (Arc::new(HandModel::open()), self.config(self.profile)?);
        Ok(Settings { model, config, path: None, watchdog: self.watchdog(self.profile) })
    }

    /// The front end with a profile.
    fn config(&self, profile: ProfileName) -> Result<FrontEndConfig> {
        let profile = profile.profile(&Networks {
            stream: StreamConfig::default(),
            placement: PlacementMode::default(),
            checkpoint: None,
            device: Device::default(),
            omnihands: &OmniArgs::default(),
        })?;
        let mut config = FrontEndConfig { profile, pin: self.workers.pin(), ..FrontEndConfig::default() };
        config.tracker.max_hands = usize::from(self.max_hands);
        config.tracker.mirrored = self.mirrored;
        config.tracker.search = Search::Behind;
        Ok(config)
    }

    /// How long workers may take with a profile.
    fn watchdog(&self, profile: ProfileName) -> Watchdog {
        self.workers.watchdog(profile.watchdog())
    }

    /// Makes the front ends of each profile.
    fn maker(&self, model: Arc<HandModel>, camera: CameraModel) -> Result<ProfileMaker> {
        let (models, args) = (setup::models()?, self.clone());
        Ok(Arc::new(move |profile| {
            Ok(HandFrontEnd::supply(&models, &model, &camera, &args.config(profile)?)?)
        }))
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

/// Makes the front ends of a profile.
pub type ProfileMaker = Arc<dyn Fn(ProfileName) -> Result<Supply<Box<dyn FrontEnd>>> + Send + Sync>;

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
            if let Some(wrong) = recording.event(event) {
                feed.event(&wrong);
            }
            if recording.broke_off() {
                feed.set_recording(None);
            }
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
