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

/// How far joints are from where they are on average over 15 frames, root mean square, median over all
/// such stretches of one track.
pub struct Jitter {
    /// From their mean, mm.
    pub about_mean: f64,
    /// From the straight line that fits each joint best, mm: a hand held in the air drifts, and drift is
    /// no jitter.
    pub about_line: f64,
    /// Stretches.
    pub count: usize,
}

/// The jitter of a hand at rest; `None` where no track lasts 15 frames.
pub fn jitter(estimates: &[Option<Estimate>]) -> Option<Jitter> {
    let stretches: Vec<Vec<&Joints>> = estimates.windows(REST_FRAMES).filter_map(one_track).collect();
    let median = |drift: bool| {
        let mut spreads: Vec<f64> = stretches.iter().map(|stretch| spread(stretch, drift)).collect();
        spreads.sort_by(f64::total_cmp);
        spreads.get(spreads.len() / 2).map(|median| 1000.0 * median)
    };
    Some(Jitter { about_mean: median(false)?, about_line: median(true)?, count: stretches.len() })
}

/// The joints of a stretch without gap or change of track.
fn one_track(stretch: &[Option<Estimate>]) -> Option<Vec<&Joints>> {
    let track = stretch.first()?.as_ref()?.track;
    stretch
        .iter()
        .map(|hand| hand.as_ref().filter(|hand| hand.track == track).map(|hand| &hand.joints))
        .collect()
}

/// Root mean square distance of all joints from their mean, or with `drift` from their line.
fn spread(stretch: &[&Joints], drift: bool) -> f64 {
    let count = stretch.len() as f64;
    let time = |t: usize| t as f64 - (count - 1.0) / 2.0;
    let times: f64 = (0..stretch.len()).map(|t| time(t).powi(2)).sum();
    let mut squares = 0.0;
    for k in 0..21 {
        let mean = stretch.iter().map(|joints| joints[k]).sum::<Vector3<f64>>() / count;
        let slope =
            stretch.iter().enumerate().map(|(t, joints)| joints[k] * time(t)).sum::<Vector3<f64>>() / times;
        let slope = if drift { slope } else { Vector3::zeros() };
        let away = |(t, joints): (usize, &&Joints)| (joints[k] - mean - slope * time(t)).norm_squared();
        squares += stretch.iter().enumerate().map(away).sum::<f64>();
    }
    (squares / (21.0 * count)).sqrt()
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
