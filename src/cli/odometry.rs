//! `handstream odometry SOURCE`: the camera's path alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use handstream::detect::{HandTracker, TrackerConfig};
use handstream::engine::{BackgroundThread, OdometryStep, OdometryThread, Waiting, Watchdog};
use handstream::frame::Frame;
use handstream::geometry::{CameraModel, CameraPath, CameraPose};
use handstream::jobs::InOrder;
use handstream::net::{CheckpointFile, Isa};
use handstream::output::write_tum;
use handstream::slam::dpvo::{DpvoConfig, DpvoNetwork, DpvoOdometry};
use handstream::slam::points::PointOdometry;
use handstream::slam::{Odometry, OdometryState, PixelBox, WORKING_SIDE, WorkingSize, hand_boxes};
use handstream::source::{OpenOptions, SourceInfo, open};

use super::intrinsics::IntrinsicsArgs;
use super::known_path::KnownPathArgs;
use super::setup;

/// Refused frames that are told one by one.
const REFUSALS_TOLD: usize = 3;

/// What follows the camera, as a user types it.
#[derive(Clone, Copy, Default, ValueEnum)]
enum BackendName {
    /// Tracked points and bundle adjustment; needs no weights.
    #[default]
    Default,
    /// DPVO as released, from your own checkpoint (--weights).
    Dpvo,
}

#[derive(Args)]
pub struct OdometryArgs {
    /// A video file, a folder of images in the order of their names, or `0`, `1`, … for a camera.
    source: String,
    #[command(flatten)]
    intrinsics: IntrinsicsArgs,
    /// What follows the camera.
    #[arg(long, value_enum, default_value_t, conflicts_with = "camera_path")]
    backend: BackendName,
    /// --backend dpvo: the released checkpoint, dpvo.pth.
    #[arg(long, value_name = "FILE", required_if_eq("backend", "dpvo"))]
    weights: Option<PathBuf>,
    #[command(flatten)]
    known_path: KnownPathArgs,
    /// Folder of images: rate they were taken at.
    #[arg(long, value_name = "FPS", value_parser = super::eval::frame_rate)]
    fps: Option<f64>,
    /// Find hands and leave them and their forearms out.
    #[arg(long)]
    mask_hands: bool,
    /// Write each pose as it was known when its frame arrived, not as refined later.
    #[arg(long)]
    causal: bool,
    /// Stop after N frames.
    #[arg(long, value_name = "N")]
    frames: Option<u64>,
    /// The path: `timestamp tx ty tz qx qy qz qw`, one line for each frame that has a pose.
    #[arg(long, value_name = "FILE", default_value = "path.tum")]
    out: PathBuf,
}

impl OdometryArgs {
    /// Follows the camera through the source and writes its path.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        let mut options = OpenOptions::default();
        options.picture_fps = self.fps.unwrap_or(options.picture_fps);
        let mut source = open(&self.source, &options)?;
        let info = source.info().clone();
        let mut working = WorkingSize::new(&self.intrinsics.camera(&info)?, WORKING_SIDE);
        if matches!(self.backend, BackendName::Dpvo) {
            working = working.undistorted();
        }
        let mut masks = if self.mask_hands { Some(HandMasks::new()?) } else { None };
        let waiting = if info.live { Waiting::Newest } else { Waiting::Every };
        let backend = self.backend(working.camera(), &info)?;
        let mut thread = OdometryThread::start(
            backend,
            working,
            waiting,
            Watchdog { odometry: None, ..Watchdog::default() },
        )?;
        let stop = Arc::new(AtomicBool::new(false));
        let interrupted = stop.clone();
        ctrlc::set_handler(move || interrupted.store(true, Ordering::Relaxed))
            .context("Ctrl-C cannot be caught on this system")?;

        let mut log = Log::default();
        while !stop.load(Ordering::Relaxed) && self.frames.is_none_or(|limit| log.given < limit) {
            match source.next_frame() {
                Ok(Some(frame)) => {
                    let hidden = masks.as_mut().map_or_else(Vec::new, |masks| masks.boxes(&frame));
                    thread.give(Arc::new(frame), hidden)?;
                    log.given += 1;
                }
                Ok(None) => break,
                Err(error) => {
                    log.failures += 1;
                    eprintln!("warning: {error}");
                    ensure!(
                        log.failures < Log::FAILURES_IN_A_ROW,
                        "the source fails again and again: {error}"
                    );
                    continue;
                }
            }
            log.failures = 0;
            thread.steps().for_each(|step| log.step(step));
        }
        let skipped = thread.skipped();
        let (refined, steps) = thread.finish()?;
        steps.into_iter().for_each(|step| log.step(step));
        ensure!(log.given > 0, "the source held no frame: check the file");
        let path = if self.causal { log.causal.clone() } else { refined };
        if path.poses.is_empty() {
            bail!(self.no_pose(&log));
        }
        write_tum(&self.out, &path, info.fps)?;
        log.print(&path, skipped);
        println!("path in {}", self.out.display());
        Ok(())
    }

    fn backend(&self, camera: &CameraModel, source: &SourceInfo) -> Result<Box<dyn Odometry>> {
        if let Some(path) = self.known_path.read(source.fps)? {
            return Ok(Box::new(path));
        }
        match self.backend {
            BackendName::Default => {
                let mut odometry = PointOdometry::new(camera.clone(), Default::default())?;
                if source.live {
                    // A file is followed in order, the same way every time; a camera does not wait.
                    let background = BackgroundThread::spawn("bundle-adjustment");
                    let background = background.context("no thread for the bundle adjustment")?;
                    odometry.adjust_behind(Box::new(background));
                }
                Ok(Box::new(odometry))
            }
            BackendName::Dpvo => {
                let weights = self.weights.as_ref().context("--backend dpvo needs --weights FILE")?;
                let file = CheckpointFile::open(weights)?;
                let network = DpvoNetwork::read(&file.checkpoint(), Isa::best());
                let network = network.map_err(|fault| file.unusable(fault))?;
                Ok(Box::new(DpvoOdometry::new(network, camera, DpvoConfig::default())?))
            }
        }
    }

    fn no_pose(&self, log: &Log) -> String {
        match self.known_path.file() {
            Some(file) => KnownPathArgs::nowhere(file),
            None => format!(
                "no frame of {} has a pose ({}): the camera must move and see texture",
                log.given,
                log.states_in_words()
            ),
        }
    }
}

/// Finds what hands hide.
struct HandMasks {
    tracker: HandTracker,
}

impl HandMasks {
    fn new() -> Result<Self> {
        let files = setup::models()?;
        let read =
            |path: &PathBuf| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let tracker =
            HandTracker::new(&read(&files.palm)?, &read(&files.landmark)?, TrackerConfig::default())?;
        Ok(Self { tracker })
    }

    fn boxes(&mut self, frame: &Frame) -> Vec<PixelBox> {
        let hands = self.tracker.process(frame, &InOrder).hands;
        hands.iter().flat_map(|hand| hand_boxes(&hand.keypoints_px)).collect()
    }
}

/// What became of the frames.
#[derive(Default)]
struct Log {
    given: u64,
    /// Errors of the source since its last good frame.
    failures: u64,
    refused: usize,
    states: BTreeMap<&'static str, u64>,
    milliseconds: Vec<f64>,
    causal: CameraPath,
}

impl Log {
    /// A source that fails this often in a row is given up.
    const FAILURES_IN_A_ROW: u64 = 10;

    fn step(&mut self, step: OdometryStep) {
        self.milliseconds.push(step.took.as_secs_f64() * 1e3);
        match step.outcome {
            Ok(update) => {
                *self.states.entry(OdometryState::name(update.state)).or_default() += 1;
                self.causal.scale_free |= update.scale_free;
                let pose = update.pose.map(|world_from_camera| CameraPose {
                    sequence: update.sequence,
                    timestamp: update.timestamp,
                    world_from_camera,
                });
                self.causal.poses.extend(pose);
            }
            Err(error) => {
                if self.refused < REFUSALS_TOLD {
                    eprintln!("warning: frame {}: {error}", step.sequence);
                }
                self.refused += 1;
            }
        }
    }

    fn states_in_words(&self) -> String {
        self.states.iter().map(|(state, count)| format!("{state} {count}")).collect::<Vec<_>>().join(", ")
    }

    fn print(&mut self, path: &CameraPath, skipped: u64) {
        let (given, poses) = (self.given, path.poses.len());
        println!("frames     {given}, {poses} with a pose ({:.1} %)", 100.0 * poses as f64 / given as f64);
        println!("states     {}", self.states_in_words());
        if skipped > 0 || self.refused > 0 {
            println!("left out   {skipped} skipped, {} refused", self.refused);
        }
        let unit = if path.scale_free { "(unit unknown: one camera cannot know its scale)" } else { "m" };
        println!("length     {:.3} {unit}", path.length());
        self.milliseconds.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let index = (self.milliseconds.len().saturating_sub(1) as f64 * part) as usize;
            self.milliseconds.get(index).copied().unwrap_or_default()
        };
        println!("per frame  median {:.1} ms, 99 of 100 below {:.1} ms", at(0.5), at(0.99));
    }
}
