//! The window of one track as frames stream in.
//!
//! A frame is prepared once and kept; only its age changes as newer ones come. Age is part of the token
//! that the embedding reads before its first GELU, so kept embeddings would not hold; what is kept is the
//! embedding's input, and the embedding of the whole window runs again with every frame. That costs
//! 0.05 ms for eight frames, an eighth of a pass (`bench/lite.rs`), and the result is the same as from
//! scratch, to the bit.

use std::collections::VecDeque;

use super::WINDOW;
use super::placement::Placed;
use crate::frame::Timestamp;

/// How windows follow a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamConfig {
    /// The window holds the newest frame and, back in time, every `stride`-th frame of the track: a larger
    /// stride looks farther back.
    pub stride: usize,
    /// Time without the hand after which its window starts afresh, seconds.
    pub longest_gap_seconds: f64,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self { stride: 1, longest_gap_seconds: 0.5 }
    }
}

/// One frame in a window.
#[derive(Clone, Debug)]
pub(super) struct Kept<F> {
    pub timestamp: Timestamp,
    pub frame: F,
    /// The depth that was given to it, once it has one.
    pub placed: Option<Placed>,
}

/// The frames of one track's window, oldest first: every `stride`-th frame of the track since it began,
/// and the newest.
#[derive(Clone, Debug)]
pub(super) struct Window<F> {
    frames: VecDeque<Kept<F>>,
    /// Frames since the window began.
    seen: usize,
}

impl<F> Window<F> {
    /// An empty window.
    pub fn new() -> Self {
        Self { frames: VecDeque::with_capacity(WINDOW + 1), seen: 0 }
    }

    /// Takes in a frame. After a long gap, or where the clock does not advance, the window starts afresh.
    pub fn push(&mut self, timestamp: Timestamp, frame: F, config: &StreamConfig) {
        let continues = self.frames.back().is_some_and(|last| {
            let gap = timestamp.since(last.timestamp).as_secs_f64();
            gap > 0.0 && gap <= config.longest_gap_seconds
        });
        if !continues {
            self.frames.clear();
            self.seen = 0;
        }
        if !self.newest_stays(config) {
            self.frames.pop_back();
        }
        self.frames.push_back(Kept { timestamp, frame, placed: None });
        self.seen += 1;
        if self.frames.len() > WINDOW {
            self.frames.pop_front();
        }
    }

    /// True where the newest frame will still be in the window when the next one has come.
    pub fn newest_stays(&self, config: &StreamConfig) -> bool {
        self.seen == 0 || (self.seen - 1).is_multiple_of(config.stride)
    }

    /// The frames, oldest first.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = &Kept<F>> {
        self.frames.iter()
    }

    /// The newest frame.
    pub fn newest(&mut self) -> Option<&mut Kept<F>> {
        self.frames.back_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames in the window after all of `times` (milliseconds) have come, numbered in order.
    fn window(times: impl IntoIterator<Item = u64>, config: &StreamConfig) -> Vec<usize> {
        let mut window = Window::new();
        for (number, ms) in times.into_iter().enumerate() {
            window.push(Timestamp::from_seconds(ms as f64 / 1e3), number, config);
        }
        window.frames().map(|kept| kept.frame).collect()
    }

    #[test]
    fn the_window_holds_the_newest_eight_frames() {
        let config = StreamConfig::default();
        assert_eq!(window((0..3).map(|i| 33 * i), &config), [0, 1, 2]);
        assert_eq!(window((0..20).map(|i| 33 * i), &config), [12, 13, 14, 15, 16, 17, 18, 19]);
    }

    #[test]
    fn with_a_stride_it_holds_every_nth_frame_and_the_newest() {
        let config = StreamConfig { stride: 3, ..StreamConfig::default() };
        assert_eq!(window((0..28).map(|i| 33 * i), &config), [6, 9, 12, 15, 18, 21, 24, 27]);
        assert_eq!(window((0..29).map(|i| 33 * i), &config), [9, 12, 15, 18, 21, 24, 27, 28]);
        assert_eq!(window((0..30).map(|i| 33 * i), &config), [9, 12, 15, 18, 21, 24, 27, 29]);
        assert_eq!(window((0..31).map(|i| 33 * i), &config), [9, 12, 15, 18, 21, 24, 27, 30]);
    }

    #[test]
    fn a_long_gap_or_a_clock_that_does_not_advance_starts_it_afresh() {
        let config = StreamConfig::default();
        assert_eq!(window([0, 33, 533, 566], &config), [0, 1, 2, 3]);
        assert_eq!(window([0, 33, 534, 567], &config), [2, 3]);
        assert_eq!(window([0, 33, 33], &config), [2]);
        assert_eq!(window([0, 33, 20], &config), [2]);
    }
}
