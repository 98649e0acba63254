//! One run: source → front end → listener, each on its own thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crossbeam::channel::{Sender, bounded};
use nalgebra::Isometry3;

use super::capture::{Capture, Captured, Delivery};
use super::held_back::HeldBack;
use super::second_pass::SecondPass;
use crate::event::{Event, FrameHands, HandPose, KEYPOINTS, RunInfo, StageTime, TrackId, TrackedHand};
use crate::frame::Frame;
use crate::geometry::CameraPoint;
use crate::source::Source;

/// Events under way to the listener. Offline the front end waits for it, live it never does.
const EVENTS_UNDER_WAY: usize = 16;

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

/// Runs `source` through `front_end` and tells `listener` everything, on the calling thread.
///
/// With [`Delivery::Every`] all frames arrive and the result is the same every time; with
/// [`Delivery::Newest`] the front end always takes the newest frame and neither waits for the source
/// nor for the listener. `stop` ends the run early, in good order. With a `second_pass` the listener is also
/// told of refined frames, the last of them after the last frame.
///
/// # Errors
/// What the listener returned; the run then stops at once.
pub fn run<E>(
    source: Box<dyn Source>,
    run_info: RunInfo,
    front_end: &mut dyn FrontEnd,
    delivery: Delivery,
    stop: Arc<AtomicBool>,
    mut second_pass: Option<SecondPass>,
    mut listener: impl FnMut(&Event) -> Result<(), E>,
) -> Result<(), E> {
    let mut tell = |event: &Event, second_pass: &mut Option<SecondPass>| {
        listener(event)?;
        let refined = second_pass.as_mut().map_or_else(Vec::new, |pass| pass.follow(event));
        refined.iter().try_for_each(&mut listener)
    };
    tell(&Event::Started(Arc::new(run_info)), &mut second_pass)?;
    let (events, inbox) = bounded(EVENTS_UNDER_WAY);
    let (in_order, stopped) = thread::scope(|scope| {
        let worker = scope.spawn({
            let stop = stop.clone();
            move || follow(source, front_end, delivery, stop, &events)
        });
        let told = inbox.iter().try_for_each(|event| tell(&event, &mut second_pass));
        // With the inbox gone, a front end that still works finds nobody to tell and ends.
        drop(inbox);
        let stopped = stop.swap(true, Ordering::Relaxed);
        told.map(|()| (worker.join().is_ok(), stopped))
    })?;
    if !in_order {
        listener(&Event::Warning(
            "the front end stopped on an internal error; the frames before it are kept".into(),
        ))?;
    }
    let rest = second_pass.map_or_else(Vec::new, |pass| pass.finish(stopped));
    rest.iter().try_for_each(&mut listener)?;
    listener(&Event::Finished)
}

/// The front-end thread: takes frames from the capture thread until there are none.
fn follow(
    source: Box<dyn Source>,
    front_end: &mut dyn FrontEnd,
    delivery: Delivery,
    stop: Arc<AtomicBool>,
    events: &Sender<Event>,
) {
    let mut capture = Capture::start(source, delivery, stop.clone());
    let teller = Teller { events, live: delivery != Delivery::Every, unseen: AtomicU64::new(0) };
    let mut held = HeldBack::new(front_end.look_ahead());
    while let Some(next) = capture.next_frame() {
        let told = match next {
            Ok(captured) => {
                let Captured { frame, captured } = captured;
                let frame = Arc::new(frame);
                let warning = process(front_end, &frame, captured, delivery, &mut held);
                let dropped = capture.take_dropped();
                let told = (dropped == 0 || teller.tell(Event::Dropped { count: dropped }))
                    && warning.is_none_or(|sentence| teller.tell(Event::Warning(sentence)))
                    && held.next(false).is_none_or(|event| teller.tell(event));
                if told {
                    front_end.behind(&frame, &|| capture.frame_waits() || stop.load(Ordering::Relaxed));
                }
                told
            }
            Err(error) => teller.tell(Event::Warning(error.to_string())),
        };
        if !told || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    held.settle(front_end.finish());
    while held.next(true).is_some_and(|event| teller.tell(event)) {}
    let unseen = teller.unseen.load(Ordering::Relaxed);
    if !capture.finish() {
        // The listener may be gone already; then nobody needs to know.
        let _ = events.send(Event::Warning("the source stopped on an internal error".into()));
    }
    if unseen > 0 {
        let sentence = format!(
            "{unseen} results came faster than they could be written and are missing in the output; leave \
             out --overlay or use a smaller picture"
        );
        let _ = events.send(Event::Warning(sentence));
    }
}

/// The front end's work on one frame; returns what went wrong.
fn process(
    front_end: &mut dyn FrontEnd,
    frame: &Arc<Frame>,
    captured: Instant,
    delivery: Delivery,
    held: &mut HeldBack,
) -> Option<String> {
    let taken = Instant::now();
    let Processed { hands, world_from_camera, stages, warning, settled } = front_end.process(frame);
    let since = match delivery {
        Delivery::Every => taken,
        Delivery::Newest { .. } => captured,
    };
    let hands = FrameHands {
        sequence: frame.sequence,
        timestamp: frame.timestamp,
        hands,
        world_from_camera,
        stages,
        total: since.elapsed(),
    };
    held.push(frame.clone(), hands, since);
    held.settle(settled);
    warning
}

/// Hands events to the listener: offline it waits, live it drops what the listener has no time for.
struct Teller<'a> {
    events: &'a Sender<Event>,
    live: bool,
    unseen: AtomicU64,
}

impl Teller<'_> {
    /// False when the listener is gone.
    fn tell(&self, event: Event) -> bool {
        if !self.live {
            return self.events.send(event).is_ok();
        }
        match self.events.try_send(event) {
            Ok(()) => true,
            Err(crossbeam::channel::TrySendError::Full(_)) => {
                self.unseen.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(crossbeam::channel::TrySendError::Disconnected(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use super::*;
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

    struct Panicking;

    impl FrontEnd for Panicking {
        fn process(&mut self, frame: &Frame) -> Processed {
            assert!(frame.sequence < 3, "as a bug would");
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
        front_end: &mut dyn FrontEnd,
        delivery: Delivery,
    ) -> (Vec<u64>, u64, Vec<String>) {
        let (mut frames, mut dropped, mut warnings) = (Vec::new(), 0, Vec::new());
        let stop = Arc::new(AtomicBool::new(false));
        let outcome: Result<(), Infallible> = run(source, info(), front_end, delivery, stop, None, |event| {
            match event {
                Event::Frame { hands, .. } => frames.push(hands.sequence),
                Event::Dropped { count } => dropped += count,
                Event::Warning(sentence) => warnings.push(sentence.clone()),
                Event::Trouble(trouble) => warnings.push(trouble.to_string()),
                Event::Started(_) | Event::Refined(_) | Event::SecondPass(_) | Event::Finished => {}
            }
            Ok(())
        });
        outcome.unwrap();
        (frames, dropped, warnings)
    }

    #[test]
    fn offline_every_frame_arrives_in_order() {
        let (frames, dropped, _) = play(Film::boxed(50, vec![]), &mut Slow(Duration::ZERO), Delivery::Every);
        assert_eq!(frames, (0..50).collect::<Vec<_>>());
        assert_eq!(dropped, 0);
    }

    #[test]
    fn a_slow_front_end_sees_the_newest_frame_and_every_drop_is_counted() {
        let mut slow = Slow(Duration::from_millis(8));
        let (frames, dropped, _) =
            play(Film::boxed(100, vec![]), &mut slow, Delivery::Newest { paced: true });
        assert!(frames.len() < 60, "{} frames seen", frames.len());
        assert_eq!(frames.last(), Some(&99), "the last frame is the newest and is never dropped");
        assert_eq!(frames.len() as u64 + dropped, 100);
    }

    #[test]
    fn a_damaged_frame_is_told_and_the_rest_goes_on() {
        let (frames, _, warnings) = play(Film::boxed(5, vec![2]), &mut Slow(Duration::ZERO), Delivery::Every);
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
        let stop = Arc::new(AtomicBool::new(false));
        let (mut total, mut warnings) = (None, 0);
        let outcome: Result<(), Infallible> = run(
            Box::new(Old { info: SourceInfo { live: true, ..info }, calls: 0 }),
            self::info(),
            &mut Slow(Duration::from_millis(5)),
            Delivery::Newest { paced: false },
            stop,
            None,
            |event| {
                match event {
                    Event::Frame { hands, .. } => total = Some(hands.total),
                    Event::Warning(_) => warnings += 1,
                    _ => {}
                }
                Ok(())
            },
        );
        outcome.unwrap();
        assert!(total.unwrap() >= Duration::from_millis(45), "{total:?}");
        assert_eq!(warnings, 1);
    }

    #[test]
    fn a_front_end_that_panics_is_told_and_the_frames_before_it_are_kept() {
        let (frames, _, warnings) = play(Film::boxed(5, vec![]), &mut Panicking, Delivery::Every);
        assert_eq!(frames, [0, 1, 2]);
        assert!(warnings[0].contains("internal error"), "{warnings:?}");
    }

    #[test]
    fn a_listener_that_fails_ends_the_run() {
        let stop = Arc::new(AtomicBool::new(false));
        let mut seen = 0;
        let source = Film::boxed(1_000_000, vec![]);
        let outcome = run(source, info(), &mut Slow(Duration::ZERO), Delivery::Every, stop, None, |_| {
            seen += 1;
            if seen == 5 { Err("disk full") } else { Ok(()) }
        });
        assert_eq!(outcome, Err("disk full"));
        assert_eq!(seen, 5);
    }
}
