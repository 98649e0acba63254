//! The rows' numbers: hands of a run beside the true ones, in the world.

use std::collections::BTreeMap;

use handstream::event::{HandPose, KEYPOINTS, Side};
use handstream::hand::HandModel;
use handstream::metrics::{HandSample, HandSequence, MEASURES, MatchedHand, MetricError};
use handstream::refine::{Chunk, RefinedFrame};
use nalgebra::{Point3, Vector3};

use super::scene::{Truth, WorldScene, interpenetration};

/// The measures that are shown, by their keys in [`MEASURES`].
const SHOWN: [&str; 8] = ["g_mpjpe", "ga_mpjpe", "mpjpe", "pa_mpjpe", "acc", "acc_root", "rte", "jerk"];
/// Frames between two looks at interpenetration.
const PENETRATION_STRIDE: usize = 2;

/// One hand of one frame in the world.
#[derive(Clone)]
pub struct PlacedHand {
    /// Its score, where it was estimated.
    pub score: f32,
    /// The hand in camera space: a rigid motion keeps what two hands have in common.
    pub pose_camera: HandPose,
    /// Joints in the world.
    pub joints: [Vector3<f64>; KEYPOINTS],
}

/// Left and right hand by frame number.
pub type PlacedHands = [BTreeMap<u64, PlacedHand>; 2];

/// What the front end gave, placed in the world by the odometry with `scale` metres in its unit.
pub fn provisional(chunk: &Chunk, scale: f64, model: &HandModel) -> PlacedHands {
    let mut placed = PlacedHands::default();
    for frame in &chunk.frames {
        let Some(mut world_from_camera) = frame.world_from_camera else { continue };
        world_from_camera.translation.vector *= scale;
        for hand in &frame.hands {
            let joints = model.posed(&hand.pose, hand.side).joints;
            let joints = joints.map(|joint| (world_from_camera * Point3::from(joint.0.cast::<f64>())).coords);
            let hand_placed = PlacedHand { score: hand.score, pose_camera: hand.pose.clone(), joints };
            keep_better(&mut placed, hand.side, frame.sequence, hand_placed);
        }
    }
    placed
}

/// What the refinement gave.
pub fn refined<'a>(frames: impl IntoIterator<Item = &'a RefinedFrame>) -> PlacedHands {
    let mut placed = PlacedHands::default();
    for frame in frames {
        for hand in &frame.hands {
            let joints = hand.joints_world.map(|joint| joint.0);
            let hand_placed = PlacedHand { score: hand.score, pose_camera: hand.pose_camera.clone(), joints };
            keep_better(&mut placed, hand.side, frame.sequence, hand_placed);
        }
    }
    placed
}

fn keep_better(placed: &mut PlacedHands, side: Side, frame: u64, hand: PlacedHand) {
    let hands = &mut placed[usize::from(side == Side::Right)];
    if hands.get(&frame).is_none_or(|kept| hand.score > kept.score) {
        hands.insert(frame, hand);
    }
}

/// The frames of `hands` that `others` have too.
pub fn restricted(hands: &PlacedHands, others: &PlacedHands) -> PlacedHands {
    [0, 1].map(|side: usize| {
        let kept = hands[side].iter().filter(|(frame, _)| others[side].contains_key(frame));
        kept.map(|(&frame, hand)| (frame, hand.clone())).collect()
    })
}

/// One hand as the metrics take it.
pub fn sequence(hands: &BTreeMap<u64, PlacedHand>) -> HandSequence {
    hands.iter().map(|(&frame, hand)| (frame, sample(&hand.joints))).collect()
}

/// The true hand of a side as the metrics take it.
pub fn true_sequence(truth: &[Truth], side: usize) -> HandSequence {
    (0..).zip(truth).map(|(frame, truth)| (frame, sample(&truth.hands[side].joints))).collect()
}

fn sample(joints: &[Vector3<f64>; KEYPOINTS]) -> HandSample {
    HandSample { joints: joints.map(Some), vertices: Vec::new(), track: None }
}

/// Means of measures, weighted by frames.
#[derive(Clone, Default)]
pub struct Means(BTreeMap<&'static str, (f64, f64)>);

impl Means {
    /// Adds a value of `weight`.
    pub fn add(&mut self, key: &'static str, value: f64, weight: f64) {
        let (sum, total) = self.0.entry(key).or_default();
        *sum += value * weight;
        *total += weight;
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Means) {
        for (&key, &(sum, total)) in &other.0 {
            let kept = self.0.entry(key).or_default();
            kept.0 += sum;
            kept.1 += total;
        }
    }

    /// The mean called `key`.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.0.get(key).map(|(sum, total)| sum / total)
    }

    /// All means.
    pub fn json(&self) -> serde_json::Value {
        let values = self.0.iter().map(|(&key, (sum, total))| (key.to_owned(), (sum / total).into()));
        serde_json::Value::Object(values.collect())
    }
}

/// All measures of the hands of a scene.
pub fn measured(scene: &WorldScene, hands: &PlacedHands, model: &HandModel) -> Means {
    let mut means = of_hands(&scene.truth, hands, scene.chunk.fps);
    let both = hands[0].keys().filter(|frame| hands[1].contains_key(frame));
    for frame in both.copied().step_by(PENETRATION_STRIDE) {
        let poses = [0, 1].map(|side: usize| hands[side][&frame].pose_camera.clone());
        means.add("pen", interpenetration(&poses, model), 1.0);
    }
    means
}

/// The measures of positions and motion, both hands.
pub fn of_hands(truth: &[Truth], hands: &PlacedHands, fps: f64) -> Means {
    let mut means = Means::default();
    for (side, hand) in hands.iter().enumerate() {
        let matched = MatchedHand::new(&sequence(hand), &true_sequence(truth, side), fps);
        for measure in MEASURES.iter().filter(|measure| SHOWN.contains(&measure.key)) {
            match measure.of(&matched) {
                Ok(value) => means.add(measure.key, value, matched.frames() as f64),
                Err(MetricError::TooShort { .. }) => {}
                Err(error) => println!("{}: {error}", measure.key),
            }
        }
    }
    means
}
