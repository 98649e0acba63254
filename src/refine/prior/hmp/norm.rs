//! Numbers brought to mean 0 and variance 1, and the way back of a gradient.

/// Added to the variance, PyTorch's default.
const EPSILON: f32 = 1e-5;

/// Brings `values` to mean 0 and variance 1; returns the factor.
pub(super) fn normalise(values: &mut [f32]) -> f32 {
    let count = values.len() as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let variance = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
    let scale = 1.0 / (variance as f32 + EPSILON).sqrt();
    values.iter_mut().for_each(|value| *value = (*value - mean as f32) * scale);
    scale
}

/// From the gradient by normalised values to that by the values, in place.
pub(super) fn normalise_reverse(normalised: &[f32], scale: f32, gradient: &mut [f32]) {
    let count = normalised.len() as f64;
    let mean = gradient.iter().map(|&by| f64::from(by)).sum::<f64>() / count;
    let along = gradient.iter().zip(normalised).map(|(&by, &value)| f64::from(by) * f64::from(value));
    let along = along.sum::<f64>() / count;
    for (by, value) in gradient.iter_mut().zip(normalised) {
        *by = scale * (*by - mean as f32 - value * along as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_slope() {
        let values = [0.3, -1.2, 0.8, 2.0, -0.4];
        let weights = [1.0, 0.5, -2.0, 0.7, 0.1];
        let cost = |values: &[f32]| {
            let mut values = values.to_vec();
            normalise(&mut values);
            values.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f32>()
        };
        let mut normalised = values;
        let scale = normalise(&mut normalised);
        let mut gradient = weights;
        normalise_reverse(&normalised, scale, &mut gradient);
        for i in 0..values.len() {
            let moved = |by: f32| {
                let mut values = values;
                values[i] += by;
                cost(&values)
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((slope - gradient[i]).abs() < 1e-3, "{slope} {}", gradient[i]);
        }
    }
}
