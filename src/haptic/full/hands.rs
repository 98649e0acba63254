//! HaMeR or HaPTIC on a stream: a frame and the 2D hands in it in, a posed hand in metres for each out.

use std::collections::{HashMap, HashSet};

use nalgebra::{Rotation3, Vector3};

use super::boxes::{CropRule, HandBox};
use super::camera::{CropView, WeakCamera};
use super::config::NetworkKind;
use super::crop::Cut;
use super::error::NetworkError;
use super::heads::HeadRow;
use super::network::{HandPictures, Slot, WindowNetwork};
use super::pictures::Pictures;
use super::steady::{SteadyConfig, SteadySquare};
use super::taps::Sampling;
use crate::event::{Side, TrackId};
use crate::frame::{Frame, Timestamp};
use crate::geometry::CameraModel;
use crate::hand::joints::MANO_JOINTS;
use crate::hand::{SHAPES, Skeleton};
use crate::haptic::error::HapticError;
use crate::haptic::placement::PlacementMode;
use crate::haptic::stream::{FrameDepth, StreamConfig, Window};
use crate::haptic::{HandInput, WINDOW};
use crate::jobs::Jobs;

/// The wrist joint of MANO's mean right hand in the model's own coordinates, metres.
const MANO_WRIST: Vector3<f64> = Vector3::new(0.0957, 0.0064, 0.0062);
/// Rotations that are farther from orthonormal than this (Frobenius norm) are none.
const ROTATION_TOLERANCE: f64 = 1e-3;
/// Shape coefficients and metres beyond this mean nothing.
const LARGEST_NUMBER: f64 = 1e3;

/// Settings of the released networks on a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FullConfig {
    /// How windows follow a stream.
    pub stream: StreamConfig,
    /// How depths and depth changes are brought together; of no effect with HaMeR, which knows no changes.
    pub placement: PlacementMode,
    /// How frames are read between their pixels.
    pub sampling: Sampling,
    /// How steadily crops follow the hands.
    pub steady: SteadyConfig,
}

/// What the network says of one hand in the newest frame, right-hand space: a left hand is the mirror
/// image of this.
#[derive(Clone, Debug, PartialEq)]
pub struct FullHand {
    /// Rotations of the wrist (camera axes) and the finger joints, MANO order.
    pub rotations: [Rotation3<f64>; MANO_JOINTS],
    /// MANO's shape coefficients.
    pub betas: [f64; SHAPES],
    /// Where MANO's origin is in camera space, metres: what is added to the posed model, which turns about
    /// its own wrist.
    pub translation: Vector3<f64>,
    /// Depth of MANO's origin by this frame's crop and scale alone, metres.
    pub weak2full_depth: f64,
    /// Change of depth since the track's frame before, metres; `None` for the first frame of a window and
    /// from HaMeR.
    pub depth_change: Option<f64>,
}

impl FullHand {
    /// The wrist in camera space, metres, as of MANO's mean shape.
    pub fn wrist(&self) -> Vector3<f64> {
        self.translation + MANO_WRIST
    }

    /// The wrist in camera space, metres, by the user's MANO model.
    pub fn wrist_of(&self, mano: &Skeleton) -> Vector3<f64> {
        self.translation + mano.shaped_joints(&self.betas)[0]
    }

    /// The hand by one row of the heads; `None` where its numbers describe none.
    pub(in crate::haptic) fn new(row: &HeadRow, view: &CropView, placed: &FrameDepth) -> Option<Self> {
        let hand = Self {
            rotations: row.matrices(),
            betas: row.betas.map(f64::from),
            translation: view.translation(&WeakCamera::new(row.camera), placed.depth),
            weak2full_depth: placed.weak,
            depth_change: placed.change,
        };
        let numbers = hand.betas.iter().chain(&hand.translation).chain(&hand.depth_change);
        let sensible = numbers.chain([&hand.weak2full_depth]).all(|number| number.abs() < LARGEST_NUMBER);
        let orthonormal = |rotation: &Rotation3<f64>| {
            let matrix = rotation.matrix();
            (matrix * matrix.transpose() - nalgebra::Matrix3::identity()).norm() < ROTATION_TOLERANCE
        };
        (sensible && hand.rotations.iter().all(orthonormal)).then_some(hand)
    }
}

/// One hand's stream.
struct Track {
    side: Side,
    window: Window<Seen>,
    steady: SteadySquare,
    last: Timestamp,
}

/// One frame of a hand: where its features are, and how its crop was seen.
struct Seen {
    slot: Slot,
    view: CropView,
}

/// A hand that goes through the network in this frame.
struct Running {
    /// Its place among the hands of the frame.
    hand: usize,
    cut: Cut,
    view: CropView,
    slot: Slot,
}

/// A released network with the windows of all tracks.
///
/// Each frame is encoded once; its features stay with the network until no window needs them, so that memory
/// does not grow with the stream. The same frames give the same hands whatever the order of the hands in a
/// frame.
pub struct FullHaptic {
    network: Box<dyn WindowNetwork>,
    config: FullConfig,
    tracks: HashMap<TrackId, Track>,
    pictures: Pictures,
    rows: Vec<HeadRow>,
}

impl FullHaptic {
    /// The network on a stream.
    ///
    /// # Errors
    /// [`HapticError::Stride`].
    pub fn new(network: Box<dyn WindowNetwork>, config: FullConfig) -> Result<Self, HapticError> {
        if config.stream.stride == 0 {
            return Err(HapticError::Stride);
        }
        let pictures = Pictures::new(config.sampling);
        Ok(Self { network, config, tracks: HashMap::new(), pictures, rows: Vec::new() })
    }

    /// Takes in all hands of `frame`, which `camera` captured. One answer per hand, in their order.
    ///
    /// `None` for an observation that cannot be a hand (not finite, all points in one place, far outside
    /// the picture), for a second hand under one track's name, and where the network's numbers are no hand:
    /// the track goes on without this frame.
    ///
    /// # Errors
    /// [`NetworkError`] where the network failed; then every track begins anew.
    pub fn update(
        &mut self,
        frame: &Frame,
        hands: &[HandInput],
        camera: &CameraModel,
        jobs: &dyn Jobs,
    ) -> Result<Vec<Option<FullHand>>, NetworkError> {
        let patience = self.config.stream.longest_gap_seconds;
        self.tracks.retain(|_, track| frame.timestamp.since(track.last).as_secs_f64() <= patience);
        let running = self.prepare(frame, hands, camera);
        let mut answers = vec![None; hands.len()];
        if running.is_empty() {
            return Ok(answers);
        }
        if let Err(error) = self.run(frame, hands, &running, jobs) {
            self.tracks.clear();
            return Err(error);
        }
        let mut first = 0;
        for run in running {
            let Some(input) = hands.get(run.hand) else { continue };
            let Some(track) = self.tracks.get_mut(&input.track) else { continue };
            let end = first + track.window.frames().len();
            let rows = self.rows.get(first..end).unwrap_or_default();
            first = end;
            if let Some(answer) = answers.get_mut(run.hand) {
                *answer = track.place(rows, &self.config);
            }
        }
        Ok(answers)
    }

    /// Forgets a track; if it comes back, it begins anew.
    pub fn forget(&mut self, track: TrackId) {
        self.tracks.remove(&track);
    }

    /// What each usable hand needs: its crop, and a slot for its features.
    fn prepare(&mut self, frame: &Frame, hands: &[HandInput], camera: &CameraModel) -> Vec<Running> {
        let rule = match self.network.shape().kind {
            NetworkKind::Hamer => CropRule::Hamer,
            NetworkKind::Haptic => CropRule::Haptic,
        };
        let longest = self.network.shape().longest_window.clamp(1, WINDOW);
        let taken = self.tracks.values().flat_map(|track| track.window.frames().map(|kept| kept.frame.slot));
        let taken: HashSet<Slot> = taken.collect();
        let mut free = (0..).map(Slot).filter(|slot| !taken.contains(slot));
        let mut running: Vec<Running> = Vec::with_capacity(hands.len());
        for (at, hand) in hands.iter().enumerate() {
            let side = hand.observation.side;
            let taken = running.iter().filter_map(|run| hands.get(run.hand));
            if taken.into_iter().any(|earlier| earlier.track == hand.track) {
                continue;
            }
            let Some(seen) = HandBox::around(&hand.observation.keypoints_px)
                .and_then(|found| rule.square(&found, frame.size))
            else {
                continue;
            };
            let new_track = || Track {
                side,
                window: Window::new(longest),
                steady: SteadySquare::default(),
                last: frame.timestamp,
            };
            let track = self.tracks.entry(hand.track).or_insert_with(new_track);
            if track.side != side {
                // What was seen in one hand's space means nothing in the other's.
                *track = new_track();
            }
            track.last = frame.timestamp;
            let square = track.steady.update(seen, frame.timestamp, frame.size, &self.config.steady);
            if let (Some(view), Some(slot)) = (CropView::new(&square, side, camera), free.next()) {
                let cut = Cut { square, side, blurred: rule.blurs() };
                running.push(Running { hand: at, cut, view, slot });
            }
        }
        running
    }

    /// Cuts the pictures of all hands, and encodes them.
    fn encode_pictures(
        &mut self,
        frame: &Frame,
        running: &[Running],
        jobs: &dyn Jobs,
    ) -> Result<(), NetworkError> {
        let whole = self.network.shape().kind == NetworkKind::Haptic;
        let cuts: Vec<Cut> = running.iter().map(|run| run.cut).collect();
        self.pictures.cut(frame, &cuts, whole, jobs);
        let pictures = running
            .iter()
            .zip(self.pictures.crops())
            .map(|(run, crop)| (run.slot, HandPictures { crop, frame: self.pictures.whole(run.cut.side) }));
        self.network.encode(&pictures.collect::<Vec<_>>(), jobs)
    }

    /// Pictures to features to `self.rows`: a row for each frame of each running hand's window.
    fn run(
        &mut self,
        frame: &Frame,
        hands: &[HandInput],
        running: &[Running],
        jobs: &dyn Jobs,
    ) -> Result<(), NetworkError> {
        let mut windows: Vec<Vec<Slot>> = Vec::with_capacity(running.len());
        for run in running {
            let Some(track) = hands.get(run.hand).and_then(|hand| self.tracks.get_mut(&hand.track)) else {
                continue;
            };
            let seen = Seen { slot: run.slot, view: run.view };
            track.window.push(frame.timestamp, seen, &self.config.stream);
            windows.push(track.window.frames().map(|kept| kept.frame.slot).collect());
        }
        let windows: Vec<&[Slot]> = windows.iter().map(Vec::as_slice).collect();
        self.rows.clear();
        let uncut: Vec<(Slot, Cut)> = running.iter().map(|run| (run.slot, run.cut)).collect();
        if self.network.see(frame, (&uncut, self.config.sampling), &windows, &mut self.rows)? {
            return Ok(());
        }
        self.encode_pictures(frame, running, jobs)?;
        self.network.decode(&windows, jobs, &mut self.rows)
    }
}

impl Track {
    /// The newest frame's hand from the rows of its window; without one the frame is forgotten.
    fn place(&mut self, rows: &[HeadRow], config: &FullConfig) -> Option<FullHand> {
        let hand = self.placed(rows, config);
        if hand.is_none() {
            self.window.forget_newest();
        }
        hand
    }

    fn placed(&mut self, rows: &[HeadRow], config: &FullConfig) -> Option<FullHand> {
        let newest = rows.last()?;
        if !rows.iter().all(HeadRow::is_finite) {
            return None;
        }
        let views: Vec<CropView> = self.window.frames().map(|kept| kept.frame.view).collect();
        let depth = |(row, view): (&HeadRow, &CropView)| {
            (view.weak_depth(&WeakCamera::new(row.camera)), f64::from(row.depth))
        };
        let depths: Vec<(f64, f64)> = rows.iter().zip(&views).map(depth).collect();
        let placed = self.window.place(&depths, config.placement, &config.stream)?;
        FullHand::new(newest, views.last()?, &placed)
    }
}
