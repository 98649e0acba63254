//! The front end: a frame in, the hands of that frame in metres out.

use std::path::PathBuf;
use std::sync::Arc;

use super::device::Device;
use super::fitted::FittedPoser;
use super::paired::PairedPoser;
use super::pictured::PicturedPoser;
use super::poser::{Posed, Poser};
use super::run::{FrontEnd, Processed, SettledHand};
use super::supply::Supply;
use super::workers::Workers;
use crate::detect::{DetectError, Detections, Hand2d, HandTracker, TrackerConfig};
use crate::event::{PoseState, TrackedHand};
use crate::fit::{FitConfig, HandObservation};
use crate::frame::Frame;
use crate::geometry::CameraModel;
use crate::gpu::GpuNetworkError;
use crate::hand::HandModel;
use crate::haptic::full::{DecoderForm, FullConfig, FullHaptic, ReleasedError, ReleasedFile};
use crate::haptic::omni::{OmniConfig, OmniFile, OmniFileError, OmniHands, RelationMode};
use crate::haptic::{HandInput, HapticError, LiteConfig, LiteHaptic};
use crate::home::{HomeError, ModelFiles};

/// Settings of the front end.
#[derive(Clone, Debug, Default)]
pub struct FrontEndConfig {
    /// The 2D tracker.
    pub tracker: TrackerConfig,
    /// What makes hands in metres.
    pub profile: Profile,
    /// The fit in metres.
    pub fit: FitConfig,
    /// Whether the front end's threads get cores of their own and run before other programs; false by default. A
    /// refusal of the system is told with the first frame.
    pub pin: bool,
}

/// What makes hands in metres of the 2D tracker's hands.
#[derive(Clone, Debug, PartialEq)]
pub enum Profile {
    /// The fit alone.
    Direct,
    /// The lite window transformer, with the embedded weights, then the fit.
    Lite(LiteConfig),
    /// HaMeR or HaPTIC as released, without a fit.
    Haptic(PictureNetwork),
    /// OmniHands as released, or the paper's 4DHands, without a fit.
    OmniHands(PairNetworkChoice),
}

/// A released network on pictures, and how it follows a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureNetwork {
    /// The user's checkpoint: as released, or rewritten by `handstream convert`.
    pub checkpoint: PathBuf,
    /// How the decoder computes.
    pub form: DecoderForm,
    /// Where the network computes.
    pub device: Device,
    /// Windows, placement and crops.
    pub stream: FullConfig,
}

/// A network on the pictures of two hands, and how it follows a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct PairNetworkChoice {
    /// The user's checkpoint as released.
    pub checkpoint: PathBuf,
    /// Whose relation between the hands.
    pub relation: RelationMode,
    /// Windows and crops.
    pub stream: OmniConfig,
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
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] ReleasedError),
    /// The card cannot be used.
    #[error(transparent)]
    Gpu(#[from] GpuNetworkError),
    /// There is no place for the card's compiled kernels.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The checkpoint of OmniHands cannot be used.
    #[error(transparent)]
    OmniCheckpoint(#[from] OmniFileError),
    /// The system gives no more threads.
    #[error("the front end's threads could not be started ({0}): close other programs")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// Detects and follows hands in the picture and poses each in metres.
pub struct HandFrontEnd {
    tracker: HandTracker,
    poser: Box<dyn Poser>,
    workers: Workers,
    /// Whether the threads are still to be pinned.
    pin: bool,
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
        let camera = Arc::new(camera);
        let workers = match &config.profile {
            Profile::Direct | Profile::Lite(_) => Workers::start()?,
            Profile::Haptic(_) | Profile::OmniHands(_) => Workers::start_all()?,
        };
        let poser: Box<dyn Poser> = match config.profile {
            Profile::Direct => Box::new(FittedPoser::new(None, model, camera, config.fit)),
            Profile::Lite(lite) => {
                Box::new(FittedPoser::new(Some(LiteHaptic::new(lite)?), model, camera, config.fit))
            }
            Profile::Haptic(network) => Box::new(PicturedPoser::new(open(network)?, model, camera)),
            Profile::OmniHands(choice) => {
                let centre = choice.stream.centre;
                Box::new(PairedPoser::new(open_pair(choice)?, centre, model, camera))
            }
        };
        let tracker = HandTracker::new(&read(&files.palm)?, &read(&files.landmark)?, config.tracker)?;
        Ok(Self { tracker, poser, workers, pin: config.pin })
    }
}

impl HandFrontEnd {
    /// A front end, and another whenever one has panicked or hangs.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn supply(
        files: &ModelFiles,
        model: &Arc<HandModel>,
        camera: &CameraModel,
        config: &FrontEndConfig,
    ) -> Result<Supply<Box<dyn FrontEnd>>, FrontEndError> {
        let (files, model) = (files.clone(), model.clone());
        let (camera, config) = (camera.clone(), config.clone());
        let make = move || -> Result<Box<dyn FrontEnd>, FrontEndError> {
            Ok(Box::new(Self::new(&files, model.clone(), camera.clone(), config.clone())?))
        };
        Ok(Supply::renewable(make()?, move || make().map_err(|error| error.to_string())))
    }
}

/// Reads the network into memory.
fn open(config: PictureNetwork) -> Result<FullHaptic, FrontEndError> {
    let file = ReleasedFile::open(&config.checkpoint)?;
    let network = config.device.open(&file, config.form)?;
    Ok(FullHaptic::new(network, config.stream)?)
}

/// Reads the two-hand network into memory.
fn open_pair(choice: PairNetworkChoice) -> Result<OmniHands, FrontEndError> {
    let network = OmniFile::open(&choice.checkpoint)?.network(choice.relation)?;
    Ok(OmniHands::new(Box::new(network), choice.stream))
}

impl FrontEnd for HandFrontEnd {
    fn process(&mut self, frame: &Frame) -> Processed {
        let refused = std::mem::take(&mut self.pin).then(|| self.workers.run_first()).and_then(Result::err);
        let Detections { hands, mut stages } = self.tracker.process(frame, &self.workers);
        let inputs: Vec<HandInput> = hands.iter().map(input).collect();
        let (posed, warning) = match self.poser.pose(frame, &inputs, &self.workers, &mut stages) {
            Ok(posed) => (posed, refused),
            Err(sentence) => (Vec::new(), Some(sentence)),
        };
        let tracked = hands.iter().zip(posed).filter_map(|(hand, posed)| Some(tracked_hand(hand, posed?)));
        let tracked = tracked.collect();
        let (settled, unsettled) = match self.poser.settle(false, &self.workers) {
            Ok(settled) => (settled, None),
            Err(sentence) => (Vec::new(), Some(sentence)),
        };
        Processed { hands: tracked, stages, warning: warning.or(unsettled), settled, ..Processed::default() }
    }

    fn look_ahead(&self) -> usize {
        self.poser.look_ahead()
    }

    fn finish(&mut self) -> Vec<SettledHand> {
        // A network that fails now leaves the last frames as they were said at first.
        self.poser.settle(true, &self.workers).unwrap_or_default()
    }

    fn behind(&mut self, frame: &Frame, next_waits: &dyn Fn() -> bool) {
        self.tracker.search_behind(frame, next_waits);
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

fn tracked_hand(hand: &Hand2d, posed: Posed) -> TrackedHand {
    TrackedHand {
        track: hand.track,
        side: hand.side,
        score: hand.score,
        state: PoseState::Provisional,
        box_px: hand.box_px,
        keypoints_px: hand.keypoints_px,
        joints_camera: posed.joints_camera,
        pose: posed.pose,
    }
}
