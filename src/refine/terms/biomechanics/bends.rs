//! How each finger bone is bent against the one before it: flexion and abduction in a frame that travels
//! along the finger without twisting.

use nalgebra::{Rotation3, Unit, Vector2, Vector3};

use super::palm::{ByRoots, Palm, back_through_unit, unit};
use super::{BENDING, ROOTS};

/// Least sine of a turn that is made: below it two bones are in line.
const IN_LINE: f64 = 1e-9;
/// Least of what is divided by where two bones point against each other.
const LEAST_FOLD: f64 = 1e-6;

/// Axes in which a bone's bend is measured: `z` along the bone before it, `x` toward the palm.
#[derive(Clone, Copy, Debug)]
struct Frame {
    x: Vector3<f64>,
    y: Vector3<f64>,
    z: Vector3<f64>,
}

impl Frame {
    /// The frame turned, by the least angle, so that z lies along `bone`.
    fn carried_to(&self, bone: Vector3<f64>) -> Self {
        let along = unit(bone);
        let axis = self.z.cross(&along);
        let turn = match Unit::try_new(axis, IN_LINE) {
            Some(direction) => Rotation3::from_axis_angle(&direction, axis.norm().atan2(self.z.dot(&along))),
            None => Rotation3::identity(),
        };
        Self { x: turn * self.x, y: turn * self.y, z: along }
    }

    fn coordinates(&self, v: Vector3<f64>) -> Vector3<f64> {
        Vector3::new(v.dot(&self.x), v.dot(&self.y), v.dot(&self.z))
    }
}

/// One finger: its frames and its bones beyond the knuckle.
pub(super) struct Finger {
    finger: usize,
    frames: [Frame; BENDING],
    bones: [Vector3<f64>; BENDING],
}

/// Gradient by the bones of a hand: those from the wrist, and those of one finger.
#[derive(Default)]
pub(super) struct ByBones {
    pub roots: ByRoots,
    pub finger: [Vector3<f64>; BENDING],
}

impl Finger {
    /// The finger of `palm` with these bones beyond the knuckle.
    pub fn new(palm: &Palm, finger: usize, bones: [Vector3<f64>; BENDING]) -> Self {
        let z = unit(palm.root(finger));
        let x = -toward_back(palm, finger);
        let first = Frame { x, y: unit(z.cross(&x)), z };
        let second = first.carried_to(bones[0]);
        Self { finger, frames: [first, second, second.carried_to(bones[1])], bones }
    }

    /// Flexion and abduction of a bone, radians.
    pub fn angles(&self, level: usize) -> Vector2<f64> {
        let at = self.frames[level].coordinates(self.bones[level]);
        Vector2::new(at.x.atan2(at.z), at.y.atan2(at.x.hypot(at.z)))
    }

    /// The gradient by the bones of what has the gradient `by_angles` by [`Self::angles`].
    pub fn gradient(&self, palm: &Palm, level: usize, by_angles: Vector2<f64>) -> ByBones {
        let mut by = ByBones::default();
        let (frame, bone) = (&self.frames[level], self.bones[level]);
        let at = frame.coordinates(bone);
        let (squared, flat) = (at.norm_squared(), at.x.hypot(at.z));
        if flat < IN_LINE {
            return by;
        }
        // Of a bone's coordinates in its frame, then of the bone and of the frame's turn.
        let by_flexion = Vector3::new(at.z, 0.0, -at.x) / (flat * flat);
        let by_abduction = Vector3::new(-at.y * at.x / flat, flat, -at.y * at.z / flat) / squared;
        let by_at = by_flexion * by_angles.x + by_abduction * by_angles.y;
        let by_bone = frame.x * by_at.x + frame.y * by_at.y + frame.z * by_at.z;
        by.finger[level] += by_bone;
        let mut by_turn = by_bone.cross(&bone);
        for before in (0..level).rev() {
            by_turn = self.back_through_carrying(before, by_turn, &mut by.finger);
        }
        self.back_through_first(palm, by_turn, &mut by.roots);
        by
    }

    /// From the gradient by the turn of frame `level + 1` to that by the turn of frame `level`; adds what
    /// the bone between them does.
    ///
    /// Turning by the least angle means that the frame's own turn about the bone lags behind: with `w` the
    /// turn of the bone against the frame, the new frame turns by `w - p (z . w) / (1 + p . z)` more.
    fn back_through_carrying(
        &self,
        level: usize,
        by_turn: Vector3<f64>,
        by_finger: &mut [Vector3<f64>; BENDING],
    ) -> Vector3<f64> {
        let (z, bone) = (self.frames[level].z, self.bones[level]);
        let along = unit(bone);
        let lag = along.dot(&by_turn) / (1.0 + along.dot(&z)).max(LEAST_FOLD);
        let by_along = by_turn.cross(&along) - z.cross(&along) * lag;
        by_finger[level] += back_through_unit(bone, by_along);
        by_turn - along.cross(&by_along)
    }

    /// From the gradient by the turn of the first frame to that by the bones from the wrist.
    fn back_through_first(&self, palm: &Palm, by_turn: Vector3<f64>, by_roots: &mut ByRoots) {
        let Frame { y, z, .. } = self.frames[0];
        by_roots[self.finger] += back_through_unit(palm.root(self.finger), by_turn.cross(&z));
        let by_back = -y * by_turn.dot(&z);
        match self.finger {
            1 => palm.back_through_between(1, by_back, by_roots),
            finger => palm.back_through_at(finger, by_back, by_roots),
        }
    }
}

/// Direction out of the back of the hand in which a finger's bends are measured. The index finger's is the
/// normal on the side of the middle finger: the thumb would tilt it.
fn toward_back(palm: &Palm, finger: usize) -> Vector3<f64> {
    if finger == 1 { palm.between(1) } else { palm.at(finger) }
}

/// All five fingers of a hand.
pub(super) fn fingers(palm: &Palm, bones: &[Vector3<f64>; 20]) -> [Finger; ROOTS] {
    std::array::from_fn(|f| Finger::new(palm, f, std::array::from_fn(|level| bones[4 * f + 1 + level])))
}
