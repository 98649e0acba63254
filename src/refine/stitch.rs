//! From one chunk to the next: what is carried over, and how shared frames pass from one to the other.

use std::collections::BTreeMap;

use nalgebra::{Isometry3, Vector3};

use super::data::{Origin, RefinedFrame, RefinedHand};
use super::output::world_pose;
use crate::event::{HandPose, Side};
use crate::fit::kinematics::Betas;
use crate::geometry::rotation::{axis_angle_from_quaternion, quaternion_from_axis_angle};
use crate::geometry::{CameraPoint, WorldPoint};
use crate::hand::HandModel;
use crate::hand::mirror::mirror_point;

/// Most frames for which the shape of the chunks before counts.
const MOST_SHAPE_FRAMES: f64 = 512.0;

/// What one chunk leaves to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    /// The chunk's frames by number; the next shares the last of them.
    pub frames: BTreeMap<u64, RefinedFrame>,
    /// The scale with its relative standard deviation.
    pub scale: Option<(f64, f64)>,
    /// Shape of the left and right hand, and for how many frames it counts.
    shapes: [Option<(Betas, f64)>; 2],
}

impl Carried {
    /// The shape that a hand's own frames and the chunks before agree on.
    pub fn agreed_shape(&self, side: Side, own: &Betas, frames: usize) -> Betas {
        match &self.shapes[side as usize] {
            Some((before, count)) => {
                let frames = frames as f64;
                (before * *count + own * frames) / (count + frames)
            }
            None => *own,
        }
    }

    /// Takes in the shape of a hand that was seen in so many new frames.
    pub fn learn_shape(&mut self, side: Side, betas: &Betas, frames: usize) {
        let before = self.shapes[side as usize].map_or(0.0, |(_, count)| count);
        self.shapes[side as usize] = Some((*betas, (before + frames as f64).min(MOST_SHAPE_FRAMES)));
    }

    /// Blends the frames that this chunk shares with the one before: from the one before at their start to
    /// this one at their end.
    pub fn blend(&self, frames: &mut [RefinedFrame], model: &HandModel) {
        let shared = frames.iter().filter(|frame| self.frames.contains_key(&frame.sequence)).count();
        let mut place = 0;
        for frame in frames {
            let Some(before) = self.frames.get(&frame.sequence) else { continue };
            place += 1;
            let part = smooth_step(place as f64 / (shared + 1) as f64);
            let camera =
                before.world_from_camera.try_lerp_slerp(&frame.world_from_camera, part, f64::EPSILON);
            frame.world_from_camera = camera.unwrap_or(frame.world_from_camera);
            for hand in &mut frame.hands {
                let same = |other: &&RefinedHand| {
                    other.side == hand.side
                        && other.origin != Origin::Untouched
                        && hand.origin != Origin::Untouched
                };
                let pose_world = match before.hands.iter().find(same) {
                    Some(other) => between(&other.pose_world, &hand.pose_world, hand.side, part, model),
                    None => hand.pose_world.clone(),
                };
                place_hand(hand, pose_world, &frame.world_from_camera, model);
            }
        }
    }
}

/// A pose part of the way from `a` to `b`; the wrist goes straight.
fn between(a: &HandPose, b: &HandPose, side: Side, part: f64, model: &HandModel) -> HandPose {
    let turn = |a: Vector3<f32>, b: Vector3<f32>| {
        let [a, b] = [a, b].map(|v| quaternion_from_axis_angle(v.cast::<f64>()));
        let between = a.try_slerp(&b, part, f64::EPSILON).unwrap_or(b);
        axis_angle_from_quaternion(&between).cast()
    };
    let betas = std::array::from_fn(|i| a.betas[i] + (b.betas[i] - a.betas[i]) * part as f32);
    let rest = |pose: &[f32; 10]| {
        let wrist = model.skeleton().shaped_joints(&pose.map(f64::from))[0];
        if side == Side::Left { mirror_point(wrist) } else { wrist }
    };
    let wrist = |pose: &HandPose| rest(&pose.betas) + pose.translation.cast::<f64>();
    let place = wrist(a).lerp(&wrist(b), part) - rest(&betas);
    HandPose {
        global_orient: turn(a.global_orient, b.global_orient),
        hand_pose: std::array::from_fn(|j| turn(a.hand_pose[j], b.hand_pose[j])),
        betas,
        translation: place.cast(),
    }
}

/// Moves a hand to a pose in the world.
fn place_hand(hand: &mut RefinedHand, pose: HandPose, camera: &Isometry3<f64>, model: &HandModel) {
    let joints = model.posed(&pose, hand.side).joints;
    hand.joints_world = joints.map(|joint| WorldPoint(joint.0.cast()));
    let inverse = camera.inverse();
    hand.joints_camera = hand
        .joints_world
        .map(|joint| CameraPoint((inverse * nalgebra::Point3::from(joint.0)).coords.cast::<f32>()));
    hand.pose_camera = world_pose(&pose, hand.side, &inverse, model.skeleton());
    hand.pose_world = pose;
}

fn smooth_step(t: f64) -> f64 {
    t * t * (3.0 - 2.0 * t)
}
