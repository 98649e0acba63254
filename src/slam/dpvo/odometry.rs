//! DPVO as a back end of the odometry.

use nalgebra::Isometry3;

use super::choice::choose;
use super::config::DpvoConfig;
use super::net::Map;
use super::network::DpvoNetwork;
use super::projection::{Patch, PatchCamera, STRIDE};
use super::schedule::{Outcome, Schedule};
use crate::frame::{Frame, PictureSize, Timestamp};
use crate::geometry::{CameraModel, Pixel};
use crate::net::Probe;
use crate::random::Random;
use crate::slam::{
    CameraPath, CameraPose, Odometry, OdometryError, OdometryState, OdometryUpdate, PixelBox, SeenPoint,
};

/// Pictures are cut at the right and the bottom to a multiple of this many pixels.
const GRID: usize = 16;
/// Least side of a picture.
const LEAST_SIDE: usize = 64;

/// Matches, counted by how sure the network is of each, without which the newest frame has no pose: twice the three
/// points that a pose takes.
const LEAST_MATCHES: f64 = 6.0;

/// DPVO: needs the user's weights. Poses are [`OdometryState::Tracking`] from the eighth kept frame on.
///
/// The release never says that it is lost. Here a frame is [`OdometryState::Lost`] where the network's own weights
/// give nearly all matches up, so that the pose is the motion model's and nobody's observation. That is a lower
/// bound: a network that is sure and wrong is not noticed.
///
/// Memory grows with the kept frames: 2.3 kB each at the default settings, with loop closure 0.7 MB each for
/// the last thousand and 2 MB of edges for every ten.
pub struct DpvoOdometry {
    config: DpvoConfig,
    size: PictureSize,
    schedule: Schedule<DpvoNetwork>,
    random: Random,
    /// Sequence number and time of every frame that came in.
    inputs: Vec<(u64, Timestamp)>,
}

impl DpvoOdometry {
    /// Odometry of pictures of one camera, which must not distort.
    ///
    /// # Errors
    /// [`OdometryError::Camera`].
    pub fn new(
        network: DpvoNetwork,
        camera: &CameraModel,
        config: DpvoConfig,
    ) -> Result<Self, OdometryError> {
        let refused = |reason: &str| Err(OdometryError::Camera { reason: reason.to_owned() });
        let numbers = [camera.fx, camera.fy, camera.cx, camera.cy];
        if numbers.iter().any(|number| !number.is_finite()) || camera.fx <= 0.0 || camera.fy <= 0.0 {
            return refused("its focal lengths must be positive and all its numbers finite");
        }
        if camera.distortion != [0.0; 5] {
            return refused("its lens distorts; let WorkingSize::undistorted take that out of the pictures");
        }
        if camera.size.width.min(camera.size.height) < LEAST_SIDE {
            return refused("its pictures are smaller than 64 pixels; give larger ones");
        }
        if config.patches_per_frame == 0 {
            return refused("no patches were asked for; set patches_per_frame to 1 or more");
        }
        Ok(Self {
            schedule: Schedule::new(config, PatchCamera::of(camera), network),
            random: Random::new(config.seed),
            size: camera.size,
            inputs: Vec::new(),
            config,
        })
    }

    fn check(&self, frame: &Frame) -> Result<(), OdometryError> {
        if frame.size != self.size {
            return Err(OdometryError::Size { expected: self.size, found: frame.size });
        }
        if frame.pixels.len() != frame.size.rgb_bytes() {
            return Err(OdometryError::Buffer { size: frame.size, found: frame.pixels.len() });
        }
        match self.inputs.last() {
            Some((_, last)) if frame.timestamp <= *last => {
                Err(OdometryError::Time { sequence: frame.sequence })
            }
            _ => Ok(()),
        }
    }

    fn state(&self, outcome: &Outcome) -> OdometryState {
        let dropped = self.schedule.graph().inputs.last() != Some(&(self.inputs.len() - 1));
        if self.schedule.is_started() && self.schedule.graph().matches_of_newest() < LEAST_MATCHES {
            OdometryState::Lost
        } else if self.schedule.is_started() {
            OdometryState::Tracking
        } else if dropped && outcome.first_motion.is_some() && self.schedule.graph().len() == 1 {
            OdometryState::Still
        } else {
            OdometryState::Starting
        }
    }

    /// The patches of the newest frame with their depths.
    fn points(&self) -> Vec<SeenPoint> {
        let graph = self.schedule.graph();
        let Some(newest) = graph.len().checked_sub(1) else { return Vec::new() };
        let scale = STRIDE as f64;
        let point = |patch: &Patch| SeenPoint {
            pixel: Pixel::new((patch.centre.x * scale) as f32, (patch.centre.y * scale) as f32),
            depth: 1.0 / patch.inverse_depth,
        };
        graph.patches[graph.patches_of(newest)].iter().map(point).collect()
    }
}

impl Odometry for DpvoOdometry {
    fn process(&mut self, frame: &Frame, hidden: &[PixelBox]) -> Result<OdometryUpdate, OdometryError> {
        self.check(frame)?;
        let picture = picture(frame);
        let count = self.config.patches_per_frame;
        let patches = choose(&picture, count, self.config.choice, hidden, &mut self.random);
        let features = self.schedule.matcher().encode(&picture, &patches, hidden, Probe::off());
        self.inputs.push((frame.sequence, frame.timestamp));
        let outcome = self.schedule.add(frame.timestamp.seconds(), patches, features);
        let state = self.state(&outcome);
        let graph = self.schedule.graph();
        let (pose, points) = match (state, &graph.poses[..]) {
            (OdometryState::Tracking, [first, .., newest]) => (Some(first * newest.inverse()), self.points()),
            (OdometryState::Still, _) => (Some(Isometry3::identity()), Vec::new()),
            _ => (None, Vec::new()),
        };
        Ok(OdometryUpdate {
            sequence: frame.sequence,
            timestamp: frame.timestamp,
            state,
            section: 0,
            pose,
            scale_free: true,
            points,
        })
    }

    fn path(&self) -> CameraPath {
        let mut poses = Vec::new();
        if let (true, Some(first)) = (self.schedule.is_started(), self.schedule.graph().poses.first()) {
            for (input, pose) in self.schedule.graph().all_poses() {
                if let Some(&(sequence, timestamp)) = self.inputs.get(input) {
                    let world_from_camera = first * pose.inverse();
                    poses.push(CameraPose { sequence, timestamp, world_from_camera });
                }
            }
        }
        CameraPath { poses, scale_free: true }
    }

    fn finish(&mut self) -> Result<(), OdometryError> {
        self.schedule.finish();
        Ok(())
    }
}

/// The frame as the network reads it: blue, green, red in -0.5..1.5, cut to whole cells of the maps.
pub fn picture(frame: &Frame) -> Map {
    let (width, height) = (frame.size.width / GRID * GRID, frame.size.height / GRID * GRID);
    let mut picture = Map::zeros(width, height, 3);
    let rows = frame.pixels.chunks_exact((frame.size.width * 3).max(1));
    for (out, row) in picture.data.chunks_exact_mut((width * 3).max(1)).zip(rows) {
        for (out, &[red, green, blue]) in out.as_chunks_mut::<3>().0.iter_mut().zip(row.as_chunks::<3>().0) {
            *out = [blue, green, red].map(|value| 2.0 * (f32::from(value) / 255.0) - 0.5);
        }
    }
    picture
}
