//! How finger joints bend: their axes, how far they go, and which angles are free.
//!
//! A finger joint's rotation is `R = exp(flexion a_f) exp(abduction a_a) exp(twist a_t)` about three
//! fixed axes of the rest pose. Of the 45 angles 21 are free, as in the hand (21 degrees of freedom
//! plus the wrist's six): the base of each finger flexes and abducts, its other joints flex; the base
//! of the thumb also twists.

use std::f64::consts::PI;

use nalgebra::{Matrix3, Vector3};

use super::joints::{DISTAL_JOINTS, FINGERS, MANO_JOINTS, MANO_PARENTS};
use crate::geometry::rotation::{axis_angle_from_matrix, matrix_from_axis_angle};

/// Finger joints: MANO's joints without the wrist, in MANO order (`joint - 1`).
pub const FINGER_JOINTS: usize = MANO_JOINTS - 1;

/// Free angles of a hand.
pub const FREE_ANGLES: usize = 21;

/// Rounds in which the free angles of one joint are matched to a rotation, one angle at a time.
const MATCHING_ROUNDS: usize = 12;

/// The three ways a joint turns, in the order they are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bend {
    /// Positive closes the hand.
    Flexion = 0,
    /// Positive leads toward the little finger.
    Abduction = 1,
    /// About the bone itself.
    Twist = 2,
}

/// One free angle of the hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FreeAngle {
    /// Finger joint, `MANO joint - 1`.
    pub joint: usize,
    /// Which of its angles.
    pub bend: Bend,
}

/// The free angles in the order of motion files: index, middle, pinky, ring with base flexion, base
/// abduction, middle joint, last joint each; then thumb base flexion, abduction, twist, middle, last.
pub const FREE: [FreeAngle; FREE_ANGLES] = {
    const fn free(joint: usize, bend: Bend) -> FreeAngle {
        FreeAngle { joint, bend }
    }
    let mut all = [free(0, Bend::Flexion); FREE_ANGLES];
    let mut finger = 0;
    while finger < 4 {
        let (at, joint) = (4 * finger, 3 * finger);
        all[at] = free(joint, Bend::Flexion);
        all[at + 1] = free(joint, Bend::Abduction);
        all[at + 2] = free(joint + 1, Bend::Flexion);
        all[at + 3] = free(joint + 2, Bend::Flexion);
        finger += 1;
    }
    all[16] = free(12, Bend::Flexion);
    all[17] = free(12, Bend::Abduction);
    all[18] = free(12, Bend::Twist);
    all[19] = free(13, Bend::Flexion);
    all[20] = free(14, Bend::Flexion);
    all
};

/// Axes, limits and freedom of one finger joint.
#[derive(Clone, Copy, Debug)]
pub struct JointAnatomy {
    /// Unit axes of flexion, abduction and twist in the rest pose; orthogonal, twist along the bone.
    pub axes: [Vector3<f64>; 3],
    /// Least and greatest flexion, abduction and twist, radians.
    pub limits: [[f64; 2]; 3],
    /// Which of the three are free.
    pub free: [bool; 3],
}

/// Axes, limits and freedom of all finger joints, MANO order without the wrist.
///
/// A model file without anatomy (MANO's) borrows the open hand's: axes are carried over with the palm
/// and made orthogonal to the bones, limits and freedom stay. Angles count from the rest pose, in which
/// MANO's fingers are bent by a few degrees, so its limits are off by as much.
#[derive(Clone, Debug)]
pub struct Anatomy {
    /// The joints.
    pub joints: [JointAnatomy; FINGER_JOINTS],
}

impl JointAnatomy {
    /// A joint with flexion axis `flexion` (made orthogonal to the bone) and bone direction `bone`.
    fn new(flexion: Vector3<f64>, bone: Vector3<f64>, limits: [[f64; 2]; 3], free: [bool; 3]) -> Self {
        let twist = unit_or(bone, -Vector3::x());
        let flexion = unit_or(flexion - twist * twist.dot(&flexion), any_orthogonal(twist));
        Self { axes: [flexion, flexion.cross(&twist), twist], limits, free }
    }

    /// The joint's rotation for its flexion, abduction and twist in radians.
    pub fn rotation(&self, angles: [f64; 3]) -> Matrix3<f64> {
        self.turn(Bend::Flexion, angles) * self.turn(Bend::Abduction, angles) * self.turn(Bend::Twist, angles)
    }

    /// Flexion, abduction and twist, of which only the free ones differ from zero, whose rotation comes
    /// closest to `rotation` (least Frobenius distance). Exact for every rotation the joint can make.
    pub fn angles(&self, rotation: &Matrix3<f64>) -> [f64; 3] {
        let mut angles = self.decompose(rotation);
        for (angle, free) in angles.iter_mut().zip(self.free) {
            if !free {
                *angle = 0.0;
            }
        }
        if self.free == [true; 3] {
            return angles;
        }
        // One angle at a time, the best is known in closed form.
        for _ in 0..MATCHING_ROUNDS {
            let before = angles;
            for bend in [Bend::Flexion, Bend::Abduction, Bend::Twist] {
                let k = bend as usize;
                if self.free[k] {
                    let (outer, inner) = self.around(bend, angles);
                    angles[k] =
                        closest_angle(self.axes[k], &(outer.transpose() * rotation * inner.transpose()));
                }
            }
            if (0..3).all(|k| (angles[k] - before[k]).abs() < 1e-9) {
                break;
            }
        }
        angles
    }

    fn turn(&self, bend: Bend, angles: [f64; 3]) -> Matrix3<f64> {
        matrix_from_axis_angle(self.axes[bend as usize] * angles[bend as usize])
    }

    /// The factors left and right of `bend`'s own in the product.
    fn around(&self, bend: Bend, angles: [f64; 3]) -> (Matrix3<f64>, Matrix3<f64>) {
        let turn = |other| self.turn(other, angles);
        match bend {
            Bend::Flexion => (Matrix3::identity(), turn(Bend::Abduction) * turn(Bend::Twist)),
            Bend::Abduction => (turn(Bend::Flexion), turn(Bend::Twist)),
            Bend::Twist => (turn(Bend::Flexion) * turn(Bend::Abduction), Matrix3::identity()),
        }
    }

    /// All three angles of any rotation, abduction within a quarter turn: the Tait-Bryan angles x-z-y
    /// in the right-handed frame (flexion, twist, abduction).
    fn decompose(&self, rotation: &Matrix3<f64>) -> [f64; 3] {
        let [flexion, abduction, twist] = self.axes;
        let frame = Matrix3::from_columns(&[flexion, twist, abduction]);
        let r = frame.transpose() * rotation * frame;
        let abduction = (-r.m12).clamp(-1.0, 1.0).asin();
        [r.m32.atan2(r.m22), abduction, r.m13.atan2(r.m11)]
    }
}

/// Angle about the unit `axis` whose rotation is closest to `rotation`.
fn closest_angle(axis: Vector3<f64>, rotation: &Matrix3<f64>) -> f64 {
    let r = rotation;
    let sine = axis.dot(&Vector3::new(r.m32 - r.m23, r.m13 - r.m31, r.m21 - r.m12));
    sine.atan2(r.trace() - axis.dot(&(r * axis)))
}

impl Anatomy {
    /// Builds the anatomy of MANO order's finger joints from flexion axes, bone directions and limits.
    pub(super) fn new(
        flexion: &[Vector3<f64>; FINGER_JOINTS],
        bones: &[Vector3<f64>; FINGER_JOINTS],
        limits: &[[[f64; 2]; 3]; FINGER_JOINTS],
    ) -> Self {
        let mut free = [[false; 3]; FINGER_JOINTS];
        for angle in FREE {
            free[angle.joint][angle.bend as usize] = true;
        }
        Self { joints: std::array::from_fn(|j| JointAnatomy::new(flexion[j], bones[j], limits[j], free[j])) }
    }

    /// This anatomy carried over from its own hand's rest joints and tips to another's.
    pub(super) fn carried_to(
        &self,
        own: (&[Vector3<f64>; MANO_JOINTS], &[Vector3<f64>; FINGERS]),
        other: (&[Vector3<f64>; MANO_JOINTS], &[Vector3<f64>; FINGERS]),
    ) -> Self {
        let turn = palm_frame(other.0) * palm_frame(own.0).transpose();
        let bones = bone_directions(other.0, other.1);
        Self {
            joints: std::array::from_fn(|j| {
                let joint = &self.joints[j];
                JointAnatomy::new(turn * joint.axes[0], bones[j], joint.limits, joint.free)
            }),
        }
    }

    /// Rotations of the finger joints for the free angles in radians, in the order of [`FREE`].
    pub fn rotations(&self, angles: &[f64; FREE_ANGLES]) -> [Matrix3<f64>; FINGER_JOINTS] {
        let mut all = [[0.0; 3]; FINGER_JOINTS];
        for (free, &angle) in FREE.iter().zip(angles) {
            all[free.joint][free.bend as usize] = angle;
        }
        std::array::from_fn(|j| self.joints[j].rotation(all[j]))
    }

    /// The free angles whose rotations come closest to the given ones.
    pub fn angles(&self, rotations: &[Matrix3<f64>; FINGER_JOINTS]) -> [f64; FREE_ANGLES] {
        let all: [[f64; 3]; FINGER_JOINTS] = std::array::from_fn(|j| self.joints[j].angles(&rotations[j]));
        FREE.map(|free| all[free.joint][free.bend as usize])
    }

    /// [`crate::event::HandPose::hand_pose`] of the free angles.
    pub fn hand_pose(&self, angles: &[f64; FREE_ANGLES]) -> [Vector3<f32>; FINGER_JOINTS] {
        self.rotations(angles).map(|rotation| axis_angle_from_matrix(&rotation).cast())
    }

    /// The free angles closest to a right hand's [`crate::event::HandPose::hand_pose`].
    pub fn angles_from_hand_pose(&self, hand_pose: &[Vector3<f32>; FINGER_JOINTS]) -> [f64; FREE_ANGLES] {
        self.angles(&hand_pose.map(|axis_angle| matrix_from_axis_angle(axis_angle.cast())))
    }

    /// Least and greatest value of each free angle, radians.
    pub fn limits(&self) -> [[f64; 2]; FREE_ANGLES] {
        FREE.map(|free| self.joints[free.joint].limits[free.bend as usize])
    }
}

/// Direction of each finger joint's bone in rest pose: to the next joint, or to the tip.
fn bone_directions(
    joints: &[Vector3<f64>; MANO_JOINTS],
    tips: &[Vector3<f64>; FINGERS],
) -> [Vector3<f64>; FINGER_JOINTS] {
    std::array::from_fn(|j| {
        let joint = j + 1;
        let child = MANO_PARENTS.iter().position(|&parent| parent == Some(joint));
        let finger = DISTAL_JOINTS.iter().position(|&distal| distal == joint);
        let end = match (child, finger) {
            (Some(child), _) => joints[child],
            (None, Some(finger)) => tips[finger],
            (None, None) => joints[joint],
        };
        end - joints[joint]
    })
}

/// Columns: from the middle knuckle to the wrist, the back of the hand, toward the index finger.
fn palm_frame(joints: &[Vector3<f64>; MANO_JOINTS]) -> Matrix3<f64> {
    let back = unit_or(joints[0] - joints[4], Vector3::x());
    let across = joints[1] - joints[7];
    let across = unit_or(across - back * back.dot(&across), any_orthogonal(back));
    Matrix3::from_columns(&[back, across.cross(&back), across])
}

fn unit_or(v: Vector3<f64>, otherwise: Vector3<f64>) -> Vector3<f64> {
    v.try_normalize(1e-9).unwrap_or(otherwise)
}

fn any_orthogonal(v: Vector3<f64>) -> Vector3<f64> {
    let helper = if v.x.abs() < 0.9 { Vector3::x() } else { Vector3::y() };
    v.cross(&helper).normalize()
}

/// Limits in degrees as radians.
pub(super) fn radians(degrees: [[f64; 2]; 3]) -> [[f64; 2]; 3] {
    degrees.map(|range| range.map(|angle| angle * PI / 180.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::HandModel;

    fn within(limits: &[[f64; 2]; FREE_ANGLES], at: impl Fn(usize) -> f64) -> [f64; FREE_ANGLES] {
        std::array::from_fn(|k| limits[k][0] + (limits[k][1] - limits[k][0]) * at(k))
    }

    #[test]
    fn free_angles_come_back_from_the_rotations_they_make() {
        let anatomy = &HandModel::open().skeleton().anatomy.clone();
        for seed in 0..20 {
            let angles = within(&anatomy.limits(), |k| ((k * 7 + seed * 13) % 20) as f64 / 19.0);
            let back = anatomy.angles_from_hand_pose(&anatomy.hand_pose(&angles));
            for (k, (a, b)) in angles.iter().zip(back).enumerate() {
                assert!((a - b).abs() < 1e-5, "angle {k}: {a} came back as {b}");
            }
        }
    }

    #[test]
    fn a_rotation_the_joint_cannot_make_is_matched_at_least_as_well_as_by_its_neighbours() {
        let joint = HandModel::open().skeleton().anatomy.joints[0];
        let wanted = joint.rotation([0.9, 0.15, 0.4]);
        let best = joint.angles(&wanted);
        let distance = |angles| (joint.rotation(angles) - wanted).norm();
        assert_eq!(best[2], 0.0, "twist of a finger's base is not free");
        for (flexion, abduction) in [(0.01, 0.0), (-0.01, 0.0), (0.0, 0.01), (0.0, -0.01)] {
            assert!(distance(best) < distance([best[0] + flexion, best[1] + abduction, 0.0]));
        }
    }

    #[test]
    fn positive_abduction_leads_toward_the_little_finger() {
        let model = HandModel::open();
        let skeleton = model.skeleton();
        let toward = skeleton.joints[7] - skeleton.joints[1];
        for finger in [0, 3, 6, 9] {
            let joint = &skeleton.anatomy.joints[finger];
            let moved = joint.rotation([0.0, 0.2, 0.0]) * joint.axes[2] - joint.axes[2];
            assert!(moved.dot(&toward) > 0.0);
        }
    }

    #[test]
    fn there_are_twenty_one_free_angles_and_each_has_room() {
        let anatomy = HandModel::open().skeleton().anatomy.clone();
        let free: usize = anatomy.joints.iter().map(|joint| joint.free.iter().filter(|f| **f).count()).sum();
        assert_eq!(free, FREE_ANGLES);
        assert!(anatomy.limits().iter().all(|[least, most]| most - least > 0.2 && *least <= 0.0));
    }

    #[test]
    fn axes_carried_to_the_same_hand_stay_where_they_are() {
        let model = HandModel::open();
        let hand = (&model.skeleton().joints, &model.skeleton().tips);
        let carried = model.skeleton().anatomy.carried_to(hand, hand);
        for (own, other) in model.skeleton().anatomy.joints.iter().zip(&carried.joints) {
            assert!(own.axes[0].dot(&other.axes[0]) > 0.97, "{} {}", own.axes[0], other.axes[0]);
        }
    }
}
