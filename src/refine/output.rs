//! From the solver's hands back to the poses that travel.

use nalgebra::{Isometry3, Rotation3, Vector3};

use super::data::{Origin, RefinedHand};
use super::scene::{CameraWay, HandChain};
use super::solver::HandEstimate;
use crate::event::{HandPose, KEYPOINTS, Side, TrackId};
use crate::fit::kinematics::Betas;
use crate::fit::parameters::Posture;
use crate::geometry::rotation::{
    axis_angle_from_matrix, axis_angle_from_quaternion, quaternion_from_axis_angle,
};
use crate::geometry::{CameraPoint, WorldPoint};
use crate::hand::mirror::{mirror_point, mirror_pose};
use crate::hand::{HandModel, Skeleton};

/// The pose of a camera-space hand in the world. A left hand's `global_orient` is the rotation of the left
/// model itself, so both sides turn alike; the translation brings the wrist, about which the model turns,
/// to its place (Dyn-HaMR's eq. 4 and 5 with the rest wrist that the paper leaves out).
pub fn world_pose(
    pose: &HandPose,
    side: Side,
    world_from_camera: &Isometry3<f64>,
    skeleton: &Skeleton,
) -> HandPose {
    let rest = skeleton.shaped_joints(&pose.betas.map(f64::from))[0];
    let rest: Vector3<f64> = if side == Side::Left { mirror_point(rest) } else { rest };
    let turned = world_from_camera.rotation * quaternion_from_axis_angle(pose.global_orient.cast::<f64>());
    let wrist = world_from_camera * nalgebra::Point3::from(rest + pose.translation.cast::<f64>());
    HandPose {
        global_orient: axis_angle_from_quaternion(&turned).cast(),
        translation: (wrist.coords - rest).cast(),
        ..pose.clone()
    }
}

/// What a refined hand is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub track: TrackId,
    pub score: f32,
    pub origin: Origin,
}

/// Brings the hands of a solved chunk back to their side and into both spaces.
pub(super) struct Publisher<'a> {
    pub model: &'a HandModel,
    pub way: &'a CameraWay,
    pub scale: f64,
}

impl Publisher<'_> {
    /// Node `i` of a hand, at `posture` in the solver's world.
    pub fn hand(
        &self,
        hand: &HandChain,
        own: &HandEstimate,
        i: usize,
        posture: &Posture,
        label: Label,
    ) -> RefinedHand {
        let view = self.way.view(hand.nodes[i].frame, self.scale, hand.mirrored());
        let in_camera = Posture {
            rotation: Rotation3::from_matrix_unchecked(view.rotation) * posture.rotation,
            wrist: view.camera_point(&posture.wrist),
            angles: posture.angles,
        };
        let bones = hand.chain.bones(&own.betas);
        let place = |posture: &Posture| -> [Vector3<f64>; KEYPOINTS] {
            hand.bend(i, &bones, posture).joints.map(|joint| {
                let point = joint + posture.wrist;
                if hand.mirrored() { mirror_point(point) } else { point }
            })
        };
        let pose = |posture: &Posture| {
            let pose = right_pose(self.model, hand, i, &own.betas, posture);
            if hand.mirrored() { mirror_pose(&pose) } else { pose }
        };
        RefinedHand {
            track: label.track,
            side: hand.side,
            score: label.score,
            origin: label.origin,
            pose_camera: pose(&in_camera),
            pose_world: pose(posture),
            joints_camera: place(&in_camera).map(|point| CameraPoint(point.cast())),
            joints_world: place(posture).map(WorldPoint),
        }
    }
}

/// The model's parameters of node `i` of a hand in right-hand space, at `posture`.
pub(super) fn right_pose(
    model: &HandModel,
    hand: &HandChain,
    i: usize,
    betas: &Betas,
    posture: &Posture,
) -> HandPose {
    let anatomy = &model.skeleton().anatomy;
    let hand_pose = match &hand.nodes[i].twists {
        None => anatomy.hand_pose(&posture.angles),
        Some(twists) => {
            let own = anatomy.rotations(&posture.angles);
            std::array::from_fn(|j| axis_angle_from_matrix(&(own[j] * twists[j])).cast())
        }
    };
    HandPose {
        global_orient: axis_angle_from_matrix(posture.rotation.matrix()).cast(),
        hand_pose,
        betas: std::array::from_fn(|b| betas[b] as f32),
        translation: (posture.wrist - hand.chain.rest_wrist(betas)).cast(),
    }
}
