//! Which hand is which from frame to frame: tracks that survive short losses and changes of order.
//!
//! Hands go on as they moved: two that pass each other are told apart by where each was going, also when the one
//! behind was hidden meanwhile.

#[cfg(test)]
mod crossings;

use nalgebra::Vector2;

use super::duplicates::mean_distance;
use super::side::{SideEvidence, settle};
use crate::event::{KEYPOINTS, Side, TrackId};
use crate::frame::Timestamp;
use crate::geometry::Pixel;

/// A hand continues a track seen in the frame before only within this distance (mean over key points,
/// in units of the side of its region).
const REACH: f32 = 0.7;
/// How much farther a lost hand may have gone with each frame it was not seen.
const REACH_PER_LOST_FRAME: f32 = 0.25;
/// Farthest a hand may reappear.
const REACH_LIMIT: f32 = 2.0;
/// Part of a lost hand's reach that a label against all that is known of it takes away.
const REACH_OF_OTHER_SIDE: f32 = 0.6;
/// Such a label costs as much as this distance.
const SIDE_COST: f32 = 0.25;
/// What it costs to take up a hand that was lost: a hand in sight is rather the one that was in sight before.
const LOST_COST: f32 = 0.15;
/// Share of the newest motion in a track's velocity.
const NEWEST_MOTION: f32 = 0.5;
/// Time in which a velocity that nothing confirms dies away, seconds.
const MOTION_SECONDS: f32 = 0.3;
/// Seconds after which a lost hand is forgotten.
const FORGET_SECONDS: f64 = 0.5;
/// Frames after which it is forgotten even if the clock stands still.
const FORGET_FRAMES: u32 = 30;

/// What identity needs to know of a hand in one frame.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// Key points in picture pixels.
    pub keypoints: [Pixel; KEYPOINTS],
    /// Side of the hand's region, pixels: the unit of distance.
    pub size: f32,
    /// Probability of a hand.
    pub presence: f32,
    /// Probability of a right hand by this frame's label.
    pub right: f32,
}

/// The answer for one sighting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Identified {
    /// Position of the sighting in the list.
    pub sighting: usize,
    /// The track it continues or begins.
    pub track: TrackId,
    /// Left or right, by all labels of the track and of the hands beside it.
    pub side: Side,
    /// Probability of `side` by the track's own labels.
    pub side_score: f32,
}

struct Track {
    id: TrackId,
    keypoints: [Pixel; KEYPOINTS],
    /// Motion of the key points' middle, pixels a second; `None` before the first sighting.
    velocity: Option<Vector2<f32>>,
    side: SideEvidence,
    seen: Timestamp,
    lost_frames: u32,
}

/// All tracks of a run.
pub struct Identity {
    max_hands: usize,
    tracks: Vec<Track>,
    next_id: u32,
}

impl Identity {
    /// Identity of at most `max_hands` hands at a time.
    pub fn new(max_hands: usize) -> Self {
        Self { max_hands, tracks: Vec::new(), next_id: 0 }
    }

    /// Forgets all tracks; their numbers are not used again.
    pub fn forget(&mut self) {
        self.tracks.clear();
    }

    /// Names the hands of one frame, in the order of the sightings. Where there are more than
    /// `max_hands`, those stay that continue a track seen last, then the most present.
    pub fn identify(&mut self, time: Timestamp, sightings: &[Sighting]) -> Vec<Identified> {
        self.tracks.retain(|track| {
            time.since(track.seen).as_secs_f64() <= FORGET_SECONDS && track.lost_frames < FORGET_FRAMES
        });
        let mut matched = self.matches(time, sightings);
        let rank = |i: usize| matched[i].map_or(u32::MAX, |track| self.tracks[track].lost_frames);
        let mut order: Vec<usize> = (0..sightings.len()).collect();
        order.sort_by(|&a, &b| {
            let presence = sightings[b].presence.total_cmp(&sightings[a].presence);
            rank(a).cmp(&rank(b)).then(presence)
        });
        order.truncate(self.max_hands);
        order.sort_unstable();

        self.tracks.iter_mut().for_each(|track| track.lost_frames += 1);
        for &i in &order {
            let track = matched[i].unwrap_or_else(|| self.begin());
            matched[i] = Some(track);
            let (track, sighting) = (&mut self.tracks[track], &sightings[i]);
            track.see(time, sighting);
            track.side.add(sighting.right, sighting.presence);
        }
        let named: Vec<(usize, usize)> = order.iter().filter_map(|&i| Some((i, matched[i]?))).collect();
        let mut evidence: Vec<SideEvidence> = named.iter().map(|&(_, t)| self.tracks[t].side).collect();
        let sides = settle(&mut evidence);
        let answers = named.iter().zip(evidence).zip(sides).map(|((&(sighting, track), evidence), side)| {
            let track = &mut self.tracks[track];
            track.side = evidence;
            let right = evidence.probability_right();
            let side_score = if side == Side::Right { right } else { 1.0 - right };
            Identified { sighting, track: track.id, side, side_score }
        });
        answers.collect()
    }

    /// Begins a track and returns its place.
    fn begin(&mut self) -> usize {
        self.tracks.push(Track {
            id: TrackId(self.next_id),
            keypoints: [Pixel::default(); KEYPOINTS],
            velocity: None,
            side: SideEvidence::default(),
            seen: Timestamp::default(),
            lost_frames: 0,
        });
        self.next_id += 1;
        self.tracks.len() - 1
    }

    /// The track each sighting continues: cheapest pairs first, then exchanges that lower the sum.
    fn matches(&self, time: Timestamp, sightings: &[Sighting]) -> Vec<Option<usize>> {
        let expected: Vec<[Pixel; KEYPOINTS]> =
            self.tracks.iter().map(|track| track.expected(time)).collect();
        let price = |s: usize, t: usize| cost(&self.tracks[t], &expected[t], &sightings[s]);
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for s in 0..sightings.len() {
            pairs.extend((0..self.tracks.len()).filter_map(|t| Some((price(s, t)?, s, t))));
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut matched: Vec<Option<usize>> = vec![None; sightings.len()];
        for &(_, s, t) in &pairs {
            if matched[s].is_none() && !matched.contains(&Some(t)) {
                matched[s] = Some(t);
            }
        }
        for a in 0..sightings.len() {
            for b in a + 1..sightings.len() {
                let (Some(ta), Some(tb)) = (matched[a], matched[b]) else { continue };
                let now = price(a, ta).zip(price(b, tb)).map(|(x, y)| x + y);
                let swapped = price(a, tb).zip(price(b, ta)).map(|(x, y)| x + y);
                if swapped.zip(now).is_some_and(|(swapped, now)| swapped < now) {
                    matched.swap(a, b);
                }
            }
        }
        matched
    }
}

impl Track {
    /// Takes in its sighting at `time`.
    fn see(&mut self, time: Timestamp, sighting: &Sighting) {
        let seconds = time.since(self.seen).as_secs_f32();
        let moved = (middle(&sighting.keypoints) - middle(&self.keypoints)) / seconds;
        self.velocity = match self.velocity {
            None => Some(Vector2::zeros()),
            Some(velocity) if seconds > 0.0 => Some(velocity.lerp(&moved, NEWEST_MOTION)),
            still => still,
        };
        (self.keypoints, self.seen, self.lost_frames) = (sighting.keypoints, time, 0);
    }

    /// Where its key points are at `time` if the hand goes on as it moved.
    fn expected(&self, time: Timestamp) -> [Pixel; KEYPOINTS] {
        let seconds = time.since(self.seen).as_secs_f32();
        let lasts = MOTION_SECONDS * (1.0 - (-seconds / MOTION_SECONDS).exp());
        let moved = self.velocity.unwrap_or_default() * lasts;
        self.keypoints.map(|point| Pixel::new(point.x + moved.x, point.y + moved.y))
    }
}

/// The middle of key points, pixels.
fn middle(keypoints: &[Pixel; KEYPOINTS]) -> Vector2<f32> {
    keypoints.iter().map(|point| Vector2::new(point.x, point.y)).sum::<Vector2<f32>>() / KEYPOINTS as f32
}

/// How badly a sighting fits a track whose key points are `expected`; `None` beyond the track's reach.
fn cost(track: &Track, expected: &[Pixel; KEYPOINTS], sighting: &Sighting) -> Option<f32> {
    let [goes_on, stays] = [expected, &track.keypoints]
        .map(|keypoints| mean_distance(keypoints, &sighting.keypoints) / sighting.size.max(1.0));
    let disagreement = (track.side.probability_right() - sighting.right).abs();
    let mut reach = (REACH + REACH_PER_LOST_FRAME * track.lost_frames as f32).min(REACH_LIMIT);
    if track.lost_frames > 0 {
        reach *= 1.0 - REACH_OF_OTHER_SIDE * disagreement;
    }
    let lost = if track.lost_frames > 0 { LOST_COST } else { 0.0 };
    // A hand may stop at any time.
    (goes_on.min(stays) < reach).then_some(goes_on + SIDE_COST * disagreement + lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::region::tests::open_hand;

    fn at(x: f32, right: f32) -> Sighting {
        Sighting { keypoints: open_hand(x, 300.0, 100.0, 0.0), size: 250.0, presence: 0.9, right }
    }

    fn frame(identity: &mut Identity, number: i64, sightings: &[Sighting]) -> Vec<(u32, Side)> {
        let answers = identity.identify(Timestamp(number * 33_000_000), sightings);
        answers.iter().map(|a| (a.track.0, a.side)).collect()
    }

    #[test]
    fn tracks_keep_their_numbers_when_the_order_changes() {
        let mut identity = Identity::new(2);
        let first = frame(&mut identity, 0, &[at(200.0, 0.9), at(800.0, 0.1)]);
        assert_eq!(first, [(0, Side::Right), (1, Side::Left)]);
        let swapped = frame(&mut identity, 1, &[at(790.0, 0.1), at(205.0, 0.9)]);
        assert_eq!(swapped, [(1, Side::Left), (0, Side::Right)]);
    }

    #[test]
    fn a_hand_lost_for_a_few_frames_keeps_its_number_and_after_long_gets_a_new_one() {
        let mut identity = Identity::new(2);
        frame(&mut identity, 0, &[at(200.0, 0.9)]);
        for number in 1..6 {
            frame(&mut identity, number, &[]);
        }
        assert_eq!(frame(&mut identity, 6, &[at(240.0, 0.9)])[0].0, 0);
        assert_eq!(frame(&mut identity, 60, &[at(240.0, 0.9)])[0].0, 1);
    }

    #[test]
    fn a_hand_far_from_a_lost_one_is_another() {
        let mut identity = Identity::new(2);
        frame(&mut identity, 0, &[at(100.0, 0.9)]);
        assert_eq!(frame(&mut identity, 1, &[at(1100.0, 0.9)])[0].0, 1);
    }

    #[test]
    fn crossing_hands_keep_their_sides_apart() {
        let mut identity = Identity::new(2);
        for step in 0..=20 {
            let x = 30.0 * step as f32;
            let answers = frame(&mut identity, step, &[at(200.0 + x, 0.97), at(800.0 - x, 0.03)]);
            assert_eq!(answers, [(0, Side::Right), (1, Side::Left)], "step {step}");
        }
    }

    #[test]
    fn there_are_never_more_than_max_hands_and_known_ones_stay() {
        let mut identity = Identity::new(2);
        frame(&mut identity, 0, &[at(200.0, 0.9), at(800.0, 0.1)]);
        let mut sure = at(500.0, 0.9);
        sure.presence = 1.0;
        let answers = frame(&mut identity, 1, &[sure, at(200.0, 0.9), at(800.0, 0.1)]);
        assert_eq!(answers, [(0, Side::Right), (1, Side::Left)]);
    }

    #[test]
    fn numbers_are_not_used_again_after_forgetting() {
        let mut identity = Identity::new(2);
        frame(&mut identity, 0, &[at(200.0, 0.9)]);
        identity.forget();
        assert_eq!(frame(&mut identity, 1, &[at(200.0, 0.9)])[0].0, 1);
    }
}
