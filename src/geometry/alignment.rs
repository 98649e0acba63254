//! The rotation, translation and scale that bring one set of points closest to another.

use nalgebra::{Matrix3, Vector3};

/// Rounds the 3 x 3 singular value decomposition may take; it converges in under ten.
const SVD_ROUNDS: usize = 100;

/// `p -> scale * rotation * p + translation`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    /// Positive.
    pub scale: f64,
    /// A proper rotation.
    pub rotation: Matrix3<f64>,
    /// Added last.
    pub translation: Vector3<f64>,
}

impl Similarity {
    /// Where a point goes.
    pub fn apply(&self, point: Vector3<f64>) -> Vector3<f64> {
        self.rotation * point * self.scale + self.translation
    }
}

/// The similarity that takes `from` closest to `to` in the sense of least squares (Umeyama 1991,
/// "Least-squares estimation of transformation parameters between two point patterns", eq. 40-42).
///
/// `None` for sets of unequal size, for fewer than two different points in either set, and for numbers
/// that are not finite. Where all points lie on a line the turn about it is arbitrary.
pub fn align_similarity(from: &[Vector3<f64>], to: &[Vector3<f64>]) -> Option<Similarity> {
    align(from, to, true)
}

/// The same without scale: the closest rigid motion (Kabsch 1976).
pub fn align_rigid(from: &[Vector3<f64>], to: &[Vector3<f64>]) -> Option<Similarity> {
    align(from, to, false)
}

fn align(from: &[Vector3<f64>], to: &[Vector3<f64>], scaled: bool) -> Option<Similarity> {
    if from.len() != to.len() || from.is_empty() {
        return None;
    }
    let (from_mean, to_mean) = (mean(from), mean(to));
    let mut covariance = Matrix3::zeros();
    let (mut from_spread, mut to_spread) = (0.0, 0.0);
    for (a, b) in from.iter().zip(to) {
        let (a, b) = (a - from_mean, b - to_mean);
        covariance += b * a.transpose();
        from_spread += a.norm_squared();
        to_spread += b.norm_squared();
    }
    let spreads = [from_spread, to_spread];
    if !covariance.iter().chain(&spreads).all(|v| v.is_finite()) || spreads.contains(&0.0) {
        return None;
    }
    let svd = covariance.try_svd(true, true, f64::EPSILON, SVD_ROUNDS)?;
    let (u, v_t) = (svd.u?, svd.v_t?);
    // A reflection would fit better in this case; the nearest rotation gives up the weakest direction.
    let mut signs = Vector3::repeat(1.0);
    if (u.determinant() * v_t.determinant()) < 0.0 {
        signs[svd.singular_values.imin()] = -1.0;
    }
    let rotation = u * Matrix3::from_diagonal(&signs) * v_t;
    let scale = if scaled { svd.singular_values.dot(&signs) / from_spread } else { 1.0 };
    Some(Similarity { scale, rotation, translation: to_mean - rotation * from_mean * scale })
}

fn mean(points: &[Vector3<f64>]) -> Vector3<f64> {
    points.iter().sum::<Vector3<f64>>() / points.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::rotation::matrix_from_axis_angle;

    fn cloud() -> Vec<Vector3<f64>> {
        (0..12).map(f64::from).map(|k| Vector3::new(k.sin(), (1.7 * k).cos(), (0.3 * k * k).sin())).collect()
    }

    #[test]
    fn a_similarity_is_recovered_from_the_points_it_moved() {
        let wanted = Similarity {
            scale: 2.5,
            rotation: matrix_from_axis_angle(Vector3::new(0.5, -2.0, 1.0)),
            translation: Vector3::new(3.0, -1.0, 0.2),
        };
        let moved: Vec<_> = cloud().into_iter().map(|p| wanted.apply(p)).collect();
        let found = align_similarity(&cloud(), &moved).unwrap();
        assert!((found.scale - wanted.scale).abs() < 1e-9);
        assert!((found.rotation - wanted.rotation).norm() < 1e-9);
        assert!((found.translation - wanted.translation).norm() < 1e-9);
        assert_eq!(align_rigid(&cloud(), &moved).unwrap().scale, 1.0);
    }

    #[test]
    fn a_mirrored_cloud_is_met_by_a_rotation_and_not_by_a_reflection() {
        let mirrored: Vec<_> = cloud().into_iter().map(|p| Vector3::new(-p.x, p.y, p.z)).collect();
        let found = align_similarity(&cloud(), &mirrored).unwrap();
        assert!((found.rotation.determinant() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn sets_that_say_nothing_have_no_alignment() {
        let point = Vector3::new(1.0, 2.0, 3.0);
        assert_eq!(align_similarity(&[], &[]), None);
        assert_eq!(align_similarity(&[point; 4], &[point; 4]), None);
        assert_eq!(align_similarity(&cloud(), &cloud()[1..]), None);
        let broken = vec![Vector3::new(f64::NAN, 0.0, 0.0); cloud().len()];
        assert_eq!(align_rigid(&broken, &cloud()), None);
    }
}
