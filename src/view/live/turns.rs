//! Which parts of a window are drawn anew.

use std::time::{Duration, Instant};

use crate::view::hand_scene::Part;

/// Parts beside the camera's picture are drawn anew so often where the processor itself draws; each frame one of them
/// as a rule, so that no picture takes much longer than another.
const BESIDE_EVERY: Duration = Duration::from_millis(100);
/// A part that has waited so long does not wait for its turn.
const LATE: Duration = Duration::from_millis(140);

/// What of a window is drawn anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Views of the frame.
    pub parts: Vec<Part>,
    /// The strip of numbers.
    pub numbers: bool,
}

impl Due {
    /// All of it.
    pub fn all() -> Self {
        Self { parts: Part::ALL.to_vec(), numbers: true }
    }
}

/// When side view, world and numbers were drawn last; `None` where all must be drawn.
#[derive(Default)]
pub(super) struct Turns(Option<[Instant; 3]>);

impl Turns {
    /// All is drawn the next time.
    pub fn begin_anew(&mut self) {
        self.0 = None;
    }

    /// All has been drawn `now`.
    pub fn drawn(&mut self, now: Instant) {
        // Spread, so that each has its turn in another frame.
        let apart = BESIDE_EVERY / 3;
        let spread = [2, 1, 0].map(|turns| now.checked_sub(apart * turns).unwrap_or(now));
        self.0 = Some(spread);
    }

    /// What is due with a new frame `now`.
    pub fn next(&mut self, now: Instant) -> Due {
        let Some(drawn) = &mut self.0 else {
            self.drawn(now);
            return Due::all();
        };
        let ages = drawn.map(|at| now.saturating_duration_since(at));
        let oldest = (0..3).max_by_key(|&k| ages[k]);
        let due =
            [0, 1, 2].map(|k| ages[k] >= LATE || (Some(k) == oldest && ages[k] >= BESIDE_EVERY * 9 / 10));
        for (at, due) in drawn.iter_mut().zip(due) {
            if due {
                *at = now;
            }
        }
        let beside = [(due[0], Part::Side), (due[1], Part::World)];
        let beside = beside.into_iter().filter_map(|(due, part)| due.then_some(part));
        Due { parts: std::iter::once(Part::Picture).chain(beside).collect(), numbers: due[2] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_turn_ten_times_a_second_and_never_two_at_once() {
        let (mut turns, start) = (Turns::default(), Instant::now());
        assert_eq!(turns.next(start), Due::all());
        let mut drawn = [0; 3];
        for frame in 1..=90 {
            let due = turns.next(start + Duration::from_micros(33_333) * frame);
            assert!(due.parts.contains(&Part::Picture));
            let beside = [due.parts.contains(&Part::Side), due.parts.contains(&Part::World), due.numbers];
            assert!(beside.iter().filter(|due| **due).count() <= 1, "frame {frame}: {due:?}");
            drawn.iter_mut().zip(beside).for_each(|(count, due)| *count += u32::from(due));
        }
        assert!(drawn.iter().all(|count| (29..=31).contains(count)), "{drawn:?}");
    }

    #[test]
    fn with_slow_frames_or_after_a_change_all_is_drawn() {
        let (mut turns, start) = (Turns::default(), Instant::now());
        turns.next(start);
        assert_eq!(turns.next(start + Duration::from_millis(200)), Due::all());
        turns.begin_anew();
        assert_eq!(turns.next(start + Duration::from_millis(201)), Due::all());
    }
}
