//! How the map grows: new tracks, new points, and the adjustment that follows every keyframe.

use std::sync::{Arc, PoisonError};

use nalgebra::Vector3;

use super::adjuster::Adjuster;
use super::bundle::BundleConfig;
use super::corners::Cells;
use super::front::PointOdometry;
use super::map::{Adjustment, KeyframeId, MapPoint, Sighting};
use super::pose::{HUBER_PX, refine_pose};
use super::pyramid::Pyramid;
use super::start::median;
use super::track::{Track, is_hidden};
use super::triangulation::{parallax, triangulate};
use crate::slam::PixelBox;

/// Share of the least parallax that is enough while the map is thin.
const EAGER: f64 = 0.4;

impl PointOdometry {
    /// One track a cell, the older before the newer, and new ones on corners where there are none, seen first by
    /// `keyframe`.
    pub(super) fn add_tracks(&mut self, picture: &Pyramid, keyframe: KeyframeId, hidden: &[PixelBox]) {
        let mut cells = Cells::new(picture.full(), self.cell());
        self.tracks.retain(|track| cells.take(track.pixel));
        for corner in cells.fill(picture.full(), self.config.corner_strength) {
            if !is_hidden(corner, hidden) {
                let ray = self.camera.ray(corner);
                self.tracks.push(Track {
                    pixel: corner,
                    ray,
                    rest: corner,
                    point: None,
                    sightings: vec![Sighting { keyframe, ray }],
                });
            }
        }
    }

    /// The first points of a map, one for each track, seen from `reference` and from `now`. The pictures that
    /// waited in between are placed by them.
    pub(super) fn found(&mut self, reference: KeyframeId, now: KeyframeId, points: &[Option<Vector3<f64>>]) {
        let placed: Vec<_> = self.tracks.iter().zip(points).filter_map(|(t, p)| Some((t, (*p)?))).collect();
        let mut pose = self.map.pose(reference);
        let mut waiting = Vec::new();
        for keyframe in (reference.0 + 1..now.0).map(KeyframeId) {
            let seen = placed.iter().filter_map(|(track, point)| {
                Some((*point, track.sightings.iter().find(|s| s.keyframe == keyframe)?.ray))
            });
            let (world, rays): (Vec<_>, Vec<_>) = seen.unzip();
            if let Some(found) = refine_pose(&pose, &world, &rays, self.focal(), HUBER_PX) {
                pose = found;
                waiting.push((keyframe, pose));
            }
        }
        for (keyframe, pose) in &waiting {
            self.map.place(*keyframe, *pose);
        }
        let known = |keyframe: KeyframeId| {
            keyframe == reference || waiting.iter().any(|(placed, _)| *placed == keyframe)
        };
        for (track, point) in self.tracks.iter_mut().zip(points) {
            track.sightings.retain(|sighting| known(sighting.keyframe));
            track.sightings.push(Sighting { keyframe: now, ray: track.ray });
            if let Some(position) = *point {
                let sightings = std::mem::take(&mut track.sightings);
                let point = MapPoint { position, sightings, pixel: track.pixel, descriptor: None };
                track.point = Some(self.map.add_point(point));
            }
        }
    }

    /// The new keyframe sees its tracks' points, and tracks seen from far enough apart become points.
    pub(super) fn extend(&mut self, now: KeyframeId, picture: &Pyramid) {
        let smooth = picture.full().smoothed();
        let limit = self.config.inlier_px / self.focal();
        let followed = self.tracks.iter().filter(|track| track.point.is_some()).count();
        // Where the map thins out, a point known badly is better than none.
        let eager = if followed < self.config.plenty { EAGER } else { 1.0 };
        for track in &mut self.tracks {
            let sighting = Sighting { keyframe: now, ray: track.ray };
            let descriptor = self.pattern.describe(&smooth, track.pixel);
            if let Some(id) = track.point {
                self.map.sight(id, sighting, track.pixel, descriptor);
                continue;
            }
            track.sightings.push(sighting);
            let sights: Vec<_> = track.sightings.iter().map(|s| self.map.line_of_sight(s)).collect();
            if parallax(&sights) < self.config.least_parallax * eager {
                continue;
            }
            if let Some(position) = triangulate(&sights, limit) {
                let sightings = std::mem::take(&mut track.sightings);
                track.point = Some(self.map.add_point(MapPoint {
                    position,
                    sightings,
                    pixel: track.pixel,
                    descriptor,
                }));
            } else {
                // The oldest sighting is the likeliest to be of something else.
                track.sightings.drain(..1);
            }
        }
    }

    /// What follows every new keyframe: adjustment, new tracks.
    pub(super) fn settle(&mut self, now: KeyframeId, sequence: u64, picture: &Pyramid, hidden: &[PixelBox]) {
        self.keyframe = now;
        self.keyframe_sequence = sequence;
        self.adjust();
        self.map.prune(self.config.most_map_points);
        let map = &self.map;
        self.tracks.retain(|track| track.point.is_none_or(|id| map.point(id).is_some()));
        self.keyframe_points = self.tracks.iter().filter(|track| track.point.is_some()).count();
        self.add_tracks(picture, now, hidden);
        let seen = self.seen_points();
        if !seen.is_empty() {
            self.depth = median(seen.iter().map(|point| point.depth));
        }
    }

    fn adjust(&mut self) {
        let wanted = |this: &Self| this.map.adjustment(this.config.window, this.focal());
        match &mut self.adjuster {
            Adjuster::InOrder => {
                let mut adjustment = wanted(self);
                if adjustment.bundle.adjust(&BundleConfig::default()) {
                    self.take_over(&adjustment);
                }
            }
            Adjuster::Behind { busy: true, .. } => {}
            Adjuster::Behind { .. } => {
                let mut adjustment = wanted(self);
                let Adjuster::Behind { background, done, busy } = &mut self.adjuster else { return };
                *busy = true;
                let done = Arc::clone(done);
                background.start(Box::new(move || {
                    adjustment.bundle.adjust(&BundleConfig::default());
                    *done.lock().unwrap_or_else(PoisonError::into_inner) = Some(adjustment);
                }));
            }
        }
    }

    /// Takes over what another thread has adjusted, if it is there.
    pub(super) fn collect(&mut self) {
        let Adjuster::Behind { done, busy, .. } = &mut self.adjuster else { return };
        let Some(adjustment) = done.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        *busy = false;
        self.take_over(&adjustment);
    }

    fn take_over(&mut self, adjustment: &Adjustment) {
        let from_keyframe = self.pose * self.map.pose(self.keyframe).inverse();
        self.map.take_over(adjustment, self.config.inlier_px / self.focal());
        let adjusted = from_keyframe * self.map.pose(self.keyframe);
        self.rest.carry(&(self.pose.inverse() * adjusted));
        self.pose = adjusted;
    }
}
