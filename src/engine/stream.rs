//! The whole engine behind three questions: what are the hands now, what are they then, what has happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use crossbeam::queue::ArrayQueue;

use super::capture::Delivery;
use super::front_end::{FrontEndConfig, FrontEndError, HandFrontEnd};
use super::pose_store::{HandsAt, PoseStore};
use super::run::Run;
use super::second_pass::SecondPass;
use super::session::Session;
use crate::detect::Search;
use crate::event::{Event, RunInfo};
use crate::frame::Timestamp;
use crate::geometry::CameraModel;
use crate::hand::HandModel;
use crate::home::ModelFiles;
use crate::source::Source;

/// Events kept for whoever asks; beyond that the oldest go.
const EVENTS_KEPT: usize = 64;

/// Why there are no hands to be had.
#[derive(Debug, thiserror::Error)]
pub enum HandStreamError {
    /// The front end cannot start.
    #[error(transparent)]
    FrontEnd(#[from] FrontEndError),
    /// The system gives no more threads.
    #[error("the engine's thread could not be started ({0}): close other programs")]
    Threads(std::io::Error),
}

/// The hands of a source while it plays; a file plays at its own speed. Dropped, it stops.
///
/// `examples/poll.rs` shows it at work.
pub struct HandStream {
    session: Session,
    store: Arc<PoseStore>,
    events: Arc<ArrayQueue<Event>>,
    clock: Arc<CaptureClock>,
}

impl HandStream {
    /// Starts the engine. `camera` are the intrinsics of the source's pictures; [`CameraModel::guess`] where
    /// nothing is known of them; new hands are searched for behind the frames, whatever `config` says. With a `second_pass` refined hands replace provisional ones.
    ///
    /// # Errors
    /// [`HandStreamError`].
    pub fn start(
        source: Box<dyn Source>,
        camera: CameraModel,
        model: &Arc<HandModel>,
        files: &ModelFiles,
        config: &FrontEndConfig,
        second_pass: Option<SecondPass>,
    ) -> Result<Self, HandStreamError> {
        let info = source.info().clone();
        let mut config = config.clone();
        config.tracker.search = Search::Behind;
        let front_end = HandFrontEnd::supply(files, model, &camera, &config)?;
        let run_info = RunInfo {
            source: info.name,
            size: info.size,
            fps: info.fps,
            frame_count: info.frame_count,
            camera,
            hand_model: model.name().to_owned(),
        };
        let run = Run {
            source: source.into(),
            front_end,
            info: run_info,
            delivery: Delivery::Newest { paced: !info.live },
            second_pass,
            watchdog: Default::default(),
            stop: Arc::default(),
        };
        let (store, clock) = (Arc::new(PoseStore::default()), Arc::new(CaptureClock::new()));
        let events = Arc::new(ArrayQueue::new(EVENTS_KEPT));
        let listener = {
            let (store, events, clock) = (store.clone(), events.clone(), clock.clone());
            move |event: &Event| {
                store.event(event);
                clock.event(event);
                // What nobody has asked for in time is gone.
                let _ = events.force_push(event.clone());
            }
        };
        let session = Session::start(run, listener).map_err(HandStreamError::Threads)?;
        Ok(Self { session, store, events, clock })
    }

    /// Now, on the capture clock; `None` before the first frame.
    pub fn now(&self) -> Option<Timestamp> {
        self.clock.now()
    }

    /// The hands at a moment of the capture clock, see [`PoseStore::pose_at`]. Never waits.
    pub fn pose_at(&self, time: Timestamp) -> HandsAt {
        self.store.pose_at(time)
    }

    /// The hands now: predicted from the last frame.
    pub fn hands(&self) -> HandsAt {
        self.now().map_or_else(HandsAt::default, |now| self.pose_at(now))
    }

    /// The next event that has not been asked for; the last 64 are kept.
    pub fn next_event(&self) -> Option<Event> {
        self.events.pop()
    }

    /// Whether the source has ended.
    pub fn ended(&self) -> bool {
        self.session.ended()
    }
}

/// What the capture clock shows, as learnt from the frames.
struct CaptureClock {
    origin: Instant,
    /// Nanoseconds of the capture clock at `origin`; the least value before the first frame.
    at_origin: AtomicI64,
}

impl CaptureClock {
    fn new() -> Self {
        Self { origin: Instant::now(), at_origin: AtomicI64::new(i64::MIN) }
    }

    fn event(&self, event: &Event) {
        let Event::Frame { hands, .. } = event else { return };
        // The frame was captured `total` ago, whatever waiting for the listener has added since.
        let since = self.origin.elapsed().saturating_sub(hands.total).as_nanos() as i64;
        let found = hands.timestamp.0.saturating_sub(since);
        // Waiting only ever makes it look later: the largest difference is the truest.
        self.at_origin.fetch_max(found, Ordering::Relaxed);
    }

    fn now(&self) -> Option<Timestamp> {
        let at_origin = self.at_origin.load(Ordering::Relaxed);
        (at_origin != i64::MIN)
            .then(|| Timestamp(at_origin.saturating_add(self.origin.elapsed().as_nanos() as i64)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::FrameHands;
    use crate::frame::{Frame, PictureSize};

    #[test]
    fn the_capture_clock_goes_on_between_frames_and_does_not_fall_back_with_a_slow_one() {
        let clock = CaptureClock::new();
        assert_eq!(clock.now(), None);
        let frame = |seconds: f64, total: u64| {
            let timestamp = Timestamp::from_seconds(seconds);
            let hands = FrameHands {
                sequence: 0,
                timestamp,
                hands: Vec::new(),
                world_from_camera: None,
                stages: Vec::new(),
                total: Duration::from_millis(total),
            };
            let frame = Frame { pixels: Vec::new(), size: PictureSize::new(0, 0), timestamp, sequence: 0 };
            clock.event(&Event::Frame { frame: Arc::new(frame), hands: Arc::new(hands) });
        };
        frame(5.0, 0);
        let first = clock.now().expect("a frame came");
        assert!((first.seconds() - 5.0).abs() < 0.5, "{first:?}");
        frame(4.0, 0);
        assert!(clock.now() >= Some(first));
    }
}
