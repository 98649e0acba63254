//! How close two surfaces are.

use nalgebra::Vector3;

use super::{MM, MetricError, Points, check, mean};

/// F-score at `limit_mm` of point sets, 0..1 (Knapitsch et al. 2017; FreiHAND and HMP take 5 and 15 mm):
/// the harmonic mean of the share of estimated points that have a true point closer than the limit and
/// of the share of true points that have an estimated one; mean over frames. Align the estimate first,
/// as the benchmark asks.
///
/// # Errors
/// [`MetricError`] where the sequences differ in size or are empty.
pub fn f_score<E: Points, T: Points>(estimate: &[E], truth: &[T], limit_mm: f64) -> Result<f64, MetricError> {
    check(estimate, truth, 1)?;
    let limit = limit_mm / MM;
    let frame = |(estimate, truth): (&E, &T)| {
        let precision = share_near(estimate.as_ref(), truth.as_ref(), limit);
        let recall = share_near(truth.as_ref(), estimate.as_ref(), limit);
        if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
    };
    mean(estimate.iter().zip(truth).map(frame), 1)
}

/// Share of the points `from` that have one of `to` closer than `limit`.
fn share_near(from: &[Vector3<f64>], to: &[Vector3<f64>], limit: f64) -> f64 {
    // Sorted along x, only a slab of candidates is left for each point.
    let mut sorted: Vec<&Vector3<f64>> = to.iter().collect();
    sorted.sort_by(|a, b| a.x.total_cmp(&b.x));
    let near = |point: &&Vector3<f64>| {
        let first = sorted.partition_point(|other| other.x < point.x - limit);
        let slab = sorted[first..].iter().take_while(|other| other.x <= point.x + limit);
        slab.into_iter().any(|other| (*other - *point).norm() < limit)
    };
    from.iter().filter(near).count() as f64 / from.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_f_score_counts_points_within_the_limit_both_ways() {
        let plane = |z: f64| -> Vec<Vector3<f64>> {
            (0..100).map(|k| Vector3::new(f64::from(k % 10) * 0.02, f64::from(k / 10) * 0.02, z)).collect()
        };
        let near = f_score(&[plane(0.004)], &[plane(0.0)], 5.0).unwrap();
        let far = f_score(&[plane(0.006)], &[plane(0.0)], 5.0).unwrap();
        assert_eq!((near, far), (1.0, 0.0));
        let mut half = plane(0.0);
        half[..50].iter_mut().for_each(|point| point.z = 1.0);
        assert!((f_score(&[half], &[plane(0.0)], 5.0).unwrap() - 0.5).abs() < 1e-12);
    }
}
