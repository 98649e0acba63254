//! The front end: a frame in, the hands of that frame in metres out.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::run::FrontEnd;
use super::workers::Workers;
use crate::detect::{DetectError, Detections, Hand2d, HandTracker, TrackerConfig};
use crate::event::{PoseState, Side, StageTime, TrackId, TrackedHand};
use crate::fit::{FitConfig, FittedHand, HandObservation, PoseBelief, TrackFitter};
use crate::frame::{Frame, Timestamp};
use crate::geometry::CameraModel;
use crate::hand::HandModel;
use crate::haptic::{HandInput, HapticError, LiteConfig, LiteHand, LiteHaptic};
use crate::home::ModelFiles;
use crate::jobs::{Job, Jobs};

/// A track not seen for this long, seconds, will not be asked for again.
const FORGET_SECONDS: f64 = 5.0;

/// Settings of the front end.
#[derive(Clone, Debug, Default)]
pub struct FrontEndConfig {
    /// The 2D tracker.
    pub tracker: TrackerConfig,
    /// What gives the fit a belief of each hand before it starts.
    pub profile: Profile,
    /// The fit in metres.
    pub fit: FitConfig,
}

/// What stands between the 2D tracker and the fit.
#[derive(Clone, Debug, PartialEq)]
pub enum Profile {
    /// Nothing: the fit alone.
    Direct,
    /// The lite window transformer, with the embedded weights.
    Lite(LiteConfig),
}

impl Default for Profile {
    fn default() -> Self {
        Self::Lite(LiteConfig::default())
    }
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
    /// The window transformer's weights or settings cannot be used.
    #[error(transparent)]
    Haptic(#[from] HapticError),
    /// The system gives no more threads.
    #[error("the front end's threads could not be started ({0}): close other programs")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// Detects and follows hands in the picture and fits each track's hand in metres.
pub struct HandFrontEnd {
    tracker: HandTracker,
    lite: Option<LiteHaptic>,
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
        let lite = match config.profile {
            Profile::Direct => None,
            Profile::Lite(config) => Some(LiteHaptic::new(config)?),
        };
        Ok(Self {
            lite,
            tracker: HandTracker::new(&read(&files.palm)?, &read(&files.landmark)?, config.tracker)?,
            workers: Workers::start()?,
            tracks: HashMap::new(),
            model,
            camera: Arc::new(camera),
            fit: config.fit,
        })
    }

    /// What the window transformer says of each hand; nothing in the direct profile.
    fn believe(&mut self, hands: &[HandInput], timestamp: Timestamp) -> Vec<Option<PoseBelief>> {
        let Some(lite) = &mut self.lite else { return vec![None; hands.len()] };
        let placed = lite.update(hands, &self.camera, timestamp, &self.workers);
        let belief = |hand: LiteHand| PoseBelief {
            wrist: hand.wrist(),
            rotations: hand.rotations,
            depth_change: hand.depth_change,
        };
        placed.into_iter().map(|hand| hand.map(belief)).collect()
    }

    /// The fit of every hand, side by side; a hand's fit does not know the others'.
    fn fit(
        &mut self,
        hands: &[HandInput],
        beliefs: &[Option<PoseBelief>],
        timestamp: Timestamp,
    ) -> Vec<Option<FittedHand>> {
        let mut fitting: Vec<Track> = hands.iter().map(|hand| self.take_track(hand, timestamp)).collect();
        let mut fitted = vec![None; hands.len()];
        let jobs = fitting.iter_mut().zip(hands).zip(beliefs).zip(&mut fitted).map(
            |(((track, hand), belief), fitted)| -> Job<'_> {
                Box::new(move || {
                    *fitted = Some(track.fitter.update(&hand.observation, belief.as_ref(), timestamp));
                })
            },
        );
        self.workers.run(jobs.collect());
        self.tracks.extend(hands.iter().map(|hand| hand.track).zip(fitting));
        fitted
    }

    /// The track that a hand continues, taken out of the list.
    fn take_track(&mut self, hand: &HandInput, now: Timestamp) -> Track {
        let side = hand.observation.side;
        // The evidence for the other side may have won; a left hand's fit is of no use to a right one.
        let known = self.tracks.remove(&hand.track).filter(|track| track.side == side);
        let fitter = match known {
            Some(track) => track.fitter,
            None => TrackFitter::new(self.model.clone(), self.camera.clone(), side, self.fit.clone()),
        };
        Track { side, fitter, last_seen: now }
    }
}

impl FrontEnd for HandFrontEnd {
    fn process(&mut self, frame: &Frame) -> (Vec<TrackedHand>, Vec<StageTime>) {
        let Detections { hands, mut stages } = self.tracker.process(frame, &self.workers);
        let inputs: Vec<HandInput> = hands.iter().map(input).collect();
        let start = Instant::now();
        let beliefs = self.believe(&inputs, frame.timestamp);
        let believed = Instant::now();
        let fitted = self.fit(&inputs, &beliefs, frame.timestamp);
        let tracked = hands.iter().zip(fitted).filter_map(|(hand, fitted)| Some(tracked_hand(hand, fitted?)));
        let tracked = tracked.collect();
        let remembered = Duration::from_secs_f64(FORGET_SECONDS);
        self.tracks.retain(|_, track| frame.timestamp.since(track.last_seen) < remembered);
        stages.push(StageTime { stage: "network", took: believed - start });
        stages.push(StageTime { stage: "fit", took: believed.elapsed() });
        (tracked, stages)
    }
}

fn input(hand: &Hand2d) -> HandInput {
    let observation = HandObservation {
        keypoints_px: hand.keypoints_px,
        landmarks_m: hand.landmarks_m,
        score: hand.score,
        side: hand.side,
    };
    HandInput { track: hand.track, observation }
}

fn tracked_hand(hand: &Hand2d, fitted: FittedHand) -> TrackedHand {
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
