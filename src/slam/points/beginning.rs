//! Before there is a map: the camera stands, turns on the spot, or moves by too little to tell how.
//!
//! Until then the map holds directions: points at the distance of the scene's usual depth from the one place
//! where the camera is. They give the rotation for as long as it turns on the spot; those seen before are found
//! again by their patches, so a turn to and fro comes back to where it began. Directions that no turn explains
//! tell that the camera moves, and two pictures far enough apart become the first keyframes.

use std::collections::BTreeMap;

use nalgebra::{Isometry3, Point3, UnitQuaternion, Vector2, Vector3};

use super::front::{Phase, PointOdometry};
use super::map::{KeyframeId, MapPoint, Sighting};
use super::pyramid::Pyramid;
use super::start::{FirstMotion, start};
use super::two_view::{Pair, TwoViewConfig, rotation_alone};
use crate::slam::{OdometryState, PixelBox};

/// Where a turn explains this share of the directions, the camera has only turned.
const TURNED_SHARE: f64 = 0.9;

/// A turn that explains this share of the directions to within [`NEAR`] is given, though the camera has moved a
/// little: by about so much of the scene's depth, radians.
const NEAR_SHARE: f64 = 0.6;
const NEAR: f64 = 0.02;

/// Tracks farther than this from their directions slid off them, pixels.
const SLID_PX: f64 = 4.0;

/// Least directions that a turn is taken from.
const LEAST_DIRECTIONS: usize = 30;

/// Share of the least parallax that is enough for a map's first points.
const START_SHARE: f64 = 0.5;

/// A picture that a start is compared with still shares so many tracks with this one, and this share of them.
const REFERENCE_TRACKS: usize = 60;
const REFERENCE_SHARE: f64 = 0.4;

/// Sightings of a track that wait for a start: the first and the last ones.
const MOST_WAITING: usize = 10;

/// A camera that only turns leaves a place for a start each time it has turned so far, radians.
const PLACE_TURN: f64 = 0.02;

/// Directions nearer than this to the camera's plane are not looked at, in units of their distance.
const LEAST_AHEAD: f64 = 0.1;

/// The turn that explains a frame.
struct Turn {
    /// `camera_from_world`.
    rotation: UnitQuaternion<f64>,
    /// Share of the directions that agree.
    agreeing: f64,
    /// Share of them within [`NEAR`].
    near: f64,
}

impl PointOdometry {
    /// Makes the current picture the first of a map to come.
    pub(super) fn begin(&mut self, picture: &Pyramid, hidden: &[PixelBox]) {
        self.map.begin_anew();
        self.tracks.clear();
        self.keyframe = self.map.add_keyframe(self.pose, picture.clone());
        self.add_tracks(picture, self.keyframe, hidden);
        self.add_directions(picture);
        self.rest.begin(self.pose, picture, &mut self.tracks);
        self.phase = Phase::Starting;
        self.unseen = 0;
    }

    pub(super) fn starting(
        &mut self,
        picture: &Pyramid,
        hidden: &[PixelBox],
        sequence: u64,
        resting: bool,
    ) -> OdometryState {
        if resting {
            self.find_by_patch(picture, &self.pose.clone(), hidden);
            self.unseen = 0;
            return OdometryState::Still;
        }
        let mut turn = self.turn();
        if turn.as_ref().is_none_or(|turn| turn.near < NEAR_SHARE) {
            self.find_by_descriptor(picture, hidden);
            turn = self.turn();
        }
        let Some(turn) = turn else {
            return self.see_nothing(picture, hidden);
        };
        let centre = self.pose.inverse().translation.vector;
        let pose = Isometry3::from_parts((-(turn.rotation * centre)).into(), turn.rotation);
        if turn.agreeing >= TURNED_SHARE {
            self.adopt_turn(pose, picture, hidden);
            return OdometryState::RotationOnly;
        }
        if let Some(reference) = self.reference() {
            let first =
                |sightings: &[Sighting]| Some(sightings.iter().find(|s| s.keyframe == reference)?.ray);
            let (index, pairs): (Vec<_>, Vec<_>) = (self.tracks.iter().enumerate())
                .filter_map(|(k, track)| {
                    Some((k, Pair { first: first(&track.sightings)?, second: track.ray }))
                })
                .unzip();
            let rotation = turn.rotation * self.map.pose(reference).rotation.inverse();
            let (wanted, least) = (self.config.start_parallax, self.config.least_parallax * START_SHARE);
            if let Some(moved) = start(&pairs, &rotation, self.focal(), wanted, least, &mut self.random) {
                self.start_map(reference, &moved, &index, picture, sequence, hidden);
                return OdometryState::Tracking;
            }
        }
        if turn.near < NEAR_SHARE {
            return self.see_nothing(picture, hidden);
        }
        self.unseen = 0;
        self.pose = pose;
        if self.reference().is_none() {
            // What the camera saw when it began to move is out of sight: begin at what it sees now.
            self.begin(picture, hidden);
        } else {
            self.wait();
        }
        OdometryState::RotationOnly
    }

    /// The turn that most directions agree with.
    fn turn(&mut self) -> Option<Turn> {
        let centre = self.pose.inverse().translation.vector;
        let pair = |track: &super::track::Track| {
            let point = self.map.point(track.point?)?;
            let seen = (self.pose.rotation * (point.position - centre)).normalize();
            let first = Vector2::new(seen.x / seen.z, seen.y / seen.z);
            (seen.z > LEAST_AHEAD).then_some(Pair { first, second: track.ray })
        };
        let pairs: Vec<_> = self.tracks.iter().filter_map(pair).collect();
        if pairs.len() < LEAST_DIRECTIONS {
            return None;
        }
        let config = TwoViewConfig::default();
        let (turn, agreeing) = rotation_alone(&pairs, self.focal(), &config, &mut self.random)?;
        let near = pairs.iter().filter(|pair| pair.parallax_after(&turn) < NEAR).count();
        let share = |count: usize| count as f64 / pairs.len() as f64;
        let rotation = UnitQuaternion::new_normalize((turn * self.pose.rotation).into_inner());
        Some(Turn { rotation, agreeing: share(agreeing), near: share(near) })
    }

    /// A frame of a camera that only turned: directions come into sight and leave it.
    fn adopt_turn(&mut self, pose: Isometry3<f64>, picture: &Pyramid, hidden: &[PixelBox]) {
        self.unseen = 0;
        self.pose = pose;
        // Tracks that slid off their directions go; their patches find them again.
        let limit = SLID_PX / self.focal();
        let map = &self.map;
        self.tracks.retain(|track| {
            let point = track.point.and_then(|id| map.point(id));
            point.is_none_or(|point| {
                super::pose::reprojection(&pose, &point.position, &track.ray)
                    .is_some_and(|r| r.norm() < limit)
            })
        });
        self.find_by_patch(picture, &pose, hidden);
        let known = self.tracks.iter().filter(|track| track.point.is_some()).count();
        if (known as f64) < self.config.keyframe_share * self.keyframe_points as f64 {
            self.keyframe = self.map.add_keyframe(pose, picture.clone());
            self.see_from(self.keyframe);
            self.add_tracks(picture, self.keyframe, hidden);
            self.add_directions(picture);
        } else if pose.rotation.angle_to(&self.map.pose(self.keyframe).rotation) > PLACE_TURN {
            self.wait();
        }
    }

    /// Tracks without a point become directions.
    fn add_directions(&mut self, picture: &Pyramid) {
        let smooth = picture.full().smoothed();
        let world_from_camera = self.pose.inverse();
        for track in self.tracks.iter_mut().filter(|track| track.point.is_none()) {
            let direction = Vector3::new(track.ray.x, track.ray.y, 1.0).normalize();
            track.point = Some(self.map.add_point(MapPoint {
                position: (world_from_camera * Point3::from(direction * self.depth)).coords,
                sightings: vec![Sighting { keyframe: self.keyframe, ray: track.ray }],
                pixel: track.pixel,
                descriptor: self.pattern.describe(&smooth, track.pixel),
            }));
        }
        self.map.prune(self.config.most_map_points);
        self.keyframe_points = self.tracks.len();
    }

    /// Leaves a place here that a start may be based on.
    fn wait(&mut self) {
        self.keyframe = self.map.add_place(self.pose);
        self.see_from(self.keyframe);
    }

    fn see_from(&mut self, keyframe: KeyframeId) {
        for track in &mut self.tracks {
            if track.sightings.len() == MOST_WAITING {
                track.sightings.remove(1);
            }
            track.sightings.push(Sighting { keyframe, ray: track.ray });
        }
    }

    /// The oldest keyframe that has enough in common with this frame.
    fn reference(&self) -> Option<KeyframeId> {
        let mut shared = BTreeMap::<KeyframeId, usize>::new();
        for sighting in self.tracks.iter().flat_map(|track| &track.sightings) {
            *shared.entry(sighting.keyframe).or_default() += 1;
        }
        let enough = |count: usize| {
            count >= REFERENCE_TRACKS && count as f64 >= REFERENCE_SHARE * self.tracks.len() as f64
        };
        shared.into_iter().find(|(_, count)| enough(*count)).map(|(keyframe, _)| keyframe)
    }

    /// The directions give way to a map of points; `index` says which track each of them belongs to.
    fn start_map(
        &mut self,
        reference: KeyframeId,
        moved: &FirstMotion,
        index: &[usize],
        picture: &Pyramid,
        sequence: u64,
        hidden: &[PixelBox],
    ) {
        let start = self.map.pose(reference);
        let mut now_from_reference = moved.now_from_reference;
        now_from_reference.translation.vector *= self.depth;
        self.pose = now_from_reference * start;
        self.map.begin_at(reference);
        self.tracks.iter_mut().for_each(|track| track.point = None);
        let now = self.map.add_keyframe(self.pose, picture.clone());
        let world_from_reference = start.inverse();
        let mut points = vec![None; self.tracks.len()];
        for (&track, point) in index.iter().zip(&moved.points) {
            if let (Some(place), Some(point)) = (points.get_mut(track), point) {
                *place = Some((world_from_reference * Point3::from(point * self.depth)).coords);
            }
        }
        self.phase = Phase::Tracking;
        self.unseen = 0;
        self.velocity = Isometry3::identity();
        self.found(reference, now, &points);
        self.settle(now, sequence, picture, hidden);
    }

    /// A frame that cannot be understood; after some of them the place is not known any more.
    fn see_nothing(&mut self, picture: &Pyramid, hidden: &[PixelBox]) -> OdometryState {
        self.unseen += 1;
        if self.unseen > self.config.patience {
            self.map.begin_section(false);
            self.begin(picture, hidden);
        }
        OdometryState::Starting
    }
}
