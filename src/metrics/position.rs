//! Where joints are: position errors in millimetres.

use nalgebra::Vector3;

use super::{MM, MetricError, Points, aligned_over, aligned_per_frame, check, mean, root_relative};

/// Thresholds at which [`area_under_pck`] samples the curve.
const PCK_THRESHOLDS: usize = 100;

/// Mean distance of joints as they are (MPJPE), mm.
///
/// # Errors
/// [`MetricError`] where the sequences differ in size or are empty.
pub fn mpjpe<E: Points, T: Points>(estimate: &[E], truth: &[T]) -> Result<f64, MetricError> {
    check(estimate, truth, 1)?;
    let pairs = estimate.iter().zip(truth).flat_map(|(e, t)| e.as_ref().iter().zip(t.as_ref()));
    mean(pairs.map(|(e, t)| (e - t).norm() * MM), 1)
}

/// MPJPE with both roots at the origin in every frame (RA-MPJPE), mm.
///
/// # Errors
/// As [`mpjpe`].
pub fn ra_mpjpe<E: Points, T: Points>(estimate: &[E], truth: &[T]) -> Result<f64, MetricError> {
    mpjpe(&root_relative(estimate), &root_relative(truth))
}

/// MPJPE after each frame's own similarity alignment (PA-MPJPE), mm.
///
/// # Errors
/// As [`mpjpe`], and where a frame cannot be aligned.
pub fn pa_mpjpe<E: Points, T: Points>(estimate: &[E], truth: &[T]) -> Result<f64, MetricError> {
    mpjpe(&aligned_per_frame(estimate, truth)?, truth)
}

/// MPJPE after the similarity alignment of the first two frames (G-MPJPE of Dyn-HaMR, W-MPJPE of SLAHMR), mm.
///
/// # Errors
/// As [`pa_mpjpe`]; needs two frames.
pub fn g_mpjpe<E: Points, T: Points>(estimate: &[E], truth: &[T]) -> Result<f64, MetricError> {
    mpjpe(&aligned_over(estimate, truth, 0..2)?, truth)
}

/// MPJPE after one similarity alignment over all frames (GA-MPJPE; WA-MPJPE of SLAHMR), mm.
///
/// # Errors
/// As [`pa_mpjpe`].
pub fn ga_mpjpe<E: Points, T: Points>(estimate: &[E], truth: &[T]) -> Result<f64, MetricError> {
    mpjpe(&aligned_over(estimate, truth, 0..estimate.len())?, truth)
}

/// MPJPE after the similarity alignment of the first frame alone (FA-MPJPE of HaPTIC), mm.
///
/// # Errors
/// As [`pa_mpjpe`].
pub fn fa_mpjpe<E: Points, T: Points>(estimate: &[E], truth: &[T]) -> Result<f64, MetricError> {
    mpjpe(&aligned_over(estimate, truth, 0..1)?, truth)
}

/// Mean relative-root position error between two hands (MRRPE, InterHand2.6M): how far the vector from
/// the right to the left wrist is off, mm. Takes the roots of both hands frame by frame.
///
/// # Errors
/// [`MetricError`] where the four tracks differ in length or are empty.
pub fn mrrpe(
    estimate: (&[Vector3<f64>], &[Vector3<f64>]),
    truth: (&[Vector3<f64>], &[Vector3<f64>]),
) -> Result<f64, MetricError> {
    let frames = estimate.0.len();
    for other in [estimate.1.len(), truth.0.len(), truth.1.len()] {
        if other != frames {
            return Err(MetricError::Sizes { estimate: frames, truth: other });
        }
    }
    let between = |(left, right): (&[Vector3<f64>], &[Vector3<f64>]), t: usize| left[t] - right[t];
    mean((0..frames).map(|t| (between(estimate, t) - between(truth, t)).norm() * MM), 1)
}

/// Mean distance of the root (joint 0) along the viewing direction z, mm; for sequences in camera space.
///
/// # Errors
/// As [`mpjpe`].
pub fn root_depth_error<E: Points, T: Points>(estimate: &[E], truth: &[T]) -> Result<f64, MetricError> {
    check(estimate, truth, 1)?;
    let pairs = estimate.iter().zip(truth).map(|(e, t)| (&e.as_ref()[0], &t.as_ref()[0]));
    mean(pairs.map(|(e, t)| (e.z - t.z).abs() * MM), 1)
}

/// The same in percent of the true depth.
///
/// # Errors
/// As [`mpjpe`].
pub fn root_depth_error_percent<E: Points, T: Points>(
    estimate: &[E],
    truth: &[T],
) -> Result<f64, MetricError> {
    check(estimate, truth, 1)?;
    let pairs = estimate.iter().zip(truth).map(|(e, t)| (&e.as_ref()[0], &t.as_ref()[0]));
    mean(pairs.map(|(e, t)| 100.0 * (e.z - t.z).abs() / t.z.abs()), 1)
}

/// RA-MPJPE after the estimate is scaled about its root so that its joints spread as far as the true
/// ones (root mean square distance from the root), mm. Papers on two hands (IntagHand, 4DHands) scale
/// the skeleton before they measure; which bone they take differs, so this takes all.
///
/// # Errors
/// As [`mpjpe`], and where all points of a frame coincide.
pub fn scaled_ra_mpjpe<E: Points, T: Points>(estimate: &[E], truth: &[T]) -> Result<f64, MetricError> {
    check(estimate, truth, 1)?;
    let spread = |points: &[Vector3<f64>]| points.iter().map(Vector3::norm_squared).sum::<f64>().sqrt();
    let (mut estimate, truth) = (root_relative(estimate), root_relative(truth));
    for (e, t) in estimate.iter_mut().zip(&truth) {
        let scale = spread(t) / spread(e);
        if !scale.is_finite() {
            return Err(MetricError::Degenerate);
        }
        e.iter_mut().for_each(|point| *point *= scale);
    }
    mpjpe(&estimate, &truth)
}

/// Area under the curve of the share of joints closer than a threshold, thresholds from 0 to `limit_mm`
/// (AUC; FreiHAND takes 50 mm), 0..1. Align the estimate first, as the benchmark asks.
///
/// # Errors
/// As [`mpjpe`].
pub fn area_under_pck<E: Points, T: Points>(
    estimate: &[E],
    truth: &[T],
    limit_mm: f64,
) -> Result<f64, MetricError> {
    check(estimate, truth, 1)?;
    let pairs = estimate.iter().zip(truth).flat_map(|(e, t)| e.as_ref().iter().zip(t.as_ref()));
    let errors: Vec<f64> = pairs.map(|(e, t)| (e - t).norm() * MM).collect();
    let steps = (PCK_THRESHOLDS - 1) as f64;
    let share = |step: usize| {
        let threshold = limit_mm * step as f64 / steps;
        errors.iter().filter(|&&error| error <= threshold).count() as f64 / errors.len() as f64
    };
    let curve: Vec<f64> = (0..PCK_THRESHOLDS).map(share).collect();
    Ok(curve.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0 / steps).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(frames: usize) -> Vec<[Vector3<f64>; 4]> {
        let point = |t: usize, j: usize| {
            let (t, j) = (t as f64, j as f64);
            Vector3::new((j * 1.3).sin() + 0.1 * t, (j * 2.1).cos(), 0.5 + 0.2 * j - 0.05 * t)
        };
        (0..frames).map(|t| std::array::from_fn(|j| point(t, j))).collect()
    }

    fn shifted(sequence: &[[Vector3<f64>; 4]], by: Vector3<f64>) -> Vec<[Vector3<f64>; 4]> {
        sequence.iter().map(|frame| frame.map(|point| point + by)).collect()
    }

    #[test]
    fn a_shift_counts_in_absolute_measures_and_vanishes_in_aligned_ones() {
        let truth = sequence(6);
        let estimate = shifted(&truth, Vector3::new(0.003, 0.0, -0.004));
        assert!((mpjpe(&estimate, &truth).unwrap() - 5.0).abs() < 1e-9);
        assert!((root_depth_error(&estimate, &truth).unwrap() - 4.0).abs() < 1e-9);
        for aligned in [ra_mpjpe, pa_mpjpe, g_mpjpe, ga_mpjpe, fa_mpjpe] {
            assert!(aligned(&estimate, &truth).unwrap() < 1e-9);
        }
    }

    #[test]
    fn a_larger_hand_of_the_same_pose_is_no_error_once_scaled() {
        let truth = sequence(4);
        let larger: Vec<_> = truth.iter().map(|frame| frame.map(|point| point * 1.1)).collect();
        assert!(ra_mpjpe(&larger, &truth).unwrap() > 10.0);
        assert!(scaled_ra_mpjpe(&larger, &truth).unwrap() < 1e-9);
        assert!((root_depth_error_percent(&larger, &truth).unwrap() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn drift_counts_more_from_the_first_frame_than_over_all_frames() {
        let truth = sequence(10);
        let drift = |t: usize| Vector3::new(0.01 * t as f64, 0.0, 0.0);
        let estimate: Vec<_> =
            truth.iter().enumerate().map(|(t, frame)| frame.map(|point| point + drift(t))).collect();
        assert!(fa_mpjpe(&estimate, &truth).unwrap() > 1.5 * ga_mpjpe(&estimate, &truth).unwrap());
    }

    #[test]
    fn hands_that_shift_together_keep_their_relative_root() {
        let (left, right) = (vec![Vector3::x(); 3], vec![Vector3::y(); 3]);
        let moved = |track: &[Vector3<f64>]| -> Vec<_> { track.iter().map(|p| p + Vector3::z()).collect() };
        assert!(mrrpe((&moved(&left), &moved(&right)), (&left, &right)).unwrap() < 1e-9);
        assert!((mrrpe((&moved(&left), &right), (&left, &right)).unwrap() - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn the_area_under_the_curve_runs_from_nothing_to_one() {
        let truth = sequence(2);
        let perfect = area_under_pck(&truth, &truth, 50.0).unwrap();
        let hopeless = area_under_pck(&shifted(&truth, Vector3::x()), &truth, 50.0).unwrap();
        assert!((perfect - 1.0).abs() < 1e-12);
        assert_eq!(hopeless, 0.0);
    }

    #[test]
    fn sequences_of_different_length_are_refused() {
        assert_eq!(mpjpe(&sequence(3), &sequence(4)), Err(MetricError::Sizes { estimate: 3, truth: 4 }));
        assert_eq!(g_mpjpe(&sequence(1), &sequence(1)), Err(MetricError::TooShort { frames: 1, needed: 2 }));
    }
}
