//! How well a camera's path was found: absolute and relative pose errors, scale over time, tracked share.
//!
//! Definitions of the TUM RGB-D benchmark (Sturm et al., IROS 2012) with the alignment of Umeyama 1991;
//! the numbers are those of the `evo` package. Translations in metres, rotations in degrees.

use nalgebra::{Isometry3, Vector3};

use super::MetricError;
use crate::frame::Timestamp;
use crate::geometry::alignment::{Similarity, align_rigid, align_similarity};
use crate::geometry::rotation::quaternion_from_matrix;
use crate::geometry::{CameraPath, CameraPose};

/// Poses of two paths belong together when they are at most this far apart, seconds (as in `evo`).
pub const LARGEST_TIME_DIFFERENCE: f64 = 0.01;
/// How far a step in metres may be from the one asked for, as a share of it (as in `evo`).
const STEP_TOLERANCE: f64 = 0.1;
/// Fewest poses that an alignment is made from.
const LEAST_POSES: usize = 3;

/// What an estimate may be moved by before it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// Turned, moved and scaled: Sim(3), for paths whose scale is free.
    Similarity,
    /// Turned and moved: SE(3), for metric paths.
    Rigid,
}

/// How far apart the two poses of a relative error are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// So many poses on.
    Poses(usize),
    /// As close as can be to so many metres further along the true path; pairs more than a tenth off do
    /// not count.
    Metres(f64),
}

/// Distances between poses that should coincide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoseError {
    /// Root of the mean square of the distances, metres: ATE or RPE.
    pub rmse: f64,
    /// Largest distance, metres.
    pub max: f64,
    /// Root of the mean square of the angles, degrees.
    pub rotation_rmse: f64,
    /// Largest angle, degrees.
    pub rotation_max: f64,
    /// Number of distances.
    pub count: usize,
}

/// An estimated and a true path brought together pose by pose.
#[derive(Clone, Debug)]
pub struct MatchedPath {
    /// `world_from_camera`, estimate and truth.
    pairs: Vec<(Isometry3<f64>, Isometry3<f64>)>,
    truth_poses: usize,
    truth_length: f64,
}

impl MatchedPath {
    /// Brings together each pose of the path with fewer poses and the nearest in time of the other, at most
    /// [`LARGEST_TIME_DIFFERENCE`] away.
    pub fn new(estimate: &CameraPath, truth: &CameraPath) -> Self {
        let pairs = if estimate.poses.len() <= truth.poses.len() {
            nearest(&estimate.poses, &truth.poses).collect()
        } else {
            nearest(&truth.poses, &estimate.poses).map(|(truth, estimate)| (estimate, truth)).collect()
        };
        Self { pairs, truth_poses: truth.poses.len(), truth_length: truth.length() }
    }

    /// Number of poses that both paths have.
    pub fn poses(&self) -> usize {
        self.pairs.len()
    }

    /// Number of poses of the truth.
    pub fn truth_poses(&self) -> usize {
        self.truth_poses
    }

    /// Length of the whole true path, metres.
    pub fn truth_length(&self) -> f64 {
        self.truth_length
    }

    /// The share of the truth's poses that the estimate has, 0..1.
    pub fn tracked(&self) -> f64 {
        self.pairs.len() as f64 / self.truth_poses.max(1) as f64
    }

    /// What takes the estimate closest to the truth.
    ///
    /// # Errors
    /// [`MetricError`] where fewer than three poses match or all lie in one place.
    pub fn alignment(&self, by: Alignment) -> Result<Similarity, MetricError> {
        aligned(&self.pairs, by)
    }

    /// Absolute trajectory error after one alignment of the whole path.
    ///
    /// # Errors
    /// As [`Self::alignment`].
    pub fn absolute_error(&self, by: Alignment) -> Result<PoseError, MetricError> {
        let moved = self.alignment(by)?;
        let turn = quaternion_from_matrix(&moved.rotation);
        let errors = self.pairs.iter().map(|(estimate, truth)| {
            let position = moved.apply(estimate.translation.vector);
            let angle = (turn * estimate.rotation).angle_to(&truth.rotation);
            ((position - truth.translation.vector).norm(), angle)
        });
        summed_up(errors)
    }

    /// Relative pose error: how far the motion over each step is from the true one, from every pose on.
    /// Steps count poses that both paths have, so a gap is one step.
    ///
    /// # Errors
    /// [`MetricError`] where no pair of poses is a step apart, or as [`Self::alignment`].
    pub fn relative_error(&self, step: Step, by: Alignment) -> Result<PoseError, MetricError> {
        let scale = self.alignment(by)?.scale;
        let motion = |from: &Isometry3<f64>, to: &Isometry3<f64>, scale: f64| {
            let mut motion = from.inv_mul(to);
            motion.translation.vector *= scale;
            motion
        };
        let steps = self.steps(step);
        let errors = steps.iter().filter_map(|&(from, to)| {
            let ((estimate, truth), (next_estimate, next_truth)) =
                (self.pairs.get(from)?, self.pairs.get(to)?);
            let wrong = motion(truth, next_truth, 1.0).inv_mul(&motion(estimate, next_estimate, scale));
            Some((wrong.translation.vector.norm(), wrong.rotation.angle()))
        });
        summed_up(errors)
    }

    /// The estimate's scale in each of `parts` stretches, as a share of the scale that fits the whole:
    /// 1.1 where the estimate is a tenth too small. Stretches are equally long on the true path; `None`
    /// for one with too few poses or without motion.
    ///
    /// # Errors
    /// As [`Self::alignment`].
    pub fn scale_over_time(&self, parts: usize) -> Result<Vec<Option<f64>>, MetricError> {
        let whole = self.alignment(Alignment::Similarity)?.scale;
        let along = self.distance_along();
        let length = along.last().copied().unwrap_or(0.0);
        let at = |part: usize| along.partition_point(|&d| d < length * part as f64 / parts as f64);
        let scale = |part: usize| {
            // The last pose of a stretch is the first of the next.
            let stretch = self.pairs.get(at(part)..=at(part + 1).min(self.pairs.len() - 1))?;
            let scale = aligned(stretch, Alignment::Similarity).ok()?.scale / whole;
            Some(scale).filter(|scale| scale.is_finite() && *scale > 0.0)
        };
        Ok((0..parts).map(scale).collect())
    }

    /// Way along the truth from the first matched pose to each, metres.
    fn distance_along(&self) -> Vec<f64> {
        let truth = self.pairs.iter().map(|(_, truth)| truth.translation.vector);
        let mut along = 0.0;
        let mut last = None;
        let add = |position: Vector3<f64>| {
            along += last.replace(position).map_or(0.0, |last| (position - last).norm());
            along
        };
        truth.map(add).collect()
    }

    fn steps(&self, step: Step) -> Vec<(usize, usize)> {
        match step {
            Step::Poses(poses) => {
                (0..self.pairs.len().saturating_sub(poses)).map(|from| (from, from + poses)).collect()
            }
            Step::Metres(metres) => {
                let along = self.distance_along();
                let end = |from: usize, start: f64| {
                    let after = along.partition_point(|&d| d - start < metres).max(from + 1);
                    let off = |to: usize| along.get(to).map_or(f64::INFINITY, |d| (d - start - metres).abs());
                    let before = (after - 1).max(from + 1);
                    let nearest = if off(before) <= off(after) { before } else { after };
                    (off(nearest) <= STEP_TOLERANCE * metres).then_some((from, nearest))
                };
                along.iter().enumerate().filter_map(|(from, &start)| end(from, start)).collect()
            }
        }
    }
}

/// Each of `few` with the nearest in time of `many`, both in the order of time.
fn nearest<'a>(
    few: &'a [CameraPose],
    many: &'a [CameraPose],
) -> impl Iterator<Item = (Isometry3<f64>, Isometry3<f64>)> + 'a {
    let apart = |a: Timestamp, b: Timestamp| a.since(b).max(b.since(a)).as_secs_f64();
    few.iter().filter_map(move |pose| {
        let after = many.partition_point(|other| other.timestamp < pose.timestamp);
        let near = many.iter().skip(after.saturating_sub(1)).take(2);
        let distance = |other: &CameraPose| apart(other.timestamp, pose.timestamp);
        let near = near.min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        (distance(near) <= LARGEST_TIME_DIFFERENCE)
            .then_some((pose.world_from_camera, near.world_from_camera))
    })
}

fn aligned(pairs: &[(Isometry3<f64>, Isometry3<f64>)], by: Alignment) -> Result<Similarity, MetricError> {
    if pairs.len() < LEAST_POSES {
        return Err(MetricError::TooShort { frames: pairs.len(), needed: LEAST_POSES });
    }
    let positions = pairs.iter().map(|(e, t)| (e.translation.vector, t.translation.vector));
    let (estimate, truth): (Vec<_>, Vec<_>) = positions.unzip();
    let align = match by {
        Alignment::Similarity => align_similarity,
        Alignment::Rigid => align_rigid,
    };
    align(&estimate, &truth).ok_or(MetricError::Degenerate)
}

/// From distances in metres and angles in radians.
fn summed_up(errors: impl Iterator<Item = (f64, f64)>) -> Result<PoseError, MetricError> {
    let mut sum = PoseError { rmse: 0.0, max: 0.0, rotation_rmse: 0.0, rotation_max: 0.0, count: 0 };
    for (distance, angle) in errors {
        let degrees = angle.to_degrees();
        sum.rmse += distance * distance;
        sum.rotation_rmse += degrees * degrees;
        sum.max = sum.max.max(distance);
        sum.rotation_max = sum.rotation_max.max(degrees);
        sum.count += 1;
    }
    if sum.count == 0 {
        return Err(MetricError::TooShort { frames: 0, needed: 2 });
    }
    let root = |sum_of_squares: f64| (sum_of_squares / sum.count as f64).sqrt();
    Ok(PoseError { rmse: root(sum.rmse), rotation_rmse: root(sum.rotation_rmse), ..sum })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A winding path of `frames` poses, ten a second.
    fn path(frames: u32) -> CameraPath {
        let pose = |k: u32| {
            let t = f64::from(k) * 0.1;
            let position = Vector3::new(t, t.sin(), (0.5 * t).cos());
            CameraPose {
                sequence: u64::from(k),
                timestamp: Timestamp::from_seconds(t),
                world_from_camera: Isometry3::new(position, Vector3::new(0.1 * t, 0.2, t.sin())),
            }
        };
        CameraPath { poses: (0..frames).map(pose).collect(), scale_free: false }
    }

    fn scaled(mut path: CameraPath, scale: impl Fn(usize) -> f64) -> CameraPath {
        for (number, pose) in path.poses.iter_mut().enumerate() {
            pose.world_from_camera.translation.vector *= scale(number);
        }
        path
    }

    #[test]
    fn a_path_of_another_scale_is_wrong_only_as_a_metric_one() {
        let matched = MatchedPath::new(&scaled(path(80), |_| 0.25), &path(80));
        let similar = matched.absolute_error(Alignment::Similarity).unwrap();
        assert!(similar.max < 1e-9 && similar.rotation_max < 1e-5, "{similar:?}");
        assert!((matched.alignment(Alignment::Similarity).unwrap().scale - 4.0).abs() < 1e-9);
        assert!(matched.absolute_error(Alignment::Rigid).unwrap().rmse > 1.0);
        assert!(matched.relative_error(Step::Metres(1.0), Alignment::Similarity).unwrap().max < 1e-9);
        for scale in matched.scale_over_time(4).unwrap() {
            assert!((scale.unwrap() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn scale_over_time_shows_where_the_scale_jumped() {
        let mut jumped = path(81);
        for pose in &mut jumped.poses[40..] {
            // From x = 4 m on the estimate is half as large.
            let t = &mut pose.world_from_camera.translation.vector;
            *t = Vector3::new(4.0, 4_f64.sin(), 2_f64.cos()) * 0.5 + *t * 0.5;
        }
        let scales = MatchedPath::new(&jumped, &path(81)).scale_over_time(4).unwrap();
        let ratio = scales[3].unwrap() / scales[0].unwrap();
        assert!((ratio - 2.0).abs() < 1e-6, "{scales:?}");
    }

    #[test]
    fn missing_frames_lower_the_tracked_share_and_nothing_else() {
        let mut gappy = path(80);
        gappy.poses.retain(|pose| pose.sequence % 4 != 1);
        let matched = MatchedPath::new(&gappy, &path(80));
        assert_eq!((matched.poses(), matched.tracked()), (60, 0.75));
        assert!(matched.absolute_error(Alignment::Rigid).unwrap().max < 1e-9);
    }

    #[test]
    fn paths_that_say_nothing_have_no_error() {
        let still = scaled(path(10), |_| 0.0);
        assert_eq!(
            MatchedPath::new(&still, &path(10)).absolute_error(Alignment::Similarity),
            Err(MetricError::Degenerate)
        );
        let other = MatchedPath::new(&CameraPath::default(), &path(10));
        assert_eq!(other.tracked(), 0.0);
        assert!(other.absolute_error(Alignment::Rigid).is_err());
        assert!(other.scale_over_time(3).is_err());
        let short = MatchedPath::new(&path(5), &path(5));
        assert!(short.relative_error(Step::Metres(100.0), Alignment::Rigid).is_err());
        assert!(short.relative_error(Step::Poses(9), Alignment::Rigid).is_err());
    }
}
