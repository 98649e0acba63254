//! The right hand's 21 joints as skinning makes them, tips and all, and the way back of a gradient.
//!
//! [`super::Skeleton::pose`] is the cheaper form, in which each tip follows its finger's last joint rigidly; it
//! is exact for the open hand. MANO's tips are vertices that feel several joints and pose blend shapes.

use nalgebra::{Matrix3, Vector3};

use super::joints::{FINGERS, MANO_JOINTS, MANO_PARENTS, mano_from_openpose, openpose_from_mano};
use super::parameters::{POSE_FEATURES, Parameters};
use super::skeleton::{JointTransform, SHAPES, Skeleton, forward_kinematics};

/// Joint rotations of a hand in MANO order, the wrist's first.
pub type Rotations = [Matrix3<f64>; MANO_JOINTS];

/// What makes 21 joints of rotations and shape.
#[derive(Clone, Debug)]
pub struct KeypointSkin {
    joints: [Vector3<f64>; MANO_JOINTS],
    joint_shape: [[Vector3<f64>; SHAPES]; MANO_JOINTS],
    tips: [Tip; FINGERS],
}

/// The vertex at a finger tip.
#[derive(Clone, Debug)]
struct Tip {
    rest: Vector3<f64>,
    shape: [Vector3<f64>; SHAPES],
    /// By entry of the pose feature; empty where the model has none.
    pose: Vec<Vector3<f64>>,
    weights: [f64; MANO_JOINTS],
}

/// Joints in `openpose21` order, and what the way back needs.
#[derive(Clone, Debug)]
pub struct SkinnedKeypoints {
    /// The joints, before any translation.
    pub joints: [Vector3<f64>; 21],
    rotations: Rotations,
    rest: [Vector3<f64>; MANO_JOINTS],
    chain: [JointTransform<f64>; MANO_JOINTS],
    /// Tips with their blend shapes, not yet moved by joints.
    blended: [Vector3<f64>; FINGERS],
}

/// Gradients by what the joints were made of.
#[derive(Clone, Debug)]
pub struct KeypointGradient {
    /// By the entries of each joint's rotation matrix.
    pub rotations: Rotations,
    /// By the shape.
    pub betas: [f64; SHAPES],
}

impl KeypointSkin {
    pub(super) fn new(parameters: &Parameters, skeleton: &Skeleton) -> Self {
        let tip = |vertex: usize| Tip {
            rest: parameters.template[vertex],
            shape: parameters.shape[vertex],
            pose: parameters.pose.chunks_exact(POSE_FEATURES).nth(vertex).unwrap_or_default().to_vec(),
            weights: parameters.weights[vertex],
        };
        Self { joints: skeleton.joints, joint_shape: skeleton.joint_shape, tips: parameters.tips.map(tip) }
    }

    /// The joints for these rotations (each against its parent) and this shape; the hand turns about its wrist.
    pub fn pose(&self, rotations: &Rotations, betas: &[f64; SHAPES]) -> SkinnedKeypoints {
        let rest = std::array::from_fn(|j| shaped(self.joints[j], &self.joint_shape[j], betas));
        let chain = forward_kinematics(&rest, rotations);
        let feature: Vec<f64> = rotations[1..]
            .iter()
            .flat_map(|rotation| (rotation - Matrix3::identity()).transpose().as_slice().to_vec())
            .collect();
        let blended = self.tips.each_ref().map(|tip| {
            let shaped = shaped(tip.rest, &tip.shape, betas);
            tip.pose.iter().zip(&feature).fold(shaped, |sum, (direction, &entry)| sum + direction * entry)
        });
        let tips = std::array::from_fn(|f| {
            let parts = self.tips[f].weights.iter().zip(&chain).zip(&rest);
            parts.fold(Vector3::zeros(), |sum, ((&weight, joint), rest)| {
                sum + (joint.rotation * (blended[f] - rest) + joint.position) * weight
            })
        });
        let joints = openpose_from_mano(&chain.map(|joint| joint.position), &tips);
        SkinnedKeypoints { joints, rotations: *rotations, rest, chain, blended }
    }

    /// The gradients where `by_joints` is that by the joints.
    pub fn reverse(&self, posed: &SkinnedKeypoints, by_joints: &[Vector3<f64>; 21]) -> KeypointGradient {
        let (mut by_position, by_tips) = mano_from_openpose(by_joints);
        let mut by_turn = [Matrix3::zeros(); MANO_JOINTS];
        let mut by_rest = [Vector3::zeros(); MANO_JOINTS];
        let mut gradient =
            KeypointGradient { rotations: [Matrix3::zeros(); MANO_JOINTS], betas: [0.0; SHAPES] };
        for ((tip, by_tip), blended) in self.tips.iter().zip(&by_tips).zip(&posed.blended) {
            let mut by_blended = Vector3::zeros();
            for (j, &weight) in tip.weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                let by = by_tip * weight;
                let back = posed.chain[j].rotation.tr_mul(&by);
                by_blended += back;
                by_rest[j] -= back;
                by_position[j] += by;
                by_turn[j] += by * (blended - posed.rest[j]).transpose();
            }
            for (by, direction) in gradient.betas.iter_mut().zip(&tip.shape) {
                *by += direction.dot(&by_blended);
            }
            for (entry, direction) in tip.pose.iter().enumerate() {
                let (joint, entry) = (1 + entry / 9, entry % 9);
                gradient.rotations[joint][(entry / 3, entry % 3)] += direction.dot(&by_blended);
            }
        }
        for joint in (0..MANO_JOINTS).rev() {
            let Some(parent) = MANO_PARENTS[joint] else {
                gradient.rotations[joint] += by_turn[joint];
                by_rest[joint] += by_position[joint];
                continue;
            };
            let turn = posed.chain[parent].rotation;
            let by = by_position[joint];
            let back = turn.tr_mul(&by);
            by_rest[joint] += back;
            by_rest[parent] -= back;
            by_position[parent] += by;
            let by_own = by_turn[joint];
            by_turn[parent] += by * (posed.rest[joint] - posed.rest[parent]).transpose()
                + by_own * posed.rotations[joint].transpose();
            gradient.rotations[joint] += turn.tr_mul(&by_own);
        }
        for (shape, by_rest) in self.joint_shape.iter().zip(&by_rest) {
            for (by, direction) in gradient.betas.iter_mut().zip(shape) {
                *by += direction.dot(by_rest);
            }
        }
        gradient
    }
}

fn shaped(mean: Vector3<f64>, shape: &[Vector3<f64>; SHAPES], betas: &[f64; SHAPES]) -> Vector3<f64> {
    shape.iter().zip(betas).fold(mean, |sum, (direction, &beta)| sum + direction * beta)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::rotation::matrix_from_axis_angle;
    use crate::hand::HandModel;

    #[test]
    fn the_gradient_is_the_slope_and_the_joints_are_the_skeletons() {
        let model = HandModel::open();
        let skin = model.keypoint_skin();
        let rotations: Rotations = std::array::from_fn(|j| {
            matrix_from_axis_angle(Vector3::new(0.1 * j as f64, 0.3 - 0.05 * j as f64, 0.2))
        });
        let betas = std::array::from_fn(|k| 0.3 * k as f64 - 1.0);
        let posed = skin.pose(&rotations, &betas);
        let weights: [Vector3<f64>; 21] =
            std::array::from_fn(|k| Vector3::new(1.0, 0.2 * k as f64, -0.1 * k as f64));
        let cost = |rotations: &Rotations, betas: &[f64; SHAPES]| -> f64 {
            skin.pose(rotations, betas).joints.iter().zip(&weights).map(|(joint, by)| joint.dot(by)).sum()
        };
        let gradient = skin.reverse(&posed, &weights);
        let step = 1e-6;
        for joint in 0..MANO_JOINTS {
            for entry in 0..9 {
                let moved = |by: f64| {
                    let mut rotations = rotations;
                    rotations[joint][entry] += by;
                    cost(&rotations, &betas)
                };
                let slope = (moved(step) - moved(-step)) / (2.0 * step);
                assert!(
                    (slope - gradient.rotations[joint][entry]).abs() < 1e-7,
                    "joint {joint} entry {entry}"
                );
            }
        }
        for shape in 0..SHAPES {
            let moved = |by: f64| {
                let mut betas = betas;
                betas[shape] += by;
                cost(&rotations, &betas)
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * step);
            assert!((slope - gradient.betas[shape]).abs() < 1e-7, "shape {shape}");
        }
        let bones = model.skeleton().pose(&rotations, &betas, Vector3::zeros());
        assert!(posed.joints.iter().zip(&bones).all(|(skinned, bone)| (skinned - bone).norm() < 1e-5));
    }
}
