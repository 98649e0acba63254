//! Between a run and what shows it: the newest scene wins, the numbers see every event.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::numbers::{LiveNumbers, Tally};
use crate::event::{Event, FrameHands, Refinement};
use crate::frame::Frame;

/// Frames and refined chunks kept for whoever shows the run: more than ten seconds. Who looks more rarely misses the
/// oldest.
const FRAMES_KEPT: usize = 400;
const REFINED_KEPT: usize = 8;

/// A frame with its hands.
#[derive(Clone)]
pub struct LiveScene {
    /// The picture.
    pub frame: Arc<Frame>,
    /// Its hands.
    pub hands: Arc<FrameHands>,
}

/// What happened since somebody last looked.
#[derive(Clone, Default)]
pub struct LiveNews {
    /// The newest scene, if there is a new one.
    pub scene: Option<LiveScene>,
    /// The hands of all frames, those of the scene included, in order.
    pub hands: VecDeque<Arc<FrameHands>>,
    /// What the second pass has refined.
    pub refined: VecDeque<Arc<Refinement>>,
}

/// Takes a run's events on one thread and gives its state to another. Neither waits for the other longer
/// than it takes to copy some numbers.
pub struct LiveFeed {
    state: Mutex<State>,
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    news: LiveNews,
    tally: Tally,
    ended: bool,
}

impl LiveFeed {
    /// A feed that calls `wake` after each event, on the run's thread.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { state: Mutex::default(), wake: Box::new(wake) }
    }

    /// Takes one event of the run.
    pub fn event(&self, event: &Event) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.tally.event(Instant::now(), event);
        match event {
            Event::Frame { frame, hands } => {
                state.news.scene = Some(LiveScene { frame: Arc::clone(frame), hands: Arc::clone(hands) });
                keep(&mut state.news.hands, hands, FRAMES_KEPT);
            }
            Event::Refined(refinement) => keep(&mut state.news.refined, refinement, REFINED_KEPT),
            Event::Finished => state.ended = true,
            Event::Started(_)
            | Event::SecondPass(_)
            | Event::Paused { .. }
            | Event::Dropped { .. }
            | Event::Warning(_)
            | Event::Trouble(_) => {}
        }
        drop(guard);
        (self.wake)();
    }

    /// What is new since the last call.
    pub fn take(&self) -> LiveNews {
        std::mem::take(&mut self.state().news)
    }

    /// The numbers of the last seconds.
    pub fn numbers(&self) -> LiveNumbers {
        self.state().tally.numbers(Instant::now())
    }

    /// Says what makes hands in metres, for those who look.
    pub fn set_profile(&self, name: &str) {
        name.clone_into(&mut self.state().tally.profile);
    }

    /// Says the name of the file that the run is recorded to, if it is.
    pub fn set_recording(&self, file: Option<String>) {
        self.state().tally.recording = file;
    }

    /// Whether the run is over.
    pub fn ended(&self) -> bool {
        self.state().ended
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep<T>(kept: &mut VecDeque<Arc<T>>, newest: &Arc<T>, most: usize) {
    if kept.len() == most {
        kept.pop_front();
    }
    kept.push_back(Arc::clone(newest));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::frame::{PictureSize, Timestamp};

    #[test]
    fn the_newest_scene_wins_and_is_given_once_with_the_hands_of_all() {
        let woken = Arc::new(AtomicU64::new(0));
        let feed = LiveFeed::new({
            let woken = woken.clone();
            move || _ = woken.fetch_add(1, Ordering::Relaxed)
        });
        for sequence in 0..3 {
            let frame = Frame {
                pixels: vec![0; 3],
                size: PictureSize::new(1, 1),
                timestamp: Timestamp::default(),
                sequence,
            };
            let hands = FrameHands {
                sequence,
                timestamp: frame.timestamp,
                hands: Vec::new(),
                world_from_camera: None,
                stages: Vec::new(),
                total: Duration::from_millis(4),
            };
            feed.event(&Event::Frame { frame: Arc::new(frame), hands: Arc::new(hands) });
        }
        let LiveNews { scene, hands, .. } = feed.take();
        assert_eq!((scene.map(|scene| scene.hands.sequence), hands.len()), (Some(2), 3));
        assert!(feed.take().scene.is_none() && !feed.ended());
        feed.set_profile("direct");
        feed.set_recording(Some("run.hsr".into()));
        feed.event(&Event::Finished);
        assert!(feed.ended());
        let numbers = feed.numbers();
        assert_eq!((numbers.profile.as_str(), numbers.recording.as_deref()), ("direct", Some("run.hsr")));
        assert_eq!((woken.load(Ordering::Relaxed), feed.numbers().frames), (4, 3));
    }
}
