//! The window of one track as frames stream in.
//!
//! A frame is prepared once and kept; only its age changes as newer ones come. Age is part of the token
//! that the embedding reads before its first GELU, so kept embeddings would not hold; what is kept is the
//! embedding's input, and the embedding of the whole window runs again with every frame. That costs
//! 0.05 ms for eight frames, an eighth of a pass (`bench/lite.rs`), and the result is the same as from
//! scratch, to the bit.

use std::collections::VecDeque;

use super::placement::{DepthRow, Placed, PlacementMode};
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
    placed: Option<Placed>,
    /// Frames of the window's stream before it.
    number: usize,
}

/// What a window says of its newest frame's depth, metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct FrameDepth {
    /// As placed over time.
    pub depth: f64,
    /// By this frame alone.
    pub weak: f64,
    /// Change since the track's frame before; `None` for the first frame of a window.
    pub change: Option<f64>,
}

/// The frames of one track's window, oldest first: every `stride`-th frame of the track since it began,
/// and the newest.
#[derive(Clone, Debug)]
pub(super) struct Window<F> {
    frames: VecDeque<Kept<F>>,
    /// Most frames that it holds.
    longest: usize,
    /// Frames since the window began.
    seen: usize,
    /// Depth change of the last placed frame since the last frame that stays in the window, metres.
    since_kept: f64,
}

impl<F> Window<F> {
    /// An empty window of at most `longest` frames.
    pub fn new(longest: usize) -> Self {
        Self { frames: VecDeque::with_capacity(longest + 1), longest, seen: 0, since_kept: 0.0 }
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
        if self.frames.back().is_some_and(|last| !stays(last.number, config)) {
            self.frames.pop_back();
        }
        self.frames.push_back(Kept { timestamp, frame, placed: None, number: self.seen });
        self.seen += 1;
        if self.frames.len() > self.longest {
            self.frames.pop_front();
        }
    }

    /// Takes the newest frame out again; the next one takes its place.
    pub fn forget_newest(&mut self) {
        if self.frames.pop_back().is_some() {
            self.seen -= 1;
        }
    }

    /// The frames, oldest first.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = &Kept<F>> {
        self.frames.iter()
    }

    /// Gives the newest frame its depth, for the frames to come too. `depths` holds the weak depth and the
    /// depth change of each frame, metres; `None` where there are more or fewer.
    pub fn place(
        &mut self,
        depths: &[(f64, f64)],
        placement: PlacementMode,
        config: &StreamConfig,
    ) -> Option<FrameDepth> {
        let frames = self.frames.iter().zip(depths);
        let row =
            |(kept, &(weak, change)): (&Kept<F>, &(f64, f64))| DepthRow { weak, change, placed: kept.placed };
        let rows: Vec<DepthRow> = frames.map(row).collect();
        let (&(weak, newest_change), earlier) = depths.split_last()?;
        let newest = self.frames.back_mut().filter(|_| rows.len() == depths.len())?;
        let placed = placement.place(&rows)?;
        newest.placed = Some(placed);
        let since_kept = earlier.last().map(|(_, kept_change)| newest_change - kept_change);
        let change = since_kept.map(|change| change - self.since_kept);
        self.since_kept = if stays(newest.number, config) { 0.0 } else { since_kept.unwrap_or(0.0) };
        Some(FrameDepth { depth: placed.depth, weak, change })
    }
}

/// True where the frame of this number will still be in its window when the next one has come.
fn stays(number: usize, config: &StreamConfig) -> bool {
    number.is_multiple_of(config.stride)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::haptic::WINDOW;

    /// The frames in the window after all of `times` (milliseconds) have come, numbered in order.
    fn window(times: impl IntoIterator<Item = u64>, config: &StreamConfig) -> Vec<usize> {
        let mut window = Window::new(WINDOW);
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
    fn a_frame_that_is_forgotten_leaves_its_place_to_the_next() {
        let config = StreamConfig { stride: 3, ..StreamConfig::default() };
        let mut window = Window::new(WINDOW);
        for number in 0..10_u8 {
            window.push(Timestamp::from_seconds(f64::from(number) / 30.0), number, &config);
            if number == 2 || number == 4 {
                window.forget_newest();
            }
        }
        let frames: Vec<u8> = window.frames().map(|kept| kept.frame).collect();
        assert_eq!(frames, [0, 5, 8, 9]);
    }

    #[test]
    fn changes_of_depth_add_up_whatever_the_stride() {
        for stride in 1..4 {
            let config = StreamConfig { stride, ..StreamConfig::default() };
            let mut window = Window::new(WINDOW);
            let mut sum = 0.0;
            for number in 0..40_u32 {
                let depth = f64::from(number).sin();
                window.push(Timestamp::from_seconds(f64::from(number) / 30.0), depth, &config);
                // Depths have no common zero from window to window.
                let depths: Vec<_> = window.frames().map(|kept| (1.0, kept.frame + 5.0 / depth)).collect();
                let placed = window.place(&depths, PlacementMode::default(), &config).unwrap();
                sum += placed.change.unwrap_or(0.0);
                assert!((sum - depth).abs() < 1e-9, "{stride}: {number}");
            }
        }
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
