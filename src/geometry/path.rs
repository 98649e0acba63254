//! The way a camera went: one pose for each frame that has one.

use nalgebra::Isometry3;

use crate::frame::Timestamp;

/// Where the camera was for one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CameraPose {
    /// Number of the frame in its source; in a path read from a file, number of its line of numbers.
    pub sequence: u64,
    /// Capture time of the frame.
    pub timestamp: Timestamp,
    /// Takes a point of this camera to the world, the first camera of the run.
    pub world_from_camera: Isometry3<f64>,
}

/// The camera's path over a run: one entry for each frame that has a pose, in the order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CameraPath {
    /// The poses.
    pub poses: Vec<CameraPose>,
    /// True while the translations carry an unknown common factor.
    pub scale_free: bool,
}

impl CameraPath {
    /// Sum of the steps from pose to pose, in the unit of the path.
    pub fn length(&self) -> f64 {
        let positions = self.poses.iter().map(|pose| pose.world_from_camera.translation.vector);
        // An empty sum would be minus zero.
        positions.clone().skip(1).zip(positions).fold(0.0, |sum, (next, this)| sum + (next - this).norm())
    }

    /// The pose at a time between two known ones: positions on the line, rotations on the great circle
    /// (Shoemake 1985). `None` before the first pose, after the last, and where the path has no pose for
    /// longer than `longest_gap` seconds.
    pub fn at(&self, time: Timestamp, longest_gap: f64) -> Option<Isometry3<f64>> {
        let next = self.poses.partition_point(|pose| pose.timestamp < time);
        let after = self.poses.get(next)?;
        if after.timestamp == time {
            return Some(after.world_from_camera);
        }
        let before = self.poses.get(next.checked_sub(1)?)?;
        let gap = after.timestamp.seconds() - before.timestamp.seconds();
        let part = time.since(before.timestamp).as_secs_f64() / gap;
        let between = before.world_from_camera.try_lerp_slerp(&after.world_from_camera, part, f64::EPSILON);
        between.filter(|_| gap <= longest_gap)
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{Translation3, UnitQuaternion, Vector3};

    use super::*;

    fn pose(seconds: f64, x: f64, turn: f64) -> CameraPose {
        let rotation = UnitQuaternion::from_scaled_axis(Vector3::y() * turn);
        CameraPose {
            sequence: 0,
            timestamp: Timestamp::from_seconds(seconds),
            world_from_camera: Isometry3::from_parts(Translation3::new(x, 0.0, 0.0), rotation),
        }
    }

    #[test]
    fn between_two_poses_the_camera_is_part_of_the_way() {
        let path = CameraPath { poses: vec![pose(1.0, 2.0, 0.0), pose(2.0, 4.0, 0.8)], scale_free: false };
        let at = |seconds| path.at(Timestamp::from_seconds(seconds), 1.5);
        let quarter = at(1.25).unwrap();
        assert!((quarter.translation.x - 2.5).abs() < 1e-9);
        assert!((quarter.rotation.angle() - 0.2).abs() < 1e-9);
        assert_eq!(at(2.0), Some(path.poses[1].world_from_camera));
        assert_eq!([at(0.9), at(2.1)], [None, None]);
        assert_eq!(path.at(Timestamp::from_seconds(1.25), 0.5), None);
        assert!((path.length() - 2.0).abs() < 1e-12);
    }
}
