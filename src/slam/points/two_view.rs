//! How the camera moved between two pictures, from directions alone.

use nalgebra::{Matrix2, Matrix3, Matrix5, Rotation3, SMatrix, UnitQuaternion, Vector2, Vector3, Vector5};

use crate::geometry::alignment::align_rigid;
use crate::random::Random;

/// Newton steps for each draw of five pairs.
const NEWTON: usize = 8;

/// Steps over all agreeing pairs.
const REFINE: usize = 10;

/// Draws start up to this far from the given turn about each axis, radians: a turn alone explains part of what a
/// translation does.
const START_TURN: f64 = 0.15;

/// The same point seen twice: rays x/z, y/z.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    /// In the first picture.
    pub first: Vector2<f64>,
    /// In the second picture.
    pub second: Vector2<f64>,
}

impl Pair {
    fn homogeneous(&self) -> (Vector3<f64>, Vector3<f64>) {
        (Vector3::new(self.first.x, self.first.y, 1.0), Vector3::new(self.second.x, self.second.y, 1.0))
    }

    /// How far apart the two lie in the second picture once the first is turned by `rotation`.
    pub fn parallax_after(&self, rotation: &UnitQuaternion<f64>) -> f64 {
        let turned = rotation * self.homogeneous().0;
        if turned.z <= 0.0 {
            return f64::INFINITY;
        }
        (Vector2::new(turned.x / turned.z, turned.y / turned.z) - self.second).norm()
    }
}

/// Settings of both searches.
#[derive(Clone, Copy, Debug)]
pub(super) struct TwoViewConfig {
    /// Largest distance of an inlier, pixels.
    pub inlier_px: f64,
    /// Draws.
    pub rounds: usize,
}

impl Default for TwoViewConfig {
    fn default() -> Self {
        Self { inlier_px: 1.0, rounds: 300 }
    }
}

/// The turn `second_from_first` that most pairs agree with, refined over those that do, and their number.
pub(super) fn rotation_alone(
    pairs: &[Pair],
    focal: f64,
    config: &TwoViewConfig,
    random: &mut Random,
) -> Option<(UnitQuaternion<f64>, usize)> {
    let limit = config.inlier_px / focal;
    let fit = |chosen: &[&Pair]| {
        let rays =
            |pick: fn(&Pair) -> Vector3<f64>| chosen.iter().map(|pair| pick(pair).normalize()).collect();
        let (first, second): (Vec<_>, Vec<_>) =
            (rays(|pair| pair.homogeneous().0), rays(|pair| pair.homogeneous().1));
        // The camera's centre is a point of both sets that does not move.
        let mirrored =
            |set: Vec<Vector3<f64>>| set.iter().copied().chain(set.iter().map(|v| -v)).collect::<Vec<_>>();
        let rotation = align_rigid(&mirrored(first), &mirrored(second))?.rotation;
        Some(UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(rotation)))
    };
    let agree = |rotation: &UnitQuaternion<f64>, limit: f64| -> Vec<&Pair> {
        pairs.iter().filter(|pair| pair.parallax_after(rotation) < limit).collect()
    };
    let mut best: Option<(UnitQuaternion<f64>, usize)> = None;
    for _ in 0..config.rounds {
        let Some(drawn) = random.sample::<2>(pairs.len()) else { break };
        let Some(rotation) = fit(&drawn.map(|i| &pairs[i])) else { continue };
        let count = agree(&rotation, limit).len();
        if best.as_ref().is_none_or(|(_, most)| count > *most) {
            best = Some((rotation, count));
        }
    }
    let (mut rotation, _) = best?;
    for _ in 0..3 {
        rotation = fit(&agree(&rotation, limit))?;
    }
    let count = agree(&rotation, limit).len();
    Some((rotation, count))
}

/// The relative pose of two cameras; the distance between them is unknown.
#[derive(Clone, Copy, Debug)]
pub(super) struct TwoView {
    /// `second_from_first`.
    pub rotation: UnitQuaternion<f64>,
    /// Direction of `second_from_first`'s translation, length 1.
    pub translation: Vector3<f64>,
}

impl TwoView {
    fn essential(&self) -> Matrix3<f64> {
        self.translation.cross_matrix() * self.rotation.to_rotation_matrix().matrix()
    }

    /// First-order distance of a pair from its epipolar lines (Sampson), in units of z = 1.
    fn distance(essential: &Matrix3<f64>, pair: &Pair) -> f64 {
        let (first, second) = pair.homogeneous();
        let (line, back) = (essential * first, essential.transpose() * second);
        let scale = (line.xy().norm_squared() + back.xy().norm_squared()).sqrt();
        second.dot(&line).abs() / scale.max(1e-12)
    }

    /// One Gauss-Newton step of all five unknowns over weighted pairs.
    fn improved<'a>(&self, pairs: impl Iterator<Item = &'a Pair>, limit: f64) -> Option<Self> {
        let essential = self.essential();
        let tangent = tangent(&self.translation);
        let (mut normal, mut right) = (Matrix5::zeros(), Vector5::zeros());
        for pair in pairs {
            let (first, second) = pair.homogeneous();
            let turned = self.rotation * first;
            let residual = second.dot(&self.translation.cross(&turned));
            let by_rotation = turned.cross(&second.cross(&self.translation));
            let by_translation = tangent.transpose() * turned.cross(&second);
            let jacobian =
                Vector5::new(by_rotation.x, by_rotation.y, by_rotation.z, by_translation.x, by_translation.y);
            let (line, back) = (essential * first, essential.transpose() * second);
            let mut weight = 1.0 / (line.xy().norm_squared() + back.xy().norm_squared()).max(1e-12);
            let distance = residual.abs() * weight.sqrt();
            if distance > limit {
                weight *= limit / distance;
            }
            normal += jacobian * jacobian.transpose() * weight;
            right -= jacobian * (residual * weight);
        }
        normal += Matrix5::from_diagonal(&normal.diagonal()) * 1e-6;
        let by = normal.cholesky()?.solve(&right);
        let translation = self.translation + tangent * Vector2::new(by[3], by[4]);
        Some(Self {
            rotation: UnitQuaternion::from_scaled_axis(Vector3::new(by[0], by[1], by[2])) * self.rotation,
            translation: translation.try_normalize(1e-9)?,
        })
    }

    /// Depths of a pair in the two cameras, in units of their distance.
    fn depths(&self, pair: &Pair) -> Option<(f64, f64)> {
        let (first, second) = pair.homogeneous();
        let turned = self.rotation * first;
        // z2 second = z1 turned + t, in the least squares sense.
        let normal = Matrix2::new(
            turned.norm_squared(),
            -turned.dot(&second),
            -turned.dot(&second),
            second.norm_squared(),
        );
        let right = Vector2::new(-turned.dot(&self.translation), second.dot(&self.translation));
        normal.try_inverse().map(|inverse| inverse * right).map(|depths| (depths.x, depths.y))
    }
}

/// Two directions across `v`.
fn tangent(v: &Vector3<f64>) -> SMatrix<f64, 3, 2> {
    let other = if v.x.abs() < 0.7 { Vector3::x() } else { Vector3::y() };
    let a = v.cross(&other).normalize();
    SMatrix::<f64, 3, 2>::from_columns(&[a, v.cross(&a)])
}

/// The relative pose most pairs agree with, and which do (those behind a camera do not).
///
/// Each draw of five pairs is solved by Newton steps from near `rotation` and a random direction (the iterative
/// five-point method of Lui and Drummond, 2013), which suits small turns and keeps clear of the twisted pair.
pub(super) fn two_view(
    pairs: &[Pair],
    rotation: &UnitQuaternion<f64>,
    focal: f64,
    config: &TwoViewConfig,
    random: &mut Random,
) -> Option<(TwoView, Vec<bool>)> {
    let limit = config.inlier_px / focal;
    let cost = |pose: &TwoView| {
        let essential = pose.essential();
        pairs.iter().map(|pair| TwoView::distance(&essential, pair).min(limit)).sum::<f64>()
    };
    let mut best: Option<(f64, TwoView)> = None;
    for _ in 0..config.rounds {
        let drawn = random.sample::<5>(pairs.len())?;
        let direction = Vector3::new(random.signed(), random.signed(), random.signed());
        let Some(translation) = direction.try_normalize(1e-3) else { continue };
        let turn = Vector3::new(random.signed(), random.signed(), random.signed()) * START_TURN;
        let start = TwoView { rotation: UnitQuaternion::from_scaled_axis(turn) * rotation, translation };
        let solve = |pose: TwoView, _| pose.improved(drawn.iter().map(|&i| &pairs[i]), f64::INFINITY);
        let Some(pose) = (0..NEWTON).try_fold(start, solve) else { continue };
        let cost = cost(&pose);
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, pose));
        }
    }
    let (_, mut pose) = best?;
    for _ in 0..REFINE {
        let essential = pose.essential();
        let near = pairs.iter().filter(|pair| TwoView::distance(&essential, pair) < 3.0 * limit);
        pose = pose.improved(near, limit)?;
    }
    let essential = pose.essential();
    let inlier = |pair: &Pair| TwoView::distance(&essential, pair) < limit;
    let in_front = |pose: &TwoView, pair: &Pair| pose.depths(pair).is_some_and(|(a, b)| a > 0.0 && b > 0.0);
    let front = |pose: &TwoView| pairs.iter().filter(|pair| inlier(pair) && in_front(pose, pair)).count();
    let back = TwoView { translation: -pose.translation, ..pose };
    if front(&back) > front(&pose) {
        pose = back;
    }
    let inliers = pairs.iter().map(|pair| inlier(pair) && in_front(&pose, pair)).collect();
    Some((pose, inliers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(rotation: &UnitQuaternion<f64>, translation: Vector3<f64>) -> Vec<Pair> {
        let mut random = Random::new(3);
        (0..80)
            .map(|k| {
                let p = Vector3::new(random.signed(), random.signed(), 3.0 + random.signed());
                let q = rotation * p + translation;
                let wild = Vector2::new(random.signed(), random.signed());
                let second = if k % 4 == 0 { wild } else { Vector2::new(q.x / q.z, q.y / q.z) };
                Pair { first: Vector2::new(p.x / p.z, p.y / p.z), second }
            })
            .collect()
    }

    #[test]
    fn motion_is_found_with_a_quarter_of_the_pairs_wrong() {
        let rotation = UnitQuaternion::from_scaled_axis(Vector3::new(0.03, -0.08, 0.02));
        let translation = Vector3::new(0.2, 0.02, -0.1);
        let pairs = pairs(&rotation, translation);
        let (mut random, config) = (Random::new(1), TwoViewConfig::default());
        let start = UnitQuaternion::identity();
        let (found, inliers) = two_view(&pairs, &start, 500.0, &config, &mut random).unwrap();
        assert!(found.rotation.angle_to(&rotation) < 1e-4);
        assert!((found.translation - translation.normalize()).norm() < 1e-3);
        assert!(inliers.iter().filter(|&&i| i).count() >= 60);
        assert!(two_view(&pairs[..4], &start, 500.0, &config, &mut random).is_none());
    }

    #[test]
    fn a_turn_on_the_spot_is_found_as_a_turn() {
        let rotation = UnitQuaternion::from_scaled_axis(Vector3::new(0.05, 0.2, -0.1));
        let pairs = pairs(&rotation, Vector3::zeros());
        let (found, count) =
            rotation_alone(&pairs, 500.0, &TwoViewConfig::default(), &mut Random::new(1)).unwrap();
        assert!(found.angle_to(&rotation) < 1e-6 && count >= 60);
    }
}
