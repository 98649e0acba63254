//! Two hands placed as one: where the network says how far the left hand is from the right one, both are moved
//! so that they are that far apart and still cover the pixels that they covered before.
//!
//! The released demo solves the same with a perspective-n-point of both hands' joints, and takes its answer
//! unless the hands' boxes overlap by less than a hundredth or the hands are more than 0.2 m apart. That rule
//! is kept; between both answers hands pass within ten frames, where the demo jumps.

use std::collections::HashMap;

use nalgebra::{Matrix3, Vector3};

use super::hands::HandPair;
use crate::event::{KEYPOINTS, TrackId};
use crate::geometry::CameraPoint;

/// Boxes that overlap by less, of their union, belong to hands that are placed each for itself.
const LEAST_OVERLAP: f64 = 0.01;
/// Hands that are farther apart are placed each for itself, metres.
const FARTHEST: f64 = 0.2;
/// How much of the way from one placement to the other a hand goes in a frame.
const STEP: f64 = 0.1;
/// The joint from which the network measures: the middle finger's knuckle in `openpose21`.
const KNUCKLE: usize = 9;
/// Rounds of the reweighted solution.
const ROUNDS: usize = 3;
/// Joints nearer than this are behind or in the lens, metres.
const NEAREST: f64 = 0.02;

/// How far each hand of a stream is on its way between both placements.
#[derive(Clone, Debug, Default)]
pub struct Together {
    hands: HashMap<TrackId, Way>,
}

/// One hand's way.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    /// Part of the shift that is applied.
    share: f64,
    /// From its own placement to the one together, metres.
    shift: Vector3<f64>,
}

impl Together {
    /// Moves the hands of a frame, placed each for itself: their joints by track, `openpose21`. Returns by how
    /// much each was to move, in their order, metres.
    pub fn shifts(
        &mut self,
        hands: &[(TrackId, [CameraPoint; KEYPOINTS])],
        pairs: &[HandPair],
    ) -> Vec<Vector3<f64>> {
        let joints = |track: TrackId| hands.iter().find(|hand| hand.0 == track).map(|hand| &hand.1);
        let mut goals: HashMap<TrackId, (bool, Vector3<f64>)> = HashMap::new();
        for pair in pairs {
            let both = joints(pair.right).zip(joints(pair.left));
            let Some([right, left]) =
                both.and_then(|(right, left)| joint_shifts(right, left, pair.left_from_right))
            else {
                continue;
            };
            let close = pair.overlap >= LEAST_OVERLAP && pair.left_from_right.norm() <= FARTHEST;
            goals.extend([(pair.right, (close, right)), (pair.left, (close, left))]);
        }
        let known = std::mem::take(&mut self.hands);
        let mut go = |track: TrackId| {
            let (before, goal) = (known.get(&track), goals.get(&track));
            let (close, shift) = match (goal, before) {
                (Some(&(close, shift)), _) => (close, shift),
                (None, Some(before)) => (false, before.shift),
                (None, None) => (false, Vector3::zeros()),
            };
            let end = f64::from(u8::from(close));
            let share = before.map_or(end, |before| before.share + (end - before.share).clamp(-STEP, STEP));
            self.hands.insert(track, Way { share, shift });
            shift * share
        };
        hands.iter().map(|hand| go(hand.0)).collect()
    }
}

/// By how much a right and a left hand are to move so that the left one's knuckle is `left_from_right` from the
/// right one's and all joints stay on the rays on which they are: the least squares of their distances on the
/// picture plane. `None` where a joint is too near for a ray.
fn joint_shifts(
    right: &[CameraPoint; KEYPOINTS],
    left: &[CameraPoint; KEYPOINTS],
    left_from_right: Vector3<f64>,
) -> Option<[Vector3<f64>; 2]> {
    let points = |hand: &[CameraPoint; KEYPOINTS]| hand.map(|joint| joint.0.cast::<f64>());
    let (right, left) = (points(right), points(left));
    if right.iter().chain(&left).any(|joint| joint.z < NEAREST) {
        return None;
    }
    // Joints from the right knuckle as the network has them, and their rays.
    let rooted = right.iter().map(|joint| (joint - right[KNUCKLE], joint));
    let beside = left.iter().map(|joint| (joint - left[KNUCKLE] + left_from_right, joint));
    let all: Vec<(Vector3<f64>, [f64; 2])> =
        rooted.chain(beside).map(|(place, seen)| (place, [seen.x / seen.z, seen.y / seen.z])).collect();
    let mut knuckle = (right[KNUCKLE] + left[KNUCKLE] - left_from_right) / 2.0;
    for _ in 0..ROUNDS {
        let (mut matrix, mut side) = (Matrix3::zeros(), Vector3::zeros());
        for (place, ray) in &all {
            let weight = (place.z + knuckle.z).max(NEAREST).powi(-2);
            for (axis, ray) in ray.iter().enumerate() {
                let mut row = Vector3::new(0.0, 0.0, -ray);
                row[axis] = 1.0;
                matrix += row * row.transpose() * weight;
                side -= row * row.dot(place) * weight;
            }
        }
        knuckle = matrix.cholesky()?.solve(&side);
    }
    let shifts = [knuckle - right[KNUCKLE], knuckle + left_from_right - left[KNUCKLE]];
    shifts.iter().flatten().all(|number| number.is_finite()).then_some(shifts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hand of joints about its knuckle.
    fn hand(knuckle: Vector3<f64>) -> [CameraPoint; KEYPOINTS] {
        std::array::from_fn(|k| {
            let turn = k as f64;
            let offset = Vector3::new(0.05 * turn.sin(), 0.06 * turn.cos(), 0.02 * (2.0 * turn).sin());
            let offset = if k == KNUCKLE { Vector3::zeros() } else { offset };
            CameraPoint((knuckle + offset).cast())
        })
    }

    fn pair(left_from_right: Vector3<f64>, overlap: f64) -> HandPair {
        HandPair { right: TrackId(0), left: TrackId(1), left_from_right, overlap }
    }

    /// Two hands of which the left one is seen where it is but too far away.
    fn scene() -> ([(TrackId, [CameraPoint; KEYPOINTS]); 2], Vector3<f64>) {
        let (right, left) = (Vector3::new(0.02, 0.0, 0.5), Vector3::new(-0.05, 0.03, 0.52));
        let scaled = hand(left).map(|joint| CameraPoint(joint.0 * 1.08));
        ([(TrackId(0), hand(right)), (TrackId(1), scaled)], left - right)
    }

    #[test]
    fn hands_that_are_close_are_as_far_apart_as_the_network_says_and_stay_on_their_pixels() {
        let (hands, relative) = scene();
        let shifts = Together::default().shifts(&hands, &[pair(relative, 0.3)]);
        let place = |at: usize, k: usize| hands[at].1[k].0.cast::<f64>() + shifts[at];
        assert!((place(1, KNUCKLE) - place(0, KNUCKLE) - relative).norm() < 1e-6);
        for (at, (_, joints)) in hands.iter().enumerate() {
            for (k, joint) in joints.iter().enumerate() {
                let (before, after) = (joint.0.cast::<f64>(), place(at, k));
                let off = (before.xy() / before.z - after.xy() / after.z).norm();
                assert!(off < 0.02, "joint {k} of hand {at} moves by {off}");
            }
        }
        let depth = place(0, KNUCKLE).z;
        assert!((0.49..0.55).contains(&depth), "{depth}");
    }

    #[test]
    fn hands_that_are_apart_are_left_alone_and_parting_takes_ten_frames() {
        let (hands, relative) = scene();
        let mut together = Together::default();
        let far = together.shifts(&hands, &[pair(relative, 0.0)]);
        assert!(far.iter().all(|shift| shift.norm() == 0.0));
        let mut together = Together::default();
        let close = together.shifts(&hands, &[pair(relative, 0.3)])[1];
        // Then one hand hides: the other does not jump.
        let mut last = close;
        for frame in 1..=12 {
            let shift = together.shifts(&hands[1..], &[])[0];
            assert!((last - shift).norm() <= close.norm() * (STEP + 1e-9), "frame {frame}");
            last = shift;
        }
        assert_eq!(last.norm(), 0.0);
        let wide = Together::default().shifts(&hands, &[pair(relative * 4.0, 0.3)]);
        assert!(wide.iter().all(|shift| shift.norm() == 0.0));
    }
}
