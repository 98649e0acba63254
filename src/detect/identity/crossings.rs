//! Hands that cross, clasp, and go one behind the other: how often names and sides are swapped.

use super::{Identified, Identity, Sighting};
use crate::detect::region::tests::open_hand;
use crate::event::{Side, TrackId};
use crate::frame::Timestamp;
use crate::geometry::Pixel;
use crate::random::Random;

/// Runs of each kind.
const RUNS: u64 = 200;
/// Size of the palms, pixels, and nanoseconds from frame to frame.
const SIZE: f32 = 100.0;
const STEP: i64 = 33_000_000;
/// Frames before and after hands are close, in which a hand is what it is.
const CLEAR: usize = 12;
/// Middles nearer than this, in palm sizes, hide a hand or confuse its label.
const HIDES: f32 = 1.1;
const CONFUSES: f32 = 1.6;
/// Chance of a wrong label in clear sight.
const WRONG: f64 = 0.03;

/// What hands do.
#[derive(Clone, Copy, Debug)]
enum Meeting {
    /// They pass each other; the one behind is not seen meanwhile.
    Crossing,
    /// One rests, the other goes behind it and comes out on the other side or where it went in.
    Behind,
    /// They are held together for a second, both seen, and part.
    Clasping,
}

/// Middles of the right and of the left hand over time, and which one is behind.
fn way(meeting: Meeting, random: &mut Random) -> (Vec<[f32; 2]>, usize) {
    let takes = random.between(8.0, 36.0) as usize;
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let step = |from: f32, to: f32, t: usize, of: usize| from + (to - from) * ease(t as f32 / of as f32);
    let (low, high) = (300.0, 900.0);
    let crosses = random.fraction() < 0.5;
    let mut places = vec![[low, high]; CLEAR];
    match meeting {
        Meeting::Crossing => {
            places.extend((0..=takes).map(|t| [step(low, high, t, takes), step(high, low, t, takes)]));
        }
        Meeting::Behind => {
            let end = if crosses { 2.0 * low - high } else { high };
            places.extend((0..=takes).map(|t| [low, step(high, low, t, takes)]));
            places.extend((0..=takes).map(|t| [low, step(low, end, t, takes)]));
        }
        Meeting::Clasping => {
            let (a, b) = (590.0, 640.0);
            let ends = if crosses { [high, low] } else { [low, high] };
            places.extend((0..=takes).map(|t| [step(low, a, t, takes), step(high, b, t, takes)]));
            places.extend(std::iter::repeat_n([a, b], 30));
            places.extend((0..=takes).map(|t| [step(a, ends[0], t, takes), step(b, ends[1], t, takes)]));
        }
    }
    let last = places[places.len() - 1];
    places.extend(std::iter::repeat_n(last, CLEAR));
    (places, usize::from(random.fraction() < 0.5))
}

/// Key points of a hand with its wrist's middle at `x`; left hands are mirror images.
fn hand(x: f32, side: Side, random: &mut Random) -> [Pixel; 21] {
    let mirror = if side == Side::Left { -1.0 } else { 1.0 };
    open_hand(0.0, 300.0, SIZE, 0.0).map(|point| {
        let noise = |random: &mut Random| 0.04 * SIZE * random.signed() as f32;
        Pixel::new(x + mirror * point.x + noise(random), point.y + noise(random))
    })
}

/// Whether names, and whether sides, are other ones after the meeting than before it. `labels` says whether the
/// tracker gets any.
fn swapped(meeting: Meeting, seed: u64, labels: bool) -> [bool; 2] {
    let mut random = Random::new(seed);
    let (places, behind) = way(meeting, &mut random);
    let mut identity = Identity::new(2);
    let mut first: [Option<TrackId>; 2] = [None; 2];
    let mut last: [Option<(TrackId, Side)>; 2] = [None; 2];
    for (number, place) in places.iter().enumerate() {
        let apart = (place[0] - place[1]).abs() / SIZE;
        let mut seen = Vec::new();
        for (at, side) in [Side::Right, Side::Left].into_iter().enumerate() {
            let keypoints = hand(place[at], side, &mut random);
            let clear = if random.fraction() < WRONG { 0.2 } else { 0.96 };
            let sure = if apart < CONFUSES { random.between(0.1, 0.95) } else { clear };
            let right = if side == Side::Right { sure } else { 1.0 - sure };
            let right = if labels { right as f32 } else { 0.5 };
            let presence = if apart < CONFUSES { 0.75 } else { 0.97 };
            if matches!(meeting, Meeting::Clasping) || apart > HIDES || at != behind {
                seen.push((at, Sighting { keypoints, size: 2.6 * SIZE, presence, right }));
            }
        }
        let sightings: Vec<Sighting> = seen.iter().map(|(_, sighting)| *sighting).collect();
        let time = Timestamp(STEP * number as i64);
        for Identified { sighting, track, side, .. } in identity.identify(time, &sightings) {
            let at = seen[sighting].0;
            if number < CLEAR {
                first[at] = Some(track);
            }
            last[at] = Some((track, side));
        }
    }
    let names = (0..2).any(|at| last[at].map(|(track, _)| track) == first[1 - at]);
    let sides = (0..2).any(|at| last[at].is_some_and(|(_, side)| side != [Side::Right, Side::Left][at]));
    [names, sides]
}

/// Runs with swapped names and runs with wrong sides at the end.
fn count(meeting: Meeting, labels: bool) -> [usize; 2] {
    let runs: Vec<[bool; 2]> = (0..RUNS).map(|seed| swapped(meeting, seed, labels)).collect();
    [0, 1].map(|what: usize| runs.iter().filter(|run| run[what]).count())
}

#[test]
fn hands_that_meet_are_still_themselves_when_they_part() {
    // Where a hand has been out of sight behind the other, or both were one clump, no name is certain.
    let kinds = [(Meeting::Crossing, 0), (Meeting::Behind, 20), (Meeting::Clasping, 10)];
    for (meeting, allowed) in kinds {
        let ([names, sides], [blind, _]) = (count(meeting, true), count(meeting, false));
        println!(
            "{meeting:?}: of {RUNS} runs {names} with swapped names, {sides} with wrong sides; {blind} without labels"
        );
        assert!(names <= allowed, "{meeting:?}: {names} swapped");
        assert_eq!(sides, 0, "{meeting:?}");
    }
}
