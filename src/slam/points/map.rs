//! Keyframes and points: what the camera has seen so far, never more than it may hold.

use std::collections::{BTreeMap, HashMap, VecDeque};

use nalgebra::{Isometry3, Vector2, Vector3};

use super::bundle::{Bundle, Observation, SeenFrom};
use super::descriptor::Descriptor;
use super::pose::reprojection;
use super::pyramid::Pyramid;
use super::triangulation::Sight;
use crate::geometry::Pixel;

/// Keyframes whose pictures are kept, so that a point can be looked for by its patch.
const KEPT_PICTURES: usize = 12;

/// Sightings of one point that are kept; the oldest go first.
const MOST_SIGHTINGS: usize = 40;

/// A keyframe, counted from 0 over the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KeyframeId(pub usize);

/// A point of the map, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PointId(u64);

/// A keyframe's view of a point: direction x/z, y/z.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    /// Who.
    pub keyframe: KeyframeId,
    /// Where.
    pub ray: Vector2<f64>,
}

/// A point in the world.
#[derive(Clone, Debug)]
pub(super) struct MapPoint {
    /// Where, in the unit of the path.
    pub position: Vector3<f64>,
    /// Keyframes that saw it, in the order of time.
    pub sightings: Vec<Sighting>,
    /// Pixel in the last keyframe that saw it.
    pub pixel: Pixel,
    /// What it looks like there.
    pub descriptor: Option<Descriptor>,
}

impl MapPoint {
    /// The last keyframe that saw it.
    pub fn last_seen(&self) -> KeyframeId {
        self.sightings.last().map_or(KeyframeId(0), |sighting| sighting.keyframe)
    }
}

/// Part of the map to be adjusted, apart from it.
#[derive(Clone, Debug)]
pub(super) struct Adjustment {
    /// Cameras and points.
    pub bundle: Bundle,
    keyframes: Vec<KeyframeId>,
    points: Vec<PointId>,
}

/// All keyframes and points.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    /// `camera_from_world` of every keyframe of the run.
    poses: Vec<Isometry3<f64>>,
    /// First keyframe of the map in use; those before belong to maps given up.
    first: usize,
    pictures: VecDeque<(KeyframeId, Pyramid)>,
    points: BTreeMap<PointId, MapPoint>,
    next: u64,
}

impl Map {
    /// Forgets the points; keyframes to come share nothing with those before.
    pub fn begin_anew(&mut self) {
        self.points.clear();
        self.pictures.clear();
        self.first = self.poses.len();
    }

    /// Adds a keyframe; the oldest picture goes.
    pub fn add_keyframe(&mut self, camera_from_world: Isometry3<f64>, picture: Pyramid) -> KeyframeId {
        let id = KeyframeId(self.poses.len());
        self.poses.push(camera_from_world);
        self.pictures.push_back((id, picture));
        if self.pictures.len() > KEPT_PICTURES {
            self.pictures.pop_front();
        }
        id
    }

    /// Adds a point.
    pub fn add_point(&mut self, point: MapPoint) -> PointId {
        let id = PointId(self.next);
        self.next += 1;
        self.points.insert(id, point);
        id
    }

    /// A keyframe's `camera_from_world` as believed now.
    pub fn pose(&self, keyframe: KeyframeId) -> Isometry3<f64> {
        self.poses.get(keyframe.0).copied().unwrap_or_else(Isometry3::identity)
    }

    /// Puts a keyframe where it belongs.
    pub fn place(&mut self, keyframe: KeyframeId, camera_from_world: Isometry3<f64>) {
        if let Some(pose) = self.poses.get_mut(keyframe.0) {
            *pose = camera_from_world;
        }
    }

    /// A keyframe's picture, if it is kept.
    pub fn picture(&self, keyframe: KeyframeId) -> Option<&Pyramid> {
        self.pictures.iter().rev().find(|(id, _)| *id == keyframe).map(|(_, picture)| picture)
    }

    /// A point, unless it was given up.
    pub fn point(&self, id: PointId) -> Option<&MapPoint> {
        self.points.get(&id)
    }

    /// All points in the order they were found.
    pub fn points(&self) -> impl Iterator<Item = (PointId, &MapPoint)> {
        self.points.iter().map(|(id, point)| (*id, point))
    }

    /// A keyframe sees a known point.
    pub fn sight(&mut self, id: PointId, sighting: Sighting, pixel: Pixel, descriptor: Option<Descriptor>) {
        if let Some(point) = self.points.get_mut(&id) {
            if point.sightings.len() == MOST_SIGHTINGS {
                point.sightings.remove(0);
            }
            point.sightings.push(sighting);
            point.pixel = pixel;
            point.descriptor = descriptor.or(point.descriptor);
        }
    }

    /// The camera behind a sighting.
    pub fn line_of_sight(&self, sighting: &Sighting) -> Sight {
        Sight { camera_from_world: self.pose(sighting.keyframe), ray: sighting.ray }
    }

    /// The last `window` keyframes with all points they see; earlier keyframes that see these points hold still,
    /// and so does the map's first keyframe.
    pub fn adjustment(&self, window: usize, focal: f64) -> Adjustment {
        let last = self.poses.len();
        let from = last.saturating_sub(window).max(self.first + 1).min(last);
        let mut keyframes: Vec<_> = (from..last).map(KeyframeId).collect();
        let free = keyframes.len();
        let mut index: HashMap<_, _> = keyframes.iter().enumerate().map(|(k, id)| (*id, k)).collect();
        let (mut points, mut seen) = (Vec::new(), Vec::new());
        for (id, point) in self.points() {
            if point.last_seen().0 < from || point.sightings.len() < 2 {
                continue;
            }
            let observations = point.sightings.iter().map(|sighting| {
                let camera = *index.entry(sighting.keyframe).or_insert_with(|| {
                    keyframes.push(sighting.keyframe);
                    keyframes.len() - 1
                });
                Observation { camera, ray: sighting.ray }
            });
            seen.push(SeenFrom { position: point.position, observations: observations.collect() });
            points.push(id);
        }
        let cameras = keyframes.iter().map(|id| self.pose(*id)).collect();
        Adjustment { bundle: Bundle { cameras, free, points: seen, focal }, keyframes, points }
    }

    /// Takes over an adjusted part. What was added meanwhile moves along with its newest keyframe. Sightings
    /// farther than `limit` (units of z = 1) from their point go, and points left with fewer than two.
    pub fn take_over(&mut self, adjusted: &Adjustment, limit: f64) {
        let bundle = &adjusted.bundle;
        let moving = adjusted.keyframes.iter().zip(&bundle.cameras).take(bundle.free);
        // The map was begun anew while this was being adjusted.
        let Some((newest, pose)) =
            moving.clone().max_by_key(|(id, _)| **id).filter(|(id, _)| id.0 >= self.first)
        else {
            return;
        };
        let old_from_new_world = self.pose(*newest).inverse() * pose;
        let newest = newest.0;
        let new_world_from_old = old_from_new_world.inverse();
        for later in self.poses.iter_mut().skip(newest + 1) {
            *later *= old_from_new_world;
        }
        for (id, pose) in moving {
            if let Some(place) = self.poses.get_mut(id.0) {
                *place = *pose;
            }
        }
        let known: HashMap<_, _> =
            adjusted.points.iter().zip(&bundle.points).map(|(id, point)| (*id, point.position)).collect();
        for (id, point) in &mut self.points {
            match known.get(id) {
                Some(position) => point.position = *position,
                None if point.sightings.first().is_some_and(|s| s.keyframe.0 >= newest) => {
                    point.position = (new_world_from_old * nalgebra::Point3::from(point.position)).coords;
                }
                None => {}
            }
        }
        let poses = &self.poses;
        self.points.retain(|id, point| {
            if !known.contains_key(id) {
                return true;
            }
            let position = point.position;
            point.sightings.retain(|sighting| {
                let pose = poses.get(sighting.keyframe.0);
                pose.and_then(|pose| reprojection(pose, &position, &sighting.ray))
                    .is_some_and(|r| r.norm() < limit)
            });
            point.sightings.len() >= 2
        });
    }

    /// Gives up the points not seen for longest until at most `most` are left.
    pub fn prune(&mut self, most: usize) {
        if self.points.len() <= most {
            return;
        }
        let mut by_age: Vec<_> = self.points().map(|(id, point)| (point.last_seen(), id)).collect();
        by_age.sort_unstable();
        for (_, id) in &by_age[..by_age.len() - most] {
            self.points.remove(id);
        }
    }
}
