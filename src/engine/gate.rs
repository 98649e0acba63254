//! What a frame must be before anybody works on it, and what is odd about its time.

use std::time::Duration;

use crate::event::Trouble;
use crate::frame::{Frame, PictureSize, Timestamp};

/// A pause of so many frames, and of at least so many seconds, is told.
const MISSING_FRAMES: f64 = 10.0;
const LEAST_PAUSE: f64 = 0.25;
/// Frames of a live source are late above the first age, seconds, and in time again below the second.
const LATE: [f64; 2] = [0.2, 0.1];
/// Frames that are late already are told again when one is older than the last by so much.
const WORSE: Duration = Duration::from_millis(100);

/// Looks at every frame of a source before it goes on.
pub(super) struct Gate {
    size: PictureSize,
    live: bool,
    longest_pause: f64,
    newest: Option<(u64, Timestamp)>,
    /// Age of the last frame while frames are late.
    late: Option<Duration>,
    /// The source has said by itself why frames are missing.
    excused: bool,
}

/// What the gate says of a frame.
pub(super) struct Verdict {
    /// Whether the frame may go on.
    pub passes: bool,
    /// What is odd about it.
    pub trouble: Option<Trouble>,
}

impl Gate {
    /// For frames of `size` at `fps` frames a second. Files are not asked for their times: they number their
    /// frames themselves.
    pub fn new(size: PictureSize, fps: f64, live: bool) -> Self {
        let longest_pause = (MISSING_FRAMES / fps.max(1e-3)).max(LEAST_PAUSE);
        Self { size, live, longest_pause, newest: None, late: None, excused: false }
    }

    /// Notes that the source failed in a way that it told.
    pub fn excuse(&mut self) {
        self.excused = true;
    }

    /// Number and capture time of the newest frame that passed.
    pub fn newest(&self) -> Option<(u64, Timestamp)> {
        self.newest
    }

    /// Looks at the next frame, `age` after its capture where that is known.
    pub fn see(&mut self, frame: &Frame, age: Option<Duration>) -> Verdict {
        let Frame { sequence, timestamp, .. } = *frame;
        let refused = |trouble| Verdict { passes: false, trouble: Some(trouble) };
        if frame.size != self.size || frame.pixels.len() != self.size.rgb_bytes() {
            self.excused = true;
            return refused(Trouble::MalformedFrame { sequence });
        }
        if !self.live {
            return Verdict { passes: true, trouble: None };
        }
        let mut trouble = None;
        if let Some((newest, last)) = self.newest {
            if sequence == newest || timestamp == last {
                return refused(Trouble::DuplicateFrame { sequence });
            }
            if sequence < newest || timestamp < last {
                return refused(Trouble::FrameOutOfOrder { sequence, newest });
            }
            let pause = timestamp.since(last);
            let long = pause.as_secs_f64() > self.longest_pause;
            trouble = (long && !self.excused).then_some(Trouble::FramesMissing { sequence, pause });
        }
        self.newest = Some((sequence, timestamp));
        self.excused = false;
        if let Some(age) = age {
            let late = age.as_secs_f64() > LATE[usize::from(self.late.is_some())];
            let known = self.late.map_or(Duration::ZERO, |before| before + WORSE);
            if late && age > known {
                trouble = trouble.or(Some(Trouble::LateFrame { sequence, age }));
            }
            self.late = late.then_some(age);
        }
        Verdict { passes: true, trouble }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: PictureSize = PictureSize { width: 2, height: 2 };

    /// What is told of frame `sequence`, captured at `ms` milliseconds and `age` old.
    fn told(gate: &mut Gate, sequence: u64, ms: i64, age: u64) -> (bool, Option<Trouble>) {
        let timestamp = Timestamp(ms * 1_000_000);
        let frame = Frame { pixels: vec![0; SIZE.rgb_bytes()], size: SIZE, timestamp, sequence };
        let Verdict { passes, trouble } = gate.see(&frame, Some(Duration::from_millis(age)));
        (passes, trouble)
    }

    #[test]
    fn what_is_odd_about_a_live_frame_is_told_and_only_what_is_of_use_goes_on() {
        let mut gate = Gate::new(SIZE, 30.0, true);
        assert_eq!(told(&mut gate, 0, 0, 5), (true, None));
        assert_eq!(told(&mut gate, 0, 0, 5), (false, Some(Trouble::DuplicateFrame { sequence: 0 })));
        assert_eq!(told(&mut gate, 2, 66, 5), (true, None));
        let behind = Trouble::FrameOutOfOrder { sequence: 1, newest: 2 };
        assert_eq!(told(&mut gate, 1, 33, 5), (false, Some(behind)));
        let age = Duration::from_millis(300);
        assert_eq!(told(&mut gate, 3, 100, 300), (true, Some(Trouble::LateFrame { sequence: 3, age })));
        assert_eq!(told(&mut gate, 4, 133, 270), (true, None), "told when it begins");
        assert_eq!(told(&mut gate, 5, 166, 20), (true, None));
        let pause = Duration::from_millis(834);
        assert_eq!(told(&mut gate, 9, 1000, 5), (true, Some(Trouble::FramesMissing { sequence: 9, pause })));
        gate.excuse();
        assert_eq!(told(&mut gate, 10, 9000, 5), (true, None), "the source has said why");
        let frame = Frame { pixels: vec![0; 5], size: SIZE, timestamp: Timestamp(i64::MAX), sequence: 11 };
        let verdict = gate.see(&frame, None);
        assert_eq!(
            (verdict.passes, verdict.trouble),
            (false, Some(Trouble::MalformedFrame { sequence: 11 }))
        );
    }

    #[test]
    fn files_keep_their_own_times() {
        let mut gate = Gate::new(SIZE, 30.0, false);
        for (sequence, ms) in [(0, 50), (1, 50), (2, 20), (3, 90_000)] {
            assert_eq!(told(&mut gate, sequence, ms, 0), (true, None));
        }
    }
}
