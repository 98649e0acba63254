//! The papers' smoothness: `1/2 sum |J(t+1) - J(t)|^2` over joints in the world (Dyn-HaMR eq. 8).

use nalgebra::Vector3;

/// Value and gradient by the later joint (by the earlier one it is the negative) of
/// `weight / 2 |later - earlier|^2`; the Hessian is `weight` times the identity.
pub fn joint_velocity(earlier: &Vector3<f64>, later: &Vector3<f64>, weight: f64) -> (f64, Vector3<f64>) {
    let step = later - earlier;
    (0.5 * weight * step.norm_squared(), step * weight)
}
