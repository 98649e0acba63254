//! Notices cameras that run slower than they say or see nothing.

use crate::frame::{Frame, Timestamp};

/// Time over which a rate is measured, and for which pictures must stay black, seconds.
const WINDOW: f64 = 2.0;
const DARK_FOR: f64 = 1.0;
/// A camera is slow below the first share of its rate, and in time again above the second.
const SLOW: [f64; 2] = [0.75, 0.9];
/// A picture is black below the first mean brightness (0..255), and lit again above the second.
const DARK: [f64; 2] = [6.0, 14.0];
/// Every so many bytes of a picture count for its brightness: a prime, so that all colours and columns do.
const SPARSE: usize = 997;

/// What was noticed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Note {
    /// Fewer pictures than promised, both a second.
    Slow { measured: f64, promised: f64 },
    /// Black pictures.
    Dark,
}

/// Watches the frames of one camera. Each trouble is noted when it begins, once.
pub(super) struct Watch {
    promised: f64,
    /// First frame of the window and frames since; the frames of the start do not count.
    window: Option<(Timestamp, u32)>,
    warm: bool,
    slow: bool,
    dark_since: Option<Timestamp>,
    dark: bool,
}

impl Watch {
    /// For a camera that promises `promised` pictures a second.
    pub fn new(promised: f64) -> Self {
        Self { promised, window: None, warm: false, slow: false, dark_since: None, dark: false }
    }

    /// Takes the next frame.
    pub fn see(&mut self, frame: &Frame) -> Option<Note> {
        let dark = self.brightness(frame);
        self.rate(frame.timestamp).or(dark)
    }

    fn rate(&mut self, now: Timestamp) -> Option<Note> {
        let (start, frames) = self.window.get_or_insert((now, 0));
        let seconds = now.since(*start).as_secs_f64();
        if seconds < WINDOW {
            *frames += 1;
            return None;
        }
        let measured = f64::from(*frames) / seconds;
        self.window = Some((now, 1));
        if !self.warm {
            // Cameras take a moment to find their exposure.
            self.warm = true;
            return None;
        }
        let limit = SLOW[usize::from(self.slow)] * self.promised;
        let was_slow = std::mem::replace(&mut self.slow, measured < limit);
        (self.slow && !was_slow).then_some(Note::Slow { measured, promised: self.promised })
    }

    fn brightness(&mut self, frame: &Frame) -> Option<Note> {
        let (sum, count) =
            frame.pixels.iter().step_by(SPARSE).fold((0.0, 0.0), |(s, n), &v| (s + f64::from(v), n + 1.0));
        if sum >= DARK[usize::from(self.dark)] * count {
            (self.dark_since, self.dark) = (None, false);
            return None;
        }
        let since = *self.dark_since.get_or_insert(frame.timestamp);
        let long = frame.timestamp.since(since).as_secs_f64() >= DARK_FOR;
        let newly = long && !self.dark;
        self.dark |= long;
        newly.then_some(Note::Dark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PictureSize;

    /// What is noted of frames at `fps` for `seconds` from `start`.
    fn notes(watch: &mut Watch, start: f64, seconds: f64, fps: f64, level: u8) -> Vec<Note> {
        let size = PictureSize::new(64, 48);
        let frames = (seconds * fps) as usize;
        let frame = |k: usize| Frame {
            pixels: vec![level; size.rgb_bytes()],
            size,
            timestamp: Timestamp::from_seconds(start + k as f64 / fps),
            sequence: k as u64,
        };
        (0..frames).filter_map(|k| watch.see(&frame(k))).collect()
    }

    #[test]
    fn half_the_promised_rate_is_noted_once_and_again_after_it_was_right() {
        let mut watch = Watch::new(30.0);
        assert_eq!(notes(&mut watch, 0.0, 10.0, 29.0, 100), []);
        let slow = notes(&mut watch, 10.0, 10.0, 15.0, 100);
        assert!(matches!(slow[..], [Note::Slow { measured, .. }] if (14.0..23.0).contains(&measured)));
        assert_eq!(notes(&mut watch, 20.0, 10.0, 30.0, 100), []);
        assert_eq!(notes(&mut watch, 30.0, 10.0, 15.0, 100).len(), 1);
    }

    #[test]
    fn black_pictures_are_noted_after_a_second_and_not_before() {
        let mut watch = Watch::new(30.0);
        assert_eq!(notes(&mut watch, 0.0, 0.9, 30.0, 2), []);
        assert_eq!(notes(&mut watch, 0.9, 5.0, 30.0, 2), [Note::Dark]);
        assert_eq!(notes(&mut watch, 5.9, 1.0, 30.0, 90), []);
        assert_eq!(notes(&mut watch, 6.9, 2.0, 30.0, 2), [Note::Dark]);
    }
}
