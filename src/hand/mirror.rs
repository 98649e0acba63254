//! Left hands: the one place where left and right are exchanged.
//!
//! The mirror is the plane x = 0. A point keeps y and z; a rotation's axis keeps x (axial vectors turn
//! the other way round), so axis-angle vectors keep x and negate y and z. Applying either twice gives
//! back what went in, so each function serves both directions.

use nalgebra::{Matrix3, RealField, Vector2, Vector3};

use crate::event::HandPose;

/// The mirror image of a point, a direction or a translation.
pub fn mirror_point<T: RealField + Copy>(point: Vector3<T>) -> Vector3<T> {
    Vector3::new(-point.x, point.y, point.z)
}

/// The mirror image of a viewing ray (x/z, y/z).
pub fn mirror_ray<T: RealField + Copy>(ray: Vector2<T>) -> Vector2<T> {
    Vector2::new(-ray.x, ray.y)
}

/// The mirror image of an axis-angle rotation.
pub fn mirror_axis_angle<T: RealField + Copy>(rotation: Vector3<T>) -> Vector3<T> {
    Vector3::new(rotation.x, -rotation.y, -rotation.z)
}

/// The mirror image of a rotation matrix, `M R M` with `M = diag(-1, 1, 1)`.
pub fn mirror_matrix<T: RealField + Copy>(rotation: &Matrix3<T>) -> Matrix3<T> {
    let mut mirrored = *rotation;
    for k in 1..3 {
        mirrored[(0, k)] = -mirrored[(0, k)];
        mirrored[(k, 0)] = -mirrored[(k, 0)];
    }
    mirrored
}

/// The other hand's pose in the mirrored world: a left hand's parameters as a right hand's and back.
/// Shape stays.
pub fn mirror_pose(pose: &HandPose) -> HandPose {
    HandPose {
        global_orient: mirror_axis_angle(pose.global_orient),
        hand_pose: pose.hand_pose.map(mirror_axis_angle),
        betas: pose.betas,
        translation: mirror_point(pose.translation),
    }
}

/// Triangles of the mirrored mesh: wound the other way, so that they still face outward.
pub(super) fn mirror_faces(faces: &[[u32; 3]]) -> Vec<[u32; 3]> {
    faces.iter().map(|&[a, b, c]| [a, c, b]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::rotation::matrix_from_axis_angle;

    #[test]
    fn a_mirrored_rotation_moves_mirrored_points_to_mirrored_places() {
        let rotation = Vector3::new(0.3, -1.1, 0.7);
        let point = Vector3::new(0.2, 0.5, -0.4);
        let moved = matrix_from_axis_angle(rotation) * point;
        let by_axis_angle = matrix_from_axis_angle(mirror_axis_angle(rotation)) * mirror_point(point);
        let by_matrix = mirror_matrix(&matrix_from_axis_angle(rotation)) * mirror_point(point);
        assert!((by_axis_angle - mirror_point(moved)).norm() < 1e-12);
        assert!((by_matrix - mirror_point(moved)).norm() < 1e-12);
    }
}
