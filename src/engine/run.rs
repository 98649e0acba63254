//! One run: source → front end → listener, each on its own thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam::channel::RecvTimeoutError;
use nalgebra::Isometry3;

use super::capture::{Capture, Delivery};
use super::crew::{Crew, Message};
use super::second_pass::SecondPass;
use super::supply::Supply;
use super::watchdog::Watchdog;
use crate::event::{Event, HandPose, KEYPOINTS, RunInfo, StageTime, TrackId, TrackedHand};
use crate::frame::Frame;
use crate::geometry::CameraPoint;
use crate::source::Source;

/// Time between two looks at the front-end thread while it says nothing, at most; and as a share of what it may
/// take.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOOKS: u32 = 8;

/// What turns a frame into hands.
pub trait FrontEnd: Send {
    /// The hands of `frame`. Frames come in capture order.
    fn process(&mut self, frame: &Frame) -> Processed;

    /// Work that the hands of `frame` need not wait for: called when they are published. It should return soon
    /// after `next_waits` is true.
    fn behind(&mut self, frame: &Frame, next_waits: &dyn Fn() -> bool) {
        let _ = (frame, next_waits);
    }

    /// How many frames it looks ahead: a frame is published when it has seen so many more.
    fn look_ahead(&self) -> usize {
        0
    }

    /// What is left to say of frames that were not published yet, after the last frame.
    fn finish(&mut self) -> Vec<SettledHand> {
        Vec::new()
    }
}

/// What a front end that looks ahead says later of a hand that it has told of before.
#[derive(Clone, Debug)]
pub struct SettledHand {
    /// Number of the frame in its source.
    pub sequence: u64,
    /// The hand's track.
    pub track: TrackId,
    /// The posed hand.
    pub pose: HandPose,
    /// Its joints in metres, `openpose21`.
    pub joints_camera: [CameraPoint; KEYPOINTS],
}

/// What a front end made of one frame.
#[derive(Clone, Debug, Default)]
pub struct Processed {
    /// Hands found, one entry a track.
    pub hands: Vec<TrackedHand>,
    /// Where the camera was, in metres of the world, where that is known.
    pub world_from_camera: Option<Isometry3<f64>>,
    /// Wall time per stage, in the order they ran.
    pub stages: Vec<StageTime>,
    /// What went wrong, in one sentence; the run goes on.
    pub warning: Option<String>,
    /// Hands of earlier frames, seen with what came after them.
    pub settled: Vec<SettledHand>,
}

/// A run, ready to start.
///
/// With [`Delivery::Every`] all frames arrive and the result is the same every time; with
/// [`Delivery::Newest`] the front end always takes the newest frame and neither waits for the source
/// nor for the listener.
pub struct Run {
    /// Where frames come from, and where again if a live source panics or hangs.
    pub source: Supply<Box<dyn Source>>,
    /// What makes hands of them, and what takes over if it panics or hangs.
    pub front_end: Supply<Box<dyn FrontEnd>>,
    /// What is known of the run.
    pub info: RunInfo,
    /// Every frame, or the newest.
    pub delivery: Delivery,
    /// What makes frames better seconds later.
    pub second_pass: Option<SecondPass>,
    /// How long workers may take.
    pub watchdog: Watchdog,
    /// Set, it ends the run early, in good order.
    pub stop: Arc<AtomicBool>,
}

impl Run {
    /// A run without second pass, with the default watchdog, of workers that are not replaced.
    pub fn new(
        source: Box<dyn Source>,
        info: RunInfo,
        front_end: Box<dyn FrontEnd>,
        delivery: Delivery,
    ) -> Self {
        Self {
            source: source.into(),
            front_end: front_end.into(),
            info,
            delivery,
            second_pass: None,
            watchdog: Watchdog::default(),
            stop: Arc::default(),
        }
    }

    /// Runs to the end and tells `listener` everything, on the calling thread. With a second pass the listener is
    /// also told of refined frames, the last of them after the last frame.
    ///
    /// # Errors
    /// What the listener returned; the run then stops at once.
    pub fn follow<E>(self, mut listener: impl FnMut(&Event) -> Result<(), E>) -> Result<(), E> {
        let Run { source, front_end, info, delivery, mut second_pass, watchdog, stop } = self;
        let mut tell = |event: &Event| {
            listener(event)?;
            let refined = second_pass.as_mut().map_or_else(Vec::new, |pass| pass.follow(event));
            refined.iter().try_for_each(&mut listener)
        };
        tell(&Event::Started(Arc::new(info)))?;
        let look_every = watchdog.front_end.map_or(LOOK_EVERY, |limit| (limit / LOOKS).min(LOOK_EVERY));
        let capture = Capture::start(source, delivery, watchdog.clone(), stop.clone());
        let (mut crew, inbox) = Crew::start(capture, front_end, delivery, watchdog, stop.clone());
        let told = loop {
            let told = match inbox.recv_timeout(look_every) {
                Ok(Message::Event(event)) => tell(&event),
                Ok(Message::Ended { stopped }) => break Ok(stopped),
                Err(RecvTimeoutError::Disconnected) => break Ok(false),
                Err(RecvTimeoutError::Timeout) => Ok(()),
            };
            let looked = told.and_then(|()| match crew.look() {
                Some(trouble) => tell(&Event::Trouble(trouble)),
                None => Ok(()),
            });
            if let Err(error) = looked {
                break Err(error);
            }
        };
        stop.store(true, Ordering::Relaxed);
        // With the inbox gone, a front end that still works finds nobody to tell and ends.
        drop(inbox);
        let stopped = told?;
        if !crew.finish() {
            listener(&Event::Warning(
                "the front end stopped on an internal error; the frames before it are kept".into(),
            ))?;
        }
        let rest = second_pass.map_or_else(Vec::new, |pass| pass.finish(stopped));
        rest.iter().try_for_each(&mut listener)?;
        listener(&Event::Finished)
    }
}

#[cfg(test)]
mod tests {
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

    /// Fails at one frame as a bug would: panics, or hangs for the time given.
    struct Failing {
        at: u64,
        hangs: Option<Duration>,
    }

    impl FrontEnd for Failing {
        fn process(&mut self, frame: &Frame) -> Processed {
            if frame.sequence == self.at {
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

    /// A run of `frames` frames whose front end fails at frame 3, and whose next one does its work.
    fn failing(frames: u64, hangs: Option<Duration>, delivery: Delivery) -> Run {
        let broken: Box<dyn FrontEnd> = Box::new(Failing { at: 3, hangs });
        let sound = || Ok(Box::new(Slow(Duration::ZERO)) as Box<dyn FrontEnd>);
        Run {
            front_end: Supply::renewable(broken, sound),
            watchdog: Watchdog::every(Some(Duration::from_millis(200))),
            ..Run::new(Film::boxed(frames, vec![]), info(), Box::new(Slow(Duration::ZERO)), delivery)
        }
    }

    /// How the front end failed, and how the run went on.
    fn front_end_failures(troubles: &[Trouble]) -> Vec<(&WorkerFailure, Recovery)> {
        let failure = |trouble| match trouble {
            &Trouble::Worker { worker: Worker::FrontEnd, ref failure, sequence: Some(3), recovery } => {
                Some((failure, recovery))
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
        assert_eq!(front_end_failures(&troubles), [(&panicked, Recovery::Restarted)]);
    }

    #[test]
    #[ignore = "needs a core that nothing else uses, or frame 3 is dropped: run it alone"]
    fn a_front_end_that_hangs_is_told_and_left_behind_and_another_goes_on() {
        let delivery = Delivery::Newest { paced: true };
        let (frames, _, _, troubles) = watch(failing(1000, Some(Duration::from_secs(600)), delivery));
        assert!(!frames.contains(&3) && frames.last() == Some(&999), "{frames:?}");
        let failures = front_end_failures(&troubles);
        assert!(matches!(failures[..], [(WorkerFailure::Hung(_), Recovery::Restarted)]), "{troubles:?}");
    }

    #[test]
    fn what_a_front_end_says_after_it_was_left_behind_is_not_heard() {
        let run = failing(1000, Some(Duration::from_millis(400)), Delivery::Newest { paced: true });
        let (frames, ..) = watch(run);
        assert!(!frames.contains(&3) && frames.is_sorted(), "{frames:?}");
    }

    #[test]
    fn without_another_front_end_the_run_ends_and_the_frames_before_are_kept() {
        for hangs in [None, Some(Duration::from_secs(600))] {
            let broken = Failing { at: 3, hangs };
            let run = Run {
                watchdog: Watchdog::every(Some(Duration::from_millis(50))),
                ..Run::new(Film::boxed(50, vec![]), info(), Box::new(broken), Delivery::Every)
            };
            let (frames, _, _, troubles) = watch(run);
            assert_eq!(frames[..3], [0, 1, 2]);
            assert!(matches!(front_end_failures(&troubles)[..], [(_, Recovery::Gone)]), "{troubles:?}");
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
                watchdog: Watchdog::every(Some(Duration::from_millis(150))),
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
                matches!(
                    trouble,
                    Trouble::Worker { worker: Worker::Capture, recovery: Recovery::Restarted, .. }
                )
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
}
