//! Two answers for one hand: found by their key points, not by their boxes, so that hands close to
//! each other stay two.

use super::landmark::FoundHand;
use crate::event::KEYPOINTS;
use crate::geometry::Pixel;

/// Two answers with the same label are one hand where their key points lie within this of each other
/// on average, in units of the hand's region. Seen: one hand at most 0.07, two hands at least 0.34.
const SAME_HAND_DISTANCE: f32 = 0.14;
/// The same for answers with different labels: palms held together may come close to the distance above.
const SAME_HAND_OTHER_LABEL: f32 = 0.07;

/// Mean distance of two hands' key points of the same name, pixels.
pub fn mean_distance(a: &[Pixel; KEYPOINTS], b: &[Pixel; KEYPOINTS]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a.distance(*b)).sum::<f32>() / KEYPOINTS as f32
}

/// Positions of the hands to keep, in order: of answers for one hand the one with the highest presence.
pub fn distinct(hands: &[FoundHand]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..hands.len()).collect();
    order.sort_by(|&a, &b| hands[b].presence.total_cmp(&hands[a].presence));
    let mut kept: Vec<usize> = Vec::with_capacity(hands.len());
    for i in order {
        if !kept.iter().any(|&k| same_hand(&hands[i], &hands[k])) {
            kept.push(i);
        }
    }
    kept.sort_unstable();
    kept
}

fn same_hand(a: &FoundHand, b: &FoundHand) -> bool {
    let size = a.next_region().side.min(b.next_region().side);
    let same_label = (a.label_left >= 0.5) == (b.label_left >= 0.5);
    let limit = if same_label { SAME_HAND_DISTANCE } else { SAME_HAND_OTHER_LABEL };
    mean_distance(&a.keypoints, &b.keypoints) < limit * size
}

#[cfg(test)]
mod tests {
    use nalgebra::Vector3;

    use super::*;
    use crate::detect::region::Region;
    use crate::detect::region::tests::open_hand;

    fn hand(x: f32, presence: f32) -> FoundHand {
        let keypoints = open_hand(x, 0.0, 100.0, 0.0);
        FoundHand {
            presence,
            label_left: 0.9,
            keypoints,
            depth: [0.0; KEYPOINTS],
            metric: [Vector3::zeros(); KEYPOINTS],
            region: Region::from_keypoints(&keypoints),
        }
    }

    #[test]
    fn of_two_answers_for_one_hand_the_more_present_stays() {
        assert_eq!(distinct(&[hand(0.0, 0.8), hand(300.0, 0.7), hand(4.0, 0.9)]), [1, 2]);
    }

    #[test]
    fn hands_that_nearly_touch_stay_two() {
        assert_eq!(distinct(&[hand(0.0, 0.8), hand(60.0, 0.9)]), [0, 1]);
    }
}
