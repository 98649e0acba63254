//! The second pass of a run: frames' hands and the camera's way become chunks, and chunks refined frames.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use nalgebra::Isometry3;

use super::odometry::{OdometryStep, OdometryThread};
use super::published::Published;
use super::refine::{BacklogCounts, RefineSchedule, RefineThread, RefineThreadError};
use super::supply::Supply;
use super::watchdog::Watchdog;
use crate::event::{Event, FrameHands, KEYPOINTS, RunInfo, SecondPassStatus, TrackedHand};
use crate::frame::Frame;
use crate::hand::HandModel;
use crate::refine::{
    CameraKnowledge, Chunk, ChunkFrame, Chunker, KeypointMeaning, MotionPrior, ObservedHand, RefineConfig,
    Refiner,
};
use crate::slam::{OdometryState, hand_boxes};

/// Where the camera's way comes from.
pub enum CameraWay {
    /// The camera stands.
    Still,
    /// The frames bring it.
    InFrames {
        /// Whether its translations carry an unknown common factor; else they are metres.
        scale_free: bool,
    },
    /// Odometry beside the front end finds it; its unit is unknown.
    Odometry(Box<OdometryThread>),
}

/// What the second pass is told.
pub struct SecondPassConfig {
    /// Weights and stages.
    pub refine: RefineConfig,
    /// What is asked about gaps beside the refinement's own terms.
    pub prior: Option<Supply<Box<dyn MotionPrior>>>,
    /// When chunks are refined.
    pub schedule: RefineSchedule,
    /// What the key points of the front end are.
    pub meaning: KeypointMeaning,
    /// Frames after so many do not count: they were under way when the run reached its limit.
    pub limit: Option<u64>,
    /// How long odometry and refinement may take.
    pub watchdog: Watchdog,
}

/// Follows a run's events and answers with refined frames.
///
/// It works on the thread of whoever listens to the run; odometry and refinement have threads of their own.
pub struct SecondPass {
    way: CameraWay,
    refine: RefineThread,
    config: RefineConfig,
    meaning: KeypointMeaning,
    chunker: Option<Chunker>,
    /// Frames whose camera pose has not come yet.
    waiting: VecDeque<Arc<FrameHands>>,
    /// What odometry says of them: the pose, and whether the camera has ever moved.
    poses: BTreeMap<u64, (Option<Isometry3<f64>>, bool)>,
    /// The newest frame that odometry has looked at.
    looked_at: Option<u64>,
    /// Whether odometry has seen the camera move up to the newest step, and to the newest frame of a chunk.
    moves: bool,
    moved: bool,
    /// Frames to come before the limit.
    left: u64,
    /// Whether what is not refined yet stays so when the run is stopped.
    leaves: bool,
    published: Published,
    /// What has been told of it.
    told: Option<SecondPassStatus>,
    /// The last word of odometry.
    odometry: Option<&'static str>,
}

impl SecondPass {
    /// Starts the refinement thread for a run with `model`.
    ///
    /// # Errors
    /// [`RefineThreadError`].
    pub fn start(
        way: CameraWay,
        model: Arc<HandModel>,
        config: SecondPassConfig,
    ) -> Result<Self, RefineThreadError> {
        let SecondPassConfig { refine, prior, schedule, meaning, limit, watchdog } = config;
        let refiner = refiners(model, refine.clone(), prior).map_err(RefineThreadError::Prior)?;
        Ok(Self {
            way,
            refine: RefineThread::start(refiner, schedule, watchdog)?,
            published: Published::new(refine.overlap + refine.longest_gap),
            config: refine,
            meaning,
            chunker: None,
            waiting: VecDeque::new(),
            poses: BTreeMap::new(),
            looked_at: None,
            moves: false,
            moved: false,
            left: limit.unwrap_or(u64::MAX),
            leaves: false,
            told: None,
            odometry: None,
        })
    }

    /// Ends at once when the run is stopped, for a window: what is not refined by then stays provisional. Without it the
    /// run ends when all is refined.
    pub fn left_when_stopped(self) -> Self {
        Self { leaves: true, ..self }
    }

    /// Takes the next event of the run; what has been refined meanwhile.
    pub fn follow(&mut self, event: &Event) -> Vec<Event> {
        match event {
            Event::Started(run) => self.begin(run),
            Event::Frame { frame, hands } => self.take(frame, hands),
            _ => {}
        }
        let mut answers = self.published.answers(self.refine.done());
        answers.extend(self.troubles());
        let status = self.status();
        if self.told.replace(status) != Some(status) {
            answers.push(Event::SecondPass(status));
        }
        answers
    }

    fn status(&self) -> SecondPassStatus {
        let BacklogCounts { waited, merged, dropped } = self.refine.counts();
        let skipped = match &self.way {
            CameraWay::Odometry(odometry) => odometry.skipped(),
            CameraWay::Still | CameraWay::InFrames { .. } => 0,
        };
        SecondPassStatus { odometry: self.odometry, skipped, waited, merged, dropped }
    }

    /// Waits for odometry and refinement to finish what they have, or leaves it where the run was `stopped` and
    /// [`Self::left_when_stopped`] says so; the rest of the refined frames.
    pub fn finish(mut self, stopped: bool) -> Vec<Event> {
        if stopped && self.leaves {
            return Vec::new();
        }
        let mut told = Vec::new();
        if let CameraWay::Odometry(odometry) = std::mem::replace(&mut self.way, CameraWay::Still) {
            match odometry.finish() {
                Ok((_, steps)) => steps.into_iter().for_each(|step| self.step(step)),
                Err(error) => told.push(Event::Warning(error.to_string())),
            }
        }
        self.cut(u64::MAX);
        if let Some(chunk) = self.chunker.as_mut().and_then(Chunker::finish) {
            self.give(chunk);
        }
        let BacklogCounts { merged, dropped, .. } = self.refine.counts();
        if merged > 0 {
            let sentence = format!("refinement was late {merged} times and took two chunks as one");
            told.push(Event::Warning(sentence));
        }
        if dropped > 0 {
            let sentence = format!("refinement did not keep up: {dropped} chunks of frames stay provisional");
            told.push(Event::Warning(sentence));
        }
        let mut events = match self.refine.finish() {
            Ok((done, troubles)) => {
                told.extend(troubles.into_iter().map(Event::Trouble));
                self.published.answers(done)
            }
            Err(error) => {
                told.push(Event::Warning(error.to_string()));
                Vec::new()
            }
        };
        events.extend(told);
        events
    }

    /// What went wrong with the threads since the last call.
    fn troubles(&mut self) -> impl Iterator<Item = Event> {
        let odometry = match &mut self.way {
            CameraWay::Odometry(odometry) => odometry.troubles(),
            CameraWay::Still | CameraWay::InFrames { .. } => Vec::new(),
        };
        odometry.into_iter().chain(self.refine.troubles()).map(Event::Trouble)
    }

    fn begin(&mut self, run: &RunInfo) {
        let knowledge = match self.way {
            CameraWay::InFrames { scale_free: false } => CameraKnowledge::Metric,
            CameraWay::InFrames { scale_free: true } => CameraKnowledge::ScaleFree,
            CameraWay::Still | CameraWay::Odometry(_) => CameraKnowledge::Still,
        };
        self.published.camera = Some(run.camera.clone());
        self.chunker = Some(Chunker::new(run.fps, run.camera.clone(), knowledge, self.meaning, &self.config));
    }

    fn take(&mut self, frame: &Arc<Frame>, hands: &Arc<FrameHands>) {
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        self.published.push(hands.clone());
        self.waiting.push_back(hands.clone());
        let known = match &mut self.way {
            CameraWay::Still | CameraWay::InFrames { .. } => Some(hands.sequence),
            CameraWay::Odometry(odometry) => {
                let hidden = hands.hands.iter().flat_map(|hand| hand_boxes(&hand.keypoints_px)).collect();
                let gone = odometry.give(frame.clone(), hidden).is_err();
                let steps: Vec<OdometryStep> = odometry.steps().collect();
                steps.into_iter().for_each(|step| self.step(step));
                // Frames of which nobody will know the camera do not wait for it.
                if gone { Some(hands.sequence) } else { self.looked_at }
            }
        };
        if let Some(known) = known {
            self.cut(known);
        }
    }

    /// Takes what odometry says of a frame.
    fn step(&mut self, step: OdometryStep) {
        self.looked_at = Some(step.sequence);
        let pose = step.outcome.ok().and_then(|update| {
            self.odometry = Some(update.state.name());
            self.moves |= matches!(update.state, OdometryState::Tracking | OdometryState::RotationOnly);
            update.pose
        });
        self.poses.insert(step.sequence, (pose, self.moves));
    }

    /// Hands frames up to `known`, whose camera poses have come, to the chunks.
    fn cut(&mut self, known: u64) {
        while self.waiting.front().is_some_and(|hands| hands.sequence <= known) {
            let Some(hands) = self.waiting.pop_front() else { return };
            let world_from_camera = match self.way {
                CameraWay::InFrames { .. } => hands.world_from_camera,
                _ => self.poses.remove(&hands.sequence).and_then(|(pose, moved)| {
                    self.moved = moved;
                    pose
                }),
            };
            if world_from_camera.is_some() {
                self.published.place(hands.sequence);
            }
            let frame = ChunkFrame {
                sequence: hands.sequence,
                timestamp: hands.timestamp,
                world_from_camera,
                hands: hands.hands.iter().map(observed).collect(),
            };
            if let Some(chunk) = self.chunker.as_mut().and_then(|chunker| chunker.push(frame)) {
                self.give(chunk);
            }
        }
    }

    fn give(&mut self, chunk: Chunk) {
        let knowledge = if self.moved { CameraKnowledge::ScaleFree } else { chunk.knowledge };
        self.refine.give(Chunk { knowledge, ..chunk });
    }
}

/// Refiners that ask the prior, each with its own.
///
/// # Errors
/// Why the first prior could not be made.
fn refiners(
    model: Arc<HandModel>,
    config: RefineConfig,
    mut priors: Option<Supply<Box<dyn MotionPrior>>>,
) -> Result<Supply<Refiner>, String> {
    let mut make = move || {
        let refiner = Refiner::new(model.clone(), config.clone());
        match priors.as_mut().map(|priors| priors.next()) {
            None => Ok(refiner),
            Some(Some(prior)) => Ok(refiner.with_prior(prior?)),
            Some(None) => Err("there is no other motion prior".to_owned()),
        }
    };
    Ok(Supply::renewable(make()?, make))
}

/// A published hand as the refinement takes it. The tracker has one score for all points.
fn observed(hand: &TrackedHand) -> ObservedHand {
    ObservedHand {
        track: hand.track,
        side: hand.side,
        score: hand.score,
        keypoints_px: hand.keypoints_px,
        confidence: [hand.score; KEYPOINTS],
        pose: hand.pose.clone(),
    }
}
