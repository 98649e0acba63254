//! Another supply in the middle of a run: made on a thread of its own while the worker goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::supply::Supply;
use super::watchdog::last_words;

/// What is to be known of a supply beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exchanged {
    /// Longest time for one frame, as in [`Watchdog`](super::Watchdog).
    pub patience: Option<Duration>,
}

type Made<T> = Result<(Supply<T>, Exchanged), String>;

/// Puts another supply in the place of a worker's.
pub struct Exchange<T> {
    give: Sender<Made<T>>,
    under_way: Arc<AtomicBool>,
}

/// Where a supply's worker finds the next one.
pub(super) struct Coming<T>(Receiver<Made<T>>);

impl<T> Exchange<T> {
    pub(super) fn new() -> (Self, Coming<T>) {
        let (give, coming) = unbounded();
        (Self { give, under_way: Arc::default() }, Coming(coming))
    }

    /// Whether one is being made.
    pub fn under_way(&self) -> bool {
        self.under_way.load(Ordering::Acquire)
    }
}

impl<T: Send + 'static> Exchange<T> {
    /// Makes another supply on a thread of its own; from the next frame after that it is used, with `patience` for each
    /// frame. A failure is told as a warning of the run, and the old one stays. False, and nothing is made, while an
    /// earlier one is under way.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn to(
        &self,
        patience: Option<Duration>,
        make: impl FnOnce() -> Result<Supply<T>, String> + Send + 'static,
    ) -> std::io::Result<bool> {
        if self.under_way.swap(true, Ordering::AcqRel) {
            return Ok(false);
        }
        let (give, under_way) = (self.give.clone(), self.under_way.clone());
        let work = move || {
            let made = catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|panic| Err(last_words(&*panic)));
            // Where the run is over, nobody needs it.
            let _ = give.send(made.map(|supply| (supply, Exchanged { patience })));
            under_way.store(false, Ordering::Release);
        };
        let started = thread::Builder::new().name("exchange".into()).spawn(work);
        if started.is_err() {
            self.under_way.store(false, Ordering::Release);
        }
        started.map(|_| true)
    }
}

impl<T> Coming<T> {
    /// The newest that has come since this was last asked.
    pub fn newest(&self) -> Option<Made<T>> {
        self.0.try_iter().last()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use nalgebra::Vector3;

    use super::*;
    use crate::engine::{Delivery, FrontEnd, Processed, Run};
    use crate::event::{Event, HandPose, KEYPOINTS, PoseState, RunInfo, Side, TrackId, TrackedHand};
    use crate::frame::{Frame, PictureSize, Timestamp};
    use crate::geometry::{CameraModel, CameraPoint, Pixel};
    use crate::source::{Source, SourceError, SourceInfo};

    const SIZE: PictureSize = PictureSize { width: 1, height: 1 };

    /// Black frames, 1000 a second, until a test that waits in vain must end.
    struct Frames(SourceInfo, u64);

    impl Source for Frames {
        fn info(&self) -> &SourceInfo {
            &self.0
        }

        fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
            self.1 += 1;
            let timestamp = Timestamp(self.1 as i64 * 1_000_000);
            let frame = Frame { pixels: vec![0; 3], size: SIZE, timestamp, sequence: self.1 };
            Ok((self.1 < 20_000).then_some(frame))
        }
    }

    /// Sees one hand in every frame, of track 0; fails at the first one where it is told to.
    struct Sees {
        score: f32,
        fails: bool,
    }

    impl FrontEnd for Sees {
        fn process(&mut self, _: &Frame) -> Processed {
            assert!(!self.fails, "as a bug would");
            let hand = TrackedHand {
                track: TrackId(0),
                side: Side::Left,
                score: self.score,
                state: PoseState::Provisional,
                box_px: [0.0; 4],
                keypoints_px: [Pixel::default(); KEYPOINTS],
                joints_camera: [CameraPoint(Vector3::zeros()); KEYPOINTS],
                pose: HandPose {
                    global_orient: Vector3::zeros(),
                    hand_pose: [Vector3::zeros(); 15],
                    betas: [0.0; 10],
                    translation: Vector3::zeros(),
                },
            };
            Processed { hands: vec![hand], ..Processed::default() }
        }
    }

    fn sees(score: f32, fails: bool) -> Box<dyn FrontEnd> {
        Box::new(Sees { score, fails })
    }

    /// A run whose front end is exchanged, and what exchanges it.
    fn run() -> (Run, Exchange<Box<dyn FrontEnd>>) {
        let name = || "film".to_owned();
        let (fps, camera) = (1000.0, CameraModel::guess(SIZE));
        let info = SourceInfo { name: name(), size: SIZE, fps, frame_count: None, live: false, camera: None };
        let run_info =
            RunInfo { source: name(), size: SIZE, fps, frame_count: None, camera, hand_model: "open".into() };
        let (front_end, exchange) = Supply::from(sees(0.5, false)).exchangeable();
        let source: Box<dyn Source> = Box::new(Frames(info, 0));
        let delivery = Delivery::Newest { paced: true };
        (Run { front_end, ..Run::new(source, run_info, sees(0.0, true), delivery) }, exchange)
    }

    #[test]
    fn another_front_end_follows_in_the_run_with_new_tracks_and_its_own_successors() {
        let (run, exchange) = run();
        let (stop, mut seen, mut troubles) = (run.stop.clone(), Vec::new(), 0);
        let Ok(()) = run.follow(|event| -> Result<(), Infallible> {
            match event {
                Event::Frame { hands, .. } => {
                    let hand = hands.hands.first().map(|hand| (hand.track.0, hand.score));
                    seen.push((hands.sequence, hand));
                    if seen.len() == 10 {
                        let next = || Ok(Supply::renewable(sees(0.7, true), || Ok(sees(0.9, false))));
                        assert!(exchange.to(None, next).unwrap());
                    }
                    if hand.is_some_and(|(_, score)| score == 0.9) {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                Event::Trouble(_) => troubles += 1,
                _ => {}
            }
            Ok(())
        });
        assert!(seen.is_sorted_by(|(a, _), (b, _)| a < b), "numbers go on: {seen:?}");
        assert_eq!(seen.first().map(|(_, hand)| *hand), Some(Some((0, 0.5))));
        // The one that follows fails at once, and its own maker's takes over.
        assert_eq!((seen.last().map(|(_, hand)| *hand), troubles), (Some(Some((1, 0.9))), 1));
    }

    #[test]
    fn what_cannot_be_made_is_told_and_the_front_end_stays() {
        let (run, exchange) = run();
        let (stop, mut warnings, mut after) = (run.stop.clone(), Vec::new(), 0);
        assert!(exchange.to(None, || panic!("no such file")).unwrap());
        let Ok(()) = run.follow(|event| -> Result<(), Infallible> {
            match event {
                Event::Warning(sentence) => warnings.push(sentence.clone()),
                Event::Frame { hands, .. } if !warnings.is_empty() => {
                    assert_eq!(hands.hands.first().map(|hand| (hand.track.0, hand.score)), Some((0, 0.5)));
                    after += 1;
                    stop.store(after >= 3, Ordering::Relaxed);
                }
                _ => {}
            }
            Ok(())
        });
        assert_eq!(warnings.first().map(String::as_str), Some("no such file"));
    }
}
