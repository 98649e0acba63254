//! The tokens of one hand as frames stream in, and the windows made of them.

use std::collections::VecDeque;

use crate::event::Side;
use crate::haptic::full::{CropView, Square};

/// What is kept of one frame of a hand.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// Number of the frame in the stream.
    pub number: u64,
    /// Number of the run it belongs to: a pause or a change of side begins a new one.
    pub run: u32,
    /// Which hand it was.
    pub side: Side,
    /// Where its crop was.
    pub square: Square,
    /// How its crop was seen.
    pub view: CropView,
    /// Its token, a row of the network's.
    pub token: Vec<f32>,
}

/// The tokens of one track, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens(VecDeque<Kept>);

impl Tokens {
    /// Takes in a frame that is newer than all others.
    pub fn push(&mut self, kept: Kept) {
        self.0.push_back(kept);
    }

    /// How many frames are kept.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What is kept of frame `number`.
    pub fn at(&self, number: u64) -> Option<&Kept> {
        self.0.iter().find(|kept| kept.number == number)
    }

    /// Forgets a frame.
    pub fn forget(&mut self, number: u64) {
        self.0.retain(|kept| kept.number != number);
    }

    /// Forgets the frames that no window with places from `first` on can take.
    pub fn forget_before(&mut self, first: u64) {
        while self.0.get(1).is_some_and(|second| second.number <= first) {
            self.0.pop_front();
        }
    }

    /// True where nothing is left from frame `first` on.
    pub fn end_before(&self, first: u64) -> bool {
        self.0.back().is_none_or(|last| last.number < first)
    }

    /// The window of `length` frames, `gap` apart, about frame `centre`. In a place where the hand was not
    /// seen, and in places before its first and after its last frame, stands the frame nearest to it, the
    /// earlier of two (the released code repeats the first and last frame of a film, and takes a missing hand's
    /// box from the nearest frame). `None` where the hand was not seen in frame `centre`.
    pub fn window(&self, centre: u64, length: usize, gap: u64) -> Option<Vec<&Kept>> {
        let run = self.at(centre)?.run;
        let half = (length / 2) as i64;
        let last = centre.saturating_add(half as u64 * gap);
        let seen = || self.0.iter().filter(|kept| kept.run == run && kept.number <= last);
        (0..length as i64)
            .map(|place| {
                let wanted = centre as i64 + (place - half) * gap as i64;
                seen().min_by_key(|kept| (kept.number as i64 - wanted).abs())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Vector2;

    use super::*;
    use crate::frame::PictureSize;

    fn seen(frames: impl IntoIterator<Item = (u64, u32)>) -> Tokens {
        let view = CropView { ray: Vector2::zeros(), side: 0.3 };
        let square = Square::whole(PictureSize::new(64, 64)).unwrap();
        let mut tokens = Tokens::default();
        for (number, run) in frames {
            tokens.push(Kept { number, run, side: Side::Right, square, view, token: Vec::new() });
        }
        tokens
    }

    fn window(tokens: &Tokens, centre: u64, gap: u64) -> Vec<u64> {
        tokens.window(centre, 9, gap).into_iter().flatten().map(|kept| kept.number).collect()
    }

    #[test]
    fn a_window_reaches_four_gaps_to_either_side_and_repeats_the_ends() {
        let tokens = seen((0..100).map(|number| (number, 0)));
        assert_eq!(window(&tokens, 50, 10), [10, 20, 30, 40, 50, 60, 70, 80, 90]);
        assert_eq!(window(&tokens, 7, 5), [0, 0, 0, 2, 7, 12, 17, 22, 27]);
        assert_eq!(window(&tokens, 99, 10), [59, 69, 79, 89, 99, 99, 99, 99, 99]);
    }

    #[test]
    fn where_a_hand_was_not_seen_the_nearest_frame_stands_in_and_runs_do_not_mix() {
        let tokens = seen((0..20).chain(28..60).map(|number| (number, u32::from(number >= 40))));
        assert_eq!(window(&tokens, 15, 5), [0, 0, 5, 10, 15, 19, 28, 30, 35]);
        assert_eq!(window(&tokens, 30, 5), [10, 15, 19, 28, 30, 35, 39, 39, 39]);
        assert_eq!(window(&tokens, 44, 5), [40, 40, 40, 40, 44, 49, 54, 59, 59]);
        assert!(window(&tokens, 24, 5).is_empty());
    }

    #[test]
    fn what_is_forgotten_is_in_no_window_that_is_still_to_come() {
        let all = seen((0..200).filter(|number| number % 7 != 0).map(|number| (number, 0)));
        let mut stream = Tokens::default();
        for kept in &all.0 {
            stream.push(kept.clone());
            stream.forget_before(kept.number.saturating_sub(40));
            assert!(stream.0.len() <= 42);
            let so_far =
                Tokens(all.0.iter().filter(|earlier| earlier.number <= kept.number).cloned().collect());
            assert_eq!(window(&stream, kept.number, 10), window(&so_far, kept.number, 10));
        }
    }
}
