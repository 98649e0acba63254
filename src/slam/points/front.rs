//! The odometry itself: what happens to one frame.

use std::collections::HashSet;
use std::sync::Arc;

use nalgebra::{Isometry3, Vector2, Vector3};

use super::adjuster::Adjuster;
use super::config::PointOdometryConfig;
use super::corners::{Cells, LARGEST_CELL};
use super::descriptor::Pattern;
use super::flow::FlowConfig;
use super::map::{KeyframeId, Map, PointId, Sighting};
use super::p3p::{RansacConfig, p3p_ransac};
use super::pose::{HUBER_PX, refine_pose, reprojection};
use super::pyramid::{Level, Pyramid};
use super::relocalise::{by_descriptor, by_patch};
use super::start::{Start, start};
use super::track::{Track, advance, flow_config, is_hidden};
use super::two_view::Pair;
use crate::frame::{Frame, Timestamp};
use crate::geometry::{CameraModel, Pixel};
use crate::jobs::Background;
use crate::random::Random;
use crate::slam::{
    CameraPath, CameraPose, Odometry, OdometryError, OdometryState, OdometryUpdate, PixelBox, SeenPoint,
};

/// A reference is replaced once fewer than this share of its points are followed, or so few points.
const RENEW_SHARE: f64 = 0.5;
const RENEW_TRACKS: usize = 60;

/// Share of the least parallax that is enough for a map's first points.
const START_SHARE: f64 = 0.5;

/// A keyframe is due only where the camera has moved by this share of the points' median depth, or has turned by
/// this angle in radians: a standing camera makes none.
const KEYFRAME_WAY: f64 = 0.01;
const KEYFRAME_TURN: f64 = 0.03;

/// Pictures at most that wait for a start.
const MOST_WAITING: usize = 10;

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
enum Phase {
    /// There is no map; the reference's keyframe is waiting for a partner.
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
    random: Random,
    pub(super) map: Map,
    phase: Phase,
    previous: Option<Pyramid>,
    last_time: Option<Timestamp>,
    pub(super) tracks: Vec<Track>,
    /// `camera_from_world` of the last frame with a pose, and the motion that led to it.
    pub(super) pose: Isometry3<f64>,
    velocity: Isometry3<f64>,
    pub(super) keyframe: KeyframeId,
    /// The keyframe that a start compares with.
    pub(super) reference: KeyframeId,
    pub(super) keyframe_sequence: u64,
    pub(super) keyframe_points: usize,
    /// Scale of a map to come, so that a new map goes on about as large as the lost one.
    pub(super) depth: f64,
    pub(super) adjuster: Adjuster,
    path: Vec<FramePose>,
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
            previous: None,
            last_time: None,
            tracks: Vec::new(),
            pose: Isometry3::identity(),
            velocity: Isometry3::identity(),
            keyframe: KeyframeId(0),
            reference: KeyframeId(0),
            keyframe_sequence: 0,
            keyframe_points: 0,
            depth: 1.0,
            adjuster: Adjuster::InOrder,
            path: Vec::new(),
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

    /// Makes the current picture the one that a start compares with.
    fn begin(&mut self, picture: &Pyramid, hidden: &[PixelBox]) {
        self.map.begin_anew();
        self.tracks.clear();
        self.keyframe = self.map.add_keyframe(self.pose, picture.clone());
        self.reference = self.keyframe;
        self.add_tracks(picture, self.keyframe, hidden);
        self.keyframe_points = self.tracks.len();
        self.phase = Phase::Starting;
    }

    fn starting(&mut self, picture: &Pyramid, hidden: &[PixelBox], sequence: u64) -> OdometryState {
        let pairs: Vec<_> = self
            .tracks
            .iter()
            .filter_map(|track| Some(Pair { first: track.sightings.first()?.ray, second: track.ray }))
            .collect();
        let (wanted, least) = (self.config.start_parallax, self.config.least_parallax * START_SHARE);
        let judged = start(&pairs, self.focal(), wanted, least, &mut self.random);
        let reference = self.map.pose(self.reference);
        match judged {
            Start::Still => {
                self.pose = reference;
                OdometryState::Still
            }
            Start::Turned(turn) => {
                self.pose = turn * reference;
                self.wait(picture, hidden);
                OdometryState::RotationOnly
            }
            Start::Unclear => {
                self.wait(picture, hidden);
                OdometryState::Starting
            }
            Start::Moved { mut now_from_reference, points } => {
                now_from_reference.translation.vector *= self.depth;
                self.pose = now_from_reference * reference;
                let now = self.map.add_keyframe(self.pose, picture.clone());
                let world_from_reference = reference.inverse();
                let place = |point: &Vector3<f64>| {
                    (world_from_reference * nalgebra::Point3::from(point * self.depth)).coords
                };
                let points: Vec<_> = points.iter().map(|point| point.as_ref().map(place)).collect();
                self.found(now, &points);
                self.settle(now, sequence, picture, hidden);
                self.velocity = Isometry3::identity();
                self.phase = Phase::Tracking;
                OdometryState::Tracking
            }
        }
    }

    /// Keeps a moving picture as one that a start will be based on, or, where too few points of the reference are
    /// left, compares with it from now on.
    fn wait(&mut self, picture: &Pyramid, hidden: &[PixelBox]) {
        if (self.tracks.len() as f64) < RENEW_SHARE * self.keyframe_points as f64
            || self.tracks.len() < RENEW_TRACKS
        {
            self.begin(picture, hidden);
        } else if self.tracks.iter().all(|track| track.sightings.len() < MOST_WAITING) {
            let keyframe = self.map.add_keyframe(self.pose, picture.clone());
            for track in &mut self.tracks {
                track.sightings.push(Sighting { keyframe, ray: track.ray });
            }
        }
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
    fn solve(&mut self, guesses: &[Isometry3<f64>]) -> Option<(Isometry3<f64>, usize)> {
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

    fn adopt(&mut self, found: Vec<(PointId, Pixel)>, hidden: &[PixelBox]) {
        let known: HashSet<_> = self.tracks.iter().filter_map(|track| track.point).collect();
        for (id, pixel) in found {
            if !known.contains(&id) && !is_hidden(pixel, hidden) {
                let ray = self.camera.ray(pixel);
                self.tracks.push(Track { pixel, ray, point: Some(id), sightings: Vec::new() });
            }
        }
    }

    fn tracking(&mut self, picture: &Pyramid, hidden: &[PixelBox], sequence: u64) -> OdometryState {
        let map = &self.map;
        // Tracks whose point was given up start over.
        self.tracks.retain(|track| track.point.is_none_or(|id| map.point(id).is_some()));
        let guesses = [self.pose, self.velocity * self.pose];
        let mut solved = self.solve(&guesses);
        if solved.is_none_or(|(_, count)| count < self.config.thin) {
            let found = by_descriptor(&self.map, picture, hidden, &self.pattern, &self.config, &self.flow);
            let mut tries = guesses.to_vec();
            tries.extend(solved.map(|(pose, _)| pose));
            self.adopt(found, hidden);
            solved = self.solve(&tries);
        }
        let Some((pose, _)) = solved else {
            return self.lose(picture, hidden);
        };
        let mut cells = Cells::new(picture.full(), self.cell());
        self.tracks.iter().filter(|track| track.point.is_some()).for_each(|track| {
            cells.take(track.pixel);
        });
        let found = by_patch(&self.map, picture, &pose, &self.camera, &mut cells, &self.flow);
        self.adopt(found, hidden);
        let Some((pose, count)) = self.solve(&[pose]) else {
            return self.lose(picture, hidden);
        };
        self.velocity = pose * self.pose.inverse();
        self.pose = pose;
        self.phase = Phase::Tracking;
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

    fn lose(&mut self, picture: &Pyramid, hidden: &[PixelBox]) -> OdometryState {
        let frames = match self.phase {
            Phase::Lost(frames) => frames + 1,
            _ => 1,
        };
        self.phase = Phase::Lost(frames);
        self.tracks.clear();
        self.velocity = Isometry3::identity();
        if frames > self.config.patience {
            self.begin(picture, hidden);
        }
        OdometryState::Lost
    }

    /// Points of the map followed in the last frame.
    pub(super) fn seen_points(&self) -> Vec<SeenPoint> {
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
                match self.phase {
                    Phase::Starting => self.starting(&picture, hidden, frame.sequence),
                    _ => self.tracking(&picture, hidden, frame.sequence),
                }
            }
        };
        self.previous = Some(picture);
        let known = !matches!(state, OdometryState::Starting | OdometryState::Lost);
        if known {
            self.path.push(FramePose {
                sequence: frame.sequence,
                timestamp: frame.timestamp,
                keyframe: self.keyframe,
                from_keyframe: self.pose * self.map.pose(self.keyframe).inverse(),
            });
        }
        Ok(OdometryUpdate {
            sequence: frame.sequence,
            timestamp: frame.timestamp,
            state,
            pose: known.then(|| self.pose.inverse()),
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
