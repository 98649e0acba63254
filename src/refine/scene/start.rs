//! Where the search begins: provisional postures in the world, great circles across gaps.

use nalgebra::{Rotation3, Vector3};

use super::camera::CameraWay;
use super::hand::HandChain;
use crate::fit::parameters::{ANGLES, Posture};

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
