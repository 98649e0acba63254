//! Left or right, decided from the labels of many frames.

use crate::event::Side;

/// One frame's label counts at most this much (log odds; a label of 0.95).
const FRAME_LIMIT: f32 = 3.0;
/// Evidence saturates here: twelve sure frames. As many wrong ones in a row bring it back to nothing.
const TOTAL_LIMIT: f32 = 12.0 * FRAME_LIMIT;
/// Evidence below this (six sure frames) yields to a surer hand of the same side.
const WEAK: f32 = 6.0 * FRAME_LIMIT;
/// A decided side changes only when the evidence against it is larger than this.
const FLIP: f32 = 2.0 * FRAME_LIMIT;

/// Presence from which a label counts in full, and at which it counts [`LEAST_WEIGHT`].
const SURE: f32 = 0.95;
const DOUBTFUL: f32 = 0.5;
const LEAST_WEIGHT: f32 = 0.05;

/// What the labels of one track have said so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SideEvidence {
    /// Log odds of a right hand against a left one.
    right: f32,
    /// The side last given out, by [`settle`].
    decided: Option<Side>,
}

impl SideEvidence {
    /// Adds one frame's label, as the probability of a right hand, and the presence that came with it:
    /// a hand the network hardly sees is labelled badly.
    pub fn add(&mut self, probability_right: f32, presence: f32) {
        let p = probability_right.clamp(0.01, 0.99);
        let weight = ((presence - DOUBTFUL) / (SURE - DOUBTFUL)).clamp(LEAST_WEIGHT, 1.0);
        let frame = weight * (p / (1.0 - p)).ln().clamp(-FRAME_LIMIT, FRAME_LIMIT);
        self.right = (self.right + frame).clamp(-TOTAL_LIMIT, TOTAL_LIMIT);
        if -self.support() > FLIP {
            self.decided = Some(self.side().other());
        }
    }

    /// The side last given out, or before that the one the labels lean to.
    pub fn side(&self) -> Side {
        self.decided.unwrap_or(if self.right >= 0.0 { Side::Right } else { Side::Left })
    }

    /// How sure the labels are of [`side`](Self::side), as log odds; negative while they lean against it.
    pub fn support(&self) -> f32 {
        match self.side() {
            Side::Right => self.right,
            Side::Left => -self.right,
        }
    }

    /// Probability of a right hand by all labels so far.
    pub fn probability_right(&self) -> f32 {
        1.0 / (1.0 + (-self.right).exp())
    }
}

/// Decides the sides of hands seen together, in their order: a hand with weak evidence takes the side
/// that surer hands leave free, and keeps it until the evidence against it is clear.
pub fn settle(together: &mut [SideEvidence]) -> Vec<Side> {
    let mut order: Vec<usize> = (0..together.len()).collect();
    order.sort_by(|&a, &b| together[b].support().total_cmp(&together[a].support()));
    let mut taken = [0usize; 2];
    for i in order {
        let own = together[i].side();
        let crowded = taken[own as usize] > taken[own.other() as usize];
        let side = if crowded && together[i].support() < WEAK { own.other() } else { own };
        taken[side as usize] += 1;
        together[i].decided = Some(side);
    }
    together.iter().map(SideEvidence::side).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(labels: &[f32]) -> SideEvidence {
        let mut evidence = SideEvidence::default();
        for &label in labels {
            evidence.add(label, 1.0);
            settle(std::slice::from_mut(&mut evidence));
        }
        evidence
    }

    #[test]
    fn a_few_wrong_labels_do_not_flip_a_sure_hand_but_many_do() {
        let mut labels = vec![0.97; 20];
        labels.extend([0.02; 10]);
        assert_eq!(after(&labels).side(), Side::Right);
        labels.extend([0.02; 10]);
        assert_eq!(after(&labels).side(), Side::Left);
    }

    #[test]
    fn labels_of_a_hand_hardly_seen_do_not_outweigh_those_of_a_clear_one() {
        let mut evidence = after(&[0.97; 5]);
        (0..12).for_each(|_| evidence.add(0.04, 0.65));
        assert_eq!(evidence.side(), Side::Right);
    }

    #[test]
    fn doubtful_labels_count_little() {
        let mut labels = vec![0.9; 2];
        labels.extend([0.45; 10]);
        assert_eq!(after(&labels).side(), Side::Right);
    }

    #[test]
    fn a_weak_hand_takes_the_free_side_and_two_sure_right_hands_stay() {
        let (sure, weak) = (after(&[0.99; 20]), after(&[0.9]));
        assert_eq!(settle(&mut [weak, sure]), [Side::Left, Side::Right]);
        assert_eq!(settle(&mut [sure, sure]), [Side::Right, Side::Right]);
        assert_eq!(settle(&mut [weak]), [Side::Right]);
    }

    #[test]
    fn a_hand_that_took_the_free_side_keeps_it_when_the_other_hand_leaves() {
        let mut hands = [after(&[0.9]), after(&[0.99; 20])];
        settle(&mut hands);
        hands[0].add(0.6, 1.0);
        assert_eq!(settle(&mut hands[..1]), [Side::Left]);
        (0..4).for_each(|_| hands[0].add(0.97, 1.0));
        assert_eq!(settle(&mut hands[..1]), [Side::Right]);
    }
}
