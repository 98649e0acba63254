use std::convert::Infallible;
use std::thread;

use super::*;
use crate::event::{Recovery, Trouble, Worker, WorkerFailure};
use crate::frame::{PictureSize, Timestamp};
use crate::geometry::CameraModel;
use crate::source::{SourceError, SourceInfo};

const SIZE: PictureSize = PictureSize { width: 2, height: 2 };

/// Black frames at 1000 a second; each number in `damaged` fails once.
struct Film {
    info: SourceInfo,
    next: u64,
    length: u64,
    damaged: Vec<u64>,
}

impl Film {
    fn boxed(length: u64, damaged: Vec<u64>) -> Box<dyn Source> {
        let info = SourceInfo {
            name: "film".into(),
            size: SIZE,
            fps: 1000.0,
            frame_count: Some(length),
            live: false,
            camera: None,
        };
        Box::new(Self { info, next: 0, length, damaged })
    }
}

impl Source for Film {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        let sequence = self.next;
        if sequence == self.length {
            return Ok(None);
        }
        self.next += 1;
        if self.damaged.contains(&sequence) {
            return Err(SourceError::NotFound { path: format!("{sequence}.png") });
        }
        let timestamp = Timestamp(sequence as i64 * 1_000_000);
        Ok(Some(Frame { pixels: vec![0; SIZE.rgb_bytes()], size: SIZE, timestamp, sequence }))
    }
}

struct Slow(Duration);

impl FrontEnd for Slow {
    fn process(&mut self, _: &Frame) -> Processed {
        thread::sleep(self.0);
        Processed::default()
    }
}

/// Fails at one frame, or the first that it is given after it, as a bug would: panics, or hangs for the time given.
struct Failing {
    at: u64,
    hangs: Option<Duration>,
}

impl FrontEnd for Failing {
    fn process(&mut self, frame: &Frame) -> Processed {
        if frame.sequence >= self.at {
            thread::sleep(self.hangs.expect("as a bug would"));
        }
        Processed::default()
    }
}

fn info() -> RunInfo {
    RunInfo {
        source: "film".into(),
        size: SIZE,
        fps: 1000.0,
        frame_count: None,
        camera: CameraModel::guess(SIZE),
        hand_model: "open".into(),
    }
}

/// Runs and returns the frame numbers seen, the drops counted, and the warnings.
fn play(
    source: Box<dyn Source>,
    front_end: impl FrontEnd + 'static,
    delivery: Delivery,
) -> (Vec<u64>, u64, Vec<String>) {
    let (frames, dropped, warnings, _) = watch(Run::new(source, info(), Box::new(front_end), delivery));
    (frames, dropped, warnings)
}

/// The same of any run, and its troubles.
fn watch(run: Run) -> (Vec<u64>, u64, Vec<String>, Vec<Trouble>) {
    let (mut frames, mut dropped, mut warnings, mut troubles) = (Vec::new(), 0, Vec::new(), Vec::new());
    let outcome: Result<(), Infallible> = run.follow(|event| {
        match event {
            Event::Frame { hands, .. } => frames.push(hands.sequence),
            Event::Dropped { count } => dropped += count,
            Event::Warning(sentence) => warnings.push(sentence.clone()),
            Event::Trouble(trouble) => troubles.push(trouble.clone()),
            Event::Started(_)
            | Event::Refined(_)
            | Event::SecondPass(_)
            | Event::Paused { .. }
            | Event::Finished => {}
        }
        Ok(())
    });
    outcome.unwrap();
    (frames, dropped, warnings, troubles)
}

#[test]
fn offline_every_frame_arrives_in_order() {
    let (frames, dropped, _) = play(Film::boxed(50, vec![]), Slow(Duration::ZERO), Delivery::Every);
    assert_eq!(frames, (0..50).collect::<Vec<_>>());
    assert_eq!(dropped, 0);
}

#[test]
fn a_slow_front_end_sees_the_newest_frame_and_every_drop_is_counted() {
    let slow = Slow(Duration::from_millis(8));
    let (frames, dropped, _) = play(Film::boxed(100, vec![]), slow, Delivery::Newest { paced: true });
    assert!(frames.len() < 60, "{} frames seen", frames.len());
    assert_eq!(frames.last(), Some(&99), "the last frame is the newest and is never dropped");
    assert_eq!(frames.len() as u64 + dropped, 100);
}

#[test]
fn a_damaged_frame_is_told_and_the_rest_goes_on() {
    let (frames, _, warnings) = play(Film::boxed(5, vec![2]), Slow(Duration::ZERO), Delivery::Every);
    assert_eq!(frames, [0, 1, 3, 4]);
    assert_eq!(warnings.len(), 1);
}

/// A camera whose pictures are 40 ms old when they come, and that is away for a while.
struct Old {
    info: SourceInfo,
    calls: u64,
}

impl Source for Old {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        self.calls += 1;
        match self.calls {
            1..=20 => Err(SourceError::CameraGone { index: 0, reason: "no such device".into() }),
            21 => {
                thread::sleep(Duration::from_millis(2));
                let timestamp = Timestamp(1_000_000_000);
                Ok(Some(Frame { pixels: vec![0; SIZE.rgb_bytes()], size: SIZE, timestamp, sequence: 0 }))
            }
            _ => Ok(None),
        }
    }

    fn clock(&self) -> Option<Timestamp> {
        Some(Timestamp(1_040_000_000))
    }
}

#[test]
fn a_camera_that_is_away_is_told_once_and_waited_for_and_latency_counts_from_the_capture() {
    let info = Film::boxed(1, vec![]).info().clone();
    let (mut total, mut warnings) = (None, 0);
    let source = Old { info: SourceInfo { live: true, ..info }, calls: 0 };
    let front_end = Slow(Duration::from_millis(5));
    let delivery = Delivery::Newest { paced: false };
    let run = Run::new(Box::new(source), self::info(), Box::new(front_end), delivery);
    let outcome: Result<(), Infallible> = run.follow(|event| {
        match event {
            Event::Frame { hands, .. } => total = Some(hands.total),
            Event::Warning(_) => warnings += 1,
            _ => {}
        }
        Ok(())
    });
    outcome.unwrap();
    assert!(total.unwrap() >= Duration::from_millis(45), "{total:?}");
    assert_eq!(warnings, 1);
}

/// How long a front end may hang in these tests: long enough that one which waits for a core on a busy machine is not
/// taken for it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A run of `frames` frames whose front end fails at frame 3, or the first after it that it is given, and whose next one
/// does its work.
fn failing(frames: u64, hangs: Option<Duration>, delivery: Delivery) -> Run {
    let broken: Box<dyn FrontEnd> = Box::new(Failing { at: 3, hangs });
    let sound = || Ok(Box::new(Slow(Duration::ZERO)) as Box<dyn FrontEnd>);
    Run {
        front_end: Supply::renewable(broken, sound),
        watchdog: Watchdog::every(Some(PATIENCE)),
        ..Run::new(Film::boxed(frames, vec![]), info(), Box::new(Slow(Duration::ZERO)), delivery)
    }
}

/// How the front end failed, at which frame, and how the run went on.
fn front_end_failures(troubles: &[Trouble]) -> Vec<(&WorkerFailure, u64, Recovery)> {
    let failure = |trouble| match trouble {
        &Trouble::Worker { worker: Worker::FrontEnd, ref failure, sequence: Some(at), recovery } => {
            Some((failure, at, recovery))
        }
        _ => None,
    };
    troubles.iter().filter_map(failure).collect()
}

#[test]
fn a_front_end_that_panics_is_told_and_another_goes_on_with_the_next_frame() {
    let (frames, _, _, troubles) = watch(failing(6, None, Delivery::Every));
    assert_eq!(frames, [0, 1, 2, 3, 4, 5], "the frame it failed at has no hands");
    let panicked = WorkerFailure::Panicked("as a bug would".into());
    assert_eq!(front_end_failures(&troubles), [(&panicked, 3, Recovery::Restarted)]);
}

#[test]
fn a_front_end_that_hangs_is_told_and_left_behind_and_another_goes_on() {
    let delivery = Delivery::Newest { paced: true };
    let (frames, _, _, troubles) = watch(failing(1000, Some(Duration::from_secs(600)), delivery));
    let [(WorkerFailure::Hung(_), at, Recovery::Restarted)] = front_end_failures(&troubles)[..] else {
        panic!("{troubles:?}")
    };
    assert!(at >= 3 && !frames.contains(&at) && frames.last() == Some(&999), "{at}: {frames:?}");
}

#[test]
fn what_a_front_end_says_after_it_was_left_behind_is_not_heard() {
    let run = failing(3500, Some(PATIENCE * 5 / 2), Delivery::Newest { paced: true });
    let (frames, _, _, troubles) = watch(run);
    let [(WorkerFailure::Hung(_), at, Recovery::Restarted)] = front_end_failures(&troubles)[..] else {
        panic!("{troubles:?}")
    };
    assert!(!frames.contains(&at) && frames.is_sorted(), "{at}: {frames:?}");
}

#[test]
fn without_another_front_end_the_run_ends_and_the_frames_before_are_kept() {
    for hangs in [None, Some(Duration::from_secs(600))] {
        let broken = Failing { at: 3, hangs };
        let run = Run {
            watchdog: Watchdog::every(Some(PATIENCE)),
            ..Run::new(Film::boxed(50, vec![]), info(), Box::new(broken), Delivery::Every)
        };
        let (frames, _, _, troubles) = watch(run);
        assert_eq!(frames[..3], [0, 1, 2]);
        assert!(matches!(front_end_failures(&troubles)[..], [(_, 3, Recovery::Gone)]), "{troubles:?}");
    }
}

#[test]
fn a_front_end_that_panics_at_every_frame_is_not_replaced_for_ever() {
    let broken = || Box::new(Broken) as Box<dyn FrontEnd>;
    let run = Run {
        front_end: Supply::renewable(broken(), move || Ok(broken())),
        ..Run::new(Film::boxed(50, vec![]), info(), broken(), Delivery::Every)
    };
    let (frames, _, _, troubles) = watch(run);
    assert_eq!((frames.len(), troubles.len()), (4, 4));
}

struct Broken;

impl FrontEnd for Broken {
    fn process(&mut self, _: &Frame) -> Processed {
        panic!("as a bug would")
    }
}

/// A live source that goes wrong after `good` frames: panics, or hangs.
struct Shaky {
    info: SourceInfo,
    next: u64,
    good: u64,
    hangs: bool,
}

impl Shaky {
    fn boxed(good: u64, hangs: bool) -> Box<dyn Source> {
        let info = SourceInfo { live: true, ..Film::boxed(1, vec![]).info().clone() };
        Box::new(Self { info, next: 0, good, hangs })
    }
}

impl Source for Shaky {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        thread::sleep(Duration::from_millis(2));
        if self.next == self.good {
            thread::sleep(Duration::from_secs(if self.hangs { 600 } else { 0 }));
            panic!("as a driver would");
        }
        let sequence = self.next;
        self.next += 1;
        let timestamp = Timestamp(sequence as i64 * 2_000_000);
        let end = self.good == u64::MAX && sequence == 20;
        let pixels = vec![0; SIZE.rgb_bytes()];
        Ok((!end).then_some(Frame { pixels, size: SIZE, timestamp, sequence }))
    }
}

#[test]
fn a_camera_that_panics_or_hangs_is_told_and_opened_again_and_numbers_and_times_go_on() {
    for hangs in [false, true] {
        let mut times = Vec::new();
        let mut troubles = Vec::new();
        let run = Run {
            source: Supply::renewable(Shaky::boxed(5, hangs), || Ok(Shaky::boxed(u64::MAX, false))),
            watchdog: Watchdog::every(Some(PATIENCE)),
            ..Run::new(
                Shaky::boxed(0, false),
                info(),
                Box::new(Slow(Duration::ZERO)),
                Delivery::Newest { paced: false },
            )
        };
        let Ok(()) = run.follow(|event| -> Result<(), Infallible> {
            match event {
                Event::Frame { hands, .. } => times.push((hands.sequence, hands.timestamp)),
                Event::Trouble(trouble) => troubles.push(trouble.clone()),
                _ => {}
            }
            Ok(())
        });
        let restarted = |trouble: &Trouble| {
            matches!(trouble, Trouble::Worker { worker: Worker::Capture, recovery: Recovery::Restarted, .. })
        };
        assert_eq!(troubles.iter().filter(|trouble| restarted(trouble)).count(), 1, "{troubles:?}");
        assert!(times.len() > 10 && times.is_sorted(), "{times:?}");
        assert_eq!(times.last().map(|(sequence, _)| *sequence), Some(24));
    }
}

#[test]
fn a_listener_that_fails_ends_the_run() {
    let mut seen = 0;
    let source = Film::boxed(1_000_000, vec![]);
    let run = Run::new(source, info(), Box::new(Slow(Duration::ZERO)), Delivery::Every);
    let outcome = run.follow(|_| {
        seen += 1;
        if seen == 5 { Err("disk full") } else { Ok(()) }
    });
    assert_eq!(outcome, Err("disk full"));
    assert_eq!(seen, 5);
}
