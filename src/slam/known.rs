//! A path that is known beforehand, in place of odometry.

use nalgebra::Isometry3;

use super::odometry::{Odometry, OdometryError, OdometryState, OdometryUpdate, PixelBox};
use crate::frame::{Frame, Timestamp};
use crate::geometry::{CameraPath, CameraPose};

/// How a known path is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownPathConfig {
    /// Time of the run's zero on the path's clock. Default 0: both have one clock.
    pub start: Timestamp,
    /// Between two poses farther apart than this, seconds, the camera's place is not known. Default 0.25.
    pub longest_gap: f64,
}

impl Default for KnownPathConfig {
    fn default() -> Self {
        Self { start: Timestamp(0), longest_gap: 0.25 }
    }
}

/// Follows a metric path from a file, whatever the pictures show.
///
/// Frames between two poses get the pose between them. The world is the first frame that has a pose;
/// frames outside the path are lost.
#[derive(Clone, Debug)]
pub struct KnownPath {
    known: CameraPath,
    config: KnownPathConfig,
    world_from_file: Option<Isometry3<f64>>,
    last: Option<Timestamp>,
    followed: CameraPath,
}

impl KnownPath {
    /// Follows `known`, whose translations are metres.
    pub fn new(known: CameraPath, config: KnownPathConfig) -> Self {
        Self { known, config, world_from_file: None, last: None, followed: CameraPath::default() }
    }
}

impl Odometry for KnownPath {
    fn process(&mut self, frame: &Frame, _hidden: &[PixelBox]) -> Result<OdometryUpdate, OdometryError> {
        let Frame { sequence, timestamp, .. } = *frame;
        if self.last.is_some_and(|last| timestamp <= last) {
            return Err(OdometryError::Time { sequence });
        }
        self.last = Some(timestamp);
        let on_file_clock = Timestamp(timestamp.0.saturating_add(self.config.start.0));
        let file_from_camera = self.known.at(on_file_clock, self.config.longest_gap);
        let pose = file_from_camera.map(|file_from_camera| {
            let world_from_file = self.world_from_file.get_or_insert_with(|| file_from_camera.inverse());
            *world_from_file * file_from_camera
        });
        self.followed.poses.extend(pose.map(|world_from_camera| CameraPose {
            sequence,
            timestamp,
            world_from_camera,
        }));
        let state = if pose.is_some() { OdometryState::Tracking } else { OdometryState::Lost };
        Ok(OdometryUpdate {
            sequence,
            timestamp,
            state,
            section: 0,
            pose,
            scale_free: false,
            points: Vec::new(),
        })
    }

    fn path(&self) -> CameraPath {
        self.followed.clone()
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Vector3;

    use super::*;
    use crate::frame::PictureSize;

    fn frame(seconds: f64) -> Frame {
        let timestamp = Timestamp::from_seconds(seconds);
        Frame { pixels: Vec::new(), size: PictureSize::new(0, 0), timestamp, sequence: 0 }
    }

    #[test]
    fn frames_get_the_pose_of_their_time_in_the_world_of_the_first() {
        let pose = |k: u32| CameraPose {
            sequence: u64::from(k),
            timestamp: Timestamp::from_seconds(100.0 + 0.2 * f64::from(k)),
            world_from_camera: Isometry3::new(Vector3::new(5.0, f64::from(k), 0.0), Vector3::z() * 0.5),
        };
        let known = CameraPath { poses: (0..3).map(pose).collect(), scale_free: false };
        let config = KnownPathConfig { start: Timestamp::from_seconds(99.9), ..KnownPathConfig::default() };
        let mut odometry = KnownPath::new(known, config);
        let updates: Vec<_> =
            [0.0, 0.1, 0.2, 0.6].map(|t| odometry.process(&frame(t), &[]).unwrap()).into_iter().collect();
        let lost: Vec<bool> = updates.iter().map(|update| update.state == OdometryState::Lost).collect();
        assert_eq!(lost, [true, false, false, true]);
        let first = updates[1].pose.unwrap();
        assert!(first.translation.vector.norm() < 1e-12 && first.rotation.angle() < 1e-7);
        // Half a step along y of the file is half a step, turned back, in the first camera.
        let moved = updates[2].pose.unwrap();
        assert!((moved.translation.vector.norm() - 0.5).abs() < 1e-9 && moved.rotation.angle() < 1e-7);
        assert!(!updates[2].scale_free);
        assert_eq!(odometry.path().poses.len(), 2);
        assert!(matches!(odometry.process(&frame(0.6), &[]), Err(OdometryError::Time { .. })));
    }
}
