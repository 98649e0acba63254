//! How noisy the key points of a hand are: what a first fit leaves of them says it.
//!
//! One clip's key points are several times sharper than another's, and some points of a hand than others. Errors of
//! successive frames are alike, so the unit of the key points (`PixelUnit`) is larger than what a fit leaves of them;
//! it is taken for right where the usual part of it is left, and follows in proportion.

use nalgebra::Vector3;

use super::camera::CameraWay;
use super::hand::HandChain;
use crate::event::KEYPOINTS;
use crate::refine::solver::HandEstimate;

/// Usual size of what is left, in standard deviations of the key points' unit.
const USUALLY_LEFT: f64 = 0.55;
/// Least and greatest factor on the noise of a whole hand, and of a key point beside the others.
const HAND_FACTOR: [f64; 2] = [0.3, 3.0];
const POINT_FACTOR: [f64; 2] = [0.5, 2.0];
/// Median of the magnitudes of normal numbers, in standard deviations.
const NORMAL_MEDIAN: f64 = 0.6745;

/// Learns from what `own` leaves of a hand's key points how sharply each is seen.
pub(in crate::refine) fn learn_noise(hand: &mut HandChain, own: &HandEstimate, way: &CameraWay, scale: f64) {
    let mut left = magnitudes_left(hand, own, way, scale);
    let each: [Option<f64>; KEYPOINTS] = std::array::from_fn(|k| median(&mut left[k]));
    let Some(usual) = median(&mut each.iter().flatten().copied().collect::<Vec<f64>>()) else { return };
    if usual <= 0.0 {
        return;
    }
    let whole = within(usual / NORMAL_MEDIAN / USUALLY_LEFT, HAND_FACTOR);
    let own = |k: usize| each[k].map_or(1.0, |own| within(own / usual, POINT_FACTOR));
    let factors: [f64; KEYPOINTS] = std::array::from_fn(|k| whole * own(k));
    for sight in hand.nodes.iter_mut().filter_map(|node| node.sight.as_mut()) {
        for (sharpness, factor) in sight.sharpness.iter_mut().zip(factors) {
            *sharpness /= factor;
        }
    }
}

/// Of each key point in every frame and coordinate: how far it is from its projection, in standard deviations.
fn magnitudes_left(
    hand: &HandChain,
    own: &HandEstimate,
    way: &CameraWay,
    scale: f64,
) -> [Vec<f64>; KEYPOINTS] {
    let bones = hand.chain.bones_seen(&own.betas, &own.offsets);
    let mut left: [Vec<f64>; KEYPOINTS] = std::array::from_fn(|_| Vec::new());
    for (i, (node, posture)) in hand.nodes.iter().zip(&own.postures).enumerate() {
        let Some(sight) = &node.sight else { continue };
        let view = way.view(node.frame, scale, hand.mirrored());
        let bent = hand.bend(i, &bones, posture);
        for k in (0..KEYPOINTS).filter(|&k| sight.weights[k] > 0.0) {
            let point: Vector3<f64> = view.camera_point(&(posture.wrist + bent.keypoints[k]));
            let away = (point.xy() / point.z - sight.rays[k]).component_mul(&sight.scale);
            left[k].extend(away.iter().map(|away| (away * sight.sharpness[k]).abs()));
        }
    }
    left
}

fn within(factor: f64, [least, greatest]: [f64; 2]) -> f64 {
    factor.clamp(least, greatest)
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::HandModel;
    use crate::refine::scene::{sort_tracks, world_postures};
    use crate::refine::tests::{Noise, scene};
    use crate::refine::{CameraKnowledge, RefineConfig};

    /// Mean factor on the sharpness of a hand's key points that are `pixels` off.
    fn sharper(pixels: f64) -> f64 {
        let noise = Noise { pixels, depth: 0.0, angles: 0.0 };
        let scene = scene(20, noise, CameraKnowledge::Still);
        let (config, way) = (RefineConfig::ours(), CameraWay::new(&scene.chunk, None));
        let sorted = sort_tracks(&scene.chunk);
        let hand = HandChain::new(&sorted.hands[0], &scene.chunk, &HandModel::open(), &config, |own, _| *own);
        let mut hand = hand.unwrap();
        let own = HandEstimate {
            postures: world_postures(&hand, &way, 1.0),
            betas: hand.betas,
            offsets: hand.offsets,
        };
        let sum = |hand: &HandChain| -> f64 {
            hand.nodes.iter().flat_map(|node| &node.sight).flat_map(|sight| sight.sharpness).sum()
        };
        let before = sum(&hand);
        learn_noise(&mut hand, &own, &way, 1.0);
        sum(&hand) / before
    }

    #[test]
    fn key_points_that_fit_well_count_more_and_noisy_ones_less() {
        let [exact, noisy] = [0.0, 12.0].map(sharper);
        assert!(exact > 2.0 && noisy < 0.7, "{exact} {noisy}");
    }
}
