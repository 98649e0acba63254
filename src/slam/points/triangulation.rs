//! A point of the map from the rays that see it.

use nalgebra::{Isometry3, Matrix3, Vector2, Vector3};

use super::pose::{linearised, reprojection};

/// Gauss-Newton steps after the linear estimate.
const ROUNDS: usize = 3;

/// A ray of one camera.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// Where the camera stands.
    pub camera_from_world: Isometry3<f64>,
    /// Direction x/z, y/z.
    pub ray: Vector2<f64>,
}

impl Sight {
    /// The ray's direction in the world, of length 1.
    pub fn direction(&self) -> Vector3<f64> {
        let ray = Vector3::new(self.ray.x, self.ray.y, 1.0).normalize();
        self.camera_from_world.rotation.inverse() * ray
    }

    /// The camera's place in the world.
    pub fn centre(&self) -> Vector3<f64> {
        -(self.camera_from_world.rotation.inverse() * self.camera_from_world.translation.vector)
    }
}

/// Largest angle between the first ray and the others, radians.
pub(super) fn parallax(sights: &[Sight]) -> f64 {
    let Some((first, others)) = sights.split_first() else { return 0.0 };
    let first = first.direction();
    others.iter().map(|sight| first.cross(&sight.direction()).norm().min(1.0).asin()).fold(0.0, f64::max)
}

/// The point nearest to all rays, refined in the pictures; `None` where it is not fixed, lies behind a
/// camera, or is farther than `limit` (units of z = 1) from where one of them saw it.
pub(super) fn triangulate(sights: &[Sight], limit: f64) -> Option<Vector3<f64>> {
    // Sum of squared distances to the rays: (I - d d^T) x = (I - d d^T) c.
    let (mut normal, mut right) = (Matrix3::zeros(), Vector3::zeros());
    for sight in sights {
        let direction = sight.direction();
        let across = Matrix3::identity() - direction * direction.transpose();
        normal += across;
        right += across * sight.centre();
    }
    let mut point = normal.cholesky()?.solve(&right);
    for _ in 0..ROUNDS {
        let (mut normal, mut right) = (Matrix3::zeros(), Vector3::zeros());
        for sight in sights {
            let (residual, _, jacobian) = linearised(&sight.camera_from_world, &point, &sight.ray)?;
            normal += jacobian.transpose() * jacobian;
            right -= jacobian.transpose() * residual;
        }
        point += normal.cholesky()?.solve(&right);
    }
    let fits = |sight: &Sight| {
        reprojection(&sight.camera_from_world, &point, &sight.ray).is_some_and(|r| r.norm() < limit)
    };
    (point.iter().all(|v| v.is_finite()) && sights.iter().all(fits)).then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sights(point: Vector3<f64>, steps: usize) -> Vec<Sight> {
        let look = |k: usize| {
            let camera_from_world =
                Isometry3::new(Vector3::new(-0.1 * k as f64, 0.0, 0.02), Vector3::y() * 0.01);
            let ray = reprojection(&camera_from_world, &point, &Vector2::zeros()).unwrap();
            Sight { camera_from_world, ray }
        };
        (0..steps).map(look).collect()
    }

    #[test]
    fn rays_from_several_places_meet_in_their_point() {
        let point = Vector3::new(0.3, -0.2, 2.5);
        let sights = sights(point, 4);
        assert!((triangulate(&sights, 1e-3).unwrap() - point).norm() < 1e-9);
        assert!((parallax(&sights) - 0.3 / 2.5).abs() < 0.01);
    }

    #[test]
    fn rays_that_miss_each_other_or_share_a_centre_give_no_point() {
        let mut sights = sights(Vector3::new(0.3, -0.2, 2.5), 3);
        sights[1].ray.y += 0.1;
        assert_eq!(triangulate(&sights, 1e-3), None);
        assert_eq!(triangulate(&sights[..1], 1e-3), None);
        assert_eq!(triangulate(&[], 1e-3), None);
    }
}
