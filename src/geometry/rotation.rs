//! Rotations in the four forms the field uses: axis-angle, matrix, unit quaternion, and the 6D form of
//! Zhou et al. (CVPR 2019, "On the Continuity of Rotation Representations in Neural Networks").
//!
//! Matrices act on column vectors. Quaternions are nalgebra's, stored x y z w.

use nalgebra::{Matrix3, Quaternion, RealField, UnitQuaternion, Vector3, convert};

/// Below this angle (radians) sine and cosine give way to their series.
const SMALL_ANGLE: f64 = 1e-4;

/// The matrix `[v]x` with `[v]x u = v x u`.
pub fn skew<T: RealField + Copy>(v: Vector3<T>) -> Matrix3<T> {
    let o = T::zero();
    Matrix3::new(o, -v.z, v.y, v.z, o, -v.x, -v.y, v.x, o)
}

/// Rotation matrix of an axis-angle vector in radians (Rodrigues); the exponential map of SO(3).
pub fn matrix_from_axis_angle<T: RealField + Copy>(axis_angle: Vector3<T>) -> Matrix3<T> {
    let angle = axis_angle.norm();
    let (sine, cosine) = if angle < convert(SMALL_ANGLE) {
        let squared = angle * angle;
        (T::one() - squared / convert(6.0), convert::<_, T>(0.5) - squared / convert(24.0))
    } else {
        // 1 - cos a = 2 sin^2(a/2), without the cancellation.
        let half = (angle / convert(2.0)).sin() / angle;
        (angle.sin() / angle, half * half * convert(2.0))
    };
    let k = skew(axis_angle);
    Matrix3::identity() + k * sine + k * k * cosine
}

/// Axis-angle vector of a rotation matrix, angle in 0..=pi; the logarithm of SO(3).
///
/// Goes through the quaternion, so that it stays exact near 0 and near pi.
pub fn axis_angle_from_matrix<T: RealField + Copy>(rotation: &Matrix3<T>) -> Vector3<T> {
    axis_angle_from_quaternion(&quaternion_from_matrix(rotation))
}

/// Unit quaternion of a rotation matrix, with w >= 0 (Shepperd's method: the largest component first).
///
/// A matrix that is not quite orthonormal gives the quaternion of a rotation close to it.
pub fn quaternion_from_matrix<T: RealField + Copy>(r: &Matrix3<T>) -> UnitQuaternion<T> {
    let one = T::one();
    let trace = r.trace();
    let largest_diagonal = r.diagonal().imax();
    // Each branch builds 4 q_max q: the common factor falls away in the normalisation.
    let (w, x, y, z) = if trace >= r[(largest_diagonal, largest_diagonal)] {
        (one + trace, r.m32 - r.m23, r.m13 - r.m31, r.m21 - r.m12)
    } else if largest_diagonal == 0 {
        (r.m32 - r.m23, one + r.m11 - r.m22 - r.m33, r.m12 + r.m21, r.m13 + r.m31)
    } else if largest_diagonal == 1 {
        (r.m13 - r.m31, r.m12 + r.m21, one - r.m11 + r.m22 - r.m33, r.m23 + r.m32)
    } else {
        (r.m21 - r.m12, r.m13 + r.m31, r.m23 + r.m32, one - r.m11 - r.m22 + r.m33)
    };
    let q = if w < T::zero() { Quaternion::new(-w, -x, -y, -z) } else { Quaternion::new(w, x, y, z) };
    UnitQuaternion::from_quaternion(q)
}

/// Axis-angle vector of a unit quaternion, angle in 0..=pi.
pub fn axis_angle_from_quaternion<T: RealField + Copy>(rotation: &UnitQuaternion<T>) -> Vector3<T> {
    let q = rotation.quaternion();
    let (vector, w) = if q.w < T::zero() { (-q.imag(), -q.w) } else { (q.imag(), q.w) };
    let sine = vector.norm();
    let two: T = convert(2.0);
    if sine < convert(SMALL_ANGLE) {
        return vector * (two / w);
    }
    vector * (two * sine.atan2(w) / sine)
}

/// Unit quaternion of an axis-angle vector.
pub fn quaternion_from_axis_angle<T: RealField + Copy>(axis_angle: Vector3<T>) -> UnitQuaternion<T> {
    UnitQuaternion::from_scaled_axis(axis_angle)
}

/// Rotation matrix of the 6D form: the first three numbers are the first column, the last three the
/// second, made orthonormal by Gram-Schmidt; the third is their cross product.
///
/// This is the order of HaMeR and HaPTIC. Motion priors of the HMP family store the first two *rows*:
/// transpose the result for those.
pub fn matrix_from_6d<T: RealField + Copy>(six: [T; 6]) -> Matrix3<T> {
    let [a, b, c, d, e, f] = six;
    let tiny = convert(1e-12);
    let unit = |v: Vector3<T>| v / v.norm().max(tiny);
    let first = unit(Vector3::new(a, b, c));
    let second = Vector3::new(d, e, f);
    let second = unit(second - first * first.dot(&second));
    Matrix3::from_columns(&[first, second, first.cross(&second)])
}

/// The 6D form of a rotation matrix: its first two columns.
pub fn six_d_from_matrix<T: RealField + Copy>(r: &Matrix3<T>) -> [T; 6] {
    [r.m11, r.m21, r.m31, r.m12, r.m22, r.m32]
}

/// Angle in radians of the rotation that takes `a` to `b`, 0..=pi.
pub fn geodesic_angle<T: RealField + Copy>(a: &Matrix3<T>, b: &Matrix3<T>) -> T {
    axis_angle_from_matrix(&(a.transpose() * b)).norm()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn samples() -> impl Iterator<Item = Vector3<f64>> {
        let axes =
            [(1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.3, -0.5, 0.81), (-0.7, -0.7, 0.1), (0.0, 0.6, -0.8)];
        let angles = [0.0, 1e-9, 1e-5, 1e-4, 0.1, 1.5, 3.0, PI - 1e-4, PI - 1e-9];
        axes.into_iter()
            .flat_map(move |(x, y, z)| angles.map(move |angle| Vector3::new(x, y, z).normalize() * angle))
    }

    #[test]
    fn axis_angle_survives_the_way_through_a_matrix_at_every_angle() {
        for v in samples() {
            let r = matrix_from_axis_angle(v);
            assert!((r * r.transpose() - Matrix3::identity()).norm() < 1e-12);
            assert!((r.determinant() - 1.0).abs() < 1e-12);
            assert!((axis_angle_from_matrix(&r) - v).norm() < 2e-8, "{v}");
        }
    }

    #[test]
    fn quaternions_matrices_and_six_numbers_describe_the_same_rotation() {
        for v in samples() {
            let r = matrix_from_axis_angle(v);
            let q = quaternion_from_axis_angle(v);
            assert!((q.to_rotation_matrix().matrix() - r).norm() < 1e-12);
            assert!(quaternion_from_matrix(&r).angle_to(&q) < 1e-7);
            assert!((axis_angle_from_quaternion(&q) - v).norm() < 1e-8);
            assert!((matrix_from_6d(six_d_from_matrix(&r)) - r).norm() < 1e-12);
        }
    }

    #[test]
    fn six_numbers_of_any_length_give_a_rotation() {
        let r = matrix_from_6d([2.0, 0.1, -0.3, 5.0, 3.0, 1.0]);
        assert!((r * r.transpose() - Matrix3::<f64>::identity()).norm() < 1e-12);
        assert!((r.determinant() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_half_turn_has_an_angle_of_pi() {
        let half = Matrix3::from_diagonal(&Vector3::new(-1.0, 1.0, -1.0));
        assert!((geodesic_angle(&Matrix3::identity(), &half) - PI).abs() < 1e-12);
    }
}
