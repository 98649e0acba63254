//! The camera's pose from three points of the map, and from many with outliers.

use nalgebra::{
    Isometry3, Matrix3, Matrix4, Rotation3, Schur, Translation3, UnitQuaternion, Vector2, Vector3,
};

use super::pose::reprojection;
use crate::random::Random;

/// Rounds of the eigenvalue iteration behind the quartic's roots.
const ROOT_ROUNDS: usize = 60;

/// Newton steps that polish a root.
const POLISH_ROUNDS: usize = 2;

/// Real roots of `c[4] x^4 + ... + c[0]`.
fn quartic_roots(c: [f64; 5]) -> Vec<f64> {
    let largest = c.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    if !largest.is_finite() || c[4].abs() < 1e-12 * largest {
        return Vec::new();
    }
    let [e, d, c2, b] = [c[0], c[1], c[2], c[3]].map(|v| -v / c[4]);
    #[rustfmt::skip]
    let companion = Matrix4::new(
        b, c2, d, e,
        1.0, 0.0, 0.0, 0.0,
        0.0, 1.0, 0.0, 0.0,
        0.0, 0.0, 1.0, 0.0,
    );
    let Some(schur) = Schur::try_new(companion, f64::EPSILON, ROOT_ROUNDS) else { return Vec::new() };
    let value = |x: f64| (((c[4] * x + c[3]) * x + c[2]) * x + c[1]) * x + c[0];
    let slope = |x: f64| ((4.0 * c[4] * x + 3.0 * c[3]) * x + 2.0 * c[2]) * x + c[1];
    let polished = |mut x: f64| {
        for _ in 0..POLISH_ROUNDS {
            let step = value(x) / slope(x);
            if step.is_finite() {
                x -= step;
            }
        }
        x
    };
    let roots = schur.complex_eigenvalues();
    roots
        .iter()
        .filter(|root| root.im.abs() < 1e-6 * (1.0 + root.re.abs()))
        .map(|root| polished(root.re))
        .collect()
}

/// All poses `camera_from_world` that see three world points along three unit rays: up to four.
///
/// Grunert's quartic as given by Haralick et al. ("Review and analysis of solutions of the three point
/// perspective pose estimation problem", IJCV 1994, eq. 9).
pub(super) fn p3p(world: [Vector3<f64>; 3], rays: [Vector3<f64>; 3]) -> Vec<Isometry3<f64>> {
    let [p1, p2, p3] = world;
    let [f1, f2, f3] = rays;
    let (a2, b2, c2) = ((p2 - p3).norm_squared(), (p1 - p3).norm_squared(), (p1 - p2).norm_squared());
    let (alpha, beta, gamma) = (f2.dot(&f3), f1.dot(&f3), f1.dot(&f2));
    if !(a2 > 0.0 && b2 > 0.0 && c2 > 0.0) {
        return Vec::new();
    }
    let (minus, plus) = ((a2 - c2) / b2, (a2 + c2) / b2);
    let (c_b, a_b) = (c2 / b2, a2 / b2);
    let coefficients = [
        (1.0 + minus).powi(2) - 4.0 * a_b * gamma * gamma,
        4.0 * (-minus * (1.0 + minus) * beta + 2.0 * a_b * gamma * gamma * beta
            - (1.0 - plus) * alpha * gamma),
        2.0 * (minus * minus - 1.0 + 2.0 * minus * minus * beta * beta + 2.0 * (1.0 - c_b) * alpha * alpha
            - 4.0 * plus * alpha * beta * gamma
            + 2.0 * (1.0 - a_b) * gamma * gamma),
        4.0 * (minus * (1.0 - minus) * beta - (1.0 - plus) * alpha * gamma
            + 2.0 * c_b * alpha * alpha * beta),
        (minus - 1.0).powi(2) - 4.0 * c_b * alpha * alpha,
    ];
    let mut poses = Vec::with_capacity(4);
    for v in quartic_roots(coefficients) {
        let u = ((minus - 1.0) * v * v - 2.0 * minus * beta * v + 1.0 + minus) / (2.0 * (gamma - v * alpha));
        let s1 = (b2 / (1.0 + v * v - 2.0 * v * beta)).sqrt();
        if !(s1.is_finite() && u > 0.0 && v > 0.0) {
            continue;
        }
        poses.extend(rigid([p1, p2, p3], [f1 * s1, f2 * (u * s1), f3 * (v * s1)]));
    }
    poses
}

/// The motion that takes one triangle to a congruent one.
fn rigid(from: [Vector3<f64>; 3], to: [Vector3<f64>; 3]) -> Option<Isometry3<f64>> {
    let axes = |[a, b, c]: [Vector3<f64>; 3]| {
        let x = (b - a).try_normalize(1e-12)?;
        let z = x.cross(&(c - a)).try_normalize(1e-12)?;
        Some(Matrix3::from_columns(&[x, z.cross(&x), z]))
    };
    let rotation = axes(to)? * axes(from)?.transpose();
    let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(rotation));
    let translation = to[0] - rotation * from[0];
    Some(Isometry3::from_parts(Translation3::from(translation), rotation))
}

/// Settings of the search with outliers.
#[derive(Clone, Copy, Debug)]
pub(super) struct RansacConfig {
    /// Largest distance of an inlier in the picture, pixels.
    pub inlier_px: f64,
    /// Draws at most.
    pub rounds: usize,
    /// Ends once a better pose would have been drawn with this probability.
    pub confidence: f64,
}

impl Default for RansacConfig {
    fn default() -> Self {
        Self { inlier_px: 3.0, rounds: 200, confidence: 0.999 }
    }
}

/// The pose that most of `world` seen along `rays` (x/z, y/z) agree with, and how many do. `guesses` are tried
/// first, so that a good one costs no draw. `None` where fewer than four points agree with any.
pub(super) fn p3p_ransac(
    world: &[Vector3<f64>],
    rays: &[Vector2<f64>],
    guesses: &[Isometry3<f64>],
    focal: f64,
    config: &RansacConfig,
    random: &mut Random,
) -> Option<(Isometry3<f64>, usize)> {
    let limit = (config.inlier_px / focal).powi(2);
    // A truncated square is a smoother vote than a count (MSAC).
    let vote = |pose: &Isometry3<f64>| {
        let (mut cost, mut count) = (0.0, 0);
        for (point, ray) in world.iter().zip(rays) {
            match reprojection(pose, point, ray).map(|r| r.norm_squared()) {
                Some(squared) if squared < limit => (cost, count) = (cost + squared, count + 1),
                _ => cost += limit,
            }
        }
        (cost, count)
    };
    let mut best: Option<(f64, usize, Isometry3<f64>)> = None;
    let mut take = |pose: Isometry3<f64>| {
        let (cost, count) = vote(&pose);
        if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
            best = Some((cost, count, pose));
        }
        best.as_ref().map_or(0, |(_, count, _)| *count)
    };
    let mut agreed = guesses.iter().map(|guess| take(*guess)).last().unwrap_or(0);
    let mut round = 0;
    while round < config.rounds {
        let share = agreed as f64 / world.len().max(1) as f64;
        let miss = (1.0 - share.powi(3)).max(1e-9).ln();
        if miss < 0.0 && round as f64 * miss < (1.0 - config.confidence).ln() {
            break;
        }
        round += 1;
        let Some(drawn) = random.sample::<3>(world.len()) else { break };
        let directions = drawn.map(|i| Vector3::new(rays[i].x, rays[i].y, 1.0).normalize());
        for pose in p3p(drawn.map(|i| world[i]), directions) {
            agreed = take(pose);
        }
    }
    best.filter(|(_, count, _)| *count >= 4).map(|(_, count, pose)| (pose, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene() -> (Isometry3<f64>, Vec<Vector3<f64>>, Vec<Vector2<f64>>) {
        let pose = Isometry3::new(Vector3::new(0.2, -0.1, 0.4), Vector3::new(0.3, -0.5, 0.2));
        let mut random = Random::new(5);
        let world: Vec<_> = (0..60)
            .map(|_| Vector3::new(random.signed(), random.signed(), 4.0 + random.signed()))
            .map(|p| pose.inverse_transform_point(&p.into()).coords)
            .collect();
        let rays = world
            .iter()
            .map(|p| pose.transform_point(&(*p).into()))
            .map(|p| Vector2::new(p.x / p.z, p.y / p.z));
        let rays = rays.collect();
        (pose, world, rays)
    }

    fn apart(a: &Isometry3<f64>, b: &Isometry3<f64>) -> f64 {
        (a.translation.vector - b.translation.vector).norm() + a.rotation.angle_to(&b.rotation)
    }

    #[test]
    fn one_of_the_solutions_of_three_points_is_the_camera() {
        let (pose, world, rays) = scene();
        let unit = |i: usize| Vector3::new(rays[i].x, rays[i].y, 1.0).normalize();
        let mut found = 0;
        for i in 0..20 {
            let at = [i, i + 20, i + 40];
            let solutions = p3p(at.map(|i| world[i]), at.map(unit));
            assert!(solutions.len() <= 4);
            found += usize::from(solutions.iter().any(|s| apart(s, &pose) < 1e-6));
        }
        assert_eq!(found, 20);
        assert!(p3p([world[0]; 3], [unit(0), unit(1), unit(2)]).is_empty());
    }

    #[test]
    fn half_of_the_points_may_be_wrong() {
        let (pose, world, mut rays) = scene();
        let mut random = Random::new(9);
        rays.iter_mut().step_by(2).for_each(|ray| *ray = Vector2::new(random.signed(), random.signed()));
        let config = RansacConfig::default();
        let (found, count) = p3p_ransac(&world, &rays, &[], 500.0, &config, &mut random).unwrap();
        assert!(apart(&found, &pose) < 1e-4 && count >= 30, "{count}");
        assert_eq!(p3p_ransac(&world[..2], &rays[..2], &[], 500.0, &config, &mut random), None);
    }
}
