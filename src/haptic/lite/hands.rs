//! The lite window transformer on a stream: all hands of a frame in, a posed hand in metres for each out.

use std::collections::HashMap;

use nalgebra::{Rotation3, Vector2, Vector3};

use super::network::{Batch, LiteNetwork, NetworkMemory, WEIGHTS, WindowEstimate};
use super::tokens::{FrameToken, HandBox, SeenHand, half_fov};
use crate::event::{KEYPOINTS, Side, TrackId};
use crate::frame::Timestamp;
use crate::geometry::CameraModel;
use crate::hand::joints::MANO_JOINTS;
use crate::hand::{SHAPES, Skeleton};
use crate::haptic::error::HapticError;
use crate::haptic::placement::PlacementMode;
use crate::haptic::stream::{StreamConfig, Window};
use crate::haptic::{HandInput, WINDOW};
use crate::jobs::{Job, Jobs};

/// Settings of the lite window transformer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiteConfig {
    /// How windows follow a stream.
    pub stream: StreamConfig,
    /// How depths and depth changes are brought together.
    pub placement: PlacementMode,
}

/// One hand of a frame as already prepared.
#[derive(Clone, Debug)]
pub struct SeenInput {
    /// The track it continues.
    pub track: TrackId,
    /// Which hand it is; `seen` of a left hand is its mirror image.
    pub side: Side,
    /// The hand in right-hand space; `None` where the observation could not be used.
    pub seen: Option<SeenHand>,
}

/// What the network says of one hand in the newest frame, right-hand space: a left hand is the mirror
/// image of this.
#[derive(Clone, Debug, PartialEq)]
pub struct LiteHand {
    /// Rotations of the wrist (camera axes) and the finger joints, MANO order.
    pub rotations: [Rotation3<f64>; MANO_JOINTS],
    /// Shape coefficients.
    pub betas: [f64; SHAPES],
    /// Normalised camera coordinates (x/z, y/z) of the wrist.
    pub root_ray: Vector2<f64>,
    /// Depth of the wrist as placed over time, metres.
    pub depth: f64,
    /// Depth of the wrist by this frame's box and scale alone, metres.
    pub weak2full_depth: f64,
    /// Change of the wrist's depth since the track's frame before, metres; `None` for the first frame of a
    /// window.
    pub depth_change: Option<f64>,
}

impl LiteHand {
    /// The wrist in camera space, metres.
    pub fn wrist(&self) -> Vector3<f64> {
        self.root_ray.push(1.0) * self.depth
    }

    /// The right hand's joints in camera space, `openpose21`, metres.
    pub fn joints(&self, skeleton: &Skeleton) -> [Vector3<f64>; KEYPOINTS] {
        let rest_wrist = skeleton.shaped_joints(&self.betas)[0];
        let rotations = self.rotations.map(Rotation3::into_inner);
        skeleton.pose(&rotations, &self.betas, self.wrist() - rest_wrist)
    }
}

/// One hand's stream.
struct Track {
    side: Side,
    window: Window<FrameToken>,
    last: Timestamp,
    batch: Batch,
    memory: NetworkMemory,
}

/// The network with the windows of all tracks.
///
/// Each hand is a job of its own. The same frames give the same hands, to the bit, whatever the order of
/// the hands in a frame.
pub struct LiteHaptic {
    network: LiteNetwork,
    config: LiteConfig,
    tracks: HashMap<TrackId, Track>,
}

impl LiteHaptic {
    /// The network with the embedded weights.
    ///
    /// # Errors
    /// [`HapticError`].
    pub fn new(config: LiteConfig) -> Result<Self, HapticError> {
        Self::with_weights(WEIGHTS, config)
    }

    /// The network with the weights in the safetensors file `bytes`.
    ///
    /// # Errors
    /// [`HapticError`].
    pub fn with_weights(bytes: &[u8], config: LiteConfig) -> Result<Self, HapticError> {
        if config.stream.stride == 0 {
            return Err(HapticError::Stride);
        }
        Ok(Self { network: LiteNetwork::from_bytes(bytes)?, config, tracks: HashMap::new() })
    }

    /// Takes in all hands of the frame that `camera` captured at `timestamp`; each hand is the other's
    /// context. One answer per hand, in their order.
    ///
    /// `None` for an observation that cannot be a hand (not finite, all points in one place, far outside
    /// the picture): its track stays as it was.
    pub fn update(
        &mut self,
        hands: &[HandInput],
        camera: &CameraModel,
        timestamp: Timestamp,
        jobs: &dyn Jobs,
    ) -> Vec<Option<LiteHand>> {
        let prepare = |hand: &HandInput| SeenInput {
            track: hand.track,
            side: hand.observation.side,
            seen: SeenHand::new(&hand.observation, camera),
        };
        let seen: Vec<SeenInput> = hands.iter().map(prepare).collect();
        self.update_seen(&seen, half_fov(camera), timestamp, jobs)
    }

    /// As [`Self::update`] for hands that are already prepared; `half_fov` holds the tangents of half the
    /// field of view.
    pub fn update_seen(
        &mut self,
        hands: &[SeenInput],
        half_fov: Vector2<f64>,
        timestamp: Timestamp,
        jobs: &dyn Jobs,
    ) -> Vec<Option<LiteHand>> {
        let patience = self.config.stream.longest_gap_seconds;
        self.tracks.retain(|_, track| timestamp.since(track.last).as_secs_f64() <= patience);
        let mut running: Vec<Option<(TrackId, Track)>> = Vec::with_capacity(hands.len());
        for (at, hand) in hands.iter().enumerate() {
            // A track has one hand a frame; a second one under its name is refused.
            let first = !hands[..at].iter().any(|earlier| earlier.track == hand.track);
            let other = other_hand(hands, at).map(|other| other.mirrored_for(hand.side));
            let token = hand.seen.as_ref().and_then(|seen| FrameToken::new(seen, other, half_fov));
            let token = token.filter(|_| first);
            running.push(token.map(|token| (hand.track, self.track_with(hand, token, timestamp))));
        }
        let mut answers = vec![None; hands.len()];
        let (network, config) = (&self.network, &self.config);
        let passes = running.iter_mut().zip(&mut answers).filter_map(|(running, answer)| {
            let (_, track) = running.as_mut()?;
            let pass: Job<'_> = Box::new(move || *answer = track.answer(network, config));
            Some(pass)
        });
        jobs.run(passes.collect());
        self.tracks.extend(running.into_iter().flatten());
        answers
    }

    /// Forgets a track; if it comes back, it begins anew.
    pub fn forget(&mut self, track: TrackId) {
        self.tracks.remove(&track);
    }

    /// Takes the hand's track out, with the frame as the newest of its window.
    fn track_with(&mut self, hand: &SeenInput, token: FrameToken, timestamp: Timestamp) -> Track {
        let known = self.tracks.remove(&hand.track);
        // What was seen in one hand's space means nothing in the other's.
        let known = known.filter(|track| track.side == hand.side);
        let mut track = known.unwrap_or_else(|| Track::new(hand.side, timestamp));
        track.last = timestamp;
        track.window.push(timestamp, token, &self.config.stream);
        let age = |at: Timestamp| timestamp.since(at).as_secs_f64();
        track.batch.clear();
        track.batch.push(track.window.frames().map(|kept| (&kept.frame, age(kept.timestamp))));
        track
    }
}

impl Track {
    fn new(side: Side, now: Timestamp) -> Self {
        Self {
            side,
            window: Window::new(WINDOW),
            last: now,
            batch: Batch::default(),
            memory: NetworkMemory::default(),
        }
    }

    /// What the network says of the newest frame of the window.
    fn answer(&mut self, network: &LiteNetwork, config: &LiteConfig) -> Option<LiteHand> {
        let estimate = network.run(&self.batch, &mut self.memory).next()?;
        place(&mut self.window, &estimate, config)
    }
}

/// The newest frame's hand; keeps its depth for the frames to come.
fn place(
    window: &mut Window<FrameToken>,
    estimate: &WindowEstimate,
    config: &LiteConfig,
) -> Option<LiteHand> {
    if !estimate.is_finite() {
        return None;
    }
    let newest = estimate.len().checked_sub(1)?;
    let depth = |row| (estimate.weak_depth(row), estimate.depth_change(row));
    let depths: Vec<(f64, f64)> = (0..=newest).map(depth).collect();
    let placed = window.place(&depths, config.placement, &config.stream)?;
    Some(LiteHand {
        rotations: estimate.rotations(newest),
        betas: estimate.betas(),
        root_ray: estimate.root_ray(newest),
        depth: placed.depth,
        weak2full_depth: placed.weak,
        depth_change: placed.change,
    })
}

/// The box of the hand that hand `at` has beside it, in camera space: the person's other hand before one of
/// the same side, then the larger.
fn other_hand(hands: &[SeenInput], at: usize) -> Option<HandBox> {
    let side = hands[at].side;
    let others = hands.iter().enumerate().filter(|(index, _)| *index != at);
    let boxes = others.filter_map(|(_, hand)| {
        let seen = hand.seen.as_ref()?.hand_box()?;
        Some((hand.side != side, seen.mirrored_for(hand.side)))
    });
    boxes.max_by(|a, b| a.0.cmp(&b.0).then(a.1.side.total_cmp(&b.1.side))).map(|(_, hand_box)| hand_box)
}
