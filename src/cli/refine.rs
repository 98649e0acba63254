//! `handstream refine HANDS`: the second pass over hands that were found earlier, here or elsewhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use handstream::engine::{Backlog, CameraWay, RefineSchedule, SecondPass, SecondPassConfig, Watchdog};
use handstream::event::{Event, FrameHands};
use handstream::frame::{Frame, Timestamp};
use handstream::geometry::CameraPath;
use handstream::hand::{HandModel, TipVertices};
use handstream::output::{RunFiles, StoredRun, read_hands_npz, read_path, read_run};
use handstream::refine::KeypointMeaning;
use handstream::slam::KnownPathConfig;

use super::motion_prior::MotionPriorArgs;
use super::second_pass::WeightsName;

/// The unit of a camera path, as a user types it.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum UnitName {
    /// What the head of the file says, or else metres.
    #[default]
    Auto,
    /// Metres.
    Metres,
    /// Not known: one factor on all translations is found from the hands.
    Unknown,
}

#[derive(Args)]
pub struct RefineArgs {
    /// A hands.jsonl, or an .npz with the keys of Dyn-HaMR's results.
    hands: PathBuf,
    /// The camera's path (TUM or EuRoC form), in place of what the file of hands says of the camera.
    #[arg(long, value_name = "FILE")]
    camera_path: Option<PathBuf>,
    /// Time of the hands' zero on that path's clock, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, requires = "camera_path")]
    camera_path_start: f64,
    /// Unit of that path.
    #[arg(long, value_enum, default_value_t, requires = "camera_path")]
    camera_path_unit: UnitName,
    /// Weights of the refinement.
    #[arg(long, value_enum, default_value_t)]
    weights: WeightsName,
    #[command(flatten)]
    prior: MotionPriorArgs,
    /// An .npz: its frame rate, where it has no times.
    #[arg(long, value_name = "FPS", default_value_t = 30.0, value_parser = super::eval::frame_rate)]
    fps: f64,
    /// The hand that the parameters belong to: `open`, or a MANO file of yours.
    #[arg(long, value_name = "open|PATH", default_value = super::track::OPEN)]
    hand_model: PathBuf,
    /// Folder for hands.jsonl, hands.npz and summary.json.
    #[arg(long, value_name = "DIR", default_value = "refined")]
    out: PathBuf,
}

impl RefineArgs {
    /// Refines the hands and writes them.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        let model = match self.hand_model.as_os_str() == super::track::OPEN {
            true => HandModel::open(),
            false => HandModel::load_with_tips(&self.hand_model, TipVertices::Hamer)?,
        };
        let model = Arc::new(model);
        let StoredRun { mut info, mut frames, joints, mirrored_left } = self.read(&model)?;
        ensure!(!frames.is_empty(), "{} holds no frame", self.hands.display());
        info.frame_count = Some(frames.len() as u64);
        let way = self.place_camera(&mut frames)?;
        let config = SecondPassConfig {
            refine: self.weights.config(),
            prior: self.prior.supply(&model)?,
            schedule: RefineSchedule { backlog: Backlog::Wait, budget: None },
            limit: None,
            watchdog: Watchdog::default(),
            meaning: if joints { KeypointMeaning::Joints } else { KeypointMeaning::Tracker },
        };
        let mut second_pass = SecondPass::start(way, model, config)?;
        let mut files = RunFiles::create(&self.out, true)?;
        if mirrored_left {
            // What came in Dyn-HaMR's form leaves in it.
            files.mirror_left();
        }
        let size = info.size;
        let mut tell = |event: Event, second_pass: &mut SecondPass| -> Result<()> {
            files.event(&event)?;
            second_pass.follow(&event).iter().try_for_each(|refined| files.event(refined))?;
            Ok(())
        };
        tell(Event::Started(Arc::new(info)), &mut second_pass)?;
        for hands in frames {
            // The second pass looks at pictures only for odometry, which does not run here.
            let FrameHands { sequence, timestamp, .. } = hands;
            let frame = Arc::new(Frame { pixels: Vec::new(), size, timestamp, sequence });
            tell(Event::Frame { frame, hands: Arc::new(hands) }, &mut second_pass)?;
        }
        for event in second_pass.finish(false) {
            match &event {
                Event::Warning(sentence) => eprintln!("warning: {sentence}"),
                Event::Trouble(trouble) => eprintln!("warning: {trouble}"),
                _ => {}
            }
            files.event(&event)?;
        }
        print!("{}", files.finish()?);
        println!("results in {}", self.out.display());
        Ok(())
    }

    fn read(&self, model: &HandModel) -> Result<StoredRun> {
        match self.hands.extension().is_some_and(|extension| extension == "npz") {
            true => Ok(read_hands_npz(&self.hands, model, self.fps)?),
            false => {
                let run = read_run(&self.hands)?;
                ensure!(
                    run.info.hand_model == model.name(),
                    "{} was made with the hand model {}: give it with --hand-model",
                    self.hands.display(),
                    run.info.hand_model
                );
                Ok(run)
            }
        }
    }

    /// Gives the frames their camera poses; where these come from.
    fn place_camera(&self, frames: &mut [FrameHands]) -> Result<CameraWay> {
        let Some(file) = &self.camera_path else {
            let known = frames.iter().any(|frame| frame.world_from_camera.is_some());
            return Ok(if known { CameraWay::InFrames { scale_free: false } } else { CameraWay::Still });
        };
        let path = self.path(file)?;
        let scale_free = match self.camera_path_unit {
            UnitName::Auto => path.scale_free,
            UnitName::Metres => false,
            UnitName::Unknown => true,
        };
        let start = Timestamp::from_seconds(self.camera_path_start);
        let longest_gap = KnownPathConfig::default().longest_gap;
        let mut world_from_file = None;
        for frame in &mut *frames {
            let time = Timestamp(frame.timestamp.0.saturating_add(start.0));
            frame.world_from_camera = path.at(time, longest_gap).map(|file_from_camera| {
                *world_from_file.get_or_insert_with(|| file_from_camera.inverse()) * file_from_camera
            });
        }
        ensure!(world_from_file.is_some(), super::known_path::KnownPathArgs::nowhere(file));
        Ok(CameraWay::InFrames { scale_free })
    }

    fn path(&self, file: &Path) -> Result<CameraPath> {
        ensure!(
            self.camera_path_start.is_finite(),
            "{} is no time: give --camera-path-start in seconds",
            self.camera_path_start
        );
        let path = read_path(file)?.placed_in_time(Some(self.fps));
        path.with_context(|| format!("the poses of {} have no times", file.display()))
    }
}
