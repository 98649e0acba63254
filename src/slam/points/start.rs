//! The first two keyframes: waits until the camera has moved enough to know how.

use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector2, Vector3};

use super::triangulation::{Sight, parallax, triangulate};
use super::two_view::{Pair, TwoViewConfig, two_view};
use crate::random::Random;

/// Least points of a first map.
const LEAST_POINTS: usize = 40;

/// Share of the pairs that must agree with a motion.
const LEAST_SHARE: f64 = 0.6;

/// Median distance of the points from where a turn alone would take them, pixels, from which a translation is
/// looked for.
const RELIEF_PX: f64 = 1.5;

/// Where the motion says more than so many times what a turn alone leaves open, the two are hard to tell apart, and
/// this share of the pairs must agree.
const MOST_HIDDEN: f64 = 3.0;
const CLEAR_SHARE: f64 = 0.85;

/// How the camera moved between two pictures.
#[derive(Clone, Debug)]
pub(super) struct FirstMotion {
    /// Such that the points' median depth in the reference is 1.
    pub now_from_reference: Isometry3<f64>,
    /// For each pair its point in the reference's frame, if it has one.
    pub points: Vec<Option<Vector3<f64>>>,
}

/// The motion behind pairs of rays seen in a reference picture and now, where `rotation` is the turn alone that
/// explains them best. `None` where the camera has moved by too little, or is seen too unclearly, to say how.
pub(super) fn start(
    pairs: &[Pair],
    rotation: &UnitQuaternion<f64>,
    focal: f64,
    start_parallax: f64,
    least_parallax: f64,
    random: &mut Random,
) -> Option<FirstMotion> {
    if pairs.len() < LEAST_POINTS {
        return None;
    }
    let config = TwoViewConfig::default();
    let relief = median(pairs.iter().map(|pair| pair.parallax_after(rotation)));
    if relief * focal < RELIEF_PX {
        return None;
    }
    let (motion, inliers) = two_view(pairs, rotation, focal, &config, random)?;
    let share = inliers.iter().filter(|&&inlier| inlier).count() as f64 / pairs.len() as f64;
    if share < LEAST_SHARE {
        return None;
    }
    let mut pose = Isometry3::from_parts(Translation3::from(motion.translation), motion.rotation);
    let sights = |pair: &Pair| {
        let sight = |camera_from_world, ray: Vector2<f64>| Sight { camera_from_world, ray };
        [sight(Isometry3::identity(), pair.first), sight(pose, pair.second)]
    };
    let agreeing = pairs.iter().zip(&inliers).filter(|(_, inlier)| **inlier);
    let seen = median(agreeing.map(|(pair, _)| parallax(&sights(pair))));
    if seen < start_parallax || (seen > MOST_HIDDEN * relief && share < CLEAR_SHARE) {
        return None;
    }
    let limit = 2.0 * config.inlier_px / focal;
    let point = |(pair, inlier): (&Pair, &bool)| {
        let sights = sights(pair);
        (*inlier && parallax(&sights) > least_parallax).then(|| triangulate(&sights, limit)).flatten()
    };
    let mut points: Vec<_> = pairs.iter().zip(&inliers).map(point).collect();
    if points.iter().flatten().count() < LEAST_POINTS {
        return None;
    }
    let scale = 1.0 / median(points.iter().flatten().map(|point| point.z));
    pose.translation.vector *= scale;
    points.iter_mut().flatten().for_each(|point| *point *= scale);
    Some(FirstMotion { now_from_reference: pose, points })
}

/// The middle value; 0 for none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(now_from_reference: &Isometry3<f64>) -> Vec<Pair> {
        let mut random = Random::new(4);
        let project = |p: Vector3<f64>| Vector2::new(p.x / p.z, p.y / p.z);
        (0..120)
            .map(|_| {
                let p = Vector3::new(random.signed(), random.signed(), 2.0 + 0.5 * random.signed());
                Pair {
                    first: project(p),
                    second: project((now_from_reference * nalgebra::Point3::from(p)).coords),
                }
            })
            .collect()
    }

    fn judge(translation: [f64; 3], turn: [f64; 3]) -> Option<FirstMotion> {
        let motion = Isometry3::new(Vector3::from(translation), Vector3::from(turn));
        let (pairs, mut random) = (pairs(&motion), Random::new(1));
        let rotation = UnitQuaternion::from_scaled_axis(Vector3::from(turn));
        start(&pairs, &rotation, 500.0, 0.03, 0.01, &mut random)
    }

    #[test]
    fn a_motion_is_told_once_it_is_clear() {
        assert!(judge([0.0; 3], [0.0; 3]).is_none());
        assert!(judge([0.0; 3], [0.0, 0.2, 0.05]).is_none());
        assert!(judge([0.02, 0.0, 0.0], [0.0, 0.1, 0.0]).is_none());
        let moved = judge([0.2, 0.05, 0.0], [0.0, 0.1, 0.0]).unwrap();
        let direction = moved.now_from_reference.translation.vector.normalize();
        assert!((direction - Vector3::new(0.2, 0.05, 0.0).normalize()).norm() < 1e-2);
        assert!((median(moved.points.iter().flatten().map(|p| p.z)) - 1.0).abs() < 1e-9);
    }
}
