//! Measures without truth: how much a hand at rest shakes, and how constant its bones are.

use std::collections::BTreeMap;

use nalgebra::Vector3;

use super::recording::{Estimate, Joints};

/// Frames over which a resting hand's shaking is measured.
const REST_FRAMES: usize = 15;
/// Time that a track has to find the lengths of its bones, seconds.
const LEARNING_SECONDS: f64 = 1.0;
/// Key point at the near end of the bone that ends at each key point; the wrist has none.
const PARENTS: [usize; 21] = [0, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19];

/// Root mean square distance of the joints from their mean over 15 frames of one track, mm: median over
/// all such stretches, and how many there are.
pub fn jitter(estimates: &[Option<Estimate>]) -> Option<(f64, usize)> {
    let stretches = estimates.windows(REST_FRAMES).filter_map(|stretch| {
        let hands: Vec<&Estimate> = stretch.iter().flatten().collect();
        let whole = hands.len() == REST_FRAMES && hands.iter().all(|hand| hand.track == hands[0].track);
        whole.then(|| spread(&hands))
    });
    let mut stretches: Vec<f64> = stretches.collect();
    stretches.sort_by(f64::total_cmp);
    stretches.get(stretches.len() / 2).map(|median| (1000.0 * median, stretches.len()))
}

fn spread(hands: &[&Estimate]) -> f64 {
    let mut squares = 0.0;
    for k in 0..21 {
        let mean = hands.iter().map(|hand| hand.joints[k]).sum::<Vector3<f64>>() / hands.len() as f64;
        squares += hands.iter().map(|hand| (hand.joints[k] - mean).norm_squared()).sum::<f64>();
    }
    (squares / (21 * hands.len()) as f64).sqrt()
}

/// The largest change of a bone's length within a track after its first second, in percent of the bone.
pub fn bone_change_percent(estimates: &[Option<Estimate>], fps: f64) -> Option<f64> {
    let mut tracks: BTreeMap<u32, Vec<[f64; 21]>> = BTreeMap::new();
    for estimate in estimates.iter().flatten() {
        tracks.entry(estimate.track.0).or_default().push(lengths(&estimate.joints));
    }
    let learning = (LEARNING_SECONDS * fps).round() as usize;
    let changes = tracks.values().filter_map(|frames| frames.get(learning..)).flat_map(|frames| {
        (1..21).filter_map(|k| {
            let least = frames.iter().map(|bones| bones[k]).reduce(f64::min)?;
            let most = frames.iter().map(|bones| bones[k]).reduce(f64::max)?;
            Some(100.0 * (most - least) / least)
        })
    });
    changes.reduce(f64::max)
}

fn lengths(joints: &Joints) -> [f64; 21] {
    std::array::from_fn(|k| (joints[k] - joints[PARENTS[k]]).norm())
}
