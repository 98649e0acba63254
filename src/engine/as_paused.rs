//! A front end whose work behind frames gives way when it did in an earlier run.

use std::cell::Cell;
use std::collections::HashMap;

use super::run::{FrontEnd, Processed, SettledHand};
use crate::frame::Frame;

/// Plays the pauses of a recorded run ([`crate::event::Event::Paused`]), whatever the time now: then the hands are the
/// same.
pub struct AsPaused<F> {
    front_end: F,
    /// After how many looks the work behind each frame gave way; work behind the other frames was completed.
    pauses: HashMap<u64, u64>,
}

impl<F: FrontEnd> AsPaused<F> {
    /// `front_end` with the pauses of then, by number of the frame.
    pub fn new(front_end: F, pauses: HashMap<u64, u64>) -> Self {
        Self { front_end, pauses }
    }
}

impl<F: FrontEnd> FrontEnd for AsPaused<F> {
    fn process(&mut self, frame: &Frame) -> Processed {
        self.front_end.process(frame)
    }

    fn behind(&mut self, frame: &Frame, _: &dyn Fn() -> bool) {
        let (looks, last) = (Cell::new(0), self.pauses.get(&frame.sequence).copied());
        self.front_end.behind(frame, &|| {
            looks.set(looks.get() + 1);
            last.is_some_and(|last| looks.get() >= last)
        });
    }

    fn look_ahead(&self) -> usize {
        self.front_end.look_ahead()
    }

    fn finish(&mut self) -> Vec<SettledHand> {
        self.front_end.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{PictureSize, Timestamp};

    /// Counts steps of work behind frames until it is to pause, ten at most.
    struct Stepping(Vec<u64>);

    impl FrontEnd for Stepping {
        fn process(&mut self, _: &Frame) -> Processed {
            Processed::default()
        }

        fn behind(&mut self, _: &Frame, next_waits: &dyn Fn() -> bool) {
            self.0.push((0..10).take_while(|_| !next_waits()).count() as u64);
        }
    }

    #[test]
    fn work_behind_frames_pauses_where_it_did_and_is_completed_elsewhere() {
        let mut front_end = AsPaused::new(Stepping(Vec::new()), HashMap::from([(1, 4)]));
        for sequence in 0..3 {
            let (size, timestamp) = (PictureSize::new(0, 0), Timestamp(sequence as i64));
            front_end.behind(&Frame { pixels: Vec::new(), size, timestamp, sequence }, &|| true);
        }
        assert_eq!(front_end.front_end.0, [10, 3, 10]);
    }
}
