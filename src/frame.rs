//! One picture and its place in time.

use std::time::Duration;

/// Nanoseconds on the capture clock of a run; only differences carry meaning across runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From seconds, rounded to the nearest nanosecond.
    pub fn from_seconds(seconds: f64) -> Self {
        Self((seconds * 1e9).round() as i64)
    }

    /// Seconds since the clock's zero.
    pub fn seconds(self) -> f64 {
        self.0 as f64 * 1e-9
    }

    /// Time since `earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}

/// Width and height of a picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PictureSize {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl PictureSize {
    /// A size of `width` columns and `height` rows.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }

    /// Bytes of an RGB picture of this size.
    pub fn rgb_bytes(self) -> usize {
        self.width * self.height * 3
    }
}

impl std::fmt::Display for PictureSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A captured picture: 8-bit RGB, rows top to bottom without padding.
#[derive(Clone, Debug)]
pub struct Frame {
    /// `height * width * 3` bytes, row-major, R G B.
    pub pixels: Vec<u8>,
    /// Columns and rows.
    pub size: PictureSize,
    /// When the picture was captured, on the source's clock.
    pub timestamp: Timestamp,
    /// Number of the frame in its source, counted from 0; gaps mean dropped frames.
    pub sequence: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_differences_never_run_backwards() {
        let (a, b) = (Timestamp::from_seconds(1.0), Timestamp::from_seconds(1.5));
        assert_eq!(b.since(a), Duration::from_millis(500));
        assert_eq!(a.since(b), Duration::ZERO);
    }
}
