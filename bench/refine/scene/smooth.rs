//! Gaussian means over time of numbers, places and rotations.

use nalgebra::{Quaternion, UnitQuaternion, Vector3};

/// How many standard deviations a mean reaches.
const REACH: f64 = 3.0;

/// Weights of the frames around `frame` in a sequence of `length`, for a bell of `sigma` frames.
fn weights(frame: usize, length: usize, sigma: f64) -> impl Iterator<Item = (usize, f64)> {
    let reach = (REACH * sigma).ceil() as usize;
    let first = frame.saturating_sub(reach);
    let last = (frame + reach).min(length - 1);
    (first..=last).map(move |other| {
        let away = other.abs_diff(frame) as f64 / sigma.max(f64::EPSILON);
        (other, (-0.5 * away * away).exp())
    })
}

/// Each vector as the mean of its neighbours.
pub fn vectors(values: &[Vector3<f64>], sigma: f64) -> Vec<Vector3<f64>> {
    let mean = |frame| {
        let (mut sum, mut total) = (Vector3::zeros(), 0.0);
        for (other, weight) in weights(frame, values.len(), sigma) {
            sum += values[other] * weight;
            total += weight;
        }
        sum / total
    };
    (0..values.len()).map(mean).collect()
}

/// The same for rows of numbers.
pub fn rows<const N: usize>(values: &[[f64; N]], sigma: f64) -> Vec<[f64; N]> {
    let mean = |frame| {
        let (mut sum, mut total) = ([0.0; N], 0.0);
        for (other, weight) in weights(frame, values.len(), sigma) {
            sum.iter_mut().zip(values[other]).for_each(|(sum, value)| *sum += weight * value);
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
        let mut sum = Quaternion::new(0.0, 0.0, 0.0, 0.0);
        for (other, weight) in weights(frame, values.len(), sigma) {
            let near = values[other].into_inner();
            let near = if near.dot(&centre) < 0.0 { -near } else { near };
            sum += near * weight;
        }
        UnitQuaternion::from_quaternion(sum)
    };
    (0..values.len()).map(mean).collect()
}
