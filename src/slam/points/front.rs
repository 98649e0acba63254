//! The odometry itself: what happens to one frame.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use nalgebra::{Isometry3, Vector2, Vector3};

use super::adjuster::Adjuster;
use super::config::PointOdometryConfig;
use super::corners::{Cells, LARGEST_CELL};
use super::descriptor::Pattern;
use super::flow::FlowConfig;
use super::map::{KeyframeId, Map, PointId};
use super::p3p::{RansacConfig, p3p_ransac};
use super::pose::{HUBER_PX, refine_pose, reprojection};
use super::pyramid::{Level, Pyramid};
use super::relocalise::{by_descriptor, by_patch};
use super::rest::Rest;
use super::track::{Track, advance, flow_config, is_hidden};
use crate::frame::{Frame, Timestamp};
use crate::geometry::{CameraModel, Pixel};
use crate::jobs::Background;
use crate::random::Random;
use crate::slam::{
    CameraPath, CameraPose, Odometry, OdometryError, OdometryState, OdometryUpdate, PixelBox, SeenPoint,
};

/// A keyframe is due only where the camera has moved by this share of the points' median depth, or has turned by
/// this angle in radians: a standing camera makes none.
const KEYFRAME_WAY: f64 = 0.01;
const KEYFRAME_TURN: f64 = 0.03;

/// Where one frame stood, relative to a keyframe, so that it moves along when that is refined.
#[derive(Clone, Copy, Debug)]
struct FramePose {
    sequence: u64,
    timestamp: Timestamp,
    keyframe: KeyframeId,
    /// `frame_from_keyframe`.
    from_keyframe: Isometry3<f64>,
}

/// What the odometry is at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// There is no map, only directions from one place.
    Starting,
    /// The map is followed.
    Tracking,
    /// The map was lost this many frames ago.
    Lost(u32),
}

/// Odometry on corner points: Lucas-Kanade from frame to frame, a map of triangulated points, P3P, and bundle
/// adjustment over the last keyframes; binary descriptors find the map again. It needs no weights.
pub struct PointOdometry {
    pub(super) camera: CameraModel,
    pub(super) config: PointOdometryConfig,
    flow: FlowConfig,
    pub(super) pattern: Pattern,
    pub(super) random: Random,
    pub(super) map: Map,
    pub(super) phase: Phase,
    /// Frames in a row that could not be understood before there was a map.
    pub(super) unseen: u32,
    pub(super) rest: Rest,
    previous: Option<Pyramid>,
    last_time: Option<Timestamp>,
    pub(super) tracks: Vec<Track>,
    /// `camera_from_world` of the last frame with a pose, and the motion that led to it.
    pub(super) pose: Isometry3<f64>,
    pub(super) velocity: Isometry3<f64>,
    pub(super) keyframe: KeyframeId,
    pub(super) keyframe_sequence: u64,
    pub(super) keyframe_points: usize,
    /// Scale of a map to come, so that a new map goes on about as large as the lost one.
    pub(super) depth: f64,
    pub(super) adjuster: Adjuster,
    path: VecDeque<FramePose>,
}

impl PointOdometry {
    /// Odometry for the pictures of `camera`.
    ///
    /// # Errors
    /// [`OdometryError::Camera`] where the intrinsics cannot belong to a camera.
    pub fn new(camera: CameraModel, config: PointOdometryConfig) -> Result<Self, OdometryError> {
        let numbers = [camera.fx, camera.fy, camera.cx, camera.cy].into_iter().chain(camera.distortion);
        if !numbers.clone().all(f64::is_finite) || camera.fx <= 0.0 || camera.fy <= 0.0 {
            return Err(OdometryError::Camera {
                reason: "a focal length is not positive or not finite".into(),
            });
        }
        Ok(Self {
            flow: flow_config(&config),
            pattern: Pattern::default(),
            random: Random::new(config.seed),
            map: Map::default(),
            phase: Phase::Starting,
            unseen: 0,
            rest: Rest::default(),
            previous: None,
            last_time: None,
            tracks: Vec::new(),
            pose: Isometry3::identity(),
            velocity: Isometry3::identity(),
            keyframe: KeyframeId(0),
            keyframe_sequence: 0,
            keyframe_points: 0,
            depth: 1.0,
            adjuster: Adjuster::InOrder,
            path: VecDeque::new(),
            camera,
            config,
        })
    }

    /// Bundle adjustment goes to another thread from now on instead of holding up the frame.
    pub fn adjust_behind(&mut self, background: Box<dyn Background>) {
        self.adjuster = Adjuster::Behind { background, done: Arc::default(), busy: false };
    }

    fn check(&self, frame: &Frame) -> Result<(), OdometryError> {
        if frame.size != self.camera.size {
            return Err(OdometryError::Size { expected: self.camera.size, found: frame.size });
        }
        if frame.pixels.len() != frame.size.rgb_bytes() {
            return Err(OdometryError::Buffer { size: frame.size, found: frame.pixels.len() });
        }
        if self.last_time.is_some_and(|last| frame.timestamp <= last) {
            return Err(OdometryError::Time { sequence: frame.sequence });
        }
        Ok(())
    }

    pub(super) fn focal(&self) -> f64 {
        self.camera.focal()
    }

    /// Side of the cells that keep tracks apart, pixels.
    pub(super) fn cell(&self) -> usize {
        let area = (self.camera.size.width * self.camera.size.height) as f64;
        ((area / self.config.points.max(1) as f64).sqrt() as usize).clamp(8, LARGEST_CELL)
    }

    /// Tracks with points: their index, place in the world and ray.
    fn correspondences(&self) -> (Vec<usize>, Vec<Vector3<f64>>, Vec<Vector2<f64>>) {
        let (mut index, mut world, mut rays) = (Vec::new(), Vec::new(), Vec::new());
        for (k, track) in self.tracks.iter().enumerate() {
            if let Some(point) = track.point.and_then(|id| self.map.point(id)) {
                index.push(k);
                world.push(point.position);
                rays.push(track.ray);
            }
        }
        (index, world, rays)
    }

    /// The pose that the tracks' points agree on; tracks that do not agree go. Returns the pose and how many do.
    pub(super) fn solve(&mut self, guesses: &[Isometry3<f64>]) -> Option<(Isometry3<f64>, usize)> {
        let (index, world, rays) = self.correspondences();
        let focal = self.focal();
        let config = RansacConfig { inlier_px: self.config.inlier_px, ..RansacConfig::default() };
        let (mut pose, _) = p3p_ransac(&world, &rays, guesses, focal, &config, &mut self.random)?;
        let limit = self.config.inlier_px / focal;
        let agrees = |pose: &Isometry3<f64>, k: usize| {
            reprojection(pose, &world[k], &rays[k]).is_some_and(|r| r.norm() < limit)
        };
        for _ in 0..2 {
            let chosen: Vec<_> = (0..world.len()).filter(|&k| agrees(&pose, k)).collect();
            let pick = |k: &usize| (world[*k], rays[*k]);
            let (world, rays): (Vec<_>, Vec<_>) = chosen.iter().map(pick).unzip();
            pose = refine_pose(&pose, &world, &rays, focal, HUBER_PX)?;
        }
        let wrong: HashSet<_> = (0..world.len()).filter(|&k| !agrees(&pose, k)).map(|k| index[k]).collect();
        let count = world.len() - wrong.len();
        if count < self.config.least_inliers {
            return None;
        }
        let mut k = 0;
        self.tracks.retain(|_| {
            k += 1;
            !wrong.contains(&(k - 1))
        });
        Some((pose, count))
    }

    /// Looks for points of the map by their descriptors; they become tracks.
    pub(super) fn find_by_descriptor(&mut self, picture: &Pyramid, hidden: &[PixelBox]) {
        let found = by_descriptor(&self.map, picture, hidden, &self.pattern, &self.config, &self.flow);
        self.adopt(found, hidden);
    }

    /// Looks for points of the map by their patches where no track has a point; they become tracks.
    pub(super) fn find_by_patch(&mut self, picture: &Pyramid, pose: &Isometry3<f64>, hidden: &[PixelBox]) {
        let mut cells = Cells::new(picture.full(), self.cell());
        self.tracks.iter().filter(|track| track.point.is_some()).for_each(|track| {
            cells.take(track.pixel);
        });
        let found = by_patch(&self.map, picture, pose, &self.camera, &mut cells, &self.flow);
        self.adopt(found, hidden);
    }

    fn adopt(&mut self, found: Vec<(PointId, Pixel)>, hidden: &[PixelBox]) {
        let known: HashSet<_> = self.tracks.iter().filter_map(|track| track.point).collect();
        for (id, pixel) in found {
            if !known.contains(&id) && !is_hidden(pixel, hidden) {
                let ray = self.camera.ray(pixel);
                self.tracks.push(Track { pixel, ray, rest: pixel, point: Some(id), sightings: Vec::new() });
            }
        }
    }

    fn tracking(
        &mut self,
        picture: &Pyramid,
        hidden: &[PixelBox],
        sequence: u64,
        resting: bool,
    ) -> OdometryState {
        let map = &self.map;
        // Tracks whose point was given up start over.
        self.tracks.retain(|track| track.point.is_none_or(|id| map.point(id).is_some()));
        let guesses = [self.pose, self.velocity * self.pose];
        let mut solved = self.solve(&guesses);
        if solved.is_none_or(|(_, count)| count < self.config.thin) {
            let mut tries = guesses.to_vec();
            tries.extend(solved.map(|(pose, _)| pose));
            self.find_by_descriptor(picture, hidden);
            solved = self.solve(&tries);
        }
        let Some((pose, _)) = solved else {
            return if resting { OdometryState::Still } else { self.lose(picture, hidden) };
        };
        self.find_by_patch(picture, &pose, hidden);
        let Some((pose, count)) = self.solve(&[pose]) else {
            return if resting { OdometryState::Still } else { self.lose(picture, hidden) };
        };
        self.velocity = pose * self.pose.inverse();
        self.pose = pose;
        self.phase = Phase::Tracking;
        if resting {
            return OdometryState::Still;
        }
        let since = pose * self.map.pose(self.keyframe).inverse();
        let moved = since.translation.vector.norm() > KEYFRAME_WAY * self.depth
            || since.rotation.angle() > KEYFRAME_TURN;
        let due = moved && sequence >= self.keyframe_sequence + self.config.keyframe_frames;
        if due || (count as f64) < self.config.keyframe_share * self.keyframe_points as f64 {
            let now = self.map.add_keyframe(pose, picture.clone());
            self.extend(now, picture);
            self.settle(now, sequence, picture, hidden);
        }
        OdometryState::Tracking
    }

    /// Points of the map followed in the last frame; directions are none.
    pub(super) fn seen_points(&self) -> Vec<SeenPoint> {
        if self.phase == Phase::Starting {
            return Vec::new();
        }
        let seen = |track: &Track| {
            let position = self.map.point(track.point?)?.position;
            let depth = (self.pose * nalgebra::Point3::from(position)).z;
            Some(SeenPoint { pixel: track.pixel, depth })
        };
        self.tracks.iter().filter_map(seen).collect()
    }
}

impl Odometry for PointOdometry {
    fn process(&mut self, frame: &Frame, hidden: &[PixelBox]) -> Result<OdometryUpdate, OdometryError> {
        self.check(frame)?;
        self.last_time = Some(frame.timestamp);
        self.collect();
        let picture = Pyramid::new(Level::from_frame(frame), self.config.levels);
        let state = match self.previous.take() {
            None => {
                self.begin(&picture, hidden);
                OdometryState::Still
            }
            Some(previous) => {
                advance(&mut self.tracks, &previous, &picture, hidden, &self.camera, &self.flow);
                self.look_for_lost(&picture, hidden, frame.sequence);
                let resting = self.rest.holds(&mut self.tracks, &picture, &self.camera, &self.flow);
                match self.phase {
                    Phase::Starting => self.starting(&picture, hidden, frame.sequence, resting),
                    _ => self.tracking(&picture, hidden, frame.sequence, resting),
                }
            }
        };
        let pose = match state {
            OdometryState::Starting | OdometryState::Lost => None,
            OdometryState::Still => Some(self.rest.pose().unwrap_or(self.pose)),
            OdometryState::RotationOnly | OdometryState::Tracking => {
                self.rest.settle(self.pose, &picture, &mut self.tracks);
                Some(self.pose)
            }
        };
        self.previous = Some(picture);
        if let Some(pose) = pose {
            if self.path.len() >= self.config.path_frames {
                self.path.pop_front();
            }
            self.path.push_back(FramePose {
                sequence: frame.sequence,
                timestamp: frame.timestamp,
                keyframe: self.keyframe,
                from_keyframe: pose * self.map.pose(self.keyframe).inverse(),
            });
        }
        Ok(OdometryUpdate {
            sequence: frame.sequence,
            timestamp: frame.timestamp,
            state,
            section: self.map.section(),
            pose: pose.map(|pose| pose.inverse()),
            scale_free: true,
            points: self.seen_points(),
        })
    }

    fn path(&self) -> CameraPath {
        let pose = |frame: &FramePose| CameraPose {
            sequence: frame.sequence,
            timestamp: frame.timestamp,
            world_from_camera: (frame.from_keyframe * self.map.pose(frame.keyframe)).inverse(),
        };
        CameraPath { poses: self.path.iter().map(pose).collect(), scale_free: true }
    }
}
