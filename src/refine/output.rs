//! From the solver's hands back to the poses that travel.

use nalgebra::{Isometry3, Vector3};

use crate::event::{HandPose, Side};
use crate::geometry::rotation::{axis_angle_from_quaternion, quaternion_from_axis_angle};
use crate::hand::Skeleton;
use crate::hand::mirror::mirror_point;

/// The pose of a camera-space hand in the world. A left hand's `global_orient` is the rotation of the left
/// model itself, so both sides turn alike; the translation brings the wrist, about which the model turns,
/// to its place (Dyn-HaMR's eq. 4 and 5 with the rest wrist that the paper leaves out).
pub(super) fn world_pose(
    pose: &HandPose,
    side: Side,
    world_from_camera: &Isometry3<f64>,
    skeleton: &Skeleton,
) -> HandPose {
    let rest = skeleton.shaped_joints(&pose.betas.map(f64::from))[0];
    let rest: Vector3<f64> = if side == Side::Left { mirror_point(rest) } else { rest };
    let turned = world_from_camera.rotation * quaternion_from_axis_angle(pose.global_orient.cast::<f64>());
    let wrist = world_from_camera * nalgebra::Point3::from(rest + pose.translation.cast::<f64>());
    HandPose {
        global_orient: axis_angle_from_quaternion(&turned).cast(),
        translation: (wrist.coords - rest).cast(),
        ..pose.clone()
    }
}
