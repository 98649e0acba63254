//! Human limits of a hand: lengths of its bones, curvature and spread of its palm, flexion and abduction of
//! its fingers (Spurr et al., "Weakly Supervised 3D Hand Pose Estimation via Biomechanical Constraints",
//! ECCV 2020; eq. 14 of Dyn-HaMR).
//!
//! Everything is measured on 21 joints in `openpose21` order. What breaks a limit comes as a list of
//! [`Violation`]s: the term's value is the sum of their `weight * excess`, its gradient that of their
//! gradients, and each is one row for a Gauss-Newton step.

mod bends;
mod hull;
mod limits;
mod palm;

use nalgebra::{Vector2, Vector3};

use self::bends::{Finger, fingers};
pub use self::hull::Hull;
pub use self::limits::BiomechanicalLimits;
use self::palm::{ByRoots, Palm, unit};
use crate::event::{KEYPOINTS, Side};
use crate::hand::mirror::mirror_point;

/// Bones of a hand: one to each joint but the wrist.
const BONES: usize = KEYPOINTS - 1;
/// Bones from the wrist.
const ROOTS: usize = 5;
/// Gaps between neighbouring bones from the wrist.
const ARCHES: usize = ROOTS - 1;
/// Bones of a finger that bend against the one before.
const BENDING: usize = 3;
/// Bones that bend.
const BENDS: usize = ROOTS * BENDING;
/// Joint whose distance from the wrist is the unit of length of a normalised hand: the middle knuckle.
const UNIT_JOINT: usize = 9;
/// Least such distance that is divided by, metres.
const LEAST_UNIT: f64 = 1e-6;

/// Joints of a hand in `openpose21` order.
pub type Joints = [Vector3<f64>; KEYPOINTS];

/// What the joints are before they are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// As they come, whichever hand: what Dyn-HaMR's release does, although its limits are a right hand's in
    /// units of the hand, and flexion and curvature change sign in the mirror.
    Released,
    /// Left hands mirrored, all divided by the distance from wrist to middle knuckle.
    Canonical,
}

/// What a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A bone's length.
    BoneLength,
    /// Curvature or spread of the palm.
    Palm,
    /// Flexion and abduction of a finger bone.
    Bend,
}

/// A limit that a hand breaks.
#[derive(Clone, Debug)]
pub struct Violation {
    /// What the limit is about.
    pub part: Part,
    /// How far beyond the limit the hand is, > 0.
    pub excess: f64,
    /// Weight among the others: one over the number of limits of its kind.
    pub weight: f64,
    /// Gradient of `excess` by the joints.
    pub by_joints: Joints,
}

/// What limits are about, measured on one hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    /// Length of the bone that ends in joint `1 + i`.
    pub bone_lengths: [f64; BONES],
    /// Curvature of the palm, per length.
    pub curvatures: [f64; ARCHES],
    /// Angles between neighbouring bones from the wrist, radians.
    pub spreads: [f64; ARCHES],
    /// Flexion and abduction in radians: first bones of thumb to little finger, then second, then third.
    pub bends: [Vector2<f64>; BENDS],
}

impl Measures {
    /// Measures `joints` as they are.
    pub fn of(joints: &Joints) -> Self {
        let Hand { bones, palm, fingers } = Hand::new(joints);
        Self {
            bone_lengths: bones.map(|bone| bone.norm()),
            curvatures: std::array::from_fn(|i| palm.curvature(i)),
            spreads: std::array::from_fn(|i| palm.spread(i)),
            bends: std::array::from_fn(|i| fingers[i % ROOTS].angles(i / ROOTS)),
        }
    }
}

/// Joints of one side as `convention` wants them judged.
pub fn judged(joints: &Joints, side: Side, convention: Convention) -> Joints {
    match convention {
        Convention::Released => *joints,
        Convention::Canonical => {
            let unit = unit_length(joints);
            joints.map(|joint| right(joint, side) / unit)
        }
    }
}

/// The limits that a hand breaks.
pub fn violations(
    limits: &BiomechanicalLimits,
    joints: &Joints,
    side: Side,
    convention: Convention,
) -> Vec<Violation> {
    let judged = judged(joints, side, convention);
    let mut broken = broken(limits, &judged);
    if convention == Convention::Canonical {
        let direction = unit(joints[UNIT_JOINT] - joints[0]);
        let unit = unit_length(joints);
        for violation in &mut broken {
            let by = &mut violation.by_joints;
            let by_unit = -by.iter().zip(&judged).map(|(by, at)| by.dot(at)).sum::<f64>() / unit;
            *by = by.map(|by| right(by, side) / unit);
            by[UNIT_JOINT] += direction * by_unit;
            by[0] -= direction * by_unit;
        }
    }
    broken
}

fn unit_length(joints: &Joints) -> f64 {
    (joints[UNIT_JOINT] - joints[0]).norm().max(LEAST_UNIT)
}

/// A point or a gradient of a hand in the right hand's space, and back.
fn right(point: Vector3<f64>, side: Side) -> Vector3<f64> {
    if side == Side::Left { mirror_point(point) } else { point }
}

/// A right hand as bones.
struct Hand {
    bones: [Vector3<f64>; BONES],
    palm: Palm,
    fingers: [Finger; ROOTS],
}

impl Hand {
    fn new(joints: &Joints) -> Self {
        let bones = std::array::from_fn(|i| joints[i + 1] - joints[parent(i)]);
        let palm = Palm::new(std::array::from_fn(|f| bones[4 * f]));
        let fingers = fingers(&palm, &bones);
        Self { bones, palm, fingers }
    }
}

/// Joint at which bone `i` begins; it ends in joint `i + 1`.
fn parent(bone: usize) -> usize {
    if bone.is_multiple_of(4) { 0 } else { bone }
}

/// The limits that a right hand in the limits' unit breaks.
fn broken(limits: &BiomechanicalLimits, joints: &Joints) -> Vec<Violation> {
    let Hand { bones, palm, fingers } = Hand::new(joints);
    let mut broken = Vec::new();
    let mut add = |part, excess, count: usize, by_bones: [Vector3<f64>; BONES]| {
        broken.push(Violation { part, excess, weight: 1.0 / count as f64, by_joints: by_joints(&by_bones) });
    };
    for (i, (bone, &range)) in bones.iter().zip(&limits.bone_lengths).enumerate() {
        if let Some((excess, slope)) = beyond(bone.norm(), range) {
            let mut by_bones = [Vector3::zeros(); BONES];
            by_bones[i] = unit(*bone) * slope;
            add(Part::BoneLength, excess, BONES, by_bones);
        }
    }
    for i in 0..ARCHES {
        if let Some((excess, slope)) = beyond(palm.curvature(i), limits.curvatures[i]) {
            add(Part::Palm, excess, ARCHES, of_roots(&palm.curvature_gradient(i), slope));
        }
        if let Some((excess, slope)) = beyond(palm.spread(i), limits.spreads[i]) {
            add(Part::Palm, excess, ARCHES, of_roots(&palm.spread_gradient(i), slope));
        }
    }
    for (i, hull) in limits.hulls.iter().enumerate() {
        let (f, level) = (i % ROOTS, i / ROOTS);
        if let Some((excess, by_angles)) = hull.excess(&fingers[f].angles(level)) {
            let gradient = fingers[f].gradient(&palm, level, by_angles);
            let mut by_bones = of_roots(&gradient.roots, 1.0);
            by_bones[4 * f + 1..][..BENDING].copy_from_slice(&gradient.finger);
            add(Part::Bend, excess, BENDS, by_bones);
        }
    }
    broken
}

/// How far a value is outside its range, and in which direction that grows.
fn beyond(value: f64, [least, most]: [f64; 2]) -> Option<(f64, f64)> {
    if value < least {
        Some((least - value, -1.0))
    } else if value > most {
        Some((value - most, 1.0))
    } else {
        None
    }
}

fn of_roots(by_roots: &ByRoots, slope: f64) -> [Vector3<f64>; BONES] {
    let mut by_bones = [Vector3::zeros(); BONES];
    for (f, by_root) in by_roots.iter().enumerate() {
        by_bones[4 * f] = by_root * slope;
    }
    by_bones
}

fn by_joints(by_bones: &[Vector3<f64>; BONES]) -> Joints {
    let mut by_joints = [Vector3::zeros(); KEYPOINTS];
    for (i, by_bone) in by_bones.iter().enumerate() {
        by_joints[i + 1] += by_bone;
        by_joints[parent(i)] -= by_bone;
    }
    by_joints
}

#[cfg(test)]
mod tests;
