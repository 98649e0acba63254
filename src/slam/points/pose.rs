//! The camera's pose refined against the points it sees.

use nalgebra::{
    Isometry3, Matrix2x3, Matrix2x6, Matrix6, Translation3, UnitQuaternion, Vector2, Vector3, Vector6,
};

use crate::geometry::rotation::skew;

/// Limit of Huber's loss in the pose's refinement, pixels.
pub(super) const HUBER_PX: f64 = 1.0;

/// Points nearer to the camera plane than this have no place in the picture, in units of the map.
const NEAREST: f64 = 1e-6;

/// Steps at most.
const ROUNDS: usize = 10;

/// A step shorter than this ends the refinement, in the picture's tangent units.
const CONVERGED: f64 = 1e-9;

/// Where a world point lies in the picture less where it was seen, in units of z = 1; `None` behind the camera.
pub(super) fn reprojection(
    camera_from_world: &Isometry3<f64>,
    world: &Vector3<f64>,
    ray: &Vector2<f64>,
) -> Option<Vector2<f64>> {
    let p = camera_from_world.rotation * world + camera_from_world.translation.vector;
    (p.z > NEAREST).then(|| Vector2::new(p.x / p.z - ray.x, p.y / p.z - ray.y))
}

/// The residual with its Jacobians about the camera's step (translation, rotation; see [`step`]) and about
/// the world point.
pub(super) fn linearised(
    camera_from_world: &Isometry3<f64>,
    world: &Vector3<f64>,
    ray: &Vector2<f64>,
) -> Option<(Vector2<f64>, Matrix2x6<f64>, Matrix2x3<f64>)> {
    let rotation = camera_from_world.rotation.to_rotation_matrix();
    let p = rotation * world + camera_from_world.translation.vector;
    if p.z.is_nan() || p.z <= NEAREST {
        return None;
    }
    let (x, y, inverse) = (p.x / p.z, p.y / p.z, 1.0 / p.z);
    let projection = Matrix2x3::new(inverse, 0.0, -x * inverse, 0.0, inverse, -y * inverse);
    let mut camera = Matrix2x6::zeros();
    camera.fixed_columns_mut::<3>(0).copy_from(&projection);
    camera.fixed_columns_mut::<3>(3).copy_from(&(projection * -skew(p)));
    Some((Vector2::new(x - ray.x, y - ray.y), camera, projection * rotation.matrix()))
}

/// The pose after a step (translation, rotation vector) applied in the camera's frame, on the left.
pub(super) fn step(camera_from_world: &Isometry3<f64>, by: &Vector6<f64>) -> Isometry3<f64> {
    let turn = UnitQuaternion::from_scaled_axis(Vector3::new(by[3], by[4], by[5]));
    let moved = Isometry3::from_parts(Translation3::new(by[0], by[1], by[2]), turn) * camera_from_world;
    // Products drift off the unit sphere by rounding alone.
    Isometry3::from_parts(moved.translation, UnitQuaternion::new_normalize(moved.rotation.into_inner()))
}

/// Weight of a residual of length `length` under Huber's loss.
pub(super) fn huber(length: f64, limit: f64) -> f64 {
    if length <= limit { 1.0 } else { limit / length }
}

/// Gauss-Newton on the reprojection under Huber's loss with limit `huber_px`. `None` where the points do
/// not fix the pose.
pub(super) fn refine_pose(
    start: &Isometry3<f64>,
    world: &[Vector3<f64>],
    rays: &[Vector2<f64>],
    focal: f64,
    huber_px: f64,
) -> Option<Isometry3<f64>> {
    let limit = huber_px / focal;
    let mut pose = *start;
    for _ in 0..ROUNDS {
        let (mut normal, mut right) = (Matrix6::zeros(), Vector6::zeros());
        for (point, ray) in world.iter().zip(rays) {
            let Some((residual, jacobian, _)) = linearised(&pose, point, ray) else { continue };
            let weighted = jacobian.transpose() * huber(residual.norm(), limit);
            normal += weighted * jacobian;
            right -= weighted * residual;
        }
        // Just enough that an exactly flat direction does not break the factorisation.
        normal += Matrix6::from_diagonal(&normal.diagonal()) * 1e-9;
        let by = normal.cholesky()?.solve(&right);
        pose = step(&pose, &by);
        if by.norm() < CONVERGED {
            break;
        }
    }
    let finite = pose.translation.vector.iter().chain(pose.rotation.coords.iter()).all(|v| v.is_finite());
    finite.then_some(pose)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jacobians_agree_with_differences() {
        let pose = Isometry3::new(Vector3::new(0.2, -0.1, 0.4), Vector3::new(0.3, -0.5, 0.2));
        let (world, ray) = (Vector3::new(0.3, 0.6, 3.0), Vector2::new(0.1, -0.2));
        let (residual, camera, point) = linearised(&pose, &world, &ray).unwrap();
        const H: f64 = 1e-6;
        for k in 0..6 {
            let mut by = Vector6::zeros();
            by[k] = H;
            let moved = reprojection(&step(&pose, &by), &world, &ray).unwrap();
            assert!(((moved - residual) / H - camera.column(k)).norm() < 1e-4);
        }
        for k in 0..3 {
            let mut moved = world;
            moved[k] += H;
            let moved = reprojection(&pose, &moved, &ray).unwrap();
            assert!(((moved - residual) / H - point.column(k)).norm() < 1e-4);
        }
    }

    #[test]
    fn a_pose_comes_back_from_a_wrong_start_in_spite_of_an_outlier() {
        let pose = Isometry3::new(Vector3::new(0.2, -0.1, 0.4), Vector3::new(0.3, -0.5, 0.2));
        let grid =
            (0..40).map(|k| Vector3::new((k % 7) as f64 * 0.3, (k / 7) as f64 * 0.3, 3.0 + (k % 3) as f64));
        let world: Vec<_> = grid.collect();
        let mut rays: Vec<_> =
            world.iter().map(|p| reprojection(&pose, p, &Vector2::zeros()).unwrap()).collect();
        rays[3].x += 0.3;
        let start = step(&pose, &Vector6::new(0.1, 0.0, -0.1, 0.05, 0.05, 0.0));
        let found = refine_pose(&start, &world, &rays, 500.0, 1.0).unwrap();
        assert!((found.translation.vector - pose.translation.vector).norm() < 5e-3);
        assert!(
            refine_pose(&start, &world[..1], &rays[..1], 500.0, 1.0)
                .is_none_or(|p| p.translation.x.is_finite())
        );
    }
}
