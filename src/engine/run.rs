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
mod tests;
