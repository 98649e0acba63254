//! The bones: rest joints as a function of shape, and forward kinematics.

use nalgebra::{Matrix3, RealField, Vector3};

use super::anatomy::Anatomy;
use super::joints::{DISTAL_JOINTS, FINGERS, MANO_JOINTS, MANO_PARENTS, openpose_from_mano};

/// Shape coefficients of a hand model.
pub const SHAPES: usize = 10;

/// What a fit needs of a hand model: the right hand's joints in rest pose, metres, MANO order.
#[derive(Clone, Debug)]
pub struct Skeleton {
    /// Joints of the mean shape.
    pub joints: [Vector3<f64>; MANO_JOINTS],
    /// How each joint moves with each shape coefficient.
    pub joint_shape: [[Vector3<f64>; SHAPES]; MANO_JOINTS],
    /// Tips of thumb, index, middle, ring and little finger of the mean shape; each follows its
    /// finger's last joint ([`DISTAL_JOINTS`]).
    pub tips: [Vector3<f64>; FINGERS],
    /// How each tip moves with each shape coefficient.
    pub tip_shape: [[Vector3<f64>; SHAPES]; FINGERS],
    /// Parent of each joint.
    pub parents: [Option<usize>; MANO_JOINTS],
    /// Bend axes and limits.
    pub anatomy: Anatomy,
}

/// Where a joint's bone is: points `p` of the rest pose go to `rotation (p - rest joint) + position`.
#[derive(Clone, Copy, Debug)]
pub struct JointTransform<T: RealField + Copy> {
    /// Product of the rotations from the wrist down to this joint.
    pub rotation: Matrix3<T>,
    /// The joint itself.
    pub position: Vector3<T>,
}

impl Skeleton {
    /// Rest joints of the shape `betas`.
    pub fn shaped_joints(&self, betas: &[f64; SHAPES]) -> [Vector3<f64>; MANO_JOINTS] {
        std::array::from_fn(|j| shaped(self.joints[j], &self.joint_shape[j], betas))
    }

    /// Rest tips of the shape `betas`: thumb, index, middle, ring, pinky.
    pub fn shaped_tips(&self, betas: &[f64; SHAPES]) -> [Vector3<f64>; FINGERS] {
        std::array::from_fn(|f| shaped(self.tips[f], &self.tip_shape[f], betas))
    }

    /// The right hand's 21 joints in `openpose21` order for the wrist's and the fifteen fingers' joint
    /// rotations (MANO order). The hand turns about its wrist joint, then moves by `translation`.
    pub fn pose(
        &self,
        rotations: &[Matrix3<f64>; MANO_JOINTS],
        betas: &[f64; SHAPES],
        translation: Vector3<f64>,
    ) -> [Vector3<f64>; 21] {
        let rest = self.shaped_joints(betas);
        let tips = self.shaped_tips(betas);
        let posed = forward_kinematics(&rest, rotations);
        let tips = std::array::from_fn(|f| {
            let distal = DISTAL_JOINTS[f];
            posed[distal].rotation * (tips[f] - rest[distal]) + posed[distal].position
        });
        openpose_from_mano(&posed.map(|joint| joint.position), &tips).map(|point| point + translation)
    }
}

fn shaped(mean: Vector3<f64>, shape: &[Vector3<f64>; SHAPES], betas: &[f64; SHAPES]) -> Vector3<f64> {
    shape.iter().zip(betas).fold(mean, |sum, (direction, &beta)| sum + direction * beta)
}

/// Chains local joint rotations from the wrist outward; the wrist stays where it rests.
pub fn forward_kinematics<T: RealField + Copy>(
    rest: &[Vector3<T>; MANO_JOINTS],
    rotations: &[Matrix3<T>; MANO_JOINTS],
) -> [JointTransform<T>; MANO_JOINTS] {
    let mut posed = [JointTransform { rotation: rotations[0], position: rest[0] }; MANO_JOINTS];
    for (joint, parent) in MANO_PARENTS.into_iter().enumerate() {
        // Parents come before their children in MANO's order.
        if let Some(parent) = parent {
            let JointTransform { rotation, position } = posed[parent];
            posed[joint] = JointTransform {
                rotation: rotation * rotations[joint],
                position: rotation * (rest[joint] - rest[parent]) + position,
            };
        }
    }
    posed
}
