//! MediaPipe + PnP: the tracker's landmarks in metres as a rigid hand, posed by its own key points.

use handstream::fit::HandObservation;
use handstream::geometry::CameraModel;
use nalgebra::{Matrix2x3, Matrix3, Matrix6, Rotation3, Vector2, Vector3, Vector6};

use super::recording::Joints;

/// Rounds of Levenberg-Marquardt.
const ROUNDS: usize = 30;
/// Nearest depth at which a point is projected, metres.
const NEAREST: f64 = 0.01;

/// The landmarks turned and moved so that they project onto the key points with least squares.
pub fn posed(observation: &HandObservation, camera: &CameraModel) -> Option<Joints> {
    let rays = observation.keypoints_px.map(|pixel| camera.ray(pixel));
    let landmarks: Joints = observation.landmarks_m.map(|landmark| landmark.cast());
    let centre = rays.iter().sum::<Vector2<f64>>() / rays.len() as f64;
    // The tracker's axes are those of its crop, whose own axis is the ray through the hand.
    let mut rotation = Rotation3::rotation_between(&Vector3::z(), &centre.push(1.0))?;
    let mut translation = moved(&landmarks.map(|landmark| rotation * landmark), &rays)?;
    let mut cost = normal(&landmarks, &rays, &rotation, &translation)?.0;
    let mut damping = 1e-3;
    for _ in 0..ROUNDS {
        let (_, hessian, gradient) = normal(&landmarks, &rays, &rotation, &translation)?;
        let damped = hessian + Matrix6::from_diagonal(&(hessian.diagonal() * damping));
        let step = -damped.cholesky()?.solve(&gradient);
        let turned = Rotation3::new(step.fixed_rows::<3>(0).into_owned()) * rotation;
        let shifted = translation + step.fixed_rows::<3>(3);
        match normal(&landmarks, &rays, &turned, &shifted).filter(|next| next.0 < cost) {
            Some(next) => {
                (rotation, translation, cost) = (turned, shifted, next.0);
                damping *= 0.3;
            }
            None => damping *= 5.0,
        }
    }
    Some(landmarks.map(|landmark| rotation * landmark + translation))
}

/// Cost, Hessian and gradient by turn (left, radians) and translation; `None` behind the camera.
fn normal(
    landmarks: &Joints,
    rays: &[Vector2<f64>; 21],
    rotation: &Rotation3<f64>,
    translation: &Vector3<f64>,
) -> Option<(f64, Matrix6<f64>, Vector6<f64>)> {
    let (mut cost, mut hessian, mut gradient) = (0.0, Matrix6::zeros(), Vector6::zeros());
    for (landmark, ray) in landmarks.iter().zip(rays) {
        let turned = rotation * landmark;
        let p = turned + translation;
        if p.z < NEAREST {
            return None;
        }
        let residual = Vector2::new(p.x / p.z, p.y / p.z) - ray;
        let projection =
            Matrix2x3::new(1.0 / p.z, 0.0, -p.x / (p.z * p.z), 0.0, 1.0 / p.z, -p.y / (p.z * p.z));
        let mut jacobian = nalgebra::Matrix2x6::zeros();
        jacobian.fixed_columns_mut::<3>(0).copy_from(&(-projection * turned.cross_matrix()));
        jacobian.fixed_columns_mut::<3>(3).copy_from(&projection);
        cost += residual.norm_squared();
        hessian += jacobian.transpose() * jacobian;
        gradient += jacobian.transpose() * residual;
    }
    cost.is_finite().then_some((cost, hessian, gradient))
}

/// The translation alone: linear least squares of `x + t_x = u (z + t_z)` over all points.
fn moved(points: &Joints, rays: &[Vector2<f64>; 21]) -> Option<Vector3<f64>> {
    let (mut system, mut right) = (Matrix3::zeros(), Vector3::zeros());
    for (point, ray) in points.iter().zip(rays) {
        for (axis, u) in [ray.x, ray.y].into_iter().enumerate() {
            let mut row = Vector3::new(0.0, 0.0, -u);
            row[axis] = 1.0;
            system += row * row.transpose();
            right += row * (u * point.z - point[axis]);
        }
    }
    system.cholesky().map(|system| system.solve(&right))
}
