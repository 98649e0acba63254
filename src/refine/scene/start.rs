//! Where the search begins: provisional postures in the world, great circles across gaps.

use nalgebra::{Rotation3, Vector3};

use super::camera::CameraWay;
use super::hand::HandChain;
use crate::event::Side;
use crate::fit::kinematics::{Betas, Chain};
use crate::fit::parameters::{ANGLES, Posture};
use crate::geometry::rotation::matrix_from_axis_angle;
use crate::hand::HandModel;
use crate::hand::mirror::mirror_pose;
use crate::refine::ObservedHand;

/// Nearest depth of a wrist, metres.
const NEAREST: f64 = 0.02;

/// The provisional pose in the solver's unknowns, camera space mirrored to the right hand, for the shape
/// `betas` that the track agreed on: a larger hand that looks the same is farther away.
pub(in crate::refine) fn camera_posture(
    observed: &ObservedHand,
    side: Side,
    model: &HandModel,
    chain: &Chain,
    betas: &Betas,
) -> Option<Posture> {
    let pose = if side == Side::Left { mirror_pose(&observed.pose) } else { observed.pose.clone() };
    let own = Betas::from_fn(|b, _| f64::from(pose.betas[b]));
    let wrist: Vector3<f64> = pose.translation.cast::<f64>() + chain.rest_wrist(&own);
    let grown = chain.hand_length(betas).0 / chain.hand_length(&own).0.max(f64::EPSILON);
    let mut posture = Posture {
        rotation: Rotation3::from_matrix_unchecked(matrix_from_axis_angle(pose.global_orient.cast())),
        wrist: wrist * grown,
        angles: model.skeleton().anatomy.angles_from_hand_pose(&pose.hand_pose),
    };
    posture.clamp(&chain.limits);
    (posture.is_finite() && posture.wrist.z > NEAREST).then_some(posture)
}

/// Postures in the world of nodes that were seen, in camera space with the camera's way at `scale`.
pub(in crate::refine) fn camera_postures(
    hand: &HandChain,
    way: &CameraWay,
    scale: f64,
    postures: &[Posture],
) -> Vec<Option<Posture>> {
    let nodes = hand.nodes.iter().zip(postures);
    let of = nodes.map(|(node, posture)| {
        let view = way.view(node.frame, scale, hand.mirrored());
        node.is_seen().then(|| Posture {
            rotation: Rotation3::from_matrix_unchecked(view.rotation) * posture.rotation,
            wrist: view.camera_point(&posture.wrist),
            angles: posture.angles,
        })
    });
    of.collect()
}

/// The postures of all nodes in the world, with the camera's way at `scale`; frames without a provisional
/// posture lie between their neighbours.
pub(in crate::refine) fn world_postures(hand: &HandChain, way: &CameraWay, scale: f64) -> Vec<Posture> {
    let known: Vec<(usize, Posture)> = hand
        .nodes
        .iter()
        .enumerate()
        .filter_map(|(i, node)| {
            let posture = node.provisional.as_ref()?;
            let view = way.view(node.frame, scale, hand.mirrored());
            let world = Posture {
                rotation: Rotation3::from_matrix_unchecked(view.rotation.transpose()) * posture.rotation,
                wrist: view.world_point(&posture.wrist),
                angles: posture.angles,
            };
            Some((i, world))
        })
        .collect();
    (0..hand.nodes.len()).map(|i| between(&known, i)).collect()
}

/// The posture of node `i` on the great circle between the known ones around it.
fn between(known: &[(usize, Posture)], i: usize) -> Posture {
    let next = known.partition_point(|&(at, _)| at < i);
    let (before, after) = (next.checked_sub(1).map(|k| &known[k]), known.get(next));
    match (before, after) {
        (Some((from, start)), Some((to, end))) => {
            let part = (i - from) as f64 / (to - from) as f64;
            start.plus(&(end.minus(start) * part))
        }
        (Some((_, posture)), None) | (None, Some((_, posture))) => posture.clone(),
        (None, None) => {
            Posture { rotation: Rotation3::identity(), wrist: Vector3::z(), angles: [0.0; ANGLES] }
        }
    }
}
