//! Where the 2D tracker's key points lie on our hand, and how well each is known.
//!
//! MediaPipe's points are not the joints of the open hand: its wrist lies closer to the fingers, its
//! second thumb joint further out, most tips short of the skin's end. The offsets come from a bundle
//! fit to the tracker's output on 96 frames of five clips with five people (both hands; of the stereo
//! pair only the camera that accuracy targets are not set on): all postures, a shape per clip, and one
//! offset per key point along its bone, prior 5 mm. Offsets across a bone cannot be told from bends.
//! Nor can a common size: the offsets keep the points' overall size, weighted as below, at the model's.

use crate::event::KEYPOINTS;

/// How far each key point lies beyond the model's joint along the bone that ends there, millimetres;
/// the wrist's along the direction to the middle knuckle.
pub(crate) const BEYOND_JOINT_MM: [f64; KEYPOINTS] = [
    10.4, //
    -5.0, 9.7, 2.3, -4.1, //
    0.6, 4.8, 5.2, -2.5, //
    3.4, 2.6, 0.6, -4.1, //
    4.4, 4.9, 3.3, -4.2, //
    5.0, 5.6, 8.9, 4.4,
];

/// Standard deviation of the wrist and of the key points from knuckle to tip, relative to each other:
/// tips are hidden more often than the palm.
const WRIST_SIGMA: f64 = 1.0;
const LEVEL_SIGMA: [f64; 4] = [0.8, 1.0, 1.2, 1.5];

/// Relative standard deviation of key point `k`.
pub(crate) fn relative_sigma(k: usize) -> f64 {
    if k == 0 { WRIST_SIGMA } else { LEVEL_SIGMA[(k - 1) % 4] }
}
