//! The papers' camera smoothness: `sum |log(R_t R_(t+1)^T)|^2` and `sum |t_(t+1) - t_t|^2` of
//! `camera_from_world` (Dyn-HaMR eq. 9), for programs that compare with it. Our own cameras stay where the
//! odometry has them but for their scale: it is already smooth, and a camera that is pulled to rest is wrong.

use nalgebra::{Matrix3, Vector3};

use crate::geometry::rotation::axis_angle_from_matrix;

/// Value of the rotation term, and its gradient by a left tangent `exp(d) R_t` of each rotation.
pub fn rotation_smoothness(rotations: &[Matrix3<f64>]) -> (f64, Vec<Vector3<f64>>) {
    let mut gradient = vec![Vector3::zeros(); rotations.len()];
    let mut value = 0.0;
    for (t, pair) in rotations.windows(2).enumerate() {
        let between = axis_angle_from_matrix(&(pair[0] * pair[1].transpose()));
        value += between.norm_squared();
        // The logarithm's Jacobian leaves its own direction alone, so it falls out of the gradient.
        gradient[t] += between * 2.0;
        gradient[t + 1] -= between * 2.0;
    }
    (value, gradient)
}

/// Value of the translation term and its gradient by each translation.
pub fn translation_smoothness(translations: &[Vector3<f64>]) -> (f64, Vec<Vector3<f64>>) {
    let mut gradient = vec![Vector3::zeros(); translations.len()];
    let mut value = 0.0;
    for (t, pair) in translations.windows(2).enumerate() {
        let step = pair[1] - pair[0];
        value += step.norm_squared();
        gradient[t] -= step * 2.0;
        gradient[t + 1] += step * 2.0;
    }
    (value, gradient)
}
