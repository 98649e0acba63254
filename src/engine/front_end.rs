//! The front end: a frame in, the hands of that frame in metres out.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::run::FrontEnd;
use super::workers::Workers;
use crate::detect::{DetectError, Detections, Hand2d, HandTracker, TrackerConfig};
use crate::event::{PoseState, Side, StageTime, TrackId, TrackedHand};
use crate::fit::{FitConfig, HandObservation, TrackFitter};
use crate::frame::{Frame, Timestamp};
use crate::geometry::CameraModel;
use crate::hand::HandModel;
use crate::home::ModelFiles;

/// A track not seen for this long, seconds, will not be asked for again.
const FORGET_SECONDS: f64 = 5.0;

/// Settings of the front end.
#[derive(Clone, Debug, Default)]
pub struct FrontEndConfig {
    /// The 2D tracker.
    pub tracker: TrackerConfig,
    /// The fit in metres.
    pub fit: FitConfig,
}

/// Why the front end could not start.
#[derive(Debug, thiserror::Error)]
pub enum FrontEndError {
    /// A model file could not be read.
    #[error("cannot read the model file {path}: {source}; run `handstream setup` to fetch it again")]
    Model {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A model file is not what it should be.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The system gives no more threads.
    #[error("the front end's threads could not be started ({0}): close other programs")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// Detects and follows hands in the picture and fits each track's hand in metres.
pub struct HandFrontEnd {
    tracker: HandTracker,
    workers: Workers,
    tracks: HashMap<TrackId, Track>,
    model: Arc<HandModel>,
    camera: Arc<CameraModel>,
    fit: FitConfig,
}

/// The fit of one track.
struct Track {
    side: Side,
    fitter: TrackFitter,
    last_seen: Timestamp,
}

impl HandFrontEnd {
    /// Reads the networks in `files` and starts the front end's threads.
    ///
    /// # Errors
    /// [`FrontEndError`].
    pub fn new(
        files: &ModelFiles,
        model: Arc<HandModel>,
        camera: CameraModel,
        config: FrontEndConfig,
    ) -> Result<Self, FrontEndError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|source| FrontEndError::Model { path: path.clone(), source })
        };
        Ok(Self {
            tracker: HandTracker::new(&read(&files.palm)?, &read(&files.landmark)?, config.tracker)?,
            workers: Workers::start()?,
            tracks: HashMap::new(),
            model,
            camera: Arc::new(camera),
            fit: config.fit,
        })
    }

    fn place(&mut self, hand: Hand2d, timestamp: Timestamp) -> TrackedHand {
        let new_track = || Track {
            side: hand.side,
            fitter: TrackFitter::new(self.model.clone(), self.camera.clone(), hand.side, self.fit.clone()),
            last_seen: timestamp,
        };
        let track = self.tracks.entry(hand.track).or_insert_with(new_track);
        if track.side != hand.side {
            // The evidence for the other side has won; a left hand's fit is of no use to a right one.
            *track = new_track();
        }
        track.last_seen = timestamp;
        let observation = HandObservation {
            keypoints_px: hand.keypoints_px,
            landmarks_m: hand.landmarks_m,
            score: hand.score,
            side: hand.side,
        };
        let fitted = track.fitter.update(&observation, None, timestamp);
        TrackedHand {
            track: hand.track,
            side: hand.side,
            score: hand.score,
            state: PoseState::Provisional,
            box_px: hand.box_px,
            keypoints_px: hand.keypoints_px,
            joints_camera: fitted.joints_camera,
            pose: fitted.pose,
        }
    }
}

impl FrontEnd for HandFrontEnd {
    fn process(&mut self, frame: &Frame) -> (Vec<TrackedHand>, Vec<StageTime>) {
        let Detections { hands, mut stages } = self.tracker.process(frame, &self.workers);
        let start = Instant::now();
        let placed = hands.into_iter().map(|hand| self.place(hand, frame.timestamp)).collect();
        let remembered = Duration::from_secs_f64(FORGET_SECONDS);
        self.tracks.retain(|_, track| frame.timestamp.since(track.last_seen) < remembered);
        stages.push(StageTime { stage: "fit", took: start.elapsed() });
        (placed, stages)
    }
}
