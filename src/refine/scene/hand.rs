//! One hand of the chunk as the solver takes it: in right-hand space, frame by frame.

use nalgebra::{Vector2, Vector3};

use super::provisional::camera_posture;
use super::tracks::HandTrack;
use crate::event::{KEYPOINTS, Side};
use crate::fit::kinematics::{Bent, Betas, Bones, Chain, Offsets, Twists};
use crate::fit::landmarks::relative_sigma;
use crate::fit::parameters::Posture;
use crate::geometry::CameraModel;
use crate::geometry::rotation::{axis_angle_from_matrix, matrix_from_axis_angle};
use crate::hand::HandModel;
use crate::hand::anatomy::FINGER_JOINTS;
use crate::hand::mirror::{mirror_axis_angle, mirror_ray};
use crate::refine::config::{ObservationTerms, PixelUnit, RefineConfig};
use crate::refine::{Chunk, KeypointMeaning, ObservedHand};

/// Key points further outside than this many picture sizes are not believed.
const MAX_OUTSIDE: f64 = 4.0;
/// Seconds that a first frame counts for, and the longest that any counts for.
const FIRST_STEP: f64 = 1.0 / 30.0;
/// Twists smaller than this (radians) are rounding.
const LEAST_TWIST: f64 = 2e-3;
/// Frames over which twists are averaged.
const TWIST_FRAMES: f64 = 3.0;
/// Information that holds key points at their usual place, 1/m^2.
const HELD_OFFSET: f64 = 1e14;
/// Shortest time between two frames, seconds; a clock that stands still counts as this.
const SHORTEST_STEP: f64 = 1e-3;

/// The key points of one frame, undistorted, in right-hand space.
#[derive(Clone, Debug)]
pub(in crate::refine) struct Sight {
    /// Viewing rays (x/z, y/z).
    pub rays: [Vector2<f64>; KEYPOINTS],
    /// Squared confidence of each, 0 where it is left out.
    pub weights: [f64; KEYPOINTS],
    /// Units of the residual in a unit of the ray, for x and y: the focal lengths in pixels, where the unit
    /// is a pixel; for each key point multiplied with `sharpness`.
    pub scale: Vector2<f64>,
    /// How much sharper than the others each key point is seen.
    pub sharpness: [f64; KEYPOINTS],
}

/// One frame of a hand.
#[derive(Clone, Debug)]
pub(in crate::refine) struct Node {
    /// Index of the frame in the chunk.
    pub frame: usize,
    /// Seconds since the node before; `None` where a new stretch begins.
    pub since: Option<f64>,
    /// Seconds that the frame counts for.
    pub lasts: f64,
    /// Place of the observation among the frame's hands, where there is one.
    pub observed: Option<usize>,
    /// What was seen.
    pub sight: Option<Sight>,
    /// The provisional posture in camera space.
    pub provisional: Option<Posture>,
    /// What the provisional pose has beyond the free angles, smoothed; `None` where no frame has any.
    pub twists: Option<Box<Twists>>,
}

/// One hand of a chunk.
#[derive(Clone, Debug)]
pub(in crate::refine) struct HandChain {
    pub side: Side,
    /// Bones and limits of the right hand.
    pub chain: Chain,
    /// The same with the joints themselves for key points.
    pub at_joints: Chain,
    /// The frames, ascending: all of every stretch, gaps included.
    pub nodes: Vec<Node>,
    /// The shape agreed on before the search.
    pub betas: Betas,
    /// Where this hand's key points are expected along their bones, and how surely: inverse variance, 1/m^2.
    pub offsets: Offsets,
    pub offset_information: f64,
}

impl HandChain {
    /// The hand of `track`: frames between its sightings belong to it where the gap is short enough to be
    /// filled. `None` where no observation can be used.
    ///
    /// `agreed` makes the shape of the mean of the provisional ones and of the number of frames.
    pub fn new(
        track: &HandTrack,
        chunk: &Chunk,
        model: &HandModel,
        config: &RefineConfig,
        agreed: impl Fn(&Betas, usize) -> Betas,
    ) -> Option<Self> {
        let mut chain = Chain::new(model.skeleton());
        if chunk.meaning == KeypointMeaning::Joints {
            chain = chain.with_keypoints_at_joints();
        }
        let usable: Vec<_> = track.seen.iter().filter(|(_, hand)| is_finite(hand)).collect();
        let betas = mean_betas(&usable.iter().map(|(_, hand)| *hand).collect::<Vec<_>>())?;
        let betas = agreed(&betas, usable.len());
        let at_joints = chain.clone().with_keypoints_at_joints();
        let (offsets, free) = (Offsets::zeros(), chunk.meaning == KeypointMeaning::Tracker);
        let sigma = if free { config.observation.keypoint_offset } else { 0.0 };
        let offset_information = if sigma > 0.0 { sigma.powi(-2) } else { HELD_OFFSET };
        let mut hand = Self {
            side: track.side,
            chain,
            at_joints,
            nodes: Vec::new(),
            betas,
            offsets,
            offset_information,
        };
        let time = |frame: usize| chunk.frames[frame].timestamp.seconds();
        let mut last: Option<usize> = None;
        for &&(frame, observed) in &usable {
            let from = match last {
                Some(last) if frame - last - 1 <= config.longest_gap => last + 1,
                _ => frame,
            };
            for at in from..=frame {
                let linked = last.is_some() && hand.nodes.last().is_some_and(|node| node.frame + 1 == at);
                let since = linked.then(|| (time(at) - time(at - 1)).max(SHORTEST_STEP));
                hand.nodes.push(Node {
                    frame: at,
                    since,
                    lasts: since.map_or(FIRST_STEP, |dt| dt.min(FIRST_STEP)),
                    observed: None,
                    sight: None,
                    provisional: None,
                    twists: None,
                });
            }
            if let Some(node) = hand.nodes.last_mut() {
                let mirrored = track.side == Side::Left;
                node.observed = chunk.frames[frame].hands.iter().position(|h| std::ptr::eq(h, observed));
                node.sight =
                    Sight::new(observed, &chunk.camera, mirrored, chunk.meaning, &config.observation);
                // The pose of the other hand says nothing of this one.
                if observed.side == track.side {
                    node.provisional = camera_posture(observed, track.side, model, &hand.chain, &betas);
                }
            }
            last = Some(frame);
        }
        hand.find_twists(chunk, model);
        hand.nodes.iter().any(|node| node.provisional.is_some()).then_some(hand)
    }

    /// A bent hand of node `i`.
    pub fn bend(&self, i: usize, bones: &Bones, posture: &Posture) -> Bent {
        self.chain.bend_twisted(bones, posture, self.nodes[i].twists.as_deref())
    }

    /// The same with the joints themselves for key points.
    pub fn bend_joints(&self, i: usize, bones: &Bones, posture: &Posture) -> Bent {
        self.at_joints.bend_twisted(bones, posture, self.nodes[i].twists.as_deref())
    }

    /// Keeps what foreign poses have beyond the free angles, as the mean of neighbouring frames.
    fn find_twists(&mut self, chunk: &Chunk, model: &HandModel) {
        let anatomy = &model.skeleton().anatomy;
        let found: Vec<Option<[Vector3<f64>; FINGER_JOINTS]>> = self
            .nodes
            .iter()
            .map(|node| {
                let posture = node.provisional.as_ref()?;
                let observed = chunk.frames[node.frame].hands.get(node.observed?)?;
                let own = anatomy.rotations(&posture.angles);
                Some(std::array::from_fn(|j| {
                    let given = observed.pose.hand_pose[j].cast::<f64>();
                    let given = if self.mirrored() { mirror_axis_angle(given) } else { given };
                    axis_angle_from_matrix(&(own[j].transpose() * matrix_from_axis_angle(given)))
                }))
            })
            .collect();
        let largest = found.iter().flatten().flatten().map(|twist| twist.norm()).fold(0.0, f64::max);
        if largest < LEAST_TWIST {
            return;
        }
        for i in 0..self.nodes.len() {
            let (mut sum, mut total) = ([Vector3::zeros(); FINGER_JOINTS], 0.0);
            for (k, twists) in found.iter().enumerate() {
                let Some(twists) = twists else { continue };
                let weight = 1.0 / (1.0 + (k.abs_diff(i) as f64 / TWIST_FRAMES).powi(4));
                total += weight;
                sum.iter_mut().zip(twists).for_each(|(sum, twist)| *sum += twist * weight);
            }
            let twists = sum.map(|sum| matrix_from_axis_angle(sum / total));
            self.nodes[i].twists = Some(Box::new(twists));
        }
    }

    /// Whether the world is mirrored for it.
    pub fn mirrored(&self) -> bool {
        self.side == Side::Left
    }
}

impl Node {
    /// Whether anything of the frame's observation can be used.
    pub fn is_seen(&self) -> bool {
        self.sight.is_some() || self.provisional.is_some()
    }
}

impl Sight {
    /// `None` where the key points cannot be a hand.
    fn new(
        observed: &ObservedHand,
        camera: &CameraModel,
        mirrored: bool,
        meaning: KeypointMeaning,
        config: &ObservationTerms,
    ) -> Option<Self> {
        let reach = MAX_OUTSIDE * camera.size.width.max(camera.size.height) as f64;
        let (mut low, mut high) = (Vector2::repeat(f64::INFINITY), Vector2::repeat(f64::NEG_INFINITY));
        let mut weights = [0.0; KEYPOINTS];
        let mut rays = [Vector2::zeros(); KEYPOINTS];
        for (k, &pixel) in observed.keypoints_px.iter().enumerate() {
            let place = Vector2::new(f64::from(pixel.x), f64::from(pixel.y));
            let confidence = observed.confidence[k];
            // Written so that a confidence that is no number leaves the point out.
            let believed = confidence >= config.least_confidence && confidence > 0.0;
            if !believed || !place.iter().all(|v| v.abs() < reach) {
                continue;
            }
            low = low.inf(&place);
            high = high.sup(&place);
            weights[k] = f64::from(confidence.min(1.0)).powi(2);
            let ray = camera.ray(pixel);
            rays[k] = if mirrored { mirror_ray(ray) } else { ray };
        }
        let extent = (high - low).norm();
        if !extent.is_finite() {
            return None;
        }
        let unit = match config.unit {
            PixelUnit::Pixels => 1.0,
            PixelUnit::PartOfHand { part, least_px } => (part * extent).max(least_px),
        };
        let alike = config.unit == PixelUnit::Pixels || meaning == KeypointMeaning::Joints;
        let sharpness = std::array::from_fn(|k| if alike { 1.0 } else { 1.0 / relative_sigma(k) });
        Some(Self { rays, weights, scale: Vector2::new(camera.fx, camera.fy) / unit, sharpness })
    }
}

fn is_finite(hand: &ObservedHand) -> bool {
    let pose = &hand.pose;
    let vectors = pose.hand_pose.iter().chain([&pose.global_orient, &pose.translation]);
    vectors.flat_map(Vector3::iter).chain(&pose.betas).all(|v| v.is_finite())
}

fn mean_betas(hands: &[&ObservedHand]) -> Option<Betas> {
    let weight = |hand: &ObservedHand| f64::from(hand.score.clamp(0.0, 1.0)).max(f64::EPSILON);
    let sum: f64 = hands.iter().map(|hand| weight(hand)).sum();
    if hands.is_empty() || !sum.is_finite() {
        return None;
    }
    let mut mean = Betas::zeros();
    for hand in hands {
        mean += Betas::from_fn(|b, _| f64::from(hand.pose.betas[b])) * (weight(hand) / sum);
    }
    Some(mean)
}
