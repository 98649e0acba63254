//! How joints move: acceleration, jerk and the path of the root.

use nalgebra::Vector3;

use super::{MM, MetricError, Points, check, mean};
use crate::geometry::alignment::align_rigid;

/// Mean length of the difference of accelerations, mm per frame squared (ACC error of HMMR, WHAM, HMP,
/// Dyn-HaMR; papers print mm/s^2, their code has no frame rate in it).
///
/// A frame counts where it and the two after it are `visible`; `None` means all are. For the
/// root-relative variant pass sequences through [`super::root_relative`] first.
///
/// # Errors
/// [`MetricError`] where sizes differ or no three frames in a row are visible.
pub fn acceleration_error<E: Points, T: Points>(
    estimate: &[E],
    truth: &[T],
    visible: Option<&[bool]>,
) -> Result<f64, MetricError> {
    check(estimate, truth, 3)?;
    if let Some(visible) = visible.filter(|visible| visible.len() != truth.len()) {
        return Err(MetricError::Sizes { estimate: visible.len(), truth: truth.len() });
    }
    let counted = |t: &usize| visible.is_none_or(|visible| visible[*t..*t + 3].iter().all(|&seen| seen));
    let frames = (0..truth.len() - 2).filter(counted);
    let error = |t: usize| {
        let (estimate, truth) = (accelerations(&estimate[t..]), accelerations(&truth[t..]));
        estimate.zip(truth).map(|(e, t)| (e - t).norm() * MM).collect::<Vec<_>>()
    };
    mean(frames.flat_map(error), 3)
}

/// Mean difference of the accelerations' lengths, mm per frame squared (one reading of HaPTIC's
/// ACC-NORM: "acceleration error per joint").
///
/// # Errors
/// As [`acceleration_error`].
pub fn acceleration_norm_error<E: Points, T: Points>(
    estimate: &[E],
    truth: &[T],
) -> Result<f64, MetricError> {
    check(estimate, truth, 3)?;
    let error = |t: usize| {
        let (estimate, truth) = (accelerations(&estimate[t..]), accelerations(&truth[t..]));
        estimate.zip(truth).map(|(e, t)| (e.norm() - t.norm()).abs() * MM).collect::<Vec<_>>()
    };
    mean((0..truth.len() - 2).flat_map(error), 3)
}

/// The norm over joints of the difference of the accelerations' lengths, mean over frames, mm per frame
/// squared (the ACC-NORM that SLAHMR's evaluation computes: larger than
/// [`acceleration_norm_error`] by about the root of the number of joints).
///
/// # Errors
/// As [`acceleration_error`].
pub fn acceleration_norm_over_joints<E: Points, T: Points>(
    estimate: &[E],
    truth: &[T],
) -> Result<f64, MetricError> {
    check(estimate, truth, 3)?;
    let error = |t: usize| {
        let (estimate, truth) = (accelerations(&estimate[t..]), accelerations(&truth[t..]));
        estimate.zip(truth).map(|(e, t)| (e.norm() - t.norm()).powi(2)).sum::<f64>().sqrt() * MM
    };
    mean((0..truth.len() - 2).map(error), 3)
}

/// Mean length of the third difference, in units of 10 m/s^3 (WHAM's jitter); needs no truth.
///
/// # Errors
/// [`MetricError`] for fewer than four frames or frames of different size.
pub fn jerk<P: Points>(sequence: &[P], fps: f64) -> Result<f64, MetricError> {
    check(sequence, sequence, 4)?;
    let size = sequence[0].as_ref().len();
    if let Some(odd) = sequence.iter().map(|frame| frame.as_ref().len()).find(|&len| len != size) {
        return Err(MetricError::Sizes { estimate: odd, truth: size });
    }
    let third = |frames: &[P]| {
        let point = |t: usize, j: usize| frames[t].as_ref()[j];
        (0..size)
            .map(|j| (point(3, j) - point(2, j) * 3.0 + point(1, j) * 3.0 - point(0, j)).norm())
            .collect::<Vec<_>>()
    };
    Ok(mean(sequence.windows(4).flat_map(third), 4)? * fps.powi(3) / 10.0)
}

/// Mean distance of the root's path after rigid alignment, in percent of the true path's length (RTE of
/// WHAM, Dyn-HaMR's translation error).
///
/// # Errors
/// [`MetricError`] where the paths differ in length, or the true root does not move.
pub fn root_trajectory_error(estimate: &[Vector3<f64>], truth: &[Vector3<f64>]) -> Result<f64, MetricError> {
    if estimate.len() != truth.len() {
        return Err(MetricError::Sizes { estimate: estimate.len(), truth: truth.len() });
    }
    let aligned = align_rigid(estimate, truth).ok_or(MetricError::Degenerate)?;
    let travelled: f64 = truth.windows(2).map(|step| (step[1] - step[0]).norm()).sum();
    let off = mean(estimate.iter().zip(truth).map(|(&e, t)| (aligned.apply(e) - t).norm()), 2)?;
    Ok(100.0 * off / travelled)
}

/// Second differences of the points of the first three frames.
fn accelerations<P: Points>(frames: &[P]) -> impl Iterator<Item = Vector3<f64>> {
    let rows = frames[0].as_ref().iter().zip(frames[1].as_ref()).zip(frames[2].as_ref());
    rows.map(|((before, now), after)| before - now * 2.0 + after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fall(frames: usize, acceleration: f64) -> Vec<[Vector3<f64>; 2]> {
        let place = |t: usize| 0.5 * acceleration * (t * t) as f64;
        (0..frames).map(|t| [Vector3::new(0.3, place(t), 0.0), Vector3::new(0.0, place(t), 1.0)]).collect()
    }

    #[test]
    fn a_missing_acceleration_is_the_error() {
        let (truth, estimate) = (fall(9, 0.002), fall(9, 0.0));
        assert!((acceleration_error(&estimate, &truth, None).unwrap() - 2.0).abs() < 1e-9);
        assert!((acceleration_norm_error(&estimate, &truth).unwrap() - 2.0).abs() < 1e-9);
        assert!(jerk(&truth, 30.0).unwrap() < 1e-6);
    }

    #[test]
    fn hidden_frames_do_not_count() {
        let truth = fall(9, 0.0);
        let mut estimate = truth.clone();
        estimate[4][0].x += 1.0;
        let visible: Vec<bool> = (0..9).map(|t| t != 4).collect();
        assert!(acceleration_error(&estimate, &truth, Some(&visible)).unwrap() < 1e-9);
        assert!(acceleration_error(&estimate, &truth, None).unwrap() > 100.0);
        let error = acceleration_error(&estimate, &truth, Some(&[false; 9])).unwrap_err();
        assert_eq!(error, MetricError::TooShort { frames: 0, needed: 3 });
    }

    #[test]
    fn a_rigidly_moved_path_is_no_error_and_a_shrunk_one_is() {
        let path: Vec<_> =
            (0..20).map(|t| Vector3::new(f64::from(t), (0.3 * f64::from(t)).sin(), 0.0)).collect();
        let moved: Vec<_> = path.iter().map(|p| Vector3::new(p.y, -p.x, p.z + 3.0)).collect();
        let shrunk: Vec<_> = path.iter().map(|p| p * 0.5).collect();
        assert!(root_trajectory_error(&moved, &path).unwrap() < 1e-9);
        assert!(root_trajectory_error(&shrunk, &path).unwrap() > 5.0);
    }
}
