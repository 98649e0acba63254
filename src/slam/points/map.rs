//! Keyframes and points: what the camera has seen so far, never more than it may hold.

use std::collections::{BTreeMap, HashMap, VecDeque};

use nalgebra::{Isometry3, Point3, Vector2, Vector3};

use super::bundle::{Bundle, Observation, SeenFrom};
use super::descriptor::Descriptor;
use super::pose::{HUBER_PX, refine_pose, reprojection};
use super::pyramid::Pyramid;
use super::triangulation::{Sight, triangulate};
use crate::geometry::Pixel;

/// Keyframes whose pictures are kept, so that a point can be looked for by its patch.
const KEPT_PICTURES: usize = 12;

/// Fewer points do not place a keyframe.
const LEAST_PLACING: usize = 15;

/// Fewer points are not worth keeping when a map is lost.
const WORTH_KEEPING: usize = 100;

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
    /// Points from here on did not exist yet.
    next: u64,
}

/// Keyframes and points that belong together: one place, one scale.
#[derive(Clone, Debug, Default)]
struct Section {
    /// Which of the run's sections it is.
    number: u32,
    /// Its keyframes in the order of time; the first holds still.
    keyframes: Vec<KeyframeId>,
    pictures: VecDeque<(KeyframeId, Pyramid)>,
    points: BTreeMap<PointId, MapPoint>,
}

/// All keyframes and points.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    /// `camera_from_world` of every keyframe of the run.
    poses: Vec<Isometry3<f64>>,
    /// The section in use.
    here: Section,
    /// The last section that was lost, in case it is seen again.
    lost: Option<Section>,
    next: u64,
    sections: u32,
}

impl Map {
    /// Forgets the points; keyframes to come share nothing with those before.
    pub fn begin_anew(&mut self) {
        self.here = Section { number: self.here.number, ..Section::default() };
    }

    /// Lays what is known aside, in case it is seen again, and begins a new section.
    pub fn begin_section(&mut self, worth_keeping: bool) {
        self.sections += 1;
        let new = Section { number: self.sections, ..Section::default() };
        let old = std::mem::replace(&mut self.here, new);
        if worth_keeping && old.points.len() >= WORTH_KEEPING {
            self.lost = Some(old);
        }
    }

    /// Number of the section in use, from 0.
    pub fn section(&self) -> u32 {
        self.here.number
    }

    /// Whether a lost section is kept.
    pub fn has_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// Swaps the section in use with the lost one; a second call undoes the first.
    pub fn swap_lost(&mut self) {
        if let Some(lost) = &mut self.lost {
            std::mem::swap(lost, &mut self.here);
        }
    }

    /// Gives the lost section up.
    pub fn forget_lost(&mut self) {
        self.lost = None;
    }

    /// Forgets the points and the keyframes before `first`, which holds still from now on.
    pub fn begin_at(&mut self, first: KeyframeId) {
        self.here.points.clear();
        self.here.keyframes.retain(|keyframe| *keyframe >= first);
    }

    /// The last keyframe of the section in use.
    pub fn last_keyframe(&self) -> Option<KeyframeId> {
        self.here.keyframes.last().copied()
    }

    /// Adds a keyframe without a picture.
    pub fn add_place(&mut self, camera_from_world: Isometry3<f64>) -> KeyframeId {
        let id = KeyframeId(self.poses.len());
        self.poses.push(camera_from_world);
        self.here.keyframes.push(id);
        id
    }

    /// Adds a keyframe; the oldest picture goes.
    pub fn add_keyframe(&mut self, camera_from_world: Isometry3<f64>, picture: Pyramid) -> KeyframeId {
        let id = self.add_place(camera_from_world);
        self.here.pictures.push_back((id, picture));
        if self.here.pictures.len() > KEPT_PICTURES {
            self.here.pictures.pop_front();
        }
        id
    }

    /// Adds a point.
    pub fn add_point(&mut self, point: MapPoint) -> PointId {
        let id = PointId(self.next);
        self.next += 1;
        self.here.points.insert(id, point);
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
        self.here.pictures.iter().rev().find(|(id, _)| *id == keyframe).map(|(_, picture)| picture)
    }

    /// A point, unless it was given up.
    pub fn point(&self, id: PointId) -> Option<&MapPoint> {
        self.here.points.get(&id)
    }

    /// All points in the order they were found.
    pub fn points(&self) -> impl Iterator<Item = (PointId, &MapPoint)> {
        self.here.points.iter().map(|(id, point)| (*id, point))
    }

    /// A keyframe sees a known point.
    pub fn sight(&mut self, id: PointId, sighting: Sighting, pixel: Pixel, descriptor: Option<Descriptor>) {
        if let Some(point) = self.here.points.get_mut(&id) {
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
        let all = &self.here.keyframes;
        let from = all.len().saturating_sub(window).max(1).min(all.len());
        let mut keyframes = all[from..].to_vec();
        let from = keyframes.first().copied();
        let free = keyframes.len();
        let mut index: HashMap<_, _> = keyframes.iter().enumerate().map(|(k, id)| (*id, k)).collect();
        let (mut points, mut seen) = (Vec::new(), Vec::new());
        for (id, point) in self.points() {
            if from.is_none_or(|from| point.last_seen() < from) || point.sightings.len() < 2 {
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
        Adjustment {
            bundle: Bundle { cameras, free, points: seen, focal },
            keyframes,
            points,
            next: self.next,
        }
    }

    /// Takes over an adjusted part. Keyframes added meanwhile are placed by the points in it, points added meanwhile
    /// by their sightings. Sightings of adjusted keyframes farther than `limit` (units of z = 1) from their point go,
    /// and points left with fewer than two.
    pub fn take_over(&mut self, adjusted: &Adjustment, limit: f64) {
        let bundle = &adjusted.bundle;
        let moving = adjusted.keyframes.iter().zip(&bundle.cameras).take(bundle.free);
        // The map was begun anew while this was being adjusted.
        let Some((newest, pose)) = moving
            .clone()
            .max_by_key(|(id, _)| **id)
            .filter(|(id, _)| self.here.keyframes.binary_search(id).is_ok())
        else {
            return;
        };
        let newest = *newest;
        let old_from_new_world = self.pose(newest).inverse() * pose;
        for (id, pose) in moving {
            self.place(*id, *pose);
        }
        let known: HashMap<_, _> =
            adjusted.points.iter().zip(&bundle.points).map(|(id, point)| (*id, point.position)).collect();
        for (id, point) in &mut self.here.points {
            if let Some(position) = known.get(id) {
                point.position = *position;
            }
        }
        let later = self.here.keyframes.partition_point(|keyframe| *keyframe <= newest);
        for keyframe in self.here.keyframes.split_off(later) {
            let moved = self.pose(keyframe) * old_from_new_world;
            let placed = self.placed_by(keyframe, &known, bundle.focal, &moved);
            self.place(keyframe, placed.unwrap_or(moved));
            self.here.keyframes.push(keyframe);
        }
        let new_world_from_old = old_from_new_world.inverse();
        let mut added = self.here.points.split_off(&PointId(adjusted.next));
        for point in added.values_mut() {
            let sights: Vec<_> = point.sightings.iter().map(|s| self.line_of_sight(s)).collect();
            let moved = || (new_world_from_old * Point3::from(point.position)).coords;
            point.position = triangulate(&sights, limit).unwrap_or_else(moved);
        }
        self.here.points.append(&mut added);
        let poses = &self.poses;
        self.here.points.retain(|id, point| {
            if !known.contains_key(id) {
                return true;
            }
            let position = point.position;
            point.sightings.retain(|sighting| {
                let pose = poses.get(sighting.keyframe.0);
                let off = pose.and_then(|pose| reprojection(pose, &position, &sighting.ray));
                sighting.keyframe > newest || off.is_some_and(|r| r.norm() < limit)
            });
            point.sightings.len() >= 2
        });
    }

    /// The pose of a keyframe by the points in `known` that it sees; `None` where they are too few.
    fn placed_by(
        &self,
        keyframe: KeyframeId,
        known: &HashMap<PointId, Vector3<f64>>,
        focal: f64,
        start: &Isometry3<f64>,
    ) -> Option<Isometry3<f64>> {
        let seen = self.points().filter_map(|(id, point)| {
            let sighting = point.sightings.iter().rev().find(|sighting| sighting.keyframe == keyframe)?;
            Some((*known.get(&id)?, sighting.ray))
        });
        let (world, rays): (Vec<_>, Vec<_>) = seen.unzip();
        (world.len() >= LEAST_PLACING).then(|| refine_pose(start, &world, &rays, focal, HUBER_PX))?
    }

    /// Gives up the points not seen for longest until at most `most` are left.
    pub fn prune(&mut self, most: usize) {
        if self.here.points.len() <= most {
            return;
        }
        let mut by_age: Vec<_> = self.points().map(|(id, point)| (point.last_seen(), id)).collect();
        by_age.sort_unstable();
        for (_, id) in &by_age[..by_age.len() - most] {
            self.here.points.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::slam::points::pyramid::Level;

    #[test]
    fn what_was_added_while_the_map_was_adjusted_goes_along() {
        let look = |k: usize| Isometry3::new(Vector3::x() * -0.1 * k as f64, Vector3::y() * 0.02 * k as f64);
        let see = |k: usize, position: &Vector3<f64>| Sighting {
            keyframe: KeyframeId(k),
            ray: reprojection(&look(k), position, &Vector2::zeros()).unwrap(),
        };
        let mut random = Random::new(5);
        let mut places =
            (0..60).map(|_| Vector3::new(random.signed(), random.signed(), 4.0 + random.signed()));
        let point = |position: Vector3<f64>, seen: std::ops::Range<usize>| MapPoint {
            position,
            sightings: seen.map(|k| see(k, &position)).collect(),
            pixel: Pixel::default(),
            descriptor: None,
        };
        let picture = || Pyramid::new(Level::from_fn(16, 16, |_, _| 0), 1);
        let mut map = Map::default();
        (0..5).for_each(|k| {
            map.add_keyframe(look(k), picture());
        });
        let known: Vec<_> = places.by_ref().take(40).map(|p| (map.add_point(point(p, 1..5)), p)).collect();
        let mut adjustment = map.adjustment(4, 500.0);
        // Meanwhile: a keyframe that sees the known points, and points that older keyframes saw as well.
        map.add_keyframe(look(5), picture());
        known.iter().for_each(|(id, p)| map.sight(*id, see(5, p), Pixel::default(), None));
        let added: Vec<_> = places.map(|p| (map.add_point(point(p, 2..6)), p)).collect();
        let new_from_old = Isometry3::new(Vector3::new(0.3, -0.2, 0.5), Vector3::new(0.1, 0.2, -0.1));
        let free = adjustment.bundle.free;
        adjustment.bundle.cameras[..free].iter_mut().for_each(|camera| *camera *= new_from_old.inverse());
        let moved = |p: &Vector3<f64>| (new_from_old * Point3::from(*p)).coords;
        adjustment.bundle.points.iter_mut().for_each(|p| p.position = moved(&p.position));
        map.take_over(&adjustment, 0.01);
        let off = map.pose(KeyframeId(5)) * new_from_old * look(5).inverse();
        assert!(off.translation.vector.norm() < 1e-6 && off.rotation.angle() < 1e-6, "{off}");
        for (id, position) in known.iter().chain(&added) {
            assert!((map.point(*id).unwrap().position - moved(position)).norm() < 1e-6);
        }
    }
}
