//! A first value of the odometry's scale, from the hands, and how the body goes that carries them.
//!
//! A hand's place relative to the camera is metric, because bones have known lengths. Turned into the world it
//! is `y_t = w_t - scale u_t`, with the hand's own way `w` and the odometry's positions `u`. Hands do not rest:
//! the body carries them along, and the body's way is the head's without its quick motion. So `w_t = scale b_t +
//! own_t` with `b` the camera's way under a bell of unknown width (or at rest), and over three frames
//! `d2 y + scale d2(u - b)` is the hand's own acceleration. For every width the scale with the smallest robust
//! sum is known in closed form; the best width wins.

use nalgebra::{Matrix3, Vector3};

use super::camera::CameraWay;
use super::hand::HandChain;

/// Widths of the bell that are tried, seconds; at last a body at rest.
const BELLS: [Option<f64>; 7] = [Some(0.1), Some(0.15), Some(0.2), Some(0.3), Some(0.5), Some(0.8), None];
/// Distances between the three frames: short against a reach, long against the noise of a frame.
const STRIDES: [usize; 3] = [3, 5, 8];
/// A hand's depth is seen this much worse than its place across the ray.
const DEPTH_NOISE: f64 = 5.0;
/// Rounds of reweighting.
const ROUNDS: usize = 10;
/// Fewest equations that say anything.
const FEWEST: usize = 8;

/// Where a hand and the camera are in one frame, in world axes.
#[derive(Clone, Copy)]
struct Place {
    frame: usize,
    /// The wrist relative to the camera, metres.
    wrist: Vector3<f64>,
    /// The camera relative to the body, in the odometry's unit.
    unit: Vector3<f64>,
}

/// `scale u + y` is noise; both are whitened.
type Equation = (Vector3<f64>, Vector3<f64>);

/// The scale at which the hands' ways are the smoothest, with the width of the body's bell; `None` where nothing
/// tells it: no camera motion, too few frames, or hands that move against all sense.
pub(in crate::refine) fn first_scale(hands: &[HandChain], way: &CameraWay) -> Option<(f64, Option<f64>)> {
    if !way.scale_free() {
        return None;
    }
    let best = BELLS.into_iter().filter_map(|bell| {
        let (scale, cost) = robust_ratio(&equations(hands, way, bell))?;
        Some((cost, scale, bell))
    });
    best.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, scale, bell)| (scale, bell))
}

fn equations(hands: &[HandChain], way: &CameraWay, bell: Option<f64>) -> Vec<Equation> {
    let body = way.smoothed(bell);
    let mut equations = Vec::new();
    for hand in hands {
        let mirrored = hand.mirrored();
        let place = |frame: usize, wrist: &Vector3<f64>| {
            let view = way.view(frame, 1.0, mirrored);
            let body = if mirrored { crate::hand::mirror::mirror_point(body[frame]) } else { body[frame] };
            Place { frame, wrist: view.rotation.tr_mul(wrist), unit: way.unit(frame, mirrored) - body }
        };
        let places: Vec<Option<Place>> = hand
            .nodes
            .iter()
            .map(|node| node.provisional.as_ref().map(|posture| place(node.frame, &posture.wrist)))
            .collect();
        for stride in STRIDES {
            for three in places.windows(2 * stride + 1) {
                let (Some(first), Some(middle), Some(last)) = (three[0], three[stride], three[2 * stride])
                else {
                    continue;
                };
                if last.frame - first.frame == 2 * stride {
                    let second = |of: fn(&Place) -> Vector3<f64>| of(&first) - of(&middle) * 2.0 + of(&last);
                    let whiten = across(&middle.wrist);
                    equations
                        .push((whiten * second(|place| place.unit), whiten * second(|place| place.wrist)));
                }
            }
        }
    }
    equations
}

/// What makes noise along a ray like that across it.
fn across(along: &Vector3<f64>) -> Matrix3<f64> {
    let ray = along.normalize();
    Matrix3::identity() - ray * ray.transpose() * (1.0 - 1.0 / DEPTH_NOISE)
}

/// The positive `s` with `s u + y` smallest, and the robust mean of that.
fn robust_ratio(equations: &[Equation]) -> Option<(f64, f64)> {
    if equations.len() < FEWEST {
        return None;
    }
    let mut weights = vec![1.0; equations.len()];
    let mut found = None;
    for _ in 0..ROUNDS {
        let (mut across, mut along) = (0.0, 0.0);
        for ((u, y), w) in equations.iter().zip(&weights) {
            across -= w * u.dot(y);
            along += w * u.norm_squared();
        }
        let scale = across / along;
        if !scale.is_finite() {
            return None;
        }
        let residuals: Vec<f64> = equations.iter().map(|(u, y)| (u * scale + y).norm()).collect();
        let mut sorted = residuals.clone();
        sorted.sort_by(f64::total_cmp);
        let usual = sorted[sorted.len() / 2].max(f64::MIN_POSITIVE);
        found = Some((scale, usual));
        for (weight, residual) in weights.iter_mut().zip(&residuals) {
            *weight = 1.0 / (1.0 + (residual / usual).powi(2));
        }
    }
    found.filter(|&(scale, _)| scale > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_found_among_outliers_and_a_negative_one_is_none() {
        let equations = |sign: f64| -> Vec<_> {
            (0..40)
                .map(|i| {
                    let u = Vector3::new((i as f64).sin(), (0.7 * i as f64).cos(), 0.3);
                    let stray = if i % 5 == 0 { Vector3::repeat(20.0) } else { Vector3::zeros() };
                    (u, u * (-2.5 * sign) + stray)
                })
                .collect()
        };
        let (found, _) = robust_ratio(&equations(1.0)).unwrap();
        assert!((found - 2.5).abs() < 0.05, "{found}");
        assert_eq!(robust_ratio(&equations(-1.0)), None);
        assert_eq!(robust_ratio(&[]), None);
    }
}
