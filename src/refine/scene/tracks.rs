//! Stage I: which observations are one left and one right hand, and which are mistakes.

use std::collections::BTreeMap;

use crate::event::{Side, TrackId};
use crate::refine::{Chunk, ObservedHand};

/// One hand of the chunk: the frames in which it was seen.
#[derive(Clone, Debug)]
pub(in crate::refine) struct HandTrack<'a> {
    pub side: Side,
    /// Frame's index and observation, ascending.
    pub seen: Vec<(usize, &'a ObservedHand)>,
}

/// The observations of a chunk, sorted.
#[derive(Clone, Debug, Default)]
pub(in crate::refine) struct Sorted<'a> {
    /// At most one left and one right hand.
    pub hands: Vec<HandTrack<'a>>,
    /// Observations of further tracks: frame's index and hand.
    pub untouched: Vec<(usize, &'a ObservedHand)>,
    /// Observations whose side their track corrected.
    pub side_flips: usize,
}

/// Sorts the observations of a chunk into hands.
///
/// A track is of the side that most of its observations (weighted by score) have. Of tracks of one side that
/// are seen in the same frames the one with the larger sum of scores counts; tracks that follow each other
/// are one hand.
pub(in crate::refine) fn sort_tracks(chunk: &Chunk) -> Sorted<'_> {
    let mut tracks: BTreeMap<TrackId, Vec<(usize, &ObservedHand)>> = BTreeMap::new();
    for (i, frame) in chunk.frames.iter().enumerate() {
        for hand in &frame.hands {
            let seen = tracks.entry(hand.track).or_default();
            // A track is once in a frame.
            if seen.last().is_none_or(|&(last, _)| last < i) {
                seen.push((i, hand));
            }
        }
    }
    let mut sorted = Sorted::default();
    let mut by_side: [Vec<Vec<(usize, &ObservedHand)>>; 2] = Default::default();
    for seen in tracks.into_values() {
        let side = side_of(&seen);
        sorted.side_flips += seen.iter().filter(|(_, hand)| hand.side != side).count();
        by_side[side as usize].push(seen);
    }
    for (side, mut tracks) in [Side::Left, Side::Right].into_iter().zip(by_side) {
        tracks.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
        let mut frames: BTreeMap<usize, &ObservedHand> = BTreeMap::new();
        for track in tracks {
            if track.iter().any(|(frame, _)| frames.contains_key(frame)) {
                sorted.untouched.extend(track);
            } else {
                frames.extend(track);
            }
        }
        if !frames.is_empty() {
            sorted.hands.push(HandTrack { side, seen: frames.into_iter().collect() });
        }
    }
    sorted
}

fn weight(seen: &[(usize, &ObservedHand)]) -> f64 {
    seen.iter().map(|(_, hand)| f64::from(score(hand))).sum()
}

fn side_of(seen: &[(usize, &ObservedHand)]) -> Side {
    let vote = |hand: &ObservedHand| match hand.side {
        Side::Left => -score(hand),
        Side::Right => score(hand),
    };
    if seen.iter().map(|(_, hand)| vote(hand)).sum::<f32>() < 0.0 { Side::Left } else { Side::Right }
}

fn score(hand: &ObservedHand) -> f32 {
    if hand.score.is_finite() { hand.score.clamp(0.0, 1.0) } else { 0.0 }
}
