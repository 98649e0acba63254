//! Flags of the second pass, and how it is started.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use handstream::engine::{
    BackgroundThread, Backlog, CameraWay, Delivery, OdometryThread, RefineSchedule, SecondPass,
    SecondPassConfig, Supply, Waiting, Watchdog,
};
use handstream::event::RunInfo;
use handstream::geometry::CameraModel;
use handstream::hand::HandModel;
use handstream::refine::{KeypointMeaning, RefineConfig};
use handstream::slam::points::{PointOdometry, PointOdometryConfig};
use handstream::slam::{Odometry, WORKING_SIDE, WorkingSize};

use super::motion_prior::MotionPriorArgs;

/// Part of a live chunk's duration that its refinement may take.
const LIVE_BUDGET: f64 = 0.8;

/// Frames whose poses odometry remembers live: a camera goes on for hours.
const LIVE_PATH_FRAMES: usize = 4096;

/// How the camera moves, as a user types it.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum CameraName {
    /// Odometry looks whether it moves.
    #[default]
    Auto,
    /// It stands: no odometry.
    Static,
}

/// Weights of the refinement, as a user types them.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum WeightsName {
    /// This engine's.
    #[default]
    Ours,
    /// Those printed in Dyn-HaMR's text.
    Paper,
    /// Those of Dyn-HaMR's released code.
    Release,
}

impl WeightsName {
    /// The settings of that name.
    pub fn config(self) -> RefineConfig {
        match self {
            WeightsName::Ours => RefineConfig::ours(),
            WeightsName::Paper => RefineConfig::paper(),
            WeightsName::Release => RefineConfig::release(),
        }
    }
}

/// Flags of the commands that have a second pass.
#[derive(Args, Clone)]
pub struct SecondPassArgs {
    /// Leave out the second pass over chunks of 128 frames: hands stay as the front end found them.
    #[arg(long)]
    no_refine: bool,
    /// Whether the camera moves.
    #[arg(long, value_enum, default_value_t)]
    camera: CameraName,
    /// Weights of the second pass.
    #[arg(long, value_enum, default_value_t, conflicts_with = "no_refine")]
    refine_weights: WeightsName,
    #[command(flatten)]
    prior: MotionPriorArgs,
}

impl SecondPassArgs {
    /// Starts the second pass of `run`, which ends after `limit` frames, and odometry where the camera's way is not
    /// `known`.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn start(
        &self,
        model: &Arc<HandModel>,
        run: &RunInfo,
        delivery: Delivery,
        known: bool,
        limit: Option<u64>,
        watchdog: &Watchdog,
    ) -> Result<Option<SecondPass>> {
        if self.no_refine {
            return Ok(None);
        }
        let refine = self.refine_weights.config();
        let live = delivery != Delivery::Every;
        let way = match (known, self.camera) {
            (true, _) => CameraWay::InFrames { scale_free: false },
            (false, CameraName::Static) => CameraWay::Still,
            (false, CameraName::Auto) => {
                CameraWay::Odometry(Box::new(odometry(&run.camera, live, watchdog)?))
            }
        };
        let schedule = if live {
            let lasts = refine.chunk_frames.saturating_sub(refine.overlap) as f64 / run.fps.max(1.0);
            RefineSchedule {
                backlog: Backlog::Merge,
                budget: Some(Duration::from_secs_f64(LIVE_BUDGET * lasts)),
            }
        } else {
            RefineSchedule { backlog: Backlog::Wait, budget: None }
        };
        let prior = self.prior.supply(model)?;
        let meaning = KeypointMeaning::Tracker;
        let watchdog = watchdog.clone();
        let config = SecondPassConfig { refine, prior, schedule, meaning, limit, watchdog };
        Ok(Some(SecondPass::start(way, model.clone(), config)?))
    }
}

/// The default odometry on a thread of its own.
fn odometry(camera: &CameraModel, live: bool, watchdog: &Watchdog) -> Result<OdometryThread> {
    let working = WorkingSize::new(camera, WORKING_SIDE);
    let pictures = working.camera().clone();
    let make = move || -> Result<Box<dyn Odometry>> {
        let mut config = PointOdometryConfig::default();
        if live {
            config.path_frames = LIVE_PATH_FRAMES;
        }
        let mut odometry = PointOdometry::new(pictures.clone(), config)?;
        if live {
            let background = BackgroundThread::spawn("bundle-adjustment");
            odometry.adjust_behind(Box::new(background.context("no thread for the bundle adjustment")?));
        }
        Ok(Box::new(odometry))
    };
    let supply = Supply::renewable(make()?, move || make().map_err(|error| error.to_string()));
    let waiting = if live { Waiting::Newest } else { Waiting::Every };
    Ok(OdometryThread::start(supply, working, waiting, watchdog.clone())?)
}
