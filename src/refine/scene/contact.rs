//! Where the two hands of a chunk are in each other.
//!
//! Contacts are found on the meshes once and then held: a vertex of one hand that lies inside the other must come
//! out through the surface nearest to it while the solver moves the bones. Vertices are taken for rigid parts of
//! the bone that moves them the most. What was found once stays held, or the other terms would pull it back in.

use std::collections::BTreeMap;

use nalgebra::Vector3;

use super::hand::HandChain;
use crate::event::{KEYPOINTS, Side};
use crate::fit::kinematics::{Bent, parent_of};
use crate::fit::parameters::Posture;
use crate::hand::HandModel;
use crate::hand::joints::{FINGERS, MANO_JOINTS, openpose_from_mano};
use crate::hand::mirror::mirror_point;
use crate::metrics::ClosedSurface;
use crate::refine::output::right_pose;
use crate::refine::solver::HandEstimate;
use crate::refine::terms::penetration::{Counting, contacts};

/// Boxes of joints this near to each other may belong to hands that touch, metres.
const FLESH: f64 = 0.025;
/// Vertices less deep inside than this have no way out that can be told, centimetres.
const LEAST_DEPTH_CM: f64 = 1e-3;

/// A point on a bone of a hand, in right-hand space.
#[derive(Clone, Copy, Debug)]
pub(in crate::refine) struct Attached {
    /// Key point in which the bone ends.
    pub bone: usize,
    /// Place in the bone's frame, metres.
    pub place: Vector3<f64>,
}

/// A vertex of one hand and the piece of the other's surface that it must not pass.
#[derive(Clone, Copy, Debug)]
pub(in crate::refine) struct HeldContact {
    /// Nodes of the left and of the right hand.
    pub nodes: [usize; 2],
    /// A point of the left and one of the right hand.
    pub points: [Attached; 2],
    /// The hand (0 left, 1 right) whose point lies on the surface; the other's is the vertex.
    pub surface: usize,
    /// Unit vector out of the surface, in the frame of its bone.
    pub outward: Vector3<f64>,
}

/// The contacts of a chunk: by nodes, the hand of the vertex, and the vertex.
pub(in crate::refine) type HeldContacts = BTreeMap<([usize; 2], usize, usize), HeldContact>;

/// Meshes of both hands for finding contacts.
pub(in crate::refine) struct ContactFinder<'a> {
    model: &'a HandModel,
    surfaces: [ClosedSurface; 2],
    /// Key point that ends the bone of each vertex.
    bones: Vec<usize>,
}

impl<'a> ContactFinder<'a> {
    /// For the hands of `model`.
    pub fn new(model: &'a HandModel) -> Self {
        let surface = |side| ClosedSurface::new(model.faces(side), model.vertex_count());
        let bone_of = bones_of_joints();
        Self {
            model,
            surfaces: [surface(Side::Left), surface(Side::Right)],
            bones: model.leading_joints().into_iter().map(|joint| bone_of[joint]).collect(),
        }
    }

    /// Adds the contacts of a left and a right hand as they are now to those that are `held`.
    pub fn find(&self, hands: [(&HandChain, &HandEstimate); 2], held: &mut HeldContacts) {
        let bones = hands.map(|(hand, own)| hand.at_joints.bones(&own.betas));
        for (right_node, node) in hands[1].0.nodes.iter().enumerate() {
            let Ok(left_node) = hands[0].0.nodes.binary_search_by_key(&node.frame, |node| node.frame) else {
                continue;
            };
            let nodes = [left_node, right_node];
            let postures = [0, 1].map(|side| &hands[side].1.postures[nodes[side]]);
            let bent =
                [0, 1].map(|side| hands[side].0.bend_joints(nodes[side], &bones[side], postures[side]));
            if !boxes_meet(&[0, 1].map(|side| joints(&bent[side], postures[side], side))) {
                continue;
            }
            let vertices = [0, 1].map(|side: usize| {
                let (hand, own) = hands[side];
                let pose = right_pose(self.model, hand, nodes[side], &own.betas, postures[side]);
                let vertices = self.model.posed(&pose, Side::Right).vertices;
                vertices.iter().map(|v| to_world(v.0.cast(), side)).collect::<Vec<Vector3<f64>>>()
            });
            let found = contacts(
                [(&self.surfaces[0], &vertices[0]), (&self.surfaces[1], &vertices[1])],
                Counting::Each,
            );
            held.extend(found.iter().filter_map(|contact| {
                let surface = 1 - contact.hand;
                let outward = to_world((-contact.residual).try_normalize(LEAST_DEPTH_CM)?, surface);
                let of = |side: usize| if contact.hand == side { contact.vertex } else { contact.nearest };
                let points = [0, 1].map(|side| {
                    let vertex = of(side);
                    let point = to_world(vertices[side][vertex], side) - postures[side].wrist;
                    let bone = self.bones[vertex];
                    Attached { bone, place: bent[side].in_bone(bone, &point) }
                });
                let Attached { bone, place } = points[surface];
                let beyond = bent[surface].of_bone(bone, &place) + outward;
                let outward = bent[surface].in_bone(bone, &beyond) - place;
                let held = HeldContact { nodes, points, surface, outward };
                Some(((nodes, contact.hand, contact.vertex), held))
            }));
        }
    }
}

/// A point of a hand's own space in the world, and back: the left hand's is mirrored.
pub(in crate::refine) fn to_world(point: Vector3<f64>, side: usize) -> Vector3<f64> {
    if side == 0 { mirror_point(point) } else { point }
}

/// For every joint in MANO order the key point that ends its bone; the wrist's bone is the palm.
fn bones_of_joints() -> [usize; MANO_JOINTS] {
    let numbers: [usize; MANO_JOINTS] = std::array::from_fn(|joint| joint);
    let points = openpose_from_mano(&numbers, &[MANO_JOINTS; FINGERS]);
    let mut bones = [0; MANO_JOINTS];
    for (k, &joint) in points.iter().enumerate().skip(1).filter(|(_, joint)| **joint < MANO_JOINTS) {
        // The bone from a joint ends in the next key point of its finger.
        bones[joint] = k + 1;
        debug_assert_eq!(parent_of(k + 1), k);
    }
    bones
}

fn joints(bent: &Bent, posture: &Posture, side: usize) -> [Vector3<f64>; KEYPOINTS] {
    bent.joints.map(|joint| to_world(joint + posture.wrist, side))
}

fn boxes_meet(hands: &[[Vector3<f64>; KEYPOINTS]; 2]) -> bool {
    let bounds = hands.each_ref().map(|joints| {
        joints.iter().fold((joints[0], joints[0]), |(low, high), joint| (low.inf(joint), high.sup(joint)))
    });
    let reach = 2.0 * FLESH;
    (0..3).all(|axis| {
        bounds[0].0[axis] <= bounds[1].1[axis] + reach && bounds[1].0[axis] <= bounds[0].1[axis] + reach
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bone_of_a_joint_begins_in_it() {
        let bones = bones_of_joints();
        // Index: base, middle, last joint, then its tip.
        assert_eq!([bones[1], bones[2], bones[3]], [6, 7, 8]);
        // Thumb and palm.
        assert_eq!([bones[13], bones[14], bones[15], bones[0]], [2, 3, 4, 0]);
    }
}
