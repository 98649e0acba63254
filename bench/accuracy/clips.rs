//! Real clips: the engine's own 2D tracker runs once, then every method sees the same hands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use handstream::detect::{HandTracker, TrackerConfig};
use handstream::engine::{FrontEnd, FrontEndConfig, HandFrontEnd};
use handstream::event::TrackedHand;
use handstream::fit::HandObservation;
use handstream::geometry::CameraModel;
use handstream::hand::HandModel;
use handstream::home::ModelFiles;
use handstream::jobs::InOrder;
use handstream::metrics::HandSequence;
use handstream::source::{OpenOptions, open};

use super::recording::{Estimate, Recording, SeenHand2d};

/// The 2D hands of a clip, and the hands of the whole engine in its default settings.
pub struct Clip {
    /// What the methods see.
    pub recording: Recording,
    /// What the engine publishes for each frame.
    pub engine: Vec<Option<Estimate>>,
}

/// The shared clips, or `None` with a printed reason.
pub fn shared_footage() -> Option<PathBuf> {
    let shared = std::env::var_os("HANDSTREAM_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let footage = shared.join("footage");
    if footage.exists() {
        return Some(footage);
    }
    println!("skipped: no {} (set HANDSTREAM_SHARED to the shared test material)", footage.display());
    None
}

/// Runs tracker and engine over the film at `path`; without `camera` the intrinsics are the stated guess.
///
/// # Errors
/// Where film or networks cannot be read.
pub fn watch(
    path: &Path,
    camera: Option<CameraModel>,
    models: &ModelFiles,
    hand: &Arc<HandModel>,
) -> Result<Clip> {
    let name = path.to_str().context("the clip's path is not UTF-8")?;
    let mut source = open(name, &OpenOptions::default())?;
    let camera = camera.unwrap_or_else(|| CameraModel::guess(source.info().size));
    let fps = source.info().fps;
    let (palm, landmark) = (std::fs::read(&models.palm)?, std::fs::read(&models.landmark)?);
    let mut tracker = HandTracker::new(&palm, &landmark, TrackerConfig::default())?;
    let mut front_end = HandFrontEnd::new(models, hand.clone(), camera.clone(), FrontEndConfig::default())?;
    let (mut frames, mut engine) = (Vec::new(), Vec::new());
    while let Some(frame) = source.next_frame()? {
        let hands = tracker.process(&frame, &InOrder).hands.into_iter().map(|hand| SeenHand2d {
            track: hand.track,
            observation: HandObservation {
                keypoints_px: hand.keypoints_px,
                landmarks_m: hand.landmarks_m,
                score: hand.score,
                side: hand.side,
            },
            confidence: None,
        });
        frames.push(hands.collect());
        let best = front_end.process(&frame).hands.into_iter().max_by(|a, b| a.score.total_cmp(&b.score));
        engine.push(best.as_ref().map(estimate));
    }
    let recording = Recording { camera: Arc::new(camera), fps, frames, truth: HandSequence::new() };
    Ok(Clip { recording, engine })
}

fn estimate(hand: &TrackedHand) -> Estimate {
    Estimate { track: hand.track, joints: hand.joints_camera.map(|joint| joint.0.cast()) }
}
