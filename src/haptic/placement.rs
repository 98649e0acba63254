//! One metric depth for the newest frame, from what the network says of every frame of the window.
//!
//! The network gives each frame a weak depth `w_i` (from box and scale alone, noisy but without drift) and a
//! depth change `d_i` since the window's first frame (smooth, but it says nothing of the start).

use super::WINDOW;

/// Nearest depth that is given, metres.
const NEAREST: f64 = 0.05;

/// How depths and depth changes are brought together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PlacementMode {
    /// The newest frame's weak depth alone (HaMeR's "Weak2Full").
    WeakToFull,
    /// HaPTIC's: chunks of [`WINDOW`] frames that share one frame with the chunk before. The first frame of
    /// all has its weak depth; within a chunk `z_t = z_c + d_t - d_c` with `c` the chunk's first frame;
    /// a chunk's last frame is the next one's first. Where the paper runs the network once a chunk, a
    /// stream takes `d_t - d_c` from the window that ends at `t`, which still holds `c`.
    Chained,
    /// A complementary filter: `z_t = (1 - g) (z_p + d_t - d_p) + g a_t` with `p` the frame before in the
    /// window and the window's anchor `a_t = median_i(w_i - d_i) + d_t`. Steps come from the depth
    /// changes, the level from all weak depths of the window.
    Anchored {
        /// The filter's gain `g`, 0..1.
        gain: f64,
    },
}

impl Default for PlacementMode {
    fn default() -> Self {
        Self::Anchored { gain: 0.1 }
    }
}

/// The depth given to a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placed {
    /// Metres.
    pub depth: f64,
    /// Frames since the first of its chunk; the last frame of a chunk counts as the next one's first.
    pub in_chunk: usize,
}

/// What is known of one frame's depth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DepthRow {
    /// `w_i`, metres.
    pub weak: f64,
    /// `d_i`, metres.
    pub change: f64,
    /// What the frame was given; nothing for the newest.
    pub placed: Option<Placed>,
}

impl PlacementMode {
    /// The depth of the last of `rows`; `None` without rows.
    pub(super) fn place(self, rows: &[DepthRow]) -> Option<Placed> {
        let (newest, earlier) = rows.split_last()?;
        let before = earlier.last().and_then(|row| row.placed.map(|placed| (row, placed)));
        let in_chunk = before.map_or(0, |(_, placed)| (placed.in_chunk + 1) % (WINDOW - 1));
        let depth = match self {
            Self::WeakToFull => newest.weak,
            Self::Chained => before
                .and_then(|(_, placed)| {
                    let start = earlier.get(earlier.len().checked_sub(placed.in_chunk + 1)?)?;
                    Some(start.placed?.depth + newest.change - start.change)
                })
                .unwrap_or(newest.weak),
            Self::Anchored { gain } => {
                let anchor = median(rows.iter().map(|row| row.weak - row.change)) + newest.change;
                before.map_or(anchor, |(row, placed)| {
                    (1.0 - gain) * (placed.depth + newest.change - row.change) + gain * anchor
                })
            }
        };
        Some(Placed { depth: depth.max(NEAREST), in_chunk })
    }
}

/// The median; of an even number of values the mean of the middle two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.get(..=middle) {
        Some([.., low, high]) if sorted.len().is_multiple_of(2) => (low + high) / 2.0,
        Some([.., high]) => *high,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: f64 = 0.06;

    /// A hand that moves away from 0.5 m by a centimetre a frame.
    fn truth(t: usize) -> f64 {
        0.5 + 0.01 * t as f64
    }

    /// Weak depths that err by turns to either side, and `slope` of the true change.
    fn placed(mode: PlacementMode, frames: usize, slope: f64) -> Vec<f64> {
        let mut given: Vec<Placed> = Vec::new();
        for t in 0..frames {
            let first = (t + 1).saturating_sub(WINDOW);
            let rows = (first..=t).map(|i| DepthRow {
                weak: truth(i) + if i % 2 == 0 { ERROR } else { -ERROR },
                change: slope * (truth(i) - truth(first)),
                placed: given.get(i).copied(),
            });
            given.push(mode.place(&rows.collect::<Vec<_>>()).unwrap());
        }
        given.into_iter().map(|placed| placed.depth).collect()
    }

    #[test]
    fn weak_to_full_follows_every_error_of_the_weak_depth() {
        for (t, depth) in placed(PlacementMode::WeakToFull, 20, 1.0).into_iter().enumerate() {
            assert!(((depth - truth(t)).abs() - ERROR).abs() < 1e-12);
        }
    }

    #[test]
    fn chained_depth_keeps_the_first_frames_error_and_true_changes() {
        for (t, depth) in placed(PlacementMode::Chained, 40, 1.0).into_iter().enumerate() {
            assert!((depth - truth(t) - ERROR).abs() < 1e-12, "{t}: {depth}");
        }
    }

    #[test]
    fn chunks_share_one_frame() {
        // With a change that is always too large by a constant, errors add up once a chunk.
        let mut given: Vec<Placed> = Vec::new();
        for t in 0_usize..30 {
            let first = (t + 1).saturating_sub(WINDOW);
            let change = |i: usize| if i == t && i > first { 0.001 } else { 0.0 };
            let row = |i: usize| DepthRow { weak: 0.5, change: change(i), placed: given.get(i).copied() };
            let rows: Vec<_> = (first..=t).map(row).collect();
            given.push(PlacementMode::Chained.place(&rows).unwrap());
        }
        for (t, placed) in given.iter().enumerate().skip(1) {
            let chunks = (t - 1) / (WINDOW - 1) + 1;
            assert!((placed.depth - 0.5 - 0.001 * chunks as f64).abs() < 1e-12, "{t}");
        }
    }

    #[test]
    fn the_anchor_forgets_the_first_frames_error_and_does_not_drift() {
        let mode = PlacementMode::default();
        let depths = placed(mode, 120, 1.0);
        for (t, depth) in depths.iter().enumerate().skip(60) {
            assert!((depth - truth(t)).abs() < 1e-3, "{t}: {depth}");
        }
        let slow = |mode| placed(mode, 120, 0.5)[119] - truth(119);
        assert!(slow(mode).abs() < 0.1, "the anchor is {} off", slow(mode));
        assert!(
            slow(PlacementMode::Chained).abs() > 0.5,
            "chained is only {} off",
            slow(PlacementMode::Chained)
        );
    }

    #[test]
    fn one_frame_alone_has_its_weak_depth_and_none_has_no_depth() {
        for mode in [PlacementMode::WeakToFull, PlacementMode::Chained, PlacementMode::default()] {
            let row = DepthRow { weak: 0.7, change: 0.0, placed: None };
            assert_eq!(mode.place(&[row]), Some(Placed { depth: 0.7, in_chunk: 0 }));
            assert_eq!(mode.place(&[]), None);
        }
    }

    #[test]
    fn no_depth_is_nearer_than_a_hand_can_be() {
        let row = DepthRow { weak: -3.0, change: 0.0, placed: None };
        assert_eq!(PlacementMode::default().place(&[row]).map(|placed| placed.depth), Some(NEAREST));
    }
}
