//! A first value of the odometry's scale, from the hands.
//!
//! A hand's place in the camera is metric, because bones have known lengths. Turned into the world it is
//! `w_t - scale u_t`, with the hand's own way `w` and the odometry's positions `u`: over three frames far
//! enough apart hands move nearly evenly, so `d2(w - scale u) = y` has `d2 w` for noise, and
//! `scale = - <d2 u, y> / <d2 u, d2 u>` (robustly reweighted).

use nalgebra::Vector3;

use super::camera::CameraWay;
use super::hand::HandChain;

/// Distances between the three frames: short against a reach, long against the noise of a frame's depth.
const STRIDES: [usize; 3] = [4, 8, 12];
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
    /// The camera in the odometry's unit.
    unit: Vector3<f64>,
}

/// The scale at which the hands' world ways are the smoothest; `None` where nothing tells it: no camera
/// motion, too few frames, or hands that move against all sense.
pub(in crate::refine) fn first_scale(hands: &[HandChain], way: &CameraWay) -> Option<f64> {
    if !way.scale_free() {
        return None;
    }
    let mut equations: Vec<(Vector3<f64>, Vector3<f64>)> = Vec::new();
    for hand in hands {
        let places: Vec<Option<Place>> = hand
            .nodes
            .iter()
            .map(|node| {
                let wrist = node.provisional.as_ref()?.wrist;
                let view = way.view(node.frame, 1.0, hand.mirrored());
                let unit = way.unit(node.frame, hand.mirrored());
                Some(Place { frame: node.frame, wrist: view.rotation.tr_mul(&wrist), unit })
            })
            .collect();
        for stride in STRIDES {
            for three in places.windows(2 * stride + 1) {
                let (Some(first), Some(middle), Some(last)) = (three[0], three[stride], three[2 * stride])
                else {
                    continue;
                };
                if last.frame - first.frame == 2 * stride {
                    let second = |a: Vector3<f64>, b: Vector3<f64>, c: Vector3<f64>| a - b * 2.0 + c;
                    let unit = second(first.unit, middle.unit, last.unit);
                    equations.push((unit, second(first.wrist, middle.wrist, last.wrist)));
                }
            }
        }
    }
    robust_ratio(&equations)
}

/// The positive `s` with `s u + y` smallest.
fn robust_ratio(equations: &[(Vector3<f64>, Vector3<f64>)]) -> Option<f64> {
    if equations.len() < FEWEST {
        return None;
    }
    let mut weights = vec![1.0; equations.len()];
    let mut scale = None;
    for _ in 0..ROUNDS {
        let (mut across, mut along) = (0.0, 0.0);
        for ((u, y), w) in equations.iter().zip(&weights) {
            across -= w * u.dot(y);
            along += w * u.norm_squared();
        }
        let next = across / along;
        if !next.is_finite() {
            return None;
        }
        scale = Some(next);
        let residuals: Vec<f64> = equations.iter().map(|(u, y)| (u * next + y).norm()).collect();
        let mut sorted = residuals.clone();
        sorted.sort_by(f64::total_cmp);
        let usual = sorted[sorted.len() / 2].max(f64::MIN_POSITIVE);
        for (weight, residual) in weights.iter_mut().zip(&residuals) {
            *weight = 1.0 / (1.0 + (residual / usual).powi(2));
        }
    }
    scale.filter(|&s| s > 0.0)
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
        let found = robust_ratio(&equations(1.0)).unwrap();
        assert!((found - 2.5).abs() < 0.05, "{found}");
        assert_eq!(robust_ratio(&equations(-1.0)), None);
        assert_eq!(robust_ratio(&[]), None);
    }
}
