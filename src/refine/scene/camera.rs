//! The camera's way through the chunk, whose translations carry the unknown scale.
//!
//! `world_from_camera = [R_t | base + scale u_t]`, where `u_t` are the odometry's positions counted from the
//! anchor frame: there the camera stays put whatever the scale, so a changed scale does not move the world.

use nalgebra::{Isometry3, Matrix3, Rotation3, Translation3, UnitQuaternion, Vector3};

use crate::hand::mirror::{mirror_matrix, mirror_point};
use crate::refine::terms::motion::BodyPlace;
use crate::refine::{CameraKnowledge, Chunk};

/// Least extent of the camera's way, in the odometry's unit relative to its distance from the origin, for
/// which its scale means anything.
const LEAST_EXTENT: f64 = 1e-9;

/// How many standard deviations of the bell count.
const BELL_REACH: f64 = 3.0;

/// Where the camera is in every frame of a chunk.
#[derive(Clone, Debug)]
pub(in crate::refine) struct CameraWay {
    rotations: Vec<Rotation3<f64>>,
    /// Positions in the odometry's unit, counted from the anchor.
    units: Vec<Vector3<f64>>,
    /// The way of the body that carries camera and hands, in the odometry's unit.
    body: Vec<Vector3<f64>>,
    /// Capture times.
    seconds: Vec<f64>,
    base: Vector3<f64>,
    /// Whether the scale is unknown and the way long enough to tell it.
    scale_free: bool,
}

/// One frame's camera as one hand's solver sees it; mirrored for a left hand.
#[derive(Clone, Copy, Debug)]
pub(in crate::refine) struct View {
    /// `camera_from_world`.
    pub rotation: Matrix3<f64>,
    /// The camera's place in the world, metres.
    pub centre: Vector3<f64>,
    /// How the place changes with the logarithm of the scale.
    pub centre_by_scale: Vector3<f64>,
}

impl CameraWay {
    /// The way of a chunk. `anchor` is a frame's index and where its camera is known to be, in metres: the
    /// chunk before says so; otherwise the first frame is where its odometry puts it.
    pub fn new(chunk: &Chunk, anchor: Option<(usize, Isometry3<f64>)>) -> Self {
        let still = vec![Isometry3::identity(); chunk.frames.len()];
        let poses = match chunk.knowledge {
            CameraKnowledge::Still => still,
            _ => known_poses(chunk).unwrap_or(still),
        };
        let at = anchor.map_or(0, |(frame, _)| frame);
        let odometry = poses.get(at).copied().unwrap_or_else(Isometry3::identity);
        let known = anchor.map_or(odometry, |(_, pose)| pose);
        let turn = known.rotation * odometry.rotation.inverse();
        let units: Vec<_> =
            poses.iter().map(|p| turn * (p.translation.vector - odometry.translation.vector)).collect();
        let extent = units.iter().map(|u| u.norm()).fold(0.0, f64::max);
        let far = odometry.translation.vector.norm().max(f64::MIN_POSITIVE);
        Self {
            rotations: poses.iter().map(|p| (turn * p.rotation).to_rotation_matrix()).collect(),
            base: known.translation.vector,
            scale_free: chunk.knowledge == CameraKnowledge::ScaleFree && extent > LEAST_EXTENT * far,
            body: vec![Vector3::zeros(); units.len()],
            seconds: chunk.frames.iter().map(|frame| frame.timestamp.seconds()).collect(),
            units,
        }
    }

    /// Whether the scale is an unknown of this chunk.
    pub fn scale_free(&self) -> bool {
        self.scale_free
    }

    /// How far the camera gets from where it began, in the odometry's unit.
    pub fn extent(&self) -> f64 {
        let first = self.units.first().copied().unwrap_or_default();
        self.units.iter().map(|unit| (unit - first).norm()).fold(0.0, f64::max)
    }

    /// The camera's way without its motion quicker than a bell of `seconds` standard deviation; `None` stands
    /// still.
    pub fn smoothed(&self, bell: Option<f64>) -> Vec<Vector3<f64>> {
        match bell {
            Some(bell) => {
                let place = |i: usize| Some(self.units[i]);
                let means = bell_means(self.units.len(), bell, |i| self.seconds[i], place);
                means.into_iter().flatten().collect()
            }
            None => vec![Vector3::zeros(); self.units.len()],
        }
    }

    /// Capture time of a frame, seconds.
    pub fn seconds(&self, frame: usize) -> f64 {
        self.seconds[frame]
    }

    /// Says how the body goes that carries camera and hands.
    pub fn carry(&mut self, body: Vec<Vector3<f64>>) {
        self.body = body;
    }

    /// The body's place in a frame.
    pub fn body(&self, frame: usize, scale: f64, mirrored: bool) -> BodyPlace {
        let way = self.body[frame] * scale;
        let (place, by_scale) = (self.base + way, if self.scale_free { way } else { Vector3::zeros() });
        match mirrored {
            true => BodyPlace { place: mirror_point(place), by_scale: mirror_point(by_scale) },
            false => BodyPlace { place, by_scale },
        }
    }

    /// The camera of a frame in metres.
    pub fn pose(&self, frame: usize, scale: f64) -> Isometry3<f64> {
        let rotation = UnitQuaternion::from_rotation_matrix(&self.rotations[frame]);
        let place = self.base + self.units[frame] * scale;
        Isometry3::from_parts(Translation3::from(place), rotation)
    }

    /// The camera of a frame as a hand's solver sees it.
    pub fn view(&self, frame: usize, scale: f64, mirrored: bool) -> View {
        let pose = self.pose(frame, scale);
        let rotation = pose.rotation.to_rotation_matrix().into_inner().transpose();
        let centre = pose.translation.vector;
        let by_scale = if self.scale_free { self.units[frame] * scale } else { Vector3::zeros() };
        if mirrored {
            let (centre, centre_by_scale) = (mirror_point(centre), mirror_point(by_scale));
            return View { rotation: mirror_matrix(&rotation), centre, centre_by_scale };
        }
        View { rotation, centre, centre_by_scale: by_scale }
    }
}

impl View {
    /// Where a world point lies in camera space.
    pub fn camera_point(&self, world: &Vector3<f64>) -> Vector3<f64> {
        self.rotation * (world - self.centre)
    }

    /// Where a camera point lies in the world.
    pub fn world_point(&self, camera: &Vector3<f64>) -> Vector3<f64> {
        self.rotation.tr_mul(camera) + self.centre
    }
}

/// Each known place as the mean of its neighbours in time, with the weights of a `bell` (standard deviation in
/// seconds) whose reach ends at the nearer end of the list, so that a steady way stays what it is.
pub(super) fn bell_means(
    count: usize,
    bell: f64,
    seconds: impl Fn(usize) -> f64,
    place: impl Fn(usize) -> Option<Vector3<f64>>,
) -> Vec<Option<Vector3<f64>>> {
    let of = |i: usize| {
        place(i)?;
        let (mut sum, mut total) = (Vector3::zeros(), 0.0);
        let mut add = |j: usize| {
            let away = (seconds(j) - seconds(i)) / bell;
            let weight = if away.abs() <= BELL_REACH { (-0.5 * away * away).exp() } else { 0.0 };
            if let Some(place) = place(j) {
                sum += place * weight;
                total += weight;
            }
            weight > 0.0
        };
        add(i);
        for distance in 1..=i.min(count - 1 - i) {
            // Not lazily: both sides count.
            let near = [add(i - distance), add(i + distance)];
            if near == [false; 2] {
                break;
            }
        }
        Some(sum / total)
    };
    (0..count).map(of).collect()
}

/// Every frame's odometry pose; frames without one lie between their neighbours, or stay with the nearest.
/// `None` where no frame has a usable one.
fn known_poses(chunk: &Chunk) -> Option<Vec<Isometry3<f64>>> {
    let usable = |pose: &Isometry3<f64>| pose.to_homogeneous().iter().all(|v| v.is_finite());
    let known: Vec<(usize, Isometry3<f64>)> = chunk
        .frames
        .iter()
        .enumerate()
        .filter_map(|(i, frame)| Some((i, frame.world_from_camera.filter(usable)?)))
        .collect();
    let (first, last) = (known.first()?, known.last()?);
    let time = |i: usize| chunk.frames[i].timestamp.seconds();
    let at = |i: usize| {
        let next = known.partition_point(|&(frame, _)| frame < i);
        let Some(after) = known.get(next) else { return last.1 };
        let Some(before) = next.checked_sub(1).map(|k| &known[k]) else { return first.1 };
        let part = (time(i) - time(before.0)) / (time(after.0) - time(before.0)).max(f64::EPSILON);
        let part = part.clamp(0.0, 1.0);
        before.1.try_lerp_slerp(&after.1, part, f64::EPSILON).unwrap_or(before.1)
    };
    Some((0..chunk.frames.len()).map(at).collect())
}
