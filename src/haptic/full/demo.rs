//! The windows of HaPTIC's released demo, which sees the whole film at once: what a stream is compared with.

use std::ops::Range;

use crate::haptic::WINDOW;

/// Frames from the start of a window to the start of the next; the two share one frame.
const STRIDE: usize = WINDOW - 1;

/// The frames of each window of a film of `frames` frames. The last window is filled up with the last frame;
/// where the film ends with a window's last frame, the demo runs one more window of that frame alone.
pub fn demo_windows(frames: usize) -> Vec<[usize; WINDOW]> {
    let window = |start: usize| std::array::from_fn(|place| (start + place).min(frames - 1));
    (0..frames).step_by(STRIDE).map(window).collect()
}

/// The places of window number `window` whose results the demo keeps, a later one in place of an earlier one
/// of the same frame.
pub fn demo_places(window: usize) -> Range<usize> {
    usize::from(window > 0)..WINDOW
}

/// The demo's depth: each window's depth changes, hung onto the last depth of the window before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DemoDepth {
    last: Option<f64>,
}

impl DemoDepth {
    /// The depths of the next window from the network's depths of its frames, metres. The first frame of
    /// all has the weak depth `first`.
    pub fn window(&mut self, first: f64, network: [f64; WINDOW]) -> [f64; WINDOW] {
        let start = self.last.unwrap_or(first);
        let depths = network.map(|depth| depth - network[0] + start);
        self.last = depths.last().copied();
        depths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which window and place the kept result of each frame comes from.
    fn kept(frames: usize) -> Vec<(usize, usize)> {
        let mut kept = vec![(usize::MAX, 0); frames];
        for (number, window) in demo_windows(frames).iter().enumerate() {
            for place in demo_places(number) {
                kept[window[place]] = (number, place);
            }
        }
        kept
    }

    #[test]
    fn neighbours_share_a_frame_and_the_last_is_filled_up() {
        let last = [7, 8, 9, 9, 9, 9, 9, 9];
        assert_eq!(demo_windows(10), [[0, 1, 2, 3, 4, 5, 6, 7], last]);
        assert_eq!(kept(10)[6..], [(0, 6), (0, 7), (1, 1), (1, 7)]);
        assert_eq!(demo_windows(3), [[0, 1, 2, 2, 2, 2, 2, 2]]);
        assert!(demo_windows(0).is_empty());
    }

    #[test]
    fn a_film_that_ends_with_a_window_gets_one_more_of_its_last_frame() {
        assert_eq!(demo_windows(15).last(), Some(&[14; WINDOW]));
        assert_eq!(kept(15)[13..], [(1, 6), (2, 7)]);
    }

    #[test]
    fn only_changes_within_a_window_count() {
        let mut depth = DemoDepth::default();
        let ramp = |from: f64| std::array::from_fn(|place| from + 0.01 * place as f64);
        assert!((depth.window(0.5, ramp(3.0))[7] - 0.57).abs() < 1e-12);
        assert!((depth.window(9.0, ramp(-2.0))[7] - 0.64).abs() < 1e-12);
    }
}
