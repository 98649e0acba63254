//! A source that misbehaves as cameras do, the same way for the same seed: to test what stands behind it.

mod ledger;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use self::ledger::{FaultAccount, FaultLedger};
use super::{Source, SourceError, SourceInfo};
use crate::event::Trouble;
use crate::frame::{Frame, Timestamp};
use crate::random::Random;

/// Good frames between two faults, at least and at most.
const QUIET: [usize; 2] = [25, 75];
/// Time for which a delay or a burst holds frames back, seconds.
const HELD: [f64; 2] = [0.3, 0.5];
/// Time for which a source is frozen or away, seconds.
const LOST: [f64; 2] = [0.5, 1.3];
/// Rate at which a source that is away says so.
const AWAY_EVERY: Duration = Duration::from_millis(40);

/// What can be wrong with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// A frame is handed over late, and those that were due meanwhile are lost.
    Delay,
    /// Some frames are held back and then come all at once.
    Burst,
    /// No frame comes for a while.
    Freeze,
    /// A frame comes twice.
    Duplicate,
    /// Two frames come in the wrong order.
    Reorder,
    /// A frame cannot be decoded, or lacks pixels.
    Corrupt,
    /// The source is gone for a while, and says so.
    Vanish,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [FaultKind; 7] =
        [Self::Delay, Self::Burst, Self::Freeze, Self::Duplicate, Self::Reorder, Self::Corrupt, Self::Vanish];

    /// The kind's name, as written to files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Burst => "burst",
            Self::Freeze => "freeze",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Corrupt => "corrupt",
            Self::Vanish => "vanish",
        }
    }
}

/// One thing that was made to go wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Number of the fault, from 0.
    pub number: u64,
    /// What.
    pub kind: FaultKind,
    /// Number of the frame at which it shows: the first that is late, missing before, doubled, misplaced or damaged.
    pub sequence: u64,
}

impl Fault {
    /// Whether this is what a run says of the fault.
    pub fn told_by(&self, trouble: &Trouble) -> bool {
        match (self.kind, trouble) {
            (FaultKind::Delay | FaultKind::Burst, Trouble::LateFrame { sequence, .. })
            | (FaultKind::Freeze, Trouble::FramesMissing { sequence, .. })
            | (FaultKind::Duplicate, Trouble::DuplicateFrame { sequence })
            | (FaultKind::Reorder, Trouble::FrameOutOfOrder { sequence, .. })
            | (FaultKind::Corrupt, Trouble::MalformedFrame { sequence }) => *sequence == self.sequence,
            _ => false,
        }
    }

    /// Whether a source's own sentence speaks of the fault.
    pub fn told_in(&self, sentence: &str) -> bool {
        matches!(self.kind, FaultKind::Corrupt | FaultKind::Vanish) && sentence.contains(&self.words())
    }

    fn words(&self) -> String {
        format!("injected fault {}:", self.number)
    }
}

/// What was made to go wrong so far; shared with the source that does it.
#[derive(Clone, Debug, Default)]
pub struct FaultLog(Arc<Mutex<Vec<Fault>>>);

impl FaultLog {
    /// The faults so far, in order.
    pub fn faults(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    /// The faults after the first `known`.
    fn since(&self, known: usize) -> Vec<Fault> {
        self.lock().get(known..).unwrap_or_default().to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Plays another source as a camera would, on its own clock, and lets things go wrong.
pub struct FaultySource {
    inner: Box<dyn Source>,
    info: SourceInfo,
    random: Random,
    log: FaultLog,
    /// Kinds that have not had their turn in this round: every kind comes equally often.
    round: Vec<FaultKind>,
    /// Good frames to come before the next fault.
    quiet: usize,
    /// What will be given next, in order.
    ready: VecDeque<Outcome>,
    /// When the frame with this timestamp was due.
    start: Option<(Instant, Timestamp)>,
}

/// What a call gives.
enum Outcome {
    /// A frame, not before this moment of the frames' clock.
    Frame(Frame, Timestamp),
    /// An error, not before this moment.
    Error(SourceError, Timestamp),
}

impl FaultySource {
    /// `inner` with faults chosen by `seed`; what goes wrong is noted in `log`.
    pub fn new(inner: Box<dyn Source>, seed: u64, log: FaultLog) -> Self {
        let info = SourceInfo { live: true, ..inner.info().clone() };
        let random = Random::new(seed);
        Self {
            inner,
            info,
            random,
            log,
            round: Vec::new(),
            quiet: QUIET[1],
            ready: VecDeque::new(),
            start: None,
        }
    }

    /// Frames of a time between two, seconds.
    fn frames(&mut self, [least, most]: [f64; 2]) -> usize {
        (self.random.between(least, most) * self.info.fps).ceil() as usize
    }

    /// Makes ready what comes next; false at the end of the source.
    fn prepare(&mut self) -> Result<bool, SourceError> {
        let Some(frame) = self.inner.next_frame()? else { return Ok(false) };
        if self.quiet > 0 {
            self.quiet -= 1;
            let due = frame.timestamp;
            self.ready.push_back(Outcome::Frame(frame, due));
            return Ok(true);
        }
        self.quiet = QUIET[0] + self.random.below(QUIET[1] - QUIET[0]);
        if self.round.is_empty() {
            self.round.extend(FaultKind::ALL);
        }
        let turn = self.random.below(self.round.len());
        let kind = self.round.swap_remove(turn);
        self.fault(kind, frame)?;
        Ok(true)
    }

    /// Lets the frame go wrong.
    fn fault(&mut self, kind: FaultKind, mut frame: Frame) -> Result<(), SourceError> {
        let number = self.log.lock().len() as u64;
        let mut fault = Fault { number, kind, sequence: frame.sequence };
        let due = frame.timestamp;
        match kind {
            FaultKind::Delay => {
                let lost = self.frames(HELD);
                let end = self.skip(lost)?.unwrap_or(due);
                self.ready.push_back(Outcome::Frame(frame, end));
            }
            FaultKind::Burst => {
                let held = self.frames(HELD);
                let mut frames = vec![frame];
                for _ in 0..held {
                    frames.extend(self.inner.next_frame()?);
                }
                let end = frames.last().map_or(due, |last| last.timestamp);
                self.ready.extend(frames.into_iter().map(|frame| Outcome::Frame(frame, end)));
            }
            FaultKind::Freeze => {
                let lost = self.frames(LOST);
                self.skip(lost)?;
                let Some(next) = self.inner.next_frame()? else { return Ok(()) };
                fault.sequence = next.sequence;
                let due = next.timestamp;
                self.ready.push_back(Outcome::Frame(next, due));
            }
            FaultKind::Duplicate => {
                self.ready.push_back(Outcome::Frame(frame.clone(), due));
                self.ready.push_back(Outcome::Frame(frame, due));
            }
            FaultKind::Reorder => {
                let Some(next) = self.inner.next_frame()? else { return Ok(()) };
                let due = next.timestamp;
                self.ready.push_back(Outcome::Frame(next, due));
                self.ready.push_back(Outcome::Frame(frame, due));
            }
            FaultKind::Corrupt if self.random.below(2) == 0 => {
                let length = self.random.below(frame.pixels.len());
                frame.pixels.truncate(length);
                self.ready.push_back(Outcome::Frame(frame, due));
            }
            FaultKind::Corrupt => {
                let reason = format!("{} no decodable picture", fault.words());
                self.ready.push_back(Outcome::Error(SourceError::CameraPicture { index: 0, reason }, due));
            }
            FaultKind::Vanish => {
                let lost = self.frames(LOST);
                let end = self.skip(lost)?.unwrap_or(due);
                let step = AWAY_EVERY.as_nanos() as i64;
                let mut at = due;
                while at < end {
                    let reason = format!("{} no such device", fault.words());
                    self.ready.push_back(Outcome::Error(SourceError::CameraGone { index: 0, reason }, at));
                    at.0 += step;
                }
            }
        }
        self.log.lock().push(fault);
        Ok(())
    }

    /// Loses frames; the time at which the last of them was due.
    fn skip(&mut self, frames: usize) -> Result<Option<Timestamp>, SourceError> {
        let mut last = None;
        for _ in 0..frames {
            let Some(frame) = self.inner.next_frame()? else { break };
            last = Some(frame.timestamp);
        }
        Ok(last)
    }

    /// Waits until a moment of the frames' clock.
    fn wait(&mut self, until: Timestamp) {
        let (start, first) = *self.start.get_or_insert_with(|| (Instant::now(), until));
        let due = start + until.since(first);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

impl Source for FaultySource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        while self.ready.is_empty() {
            if !self.prepare()? {
                return Ok(None);
            }
        }
        match self.ready.pop_front() {
            Some(Outcome::Frame(frame, due)) => {
                self.wait(due);
                Ok(Some(frame))
            }
            Some(Outcome::Error(error, due)) => {
                self.wait(due);
                Err(error)
            }
            None => Ok(None),
        }
    }

    fn clock(&self) -> Option<Timestamp> {
        let (start, first) = self.start?;
        Some(Timestamp(first.0 + start.elapsed().as_nanos() as i64))
    }

    fn take_back(&mut self, pixels: Vec<u8>) {
        self.inner.take_back(pixels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PictureSize;

    const SIZE: PictureSize = PictureSize { width: 2, height: 2 };

    /// Black frames at 100 a second.
    struct Film(SourceInfo, u64);

    impl Source for Film {
        fn info(&self) -> &SourceInfo {
            &self.0
        }

        fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
            let sequence = self.1;
            self.1 += 1;
            let timestamp = Timestamp(sequence as i64 * 10_000_000);
            let frame = Frame { pixels: vec![0; SIZE.rgb_bytes()], size: SIZE, timestamp, sequence };
            Ok((sequence < 1500).then_some(frame))
        }
    }

    /// What would come out, as text, and the faults.
    fn planned(seed: u64) -> (Vec<String>, Vec<Fault>) {
        let info = SourceInfo {
            name: "film".into(),
            size: SIZE,
            fps: 100.0,
            frame_count: Some(1500),
            live: false,
            camera: None,
        };
        let log = FaultLog::default();
        let mut source = FaultySource::new(Box::new(Film(info, 0)), seed, log.clone());
        while source.prepare().unwrap() {}
        let given = source.ready.iter().map(|outcome| match outcome {
            Outcome::Frame(frame, due) => format!("{} {} {due:?}", frame.sequence, frame.pixels.len()),
            Outcome::Error(error, due) => format!("{error} {due:?}"),
        });
        (given.collect(), log.faults())
    }

    #[test]
    fn the_same_seed_lets_the_same_things_go_wrong_and_every_kind_has_its_turn() {
        let (given, faults) = planned(3);
        assert_eq!(given, planned(3).0);
        assert_ne!(given, planned(4).0);
        for kind in FaultKind::ALL {
            assert!(faults.iter().any(|fault| fault.kind == kind), "no {}", kind.name());
        }
    }
}
