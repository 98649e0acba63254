//! Between a run and what shows it: the newest scene wins, the numbers see every event.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::numbers::{LiveNumbers, Tally};
use crate::event::{Event, FrameHands};
use crate::frame::Frame;

/// A frame with its hands.
#[derive(Clone)]
pub struct LiveScene {
    /// The picture.
    pub frame: Arc<Frame>,
    /// Its hands.
    pub hands: Arc<FrameHands>,
}

/// Takes a run's events on one thread and gives its state to another. Neither waits for the other longer
/// than it takes to copy some numbers.
pub struct LiveFeed {
    state: Mutex<State>,
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    newest: Option<LiveScene>,
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
        let mut state = self.state();
        state.tally.event(Instant::now(), event);
        match event {
            Event::Frame { frame, hands } => {
                state.newest = Some(LiveScene { frame: Arc::clone(frame), hands: Arc::clone(hands) });
            }
            Event::Finished => state.ended = true,
            Event::Started(_)
            | Event::Refined(_)
            | Event::Dropped { .. }
            | Event::Warning(_)
            | Event::Trouble(_) => {}
        }
        drop(state);
        (self.wake)();
    }

    /// The newest scene, once.
    pub fn take(&self) -> Option<LiveScene> {
        self.state().newest.take()
    }

    /// The numbers of the last seconds.
    pub fn numbers(&self) -> LiveNumbers {
        self.state().tally.numbers(Instant::now())
    }

    /// Whether the run is over.
    pub fn ended(&self) -> bool {
        self.state().ended
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::frame::{PictureSize, Timestamp};

    #[test]
    fn the_newest_scene_wins_and_is_given_once() {
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
        assert_eq!(feed.take().map(|scene| scene.hands.sequence), Some(2));
        assert!(feed.take().is_none() && !feed.ended());
        feed.event(&Event::Finished);
        assert!(feed.ended());
        assert_eq!((woken.load(Ordering::Relaxed), feed.numbers().frames), (4, 3));
    }
}
