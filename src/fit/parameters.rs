//! The unknowns of one frame: root rotation, wrist position, 21 finger angles.

use nalgebra::{Rotation3, SMatrix, SVector, Vector3};

use crate::geometry::rotation::axis_angle_from_matrix;

/// Free finger angles: index, middle, pinky, ring x (flexion, abduction, PIP, DIP), then the thumb's
/// flexion, abduction, twist, MCP, IP.
pub(crate) const ANGLES: usize = 21;
/// Unknowns of one frame in the order of [`Step`].
pub(crate) const UNKNOWNS: usize = 6 + ANGLES;
/// First unknown of the wrist position.
pub(crate) const TRANSLATION: usize = 3;
/// First unknown of the finger angles.
pub(crate) const FIRST_ANGLE: usize = 6;

/// A tangent vector: rotation about the camera's axes (rad), translation (m), angles (rad).
pub(crate) type Step = SVector<f64, UNKNOWNS>;
/// Covariance or information of a [`Step`].
pub(crate) type StepMatrix = SMatrix<f64, UNKNOWNS, UNKNOWNS>;

/// Where the hand is and how it is bent; shape lives elsewhere, because it belongs to the track.
#[derive(Clone, Debug)]
pub(crate) struct Posture {
    /// `camera_from_hand`, about the wrist joint.
    pub rotation: Rotation3<f64>,
    /// Wrist joint in camera space, metres.
    pub wrist: Vector3<f64>,
    /// Finger angles, radians.
    pub angles: [f64; ANGLES],
}

impl Posture {
    /// Retraction: rotation by `exp(step) * rotation`, the rest by addition.
    pub fn plus(&self, step: &Step) -> Self {
        let mut angles = self.angles;
        for (angle, change) in angles.iter_mut().zip(step.iter().skip(FIRST_ANGLE)) {
            *angle += change;
        }
        Self {
            rotation: Rotation3::new(step.fixed_rows::<3>(0).into_owned()) * self.rotation,
            wrist: self.wrist + step.fixed_rows::<3>(TRANSLATION),
            angles,
        }
    }

    /// The step that leads from `other` to here: `other.plus(&self.minus(other)) = self`.
    pub fn minus(&self, other: &Self) -> Step {
        let mut step = Step::zeros();
        let turn = axis_angle_from_matrix((self.rotation * other.rotation.inverse()).matrix());
        step.fixed_rows_mut::<3>(0).copy_from(&turn);
        step.fixed_rows_mut::<3>(TRANSLATION).copy_from(&(self.wrist - other.wrist));
        for i in 0..ANGLES {
            step[FIRST_ANGLE + i] = self.angles[i] - other.angles[i];
        }
        step
    }

    /// Moves every angle into its range.
    pub fn clamp(&mut self, limits: &[[f64; 2]; ANGLES]) {
        for (angle, &[low, high]) in self.angles.iter_mut().zip(limits) {
            *angle = angle.clamp(low, high);
        }
    }

    /// False after an overflow or a NaN.
    pub fn is_finite(&self) -> bool {
        self.rotation.matrix().iter().chain(self.wrist.iter()).chain(&self.angles).all(|v| v.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_leads_back_to_where_it_came_from() {
        let from = Posture {
            rotation: Rotation3::new(Vector3::new(0.4, -1.2, 0.3)),
            wrist: Vector3::new(0.1, -0.2, 0.7),
            angles: [0.2; ANGLES],
        };
        let step = Step::from_fn(|i, _| 0.05 * i as f64 - 0.4);
        assert!((from.plus(&step).minus(&from) - step).norm() < 1e-12);
    }
}
