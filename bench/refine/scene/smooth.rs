//! Gaussian means over time of numbers, places and rotations.
//!
//! Before its first and after its last frame a sequence goes on as its own image in a point mirror, so that
//! steady motion stays as it is up to the ends.

use nalgebra::{UnitQuaternion, Vector3};

/// How many standard deviations a mean reaches.
const REACH: f64 = 3.0;

/// Frames around `frame` in a sequence of `length` with their weights, for a bell of `sigma` frames: the frame
/// itself, or the two frames between which it is mirrored, first the end and then the frame inside.
fn weights(frame: usize, length: usize, sigma: f64) -> impl Iterator<Item = (f64, usize, Option<usize>)> {
    let reach = (REACH * sigma).ceil() as i64;
    let last = length as i64 - 1;
    (-reach..=reach).map(move |step| {
        let away = step as f64 / sigma.max(f64::EPSILON);
        let weight = (-0.5 * away * away).exp();
        let at = frame as i64 + step;
        let end = at.clamp(0, last);
        let inside = (2 * end - at).clamp(0, last);
        (weight, end as usize, (at != end).then_some(inside as usize))
    })
}

/// Each vector as the mean of its neighbours.
pub fn vectors(values: &[Vector3<f64>], sigma: f64) -> Vec<Vector3<f64>> {
    rows(&values.iter().map(|&value| value.into()).collect::<Vec<[f64; 3]>>(), sigma)
        .into_iter()
        .map(Vector3::from)
        .collect()
}

/// The same for rows of numbers.
pub fn rows<const N: usize>(values: &[[f64; N]], sigma: f64) -> Vec<[f64; N]> {
    let mean = |frame| {
        let (mut sum, mut total) = ([0.0; N], 0.0);
        for (weight, end, inside) in weights(frame, values.len(), sigma) {
            for (k, sum) in sum.iter_mut().enumerate() {
                let value = values[end][k];
                *sum += weight * inside.map_or(value, |inside| 2.0 * value - values[inside][k]);
            }
            total += weight;
        }
        sum.map(|sum| sum / total)
    };
    (0..values.len()).map(mean).collect()
}

/// The same for rotations that differ by less than half a turn.
pub fn rotations(values: &[UnitQuaternion<f64>], sigma: f64) -> Vec<UnitQuaternion<f64>> {
    let mean = |frame: usize| {
        let centre = values[frame];
        let (mut sum, mut total) = (Vector3::zeros(), 0.0);
        for (weight, end, inside) in weights(frame, values.len(), sigma) {
            let value = values[end];
            let value = inside.map_or(value, |inside| value * values[inside].inverse() * value);
            sum += (centre.inverse() * value).scaled_axis() * weight;
            total += weight;
        }
        centre * UnitQuaternion::from_scaled_axis(sum / total)
    };
    (0..values.len()).map(mean).collect()
}
