//! Points followed from picture to picture.

use nalgebra::Vector2;

use super::config::PointOdometryConfig;
use super::flow::{FlowConfig, follow, whole_shift};
use super::map::{PointId, Sighting};
use super::pyramid::Pyramid;
use crate::geometry::{CameraModel, Pixel};
use crate::slam::PixelBox;

/// How far the whole picture may have moved between two frames, as a share of its sides.
const REACH: f32 = 0.35;

/// A point that is followed.
#[derive(Clone, Debug)]
pub(super) struct Track {
    /// Where in the last frame.
    pub pixel: Pixel,
    /// Its direction there, x/z and y/z, without distortion.
    pub ray: Vector2<f64>,
    /// Where it lay when the camera last moved, or when it was found since.
    pub rest: Pixel,
    /// Its point of the map, once it has one.
    pub point: Option<PointId>,
    /// Until then, the keyframes that saw it.
    pub sightings: Vec<Sighting>,
}

/// Settings of the alignment.
pub(super) fn flow_config(config: &PointOdometryConfig) -> FlowConfig {
    FlowConfig { least_correlation: config.least_correlation, ..FlowConfig::default() }
}

/// Follows all tracks into a new picture; those that are lost or hidden go.
pub(super) fn advance(
    tracks: &mut Vec<Track>,
    from: &Pyramid,
    to: &Pyramid,
    hidden: &[PixelBox],
    camera: &CameraModel,
    config: &FlowConfig,
) {
    let shift = whole_shift(from, to, REACH);
    let coarsest = from.levels.len() - 1;
    tracks.retain_mut(|track| {
        let guess = Pixel::new(track.pixel.x + shift.0, track.pixel.y + shift.1);
        let Some(pixel) = follow(from, track.pixel, to, guess, coarsest, config) else { return false };
        track.pixel = pixel;
        track.ray = camera.ray(pixel);
        !is_hidden(pixel, hidden)
    });
}

/// Whether a pixel belongs to a hand.
pub(super) fn is_hidden(pixel: Pixel, hidden: &[PixelBox]) -> bool {
    hidden.iter().any(|hand| hand.contains(pixel))
}
