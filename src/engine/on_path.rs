//! A front end whose camera goes a known way.

use std::sync::{Arc, Mutex, PoisonError};

use super::run::{FrontEnd, Processed, SettledHand};
use crate::frame::Frame;
use crate::slam::{KnownPath, Odometry};

/// Adds to what a front end finds where the camera was.
pub struct OnPath<F> {
    front_end: F,
    path: Arc<Mutex<KnownPath>>,
}

impl<F: FrontEnd> OnPath<F> {
    /// `front_end` on the way `path`. Frames outside the path have no pose. The path outlives the front end: the
    /// next one goes on in the same world.
    pub fn new(front_end: F, path: Arc<Mutex<KnownPath>>) -> Self {
        Self { front_end, path }
    }
}

impl<F: FrontEnd> FrontEnd for OnPath<F> {
    fn process(&mut self, frame: &Frame) -> Processed {
        let world_from_camera = self.path.lock().unwrap_or_else(PoisonError::into_inner).process(frame, &[]);
        let mut processed = self.front_end.process(frame);
        match world_from_camera {
            Ok(update) => processed.world_from_camera = update.pose,
            Err(error) => processed.warning = processed.warning.or(Some(error.to_string())),
        }
        processed
    }

    fn behind(&mut self, frame: &Frame, next_waits: &dyn Fn() -> bool) {
        self.front_end.behind(frame, next_waits);
    }

    fn look_ahead(&self) -> usize {
        self.front_end.look_ahead()
    }

    fn finish(&mut self) -> Vec<SettledHand> {
        self.front_end.finish()
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Isometry3;

    use super::*;
    use crate::frame::{PictureSize, Timestamp};
    use crate::geometry::{CameraPath, CameraPose};
    use crate::slam::KnownPathConfig;

    struct NoHands;

    impl FrontEnd for NoHands {
        fn process(&mut self, _: &Frame) -> Processed {
            Processed::default()
        }
    }

    #[test]
    fn frames_within_the_path_have_a_pose_and_a_frame_out_of_order_is_told() {
        let pose = |k: u32| CameraPose {
            sequence: u64::from(k),
            timestamp: Timestamp::from_seconds(0.1 * f64::from(k)),
            world_from_camera: Isometry3::translation(f64::from(k), 0.0, 0.0),
        };
        let path = CameraPath { poses: (0..3).map(pose).collect(), scale_free: false };
        let path = KnownPath::new(path, KnownPathConfig::default());
        let mut front_end = OnPath::new(NoHands, Arc::new(Mutex::new(path)));
        let mut at = |seconds: f64| {
            let timestamp = Timestamp::from_seconds(seconds);
            front_end.process(&Frame {
                pixels: Vec::new(),
                size: PictureSize::new(0, 0),
                timestamp,
                sequence: 0,
            })
        };
        let x = |processed: Processed| processed.world_from_camera.map(|pose| pose.translation.x);
        assert_eq!(x(at(0.0)), Some(0.0));
        assert!((x(at(0.15)).unwrap() - 1.5).abs() < 1e-9);
        assert!(at(0.1).warning.is_some());
        assert_eq!(x(at(0.3)), None);
    }
}
