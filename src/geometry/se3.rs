//! The group SE(3): twists to rigid motions and back.
//!
//! A twist is `(tau, phi)`: three numbers of translation, then an axis-angle vector. It acts from the left:
//! `exp(xi) * pose`.

use nalgebra::{Isometry3, Matrix3, Matrix6, Translation3, UnitQuaternion, Vector3, Vector6};

use super::rotation::{axis_angle_from_quaternion, skew};

/// Below this angle (radians) the coefficients give way to their series.
const SMALL_ANGLE: f64 = 1e-3;

/// The motion of a twist (the exponential map).
pub fn exp(twist: &Vector6<f64>) -> Isometry3<f64> {
    let (tau, phi) = parts(twist);
    let squared = phi.norm_squared();
    let angle = squared.sqrt();
    // V = I + a [phi] + b [phi]^2 takes tau to the translation.
    let (a, b) = if angle < SMALL_ANGLE {
        (0.5 - squared / 24.0, 1.0 / 6.0 - squared / 120.0)
    } else {
        // 1 - cos x = 2 sin^2(x/2), without the cancellation.
        let half = (angle / 2.0).sin();
        (2.0 * half * half / squared, (angle - angle.sin()) / (squared * angle))
    };
    let once = phi.cross(&tau);
    let translation = tau + once * a + phi.cross(&once) * b;
    Isometry3::from_parts(Translation3::from(translation), UnitQuaternion::from_scaled_axis(phi))
}

/// The twist of a motion, its angle in 0..=pi (the logarithm).
pub fn log(motion: &Isometry3<f64>) -> Vector6<f64> {
    let phi = axis_angle_from_quaternion(&motion.rotation);
    joined(inverse_left_jacobian(&phi) * motion.translation.vector, phi)
}

/// Inverse of SO(3)'s left Jacobian: `log(exp(d) exp(v)) = v + J d` for small `d`; its transpose is the right one's.
pub fn inverse_left_jacobian(v: &Vector3<f64>) -> Matrix3<f64> {
    let squared = v.norm_squared();
    let angle = squared.sqrt();
    let c = if angle < SMALL_ANGLE {
        1.0 / 12.0 + squared / 720.0
    } else {
        let (sine, cosine) = (angle / 2.0).sin_cos();
        (1.0 - angle * cosine / (2.0 * sine)) / squared
    };
    let k = skew(*v);
    Matrix3::identity() - k * 0.5 + k * k * c
}

/// The matrix with `motion * exp(xi) = exp(adjoint(motion) xi) * motion`.
pub fn adjoint(motion: &Isometry3<f64>) -> Matrix6<f64> {
    let rotation = motion.rotation.to_rotation_matrix().into_inner();
    let mut matrix = Matrix6::zeros();
    matrix.fixed_view_mut::<3, 3>(0, 0).copy_from(&rotation);
    matrix.fixed_view_mut::<3, 3>(3, 3).copy_from(&rotation);
    matrix.fixed_view_mut::<3, 3>(0, 3).copy_from(&(skew(motion.translation.vector) * rotation));
    matrix
}

/// `adjoint(motion)^T row`: takes a derivative by a twist on the left of `motion` to the derivative by the
/// twist on its right.
pub fn adjoint_transposed(motion: &Isometry3<f64>, row: &Vector6<f64>) -> Vector6<f64> {
    let (tau, phi) = parts(row);
    let back = |v: Vector3<f64>| motion.rotation.inverse_transform_vector(&v);
    joined(back(tau), back(phi - motion.translation.vector.cross(&tau)))
}

fn parts(twist: &Vector6<f64>) -> (Vector3<f64>, Vector3<f64>) {
    (twist.fixed_rows::<3>(0).into_owned(), twist.fixed_rows::<3>(3).into_owned())
}

fn joined(tau: Vector3<f64>, phi: Vector3<f64>) -> Vector6<f64> {
    Vector6::new(tau.x, tau.y, tau.z, phi.x, phi.y, phi.z)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twists() -> impl Iterator<Item = Vector6<f64>> {
        [0.0, 1e-9, 1e-5, 0.99e-3, 1.01e-3, 0.3, 3.1]
            .into_iter()
            .map(|angle| joined(Vector3::new(0.4, -1.2, 2.0), Vector3::new(0.6, -0.0, 0.8) * angle))
    }

    #[test]
    fn the_logarithm_undoes_the_exponential_at_every_angle() {
        for twist in twists() {
            assert!((log(&exp(&twist)) - twist).norm() < 1e-11, "{twist}");
        }
    }

    #[test]
    fn the_adjoint_carries_a_twist_to_the_other_side() {
        let motion = exp(&Vector6::new(1.0, 2.0, -0.5, 0.3, -0.2, 0.9));
        for twist in twists() {
            let right = motion * exp(&twist);
            let left = exp(&(adjoint(&motion) * twist)) * motion;
            assert!((right.to_homogeneous() - left.to_homogeneous()).norm() < 1e-12);
            assert!(
                (adjoint(&motion).transpose() * twist - adjoint_transposed(&motion, &twist)).norm() < 1e-12
            );
        }
    }
}
