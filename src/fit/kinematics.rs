//! Joints of the bent hand and their derivatives.
//!
//! Order `openpose21`: key point `1 + 4 finger + level`, fingers from thumb to little finger, level 0
//! at the base and 3 at the tip. All positions are relative to the wrist, in camera axes.

use nalgebra::{Matrix3, Rotation3, Unit, Vector3};

use super::landmarks::BEYOND_JOINT_MM;
use super::parameters::{ANGLES, Posture};
use crate::event::KEYPOINTS;
use crate::hand::Skeleton;
use crate::hand::anatomy::{FINGER_JOINTS, FREE};
use crate::hand::joints::openpose_from_mano;

/// Shape coefficients.
pub(crate) const SHAPES: usize = 10;

/// Key point at the base of the middle finger.
const MIDDLE_KNUCKLE: usize = 9;
/// Millimetres in a metre.
const MM: f64 = 1e3;

/// Shape coefficients of one hand.
pub(crate) type Betas = nalgebra::SVector<f64, SHAPES>;
/// How far the 2D tracker puts each key point of one hand further along its bone than it usually does, metres.
pub(crate) type Offsets = nalgebra::SVector<f64, KEYPOINTS>;

/// Where a finger's angles stand among all.
struct FingerAngles {
    /// The finger's first joint, in MANO order without the wrist.
    joint: usize,
    first: usize,
    /// Angles that move the key point of each level.
    at_level: [usize; 4],
}

/// Thumb, index, middle, ring, little finger.
const FINGER_ANGLES: [FingerAngles; 5] = [
    FingerAngles { joint: 12, first: 16, at_level: [0, 3, 4, 5] },
    FingerAngles { joint: 0, first: 0, at_level: [0, 2, 3, 4] },
    FingerAngles { joint: 3, first: 4, at_level: [0, 2, 3, 4] },
    FingerAngles { joint: 9, first: 12, at_level: [0, 2, 3, 4] },
    FingerAngles { joint: 6, first: 8, at_level: [0, 2, 3, 4] },
];

/// What a pose has beyond the free angles: a turn of every finger joint (MANO order without the wrist), after its
/// own angles.
pub(crate) type Twists = [Matrix3<f64>; FINGER_JOINTS];

/// The angles that move key point `k`, as a range of indices.
pub(crate) fn angles_of(k: usize) -> std::ops::Range<usize> {
    if k == 0 {
        return 0..0;
    }
    let finger = &FINGER_ANGLES[(k - 1) / 4];
    finger.first..finger.first + finger.at_level[(k - 1) % 4]
}

/// The key point one step closer to the wrist.
pub(crate) fn parent_of(k: usize) -> usize {
    if k % 4 == 1 { 0 } else { k.saturating_sub(1) }
}

/// The right hand's bones as the fit needs them.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// Vector from the parent in rest pose, mean shape.
    offsets: [Vector3<f64>; KEYPOINTS],
    /// How `offsets` change with each shape coefficient.
    offset_shape: [[Vector3<f64>; SHAPES]; KEYPOINTS],
    /// From each joint to where the 2D tracker puts its key point, in the joint's parent's rest frame.
    beyond: [Vector3<f64>; KEYPOINTS],
    /// Unit vector along the bone that ends in each joint, in the same frame; the wrist's leads to the middle
    /// knuckle.
    along: [Vector3<f64>; KEYPOINTS],
    /// Axis of each free angle in the rest pose.
    axes: [Unit<Vector3<f64>>; ANGLES],
    /// Least and greatest value of each free angle.
    pub limits: [[f64; 2]; ANGLES],
    /// Rest position of the wrist joint and its change with shape: the model turns about it.
    wrist: Vector3<f64>,
    wrist_shape: [Vector3<f64>; SHAPES],
}

impl Chain {
    /// The chain of `skeleton`.
    pub fn new(skeleton: &Skeleton) -> Self {
        let rest = openpose_from_mano(&skeleton.joints, &skeleton.tips);
        let shape = openpose_from_mano(&skeleton.joint_shape, &skeleton.tip_shape);
        let anatomy = &skeleton.anatomy;
        let offsets = std::array::from_fn(|k| rest[k] - rest[parent_of(k)]);
        let along = std::array::from_fn(|k| {
            let bone: &Vector3<f64> = &offsets[if k == 0 { MIDDLE_KNUCKLE } else { k }];
            bone / bone.norm().max(f64::EPSILON)
        });
        Self {
            offsets,
            beyond: std::array::from_fn(|k| along[k] * (BEYOND_JOINT_MM[k] / MM)),
            along,
            offset_shape: std::array::from_fn(|k| {
                std::array::from_fn(|b| shape[k][b] - shape[parent_of(k)][b])
            }),
            axes: FREE.map(|free| Unit::new_normalize(anatomy.joints[free.joint].axes[free.bend as usize])),
            limits: anatomy.limits(),
            wrist: rest[0],
            wrist_shape: shape[0],
        }
    }

    /// The same hand, whose key points are the model's joints themselves.
    pub fn with_keypoints_at_joints(self) -> Self {
        Self { beyond: [Vector3::zeros(); KEYPOINTS], ..self }
    }

    /// Bones of the shape `betas`.
    pub fn bones(&self, betas: &Betas) -> Bones {
        Bones {
            to_joints: std::array::from_fn(|k| shaped(self.offsets[k], &self.offset_shape[k], betas)),
            beyond: self.beyond,
        }
    }

    /// The same for a hand whose key points lie `offsets` further along its bones than usual.
    pub fn bones_seen(&self, betas: &Betas, offsets: &Offsets) -> Bones {
        let beyond = std::array::from_fn(|k| self.beyond[k] + self.along[k] * offsets[k]);
        Bones { beyond, ..self.bones(betas) }
    }

    /// Derivative of key point `k` by its own offset.
    pub fn offset_derivative(&self, bent: &Bent, k: usize) -> Vector3<f64> {
        bent.frames[k] * self.along[k]
    }

    /// Wrist joint of the shape `betas` in rest pose.
    pub fn rest_wrist(&self, betas: &Betas) -> Vector3<f64> {
        shaped(self.wrist, &self.wrist_shape, betas)
    }

    /// Length from the wrist along the middle finger's bones to its tip, metres, and its gradient by
    /// the shape.
    pub fn hand_length(&self, betas: &Betas) -> (f64, Betas) {
        let bones = self.bones(betas);
        let (mut length, mut gradient) = (0.0, Betas::zeros());
        for k in MIDDLE_KNUCKLE..MIDDLE_KNUCKLE + 4 {
            let bone = bones.to_joints[k];
            length += bone.norm();
            for b in 0..SHAPES {
                gradient[b] += self.offset_shape[k][b].dot(&bone) / bone.norm().max(f64::EPSILON);
            }
        }
        (length, gradient)
    }

    /// Bends `bones` as `posture` says.
    pub fn bend(&self, bones: &Bones, posture: &Posture) -> Bent {
        self.bend_twisted(bones, posture, None)
    }

    /// The same for joints that turn in ways that the free angles do not have.
    pub fn bend_twisted(&self, bones: &Bones, posture: &Posture, twists: Option<&Twists>) -> Bent {
        let mut bent = Bent {
            joints: [Vector3::zeros(); KEYPOINTS],
            keypoints: [Vector3::zeros(); KEYPOINTS],
            frames: [*posture.rotation.matrix(); KEYPOINTS],
            axes: [Vector3::zeros(); ANGLES],
            pivots: [Vector3::zeros(); ANGLES],
        };
        bent.keypoints[0] = bent.frames[0] * bones.beyond[0];
        for (f, finger) in FINGER_ANGLES.iter().enumerate() {
            let mut frame = *posture.rotation.matrix();
            let mut joint = Vector3::zeros();
            let mut angle = finger.first;
            for level in 0..4 {
                let k = 1 + 4 * f + level;
                bent.frames[k] = frame;
                bent.keypoints[k] = joint + frame * (bones.to_joints[k] + bones.beyond[k]);
                joint += frame * bones.to_joints[k];
                bent.joints[k] = joint;
                let end = finger.first + finger.at_level[(level + 1).min(3)];
                while angle < end {
                    bent.axes[angle] = frame * self.axes[angle].into_inner();
                    bent.pivots[angle] = joint;
                    frame *= Rotation3::from_axis_angle(&self.axes[angle], posture.angles[angle]).matrix();
                    angle += 1;
                }
                if let Some(twist) =
                    twists.and_then(|twists| twists[finger.joint..finger.joint + 3].get(level))
                {
                    frame *= twist;
                }
            }
        }
        bent
    }

    /// Derivative of key point `k` by the shape coefficients.
    pub fn shape_derivative(&self, bent: &Bent, k: usize) -> [Vector3<f64>; SHAPES] {
        let mut derivative = [Vector3::zeros(); SHAPES];
        let mut at = k;
        while at != 0 {
            for (sum, change) in derivative.iter_mut().zip(&self.offset_shape[at]) {
                *sum += bent.frames[at] * change;
            }
            at = parent_of(at);
        }
        derivative
    }
}

fn shaped(mean: Vector3<f64>, shape: &[Vector3<f64>; SHAPES], betas: &Betas) -> Vector3<f64> {
    shape.iter().zip(betas.iter()).fold(mean, |sum, (direction, &beta)| sum + direction * beta)
}

/// Vectors in rest pose, for one hand.
#[derive(Clone, Debug)]
pub(crate) struct Bones {
    /// From each joint's parent to the joint.
    to_joints: [Vector3<f64>; KEYPOINTS],
    /// From each joint to its key point.
    beyond: [Vector3<f64>; KEYPOINTS],
}

impl Bones {
    /// Sum of the bones' lengths, metres; bending does not change it.
    pub fn total_length(&self) -> f64 {
        self.to_joints.iter().map(|bone| bone.norm()).sum()
    }
}

/// A bent hand, relative to its wrist, in camera axes.
#[derive(Clone, Debug)]
pub(crate) struct Bent {
    /// The model's joints.
    pub joints: [Vector3<f64>; KEYPOINTS],
    /// Where the 2D tracker puts its key points ([`super::landmarks`]).
    pub keypoints: [Vector3<f64>; KEYPOINTS],
    /// Orientation of the bone that ends in each key point.
    frames: [Matrix3<f64>; KEYPOINTS],
    /// Turning axis of each angle.
    axes: [Vector3<f64>; ANGLES],
    /// Joint that each angle turns.
    pivots: [Vector3<f64>; ANGLES],
}

impl Bent {
    /// Derivative of key point `k` by an angle that moves it.
    pub fn angle_derivative(&self, k: usize, angle: usize) -> Vector3<f64> {
        self.axes[angle].cross(&(self.keypoints[k] - self.pivots[angle]))
    }
}
