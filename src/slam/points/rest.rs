//! Whether the camera stands still: most points lie where they lay.

use nalgebra::Isometry3;

use super::flow::{FlowConfig, follow};
use super::pyramid::Pyramid;
use super::track::Track;
use crate::geometry::CameraModel;

/// A point within this distance of where it lay has not moved, pixels.
const REST_PX: f32 = 0.5;

/// Share of the points that must not have moved: people and hands may move the others.
const REST_SHARE: f64 = 0.5;

/// With fewer points nothing is said.
const LEAST_TRACKS: usize = 30;

/// Frames without motion after which a camera that moved counts as standing.
const REST_FRAMES: u32 = 5;

/// Level of the pyramid from which points are looked for where they lay.
const COARSEST: usize = 1;

/// Watches for a camera that does not move.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest {
    /// Frames since the points moved.
    frames: u32,
    /// The picture in which the points lay where they are held to lie.
    picture: Option<Pyramid>,
    /// The pose that the camera keeps.
    pose: Option<Isometry3<f64>>,
}

impl Rest {
    /// A camera that stands at `camera_from_world` and sees `picture`, such as one just switched on.
    pub fn begin(&mut self, camera_from_world: Isometry3<f64>, picture: &Pyramid, tracks: &mut [Track]) {
        let pose = Some(camera_from_world);
        *self = Self { frames: REST_FRAMES, picture: Some(picture.clone()), pose };
        tracks.iter_mut().for_each(|track| track.rest = track.pixel);
    }

    /// The pose that is kept while the camera stands.
    pub fn pose(&self) -> Option<Isometry3<f64>> {
        self.pose
    }

    /// Moves the pose along with the map.
    pub fn carry(&mut self, old_from_new_world: &Isometry3<f64>) {
        self.pose = self.pose.map(|pose| pose * old_from_new_world);
    }

    /// Whether the camera has stood still up to `picture`. Points that wandered from where they lie, a
    /// hundredth of a pixel each frame, are put back.
    pub fn holds(
        &mut self,
        tracks: &mut [Track],
        picture: &Pyramid,
        camera: &CameraModel,
        flow: &FlowConfig,
    ) -> bool {
        let enough =
            |still: usize| tracks.len() >= LEAST_TRACKS && still as f64 >= REST_SHARE * tracks.len() as f64;
        let still = tracks.iter().filter(|track| track.pixel.distance(track.rest) < REST_PX).count();
        if enough(still) {
            self.frames += 1;
            return self.pose.is_some();
        }
        let back = self.picture.as_ref().map(|there| {
            let look = |track: &Track| {
                follow(there, track.rest, picture, track.rest, COARSEST, flow)
                    .filter(|found| found.distance(track.rest) < REST_PX)
            };
            tracks.iter().map(look).collect::<Vec<_>>()
        });
        if let Some(back) = back.filter(|back| enough(back.iter().flatten().count())) {
            for (track, pixel) in tracks.iter_mut().zip(back) {
                if let Some(pixel) = pixel {
                    track.pixel = pixel;
                    track.ray = camera.ray(pixel);
                }
            }
            self.frames += 1;
            return true;
        }
        *self = Self::default();
        tracks.iter_mut().for_each(|track| track.rest = track.pixel);
        false
    }

    /// After a frame with a pose: the camera comes to rest there once it has not moved for some frames.
    pub fn settle(&mut self, camera_from_world: Isometry3<f64>, picture: &Pyramid, tracks: &mut [Track]) {
        if self.pose.is_none() && self.frames >= REST_FRAMES {
            self.begin(camera_from_world, picture, tracks);
        }
    }
}
