//! Sequences moved onto the truth before they are measured.

use std::ops::Range;

use nalgebra::Vector3;

use super::{MetricError, Points, check};
use crate::geometry::alignment::align_similarity;

/// Each frame relative to its own root (joint 0).
pub fn root_relative<P: Points>(sequence: &[P]) -> Vec<Vec<Vector3<f64>>> {
    let relative = |frame: &P| {
        let points = frame.as_ref();
        points.first().map_or_else(Vec::new, |root| points.iter().map(|point| point - root).collect())
    };
    sequence.iter().map(relative).collect()
}

/// Each frame of the estimate moved, turned and scaled onto the truth by itself (Procrustes).
///
/// # Errors
/// [`MetricError`] where sizes differ or a frame's points coincide.
pub fn aligned_per_frame<E: Points, T: Points>(
    estimate: &[E],
    truth: &[T],
) -> Result<Vec<Vec<Vector3<f64>>>, MetricError> {
    check(estimate, truth, 1)?;
    let frames = estimate.iter().zip(truth).map(|(e, t)| {
        let similarity = align_similarity(e.as_ref(), t.as_ref()).ok_or(MetricError::Degenerate)?;
        Ok(e.as_ref().iter().map(|&point| similarity.apply(point)).collect())
    });
    frames.collect()
}

/// The whole estimate moved by the one similarity that brings the points of `frames` onto the truth.
///
/// # Errors
/// [`MetricError`] where sizes differ, `frames` reaches past the end, or their points coincide.
pub fn aligned_over<E: Points, T: Points>(
    estimate: &[E],
    truth: &[T],
    frames: Range<usize>,
) -> Result<Vec<Vec<Vector3<f64>>>, MetricError> {
    check(estimate, truth, frames.end.max(1))?;
    let from = gathered(estimate, &frames);
    let to = gathered(truth, &frames);
    let similarity = align_similarity(&from, &to).ok_or(MetricError::Degenerate)?;
    let moved =
        estimate.iter().map(|frame| frame.as_ref().iter().map(|&point| similarity.apply(point)).collect());
    Ok(moved.collect())
}

fn gathered<P: Points>(sequence: &[P], frames: &Range<usize>) -> Vec<Vector3<f64>> {
    let chosen = sequence.iter().take(frames.end).skip(frames.start);
    chosen.flat_map(|frame| frame.as_ref().iter().copied()).collect()
}
