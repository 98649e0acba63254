//! The first two keyframes: waits until the camera has moved enough to know how.

use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector2, Vector3};

use super::triangulation::{Sight, parallax, triangulate};
use super::two_view::{Pair, TwoViewConfig, rotation_alone, two_view};
use crate::random::Random;

/// Least points of a first map.
const LEAST_POINTS: usize = 40;

/// Share of the pairs that must agree with a motion.
const LEAST_SHARE: f64 = 0.6;

/// Where a turn explains this share of the pairs, the camera has only turned.
const TURNED_SHARE: f64 = 0.9;

/// Median distance of the points from where a turn alone would take them, pixels, from which a translation is
/// looked for.
const RELIEF_PX: f64 = 1.5;

/// Below this median way of the points, pixels, the camera stands still.
const STILL_PX: f64 = 1.0;

/// What two pictures tell about the camera's motion.
#[derive(Clone, Debug)]
pub(super) enum Start {
    /// It has not moved.
    Still,
    /// It has turned on the spot, `now_from_reference`.
    Turned(UnitQuaternion<f64>),
    /// It has moved, by too little or seen too unclearly to say how.
    Unclear,
    /// It has moved.
    Moved {
        /// `now_from_reference`, such that the points' median depth in the reference is 1.
        now_from_reference: Isometry3<f64>,
        /// For each pair its point in the reference's frame, if it has one.
        points: Vec<Option<Vector3<f64>>>,
    },
}

/// Judges pairs of rays seen in a reference picture and now.
pub(super) fn start(
    pairs: &[Pair],
    focal: f64,
    start_parallax: f64,
    least_parallax: f64,
    random: &mut Random,
) -> Start {
    if pairs.len() < LEAST_POINTS {
        return Start::Unclear;
    }
    let config = TwoViewConfig::default();
    if median(pairs.iter().map(|pair| (pair.second - pair.first).norm())) * focal < STILL_PX {
        return Start::Still;
    }
    let Some((rotation, turned)) = rotation_alone(pairs, focal, &config, random) else {
        return Start::Unclear;
    };
    if turned as f64 > TURNED_SHARE * pairs.len() as f64 {
        return Start::Turned(rotation);
    }
    if median(pairs.iter().map(|pair| pair.parallax_after(&rotation))) * focal < RELIEF_PX {
        return Start::Unclear;
    }
    let Some((motion, inliers)) = two_view(pairs, &rotation, focal, &config, random) else {
        return Start::Unclear;
    };
    if (inliers.iter().filter(|&&inlier| inlier).count() as f64) < LEAST_SHARE * pairs.len() as f64 {
        return Start::Unclear;
    }
    let mut pose = Isometry3::from_parts(Translation3::from(motion.translation), motion.rotation);
    let sights = |pair: &Pair| {
        let sight = |camera_from_world, ray: Vector2<f64>| Sight { camera_from_world, ray };
        [sight(Isometry3::identity(), pair.first), sight(pose, pair.second)]
    };
    let agreeing = pairs.iter().zip(&inliers).filter(|(_, inlier)| **inlier);
    if median(agreeing.map(|(pair, _)| parallax(&sights(pair)))) < start_parallax {
        return Start::Unclear;
    }
    let limit = 2.0 * config.inlier_px / focal;
    let point = |(pair, inlier): (&Pair, &bool)| {
        let sights = sights(pair);
        (*inlier && parallax(&sights) > least_parallax).then(|| triangulate(&sights, limit)).flatten()
    };
    let mut points: Vec<_> = pairs.iter().zip(&inliers).map(point).collect();
    if points.iter().flatten().count() < LEAST_POINTS {
        return Start::Unclear;
    }
    let scale = 1.0 / median(points.iter().flatten().map(|point| point.z));
    pose.translation.vector *= scale;
    points.iter_mut().flatten().for_each(|point| *point *= scale);
    Start::Moved { now_from_reference: pose, points }
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

    fn judge(translation: [f64; 3], turn: [f64; 3]) -> Start {
        let motion = Isometry3::new(Vector3::from(translation), Vector3::from(turn));
        start(&pairs(&motion), 500.0, 0.03, 0.01, &mut Random::new(1))
    }

    #[test]
    fn standing_turning_and_moving_are_told_apart() {
        assert!(matches!(judge([0.0; 3], [0.0; 3]), Start::Still));
        assert!(
            matches!(judge([0.0; 3], [0.0, 0.2, 0.05]), Start::Turned(turn) if (turn.angle() - 0.206).abs() < 1e-2)
        );
        assert!(matches!(judge([0.02, 0.0, 0.0], [0.0, 0.1, 0.0]), Start::Unclear | Start::Turned(_)));
        let Start::Moved { now_from_reference, points } = judge([0.2, 0.05, 0.0], [0.0, 0.1, 0.0]) else {
            panic!("a clear motion was not found");
        };
        assert!(
            (now_from_reference.translation.vector.normalize() - Vector3::new(0.2, 0.05, 0.0).normalize())
                .norm()
                < 1e-2
        );
        assert!((median(points.iter().flatten().map(|p| p.z)) - 1.0).abs() < 1e-9);
    }
}
