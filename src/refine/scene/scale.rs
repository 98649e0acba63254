//! The odometry's scale, from the hands, and how the body goes that carries them.
//!
//! A hand's place relative to the camera is metric, because bones have known lengths. Turned into the world it
//! is `y_t = w_t - scale u_t`, with the hand's own way `w` and the odometry's positions `u`. A hand may be carried
//! along: then `w_t = scale b_t + own_t`, where the body's way `b` is the camera's without its quick motion. Over
//! three frames `d2 y + scale d2(u - b)` is the hand's own acceleration, and the scale with the smallest robust
//! sum is known in closed form. Whether the body walks or stands is decided by which sum is smaller; where the
//! camera goes farther than a body that stands can reach, it walks.
//!
//! Both `y` and `u` are smoothed by the same bell first: odometry errs by a fraction of a millimetre from frame to
//! frame, as much as a head accelerates in that time, and noise in `u` would draw the scale to zero. For the same
//! reason the solver takes the scale from here and does not fit it to single frames. What one camera cannot see
//! stays in it: a hand that is larger than the shape says makes the world larger by as much, and while walking
//! the scale depends on how closely hands follow the head (`CARRIED_SIGMA`).

use nalgebra::{Matrix3, Vector3};

use super::camera::CameraWay;
use super::hand::HandChain;
use crate::fit::parameters::Posture;
use crate::hand::mirror::mirror_point;

/// Standard deviation of the bell that leads from a walking head's way to its body's, seconds.
const BODY_BELL: f64 = 0.2;
/// Standard deviation of the bell that takes the noise of single frames away, seconds.
const NOISE_BELL: f64 = 0.07;
/// Distances between the three frames: longer than noise lives, short against a reach.
const STRIDES: [usize; 4] = [3, 5, 8, 12];
/// Frames after which a hand's acceleration says something new.
const INDEPENDENT: f64 = 8.0;
/// A hand's depth is seen this much worse than its place across the ray.
const DEPTH_NOISE: f64 = 5.0;
/// Noise of wrists is never taken for less than this, metres.
const LEAST_NOISE: f64 = 1e-6;
/// Farthest that hands of a body that stands get in a chunk, metres.
const REACH: f64 = 1.0;
/// Rounds of reweighting.
const ROUNDS: usize = 10;
/// Fewest equations that say anything.
const FEWEST: usize = 8;
/// Relative standard deviation of a scale beyond what its equations say: the hand's size, and the body's bell.
const SIZE_SIGMA: f64 = 0.02;
const CARRIED_SIGMA: f64 = 0.25;

/// What the hands say of the scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::refine) struct HandScale {
    /// Metres in a unit of the odometry.
    pub scale: f64,
    /// Its relative standard deviation.
    pub sigma: f64,
    /// Bell that takes the camera's way to that of the body that carries the hands; `None` where it stands.
    pub body: Option<f64>,
}

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
/// Equations of one stride, whose noise is alike.
type Alike = Vec<Equation>;

/// The scale at which the hands' ways are the smoothest; `None` where nothing tells it: no camera motion, too
/// few frames, or hands that move against all sense. `camera_postures` are the postures in camera space, node by
/// node, where they are known.
pub(in crate::refine) fn hand_scale(
    hands: &[HandChain],
    camera_postures: &[Vec<Option<Posture>>],
    way: &CameraWay,
) -> Option<HandScale> {
    if !way.scale_free() {
        return None;
    }
    let of = |body: Option<f64>| {
        let ratio = robust_ratio(&equations(hands, camera_postures, way, body))?;
        let own = if body.is_some() { CARRIED_SIGMA } else { SIZE_SIGMA };
        Some((ratio.usual, HandScale { scale: ratio.scale, sigma: ratio.sigma.hypot(own), body }))
    };
    let carried = of(Some(BODY_BELL));
    let standing = of(None).filter(|(_, found)| way.extent() * found.scale < REACH);
    let found = [carried, standing].into_iter().flatten();
    found.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, scale)| scale)
}

fn equations(
    hands: &[HandChain],
    camera_postures: &[Vec<Option<Posture>>],
    way: &CameraWay,
    body: Option<f64>,
) -> Vec<Alike> {
    let (steady, body) = (way.smoothed(Some(NOISE_BELL)), way.smoothed(body));
    let mut equations = vec![Alike::new(); STRIDES.len()];
    for (hand, postures) in hands.iter().zip(camera_postures) {
        let wrists = smoothed_wrists(hand, postures, way);
        let place = |(i, wrist): (usize, &Option<Vector3<f64>>)| {
            let frame = hand.nodes[i].frame;
            let unit = steady[frame] - body[frame];
            let unit = if hand.mirrored() { mirror_point(unit) } else { unit };
            wrist.map(|wrist| Place { frame, wrist, unit })
        };
        let places: Vec<Option<Place>> = wrists.iter().enumerate().map(place).collect();
        for (stride, equations) in STRIDES.into_iter().zip(&mut equations) {
            for three in places.windows(2 * stride + 1) {
                let (Some(first), Some(middle), Some(last)) = (three[0], three[stride], three[2 * stride])
                else {
                    continue;
                };
                if last.frame - first.frame == 2 * stride {
                    let second = |of: fn(&Place) -> Vector3<f64>| of(&first) - of(&middle) * 2.0 + of(&last);
                    let whiten = across(&middle.wrist);
                    let [unit, wrist] = [second(|place| place.unit), second(|place| place.wrist)];
                    equations.push((whiten * unit, whiten * wrist));
                }
            }
        }
    }
    equations
}

/// Wrists relative to the camera in world axes, smoothed; only where they are known.
fn smoothed_wrists(
    hand: &HandChain,
    postures: &[Option<Posture>],
    way: &CameraWay,
) -> Vec<Option<Vector3<f64>>> {
    let wrist = |(i, posture): (usize, &Option<Posture>)| {
        let view = way.view(hand.nodes[i].frame, 1.0, hand.mirrored());
        posture.as_ref().map(|posture| view.rotation.tr_mul(&posture.wrist))
    };
    let wrists: Vec<Option<Vector3<f64>>> = postures.iter().enumerate().map(wrist).collect();
    let frame = |i: usize| hand.nodes[i].frame;
    super::camera::bell_means(wrists.len(), NOISE_BELL, |i| way.seconds(frame(i)), |i| wrists[i])
}

/// What makes noise along a ray like that across it.
fn across(along: &Vector3<f64>) -> Matrix3<f64> {
    let ray = along.normalize();
    Matrix3::identity() - ray * ray.transpose() * (1.0 - 1.0 / DEPTH_NOISE)
}

/// The ratio that makes equations small.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ratio {
    scale: f64,
    /// Its relative standard deviation.
    sigma: f64,
    /// Sum over the strides of the logarithm of the usual size of what is left.
    usual: f64,
}

/// The positive `s` with `s u + y` smallest, each stride in units of its own usual noise.
fn robust_ratio(strides: &[Alike]) -> Option<Ratio> {
    if strides.iter().map(Vec::len).sum::<usize>() < FEWEST {
        return None;
    }
    let mut weights: Vec<Vec<f64>> = strides.iter().map(|alike| vec![1.0; alike.len()]).collect();
    let mut found = None;
    for _ in 0..ROUNDS {
        let (mut across, mut along) = (0.0, 0.0);
        for ((u, y), w) in strides.iter().flatten().zip(weights.iter().flatten()) {
            across -= w * u.dot(y);
            along += w * u.norm_squared();
        }
        let scale = across / along;
        if !scale.is_finite() {
            return None;
        }
        let (mut left, mut usual) = (0.0, 0.0);
        for (alike, weights) in strides.iter().zip(&mut weights).filter(|(alike, _)| !alike.is_empty()) {
            let residuals: Vec<f64> = alike.iter().map(|(u, y)| (u * scale + y).norm()).collect();
            let mut sorted = residuals.clone();
            sorted.sort_by(f64::total_cmp);
            let own = sorted[sorted.len() / 2].max(LEAST_NOISE);
            usual += own.ln();
            for (((u, _), weight), residual) in alike.iter().zip(weights).zip(&residuals) {
                left += (*weight * residual * u.norm()).powi(2);
                *weight = 1.0 / (own * own + residual * residual);
            }
        }
        let correlated = INDEPENDENT * STRIDES.len() as f64;
        // A residual has three components, of which each is an equation of its own.
        let sigma = (left * correlated / 3.0).sqrt() / along / scale.abs();
        found = Some(Ratio { scale, sigma, usual });
    }
    found.filter(|ratio| ratio.scale > 0.0 && ratio.sigma.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_found_among_outliers_and_a_negative_one_is_none() {
        let equations = |sign: f64| -> Vec<Alike> {
            let all = (0..40).map(|i| {
                let u = Vector3::new((i as f64).sin(), (0.7 * i as f64).cos(), 0.3);
                let stray = if i % 5 == 0 { Vector3::repeat(20.0) } else { Vector3::zeros() };
                (u, u * (-2.5 * sign) + stray)
            });
            vec![all.collect()]
        };
        let found = robust_ratio(&equations(1.0)).unwrap().scale;
        assert!((found - 2.5).abs() < 0.05, "{found}");
        assert_eq!(robust_ratio(&equations(-1.0)), None);
        assert_eq!(robust_ratio(&[]), None);
    }
}
