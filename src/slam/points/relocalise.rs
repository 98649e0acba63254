//! Points of the map found again where following them failed: by descriptor, or by patch where the pose is known.

use nalgebra::{Isometry3, Point3};

use super::config::PointOdometryConfig;
use super::corners::Cells;
use super::descriptor::{MatchConfig, Pattern, matches};
use super::flow::{FlowConfig, follow};
use super::map::{Map, PointId};
use super::pyramid::Pyramid;
use super::track::is_hidden;
use crate::geometry::{CameraModel, CameraPoint, Pixel};
use crate::slam::PixelBox;

/// Side of the cells that corners are spread over when looking for known points.
const CELL: usize = 14;

/// Points of the map compared at most, those seen last first.
const MOST_COMPARED: usize = 1500;

/// Points looked for by patch in one frame.
const MOST_PATCHES: usize = 150;

/// A point found by descriptor may lie this far from the corner after alignment, pixels.
const ALIGNED_PX: f32 = 4.0;

/// A point found by patch may lie this far from where the map says, pixels.
const PROJECTED_PX: f32 = 5.0;

/// Points of the map that a picture's corners look like, with the pixel where each lies.
pub(super) fn by_descriptor(
    map: &Map,
    picture: &Pyramid,
    hidden: &[PixelBox],
    pattern: &Pattern,
    config: &PointOdometryConfig,
    flow: &FlowConfig,
) -> Vec<(PointId, Pixel)> {
    let smooth = picture.full().smoothed();
    let corners = Cells::new(picture.full(), CELL).fill(picture.full(), config.corner_strength);
    let described: Vec<_> = corners
        .iter()
        .filter(|corner| !is_hidden(**corner, hidden))
        .filter_map(|corner| Some((*corner, pattern.describe(&smooth, *corner)?)))
        .collect();
    let mut known: Vec<_> =
        map.points().filter_map(|(id, point)| Some((point.last_seen(), id, point.descriptor?))).collect();
    known.sort_unstable_by_key(|(seen, id, _)| (std::cmp::Reverse(*seen), *id));
    known.truncate(MOST_COMPARED);
    let (here, there): (Vec<_>, Vec<_>) =
        (described.iter().map(|d| d.1).collect(), known.iter().map(|k| k.2).collect());
    let pairs = matches(&here, &there, &MatchConfig::default());
    let found = pairs.iter().map(|&(i, j)| {
        let (id, corner) = (known[j].1, described[i].0);
        // The corner lies somewhere near the point; aligning the patches tells where.
        let aligned = map
            .point(id)
            .and_then(|point| follow(map.picture(point.last_seen())?, point.pixel, picture, corner, 1, flow));
        (id, aligned.filter(|pixel| pixel.distance(corner) < ALIGNED_PX).unwrap_or(corner))
    });
    found.collect()
}

/// Points of the map that a camera at `camera_from_world` should see in cells not yet taken, found by the patch of
/// the last keyframe that saw them.
pub(super) fn by_patch(
    map: &Map,
    picture: &Pyramid,
    camera_from_world: &Isometry3<f64>,
    camera: &CameraModel,
    cells: &mut Cells,
    flow: &FlowConfig,
) -> Vec<(PointId, Pixel)> {
    let mut found = Vec::new();
    let mut tries = 0;
    for (id, point) in map.points() {
        if tries == MOST_PATCHES {
            break;
        }
        let Some(patch) = map.picture(point.last_seen()) else { continue };
        let seen = camera_from_world * Point3::from(point.position);
        let Some(expected) = camera.project(CameraPoint(seen.coords.cast())) else { continue };
        if !picture.full().holds(expected, 4.0) || !cells.take(expected) {
            continue;
        }
        tries += 1;
        if let Some(pixel) = follow(patch, point.pixel, picture, expected, 1, flow)
            && pixel.distance(expected) < PROJECTED_PX
        {
            found.push((id, pixel));
        }
    }
    found
}
