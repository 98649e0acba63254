//! The papers' pose and shape priors: squared axis-angle of the finger joints, squared shape coefficients
//! (Dyn-HaMR eq. 6).

use nalgebra::Vector3;

/// Value of `weight |v|^2` of a joint's axis-angle `v`, and its gradient by a left tangent of the joint's
/// rotation: the logarithm's Jacobian leaves `v` itself alone.
pub fn squared_axis_angle(axis_angle: &Vector3<f64>, weight: f64) -> (f64, Vector3<f64>) {
    (weight * axis_angle.norm_squared(), axis_angle * (2.0 * weight))
}

/// Value and gradient of `weight frames sum betas^2`.
pub fn squared_shape<const N: usize>(betas: &[f64; N], weight: f64, frames: usize) -> (f64, [f64; N]) {
    let weight = weight * frames as f64;
    (weight * betas.iter().map(|b| b * b).sum::<f64>(), betas.map(|b| 2.0 * weight * b))
}
