//! `handstream track SOURCE`: the main job.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, ValueEnum};
use handstream::detect::Search;
use handstream::engine::{Delivery, FrontEndConfig, Profile};
use handstream::event::Event;
use handstream::hand::{HandModel, TipVertices};
use handstream::haptic::{PlacementMode, StreamConfig};
use handstream::home::{DataFolder, OwnFiles};
use handstream::source::{Source, open};

use super::camera_request::CameraArgs;
use super::device::DeviceArgs;
use super::intrinsics::IntrinsicsArgs;
use super::known_path::KnownPathArgs;
use super::omnihands::OmniArgs;
use super::pipeline::Pipeline;
use super::profile::{Networks, ProfileName};
use super::record::{RecordArgs, Recording};
use super::second_pass::SecondPassArgs;
use super::settings::Settings;
use super::sources::taken_up_again;
use super::workers::WorkerArgs;

/// How depths come together, as a user types it.
#[derive(Clone, Copy, Default, ValueEnum)]
enum PlacementName {
    /// Steps from the depth changes, level from all scales of the window.
    #[default]
    Anchored,
    /// HaPTIC's: chunks of 8 frames chained by their depth changes.
    Chained,
    /// HaMeR's: each frame by its own scale.
    Weak2full,
}

/// Which vertices of MANO are finger tips, as a user types it.
#[derive(Clone, Copy, Default, ValueEnum)]
enum TipsName {
    /// HaMeR's.
    #[default]
    Hamer,
    /// Those of HaPTIC's demo.
    Manopth,
}

/// What a user types for the built-in hand.
pub const OPEN: &str = "open";
/// What a user types for the built-in scene.
const SYNTHETIC: &str = "synthetic";

#[derive(Args)]
pub struct TrackArgs {
    /// A video file, an image or a folder of images, `0`, `1`, … for a camera, or `synthetic`.
    source: String,
    /// Folder for hands.jsonl, hands.npz, summary.json and overlay.mp4.
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// Also film the hands over the picture, beside a side view: DIR/overlay.mp4.
    #[arg(long)]
    overlay: bool,
    /// Most hands followed at once.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    max_hands: u8,
    /// The picture is mirrored, as selfie cameras show it.
    #[arg(long)]
    mirrored: bool,
    /// Behave as with a camera: keep to the file's own speed, newest frame wins, drops counted.
    #[arg(long)]
    live: bool,
    /// Stop after N frames.
    #[arg(long, value_name = "N")]
    frames: Option<u64>,
    /// The hand: `open` (built in), or MANO_RIGHT.pkl, a .npz or .safetensors of yours. Default: `open`; with
    /// --profile haptic or omnihands the MANO that `handstream setup --mano` was told of, if any.
    #[arg(long, value_name = "open|PATH")]
    hand_model: Option<String>,
    /// Finger tips of a MANO hand.
    #[arg(long, value_enum, default_value_t)]
    tips: TipsName,
    /// What makes hands in metres.
    #[arg(long, value_enum, default_value_t)]
    profile: ProfileName,
    /// --profile haptic or omnihands: the checkpoint; default: the one that `handstream setup` was told of
    /// with --haptic or --hamer, or with --omnihands.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    omnihands: OmniArgs,
    /// How the distances of a window's frames come together.
    #[arg(long, value_enum, default_value_t)]
    placement: PlacementName,
    /// The window of 8 takes every N-th frame back in time: larger values look farther back.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    stride: u8,
    /// Your hand's length in millimetres, wrist to middle fingertip: fixes the scale.
    #[arg(long, value_name = "MM", value_parser = hand_length)]
    hand_length: Option<f64>,
    #[command(flatten)]
    intrinsics: IntrinsicsArgs,
    #[command(flatten)]
    known_path: KnownPathArgs,
    #[command(flatten)]
    second_pass: SecondPassArgs,
    #[command(flatten)]
    workers: WorkerArgs,
    #[command(flatten)]
    record: RecordArgs,
    #[command(flatten)]
    camera: CameraArgs,
}

impl TrackArgs {
    /// Tracks the source and prints what came of it.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        let model = Arc::new(self.model()?);
        let source = self.source(&model)?;
        let info = source.info();
        let camera = self.intrinsics.camera(info)?;
        let delivery = match (info.live, self.live) {
            (true, _) => Delivery::Newest { paced: false },
            (false, true) => Delivery::Newest { paced: true },
            (false, false) => Delivery::Every,
        };
        let run_info = Pipeline::run_info(info, &camera, &model, self.frames);
        let settings = self.settings_with(model, info.fps, delivery != Delivery::Every)?;
        let second_pass = settings.second_pass(&self, &run_info, delivery)?;
        let mut recording = self.record.start(&self.source, &run_info, delivery)?;
        let (name, options) = (self.source.clone(), self.camera.options());
        let pipeline = Pipeline {
            source: taken_up_again(source, move || Ok(open(&name, &options)?)),
            info: run_info,
            model: settings.model,
            config: settings.config,
            path: settings.path,
            second_pass,
            delivery,
            watchdog: settings.watchdog,
            out: self.out.clone(),
            overlay: self.overlay,
            limit: self.frames,
            pauses: Default::default(),
        };
        let mut placed = false;
        let summary = pipeline.run(|event| {
            placed |= matches!(event, Event::Frame { hands, .. } if hands.world_from_camera.is_some());
            if let Some(recording) = &mut recording {
                // It has said itself what goes wrong.
                let _ = recording.event(event);
            }
        })?;
        if let Some(file) = self.known_path.file().filter(|_| !placed) {
            eprintln!("warning: {}", KnownPathArgs::nowhere(file));
        }
        print!("{summary}");
        println!("results in {}", self.out.display());
        recording.map_or(Ok(()), Recording::finish)
    }

    /// What the flags say of the hands of a run, live or of every frame.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn settings(&self, fps: f64, live: bool) -> Result<Settings> {
        self.settings_with(Arc::new(self.model()?), fps, live)
    }

    /// Flags of the second pass.
    pub fn second_pass(&self) -> &SecondPassArgs {
        &self.second_pass
    }

    /// Frames after which it stops.
    pub fn limit(&self) -> Option<u64> {
        self.frames
    }

    fn settings_with(&self, model: Arc<HandModel>, fps: f64, live: bool) -> Result<Settings> {
        let mut config = FrontEndConfig { profile: self.profile()?, ..FrontEndConfig::default() };
        config.tracker.max_hands = usize::from(self.max_hands);
        config.tracker.mirrored = self.mirrored;
        if live {
            config.tracker.search = Search::Behind;
        }
        config.fit.shape.hand_length_mm = self.hand_length;
        config.pin = self.workers.pin();
        let path = self.known_path.read(fps)?;
        Ok(Settings { model, config, path, watchdog: self.workers.watchdog(self.profile.watchdog()) })
    }

    fn model(&self) -> Result<HandModel> {
        let tips = match self.tips {
            TipsName::Hamer => TipVertices::Hamer,
            TipsName::Manopth => TipVertices::Manopth,
        };
        let own = match (&self.hand_model, self.profile) {
            (Some(path), _) => Some(PathBuf::from(path)).filter(|path| path.as_os_str() != OPEN),
            (None, ProfileName::Haptic | ProfileName::Omnihands) => {
                OwnFiles::load(&DataFolder::locate()?)?.mano
            }
            (None, _) => None,
        };
        Ok(own.map_or_else(|| Ok(HandModel::open()), |path| HandModel::load_with_tips(&path, tips))?)
    }

    fn profile(&self) -> Result<Profile> {
        let stream = StreamConfig { stride: usize::from(self.stride), ..StreamConfig::default() };
        let placement = match self.placement {
            PlacementName::Anchored => PlacementMode::default(),
            PlacementName::Chained => PlacementMode::Chained,
            PlacementName::Weak2full => PlacementMode::WeakToFull,
        };
        let device = self.device.device(self.profile == ProfileName::Haptic)?;
        let (checkpoint, omnihands) = (self.checkpoint.as_deref(), &self.omnihands);
        self.profile.profile(&Networks { stream, placement, checkpoint, device, omnihands })
    }

    fn source(&self, model: &Arc<HandModel>) -> Result<Box<dyn Source>> {
        if self.source == SYNTHETIC {
            return synthetic(model);
        }
        Ok(open(&self.source, &self.camera.options())?)
    }
}

#[cfg(feature = "render")]
fn synthetic(model: &Arc<HandModel>) -> Result<Box<dyn Source>> {
    use handstream::source::synthetic::{SceneConfig, SyntheticScene};
    Ok(Box::new(SyntheticScene::new(SceneConfig::default(), model.clone())?))
}

#[cfg(not(feature = "render"))]
fn synthetic(_model: &Arc<HandModel>) -> Result<Box<dyn Source>> {
    anyhow::bail!("this build cannot draw the built-in scene: build with the feature `render`")
}

/// Lengths between a small child's hand and a very large one.
fn hand_length(text: &str) -> Result<f64, String> {
    let millimetres: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    if (80.0..=280.0).contains(&millimetres) {
        Ok(millimetres)
    } else {
        Err(format!("{text} mm is no hand's length: measure from the wrist to the tip of the middle finger"))
    }
}
