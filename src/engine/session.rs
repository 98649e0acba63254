//! A run on a thread of its own, for callers whose own thread is taken, as a window takes the main one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::run::Run;
use crate::event::Event;

/// How long a run may take to end, the last chunk of its second pass included. A camera that has hung up never answers
/// again.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two looks whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A run that goes on until it is stopped or its source ends. Dropped, it is stopped.
pub struct Session {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Session {
    /// Starts the run; `listener` is told everything, on the session's thread.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(run: Run, mut listener: impl FnMut(&Event) + Send + 'static) -> std::io::Result<Self> {
        let stop = run.stop.clone();
        let follow = move || {
            let told = |event: &Event| -> Result<(), std::convert::Infallible> {
                listener(event);
                Ok(())
            };
            let Ok(()) = run.follow(told);
        };
        let thread = thread::Builder::new().name("session".into()).spawn(follow)?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Whether the run is over.
    pub fn ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops the run and waits for its end, but not for a source that hangs. False when it did not end in
    /// good order.
    pub fn stop(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        self.stop.store(true, Ordering::Relaxed);
        let asked = Instant::now();
        while !self.ended() && asked.elapsed() < PATIENCE {
            thread::sleep(LOOK_EVERY);
        }
        match self.thread.take() {
            Some(thread) if thread.is_finished() => thread.join().is_ok(),
            Some(_) => false,
            None => true,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::engine::{Delivery, FrontEnd, Processed};
    use crate::event::RunInfo;
    use crate::frame::{Frame, PictureSize, Timestamp};
    use crate::geometry::CameraModel;
    use crate::source::{Source, SourceError, SourceInfo};

    const SIZE: PictureSize = PictureSize { width: 2, height: 2 };

    /// Frames without end, until it hangs.
    struct Endless {
        info: SourceInfo,
        next: u64,
        hangs_at: u64,
    }

    impl Source for Endless {
        fn info(&self) -> &SourceInfo {
            &self.info
        }

        fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
            let wait =
                if self.next == self.hangs_at { Duration::from_secs(600) } else { Duration::from_millis(1) };
            thread::sleep(wait);
            let sequence = self.next;
            self.next += 1;
            let timestamp = Timestamp(sequence as i64 * 1_000_000);
            Ok(Some(Frame { pixels: vec![0; SIZE.rgb_bytes()], size: SIZE, timestamp, sequence }))
        }
    }

    struct Nothing;

    impl FrontEnd for Nothing {
        fn process(&mut self, _: &Frame) -> Processed {
            Processed::default()
        }
    }

    fn session(hangs_at: u64) -> (Session, Arc<AtomicU64>, Arc<AtomicU64>) {
        let info = SourceInfo {
            name: "endless".into(),
            size: SIZE,
            fps: 1000.0,
            frame_count: None,
            live: true,
            camera: None,
        };
        let run_info = RunInfo {
            source: "endless".into(),
            size: SIZE,
            fps: 1000.0,
            frame_count: None,
            camera: CameraModel::guess(SIZE),
            hand_model: "open".into(),
        };
        let (seen, troubles) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (frames, told) = (seen.clone(), troubles.clone());
        let source = Box::new(Endless { info, next: 0, hangs_at });
        let run = Run::new(source, run_info, Box::new(Nothing), Delivery::Newest { paced: false });
        let session = Session::start(run, move |event| {
            frames.fetch_add(u64::from(matches!(event, Event::Frame { .. })), Ordering::Relaxed);
            told.fetch_add(u64::from(matches!(event, Event::Trouble(_))), Ordering::Relaxed);
        });
        (session.unwrap(), seen, troubles)
    }

    #[test]
    fn a_session_runs_beside_its_owner_and_ends_when_it_is_stopped() {
        let (session, seen, _) = session(u64::MAX);
        while seen.load(Ordering::Relaxed) < 5 {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(!session.ended());
        assert!(session.stop());
    }

    #[test]
    fn a_source_that_hangs_does_not_hold_its_owner_and_is_told() {
        let (session, _, troubles) = session(3);
        thread::sleep(Duration::from_millis(30));
        let asked = Instant::now();
        assert!(session.stop() && asked.elapsed() < PATIENCE);
        assert_eq!(troubles.load(Ordering::Relaxed), 1);
    }
}
