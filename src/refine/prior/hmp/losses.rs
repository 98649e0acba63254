//! What the network was trained on (NeMF, section 4; HMP, section 3.2): for who trains one and for telling
//! whether a checkpoint does what it should.

use nalgebra::{Matrix3, Vector3};

use super::rotation::angle_and_gradient;

/// Mean angle between two lists of rotations, radians.
pub fn rotation_loss(decoded: &[Matrix3<f64>], truth: &[Matrix3<f64>]) -> f64 {
    mean(decoded.iter().zip(truth).map(|(decoded, truth)| angle_and_gradient(decoded, truth).0))
}

/// Mean absolute difference of coordinates, metres.
pub fn position_loss(decoded: &[Vector3<f64>], truth: &[Vector3<f64>]) -> f64 {
    mean(decoded.iter().zip(truth).flat_map(|(decoded, truth)| <[f64; 3]>::from((decoded - truth).abs())))
}

/// Kullback-Leibler divergence of a Gaussian over codes from the standard normal.
pub fn divergence(mean: &[f32], log_variance: &[f32]) -> f64 {
    let terms = mean.iter().zip(log_variance).map(|(&mean, &log_variance)| {
        let (mean, log_variance) = (f64::from(mean), f64::from(log_variance));
        -0.5 * (1.0 + log_variance - mean * mean - log_variance.exp())
    });
    terms.sum()
}

/// The mean of numbers; 0 of none.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0_usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    sum / count.max(1) as f64
}
