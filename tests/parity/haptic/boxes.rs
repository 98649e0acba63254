//! The reference of HaPTIC's box smoothing against the released one.

use crate::released_boxes::{Pairs, smoothed};
use crate::support::shared;
use crate::tensors::Fixture;

/// Relative to the largest number.
const TOLERANCE: f64 = 1e-4;
/// Steps of AdamW are of one size whatever the slope, so that small differences grow: a change of the inputs
/// in the last of their 32 bits moves the smoothed sizes by 2e-4.
const SIZE_TOLERANCE: f64 = 4e-4;

/// Fills frames without a hand: the nearest value before the first and after the last, a straight line in
/// between.
fn infilled(seen: &[[f64; 2]], valid: &[bool]) -> Pairs {
    let known: Vec<usize> = (0..seen.len()).filter(|&t| valid[t]).collect();
    let fill = |t: usize| {
        let before = known.iter().copied().rfind(|&k| k <= t);
        let after = known.iter().copied().find(|&k| k >= t);
        let (a, b) = (before.or(after).unwrap_or(t), after.or(before).unwrap_or(t));
        let part = if a == b { 0.0 } else { (t - a) as f64 / (b - a) as f64 };
        std::array::from_fn(|k| seen[a][k] + part * (seen[b][k] - seen[a][k]))
    };
    (0..seen.len()).map(fill).collect()
}

#[test]
fn the_reference_smoothing_equals_the_released_one() {
    let Some(path) = shared("fixtures/haptic/common/bbox_track.safetensors") else { return };
    let fixture = Fixture::open(&path);
    let pairs = |name: &str| fixture.numbers(name).as_chunks::<2>().0.to_vec();
    let valid: Vec<bool> = fixture.numbers("in.valid").iter().map(|&v| v != 0.0).collect();
    let (centres, sizes) = (infilled(&pairs("in.center"), &valid), infilled(&pairs("in.scale"), &valid));
    let (smooth_centres, smooth_sizes) = smoothed(&centres, &sizes);
    for (ours, name, tolerance) in [
        (centres, "infill.center", TOLERANCE),
        (sizes, "infill.scale", TOLERANCE),
        (smooth_centres, "smooth.center", TOLERANCE),
        (smooth_sizes, "smooth.scale", SIZE_TOLERANCE),
    ] {
        let theirs = fixture.numbers(name);
        let largest = theirs.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        let off = ours.as_flattened().iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{name}: {off:.2e} off, largest {largest:.3}");
        assert!(off < tolerance * largest, "{name}: {off} off of {largest}");
    }
}
