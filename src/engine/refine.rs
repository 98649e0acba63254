//! The refinement thread: takes chunks, refines one after another, and never holds up who gives them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::priority::yield_to_others;
use super::supply::Supply;
use super::watchdog::{AtWork, Watchdog, last_words};
use crate::event::{Recovery, Trouble, Worker, WorkerFailure};
use crate::refine::{CameraKnowledge, Chunk, Deadline, RefinedChunk, Refiner};

/// Frames that chunks are merged up to; more would take longer than they last.
const MOST_MERGED: usize = 512;

/// What happens to a chunk that comes while an earlier one still waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// It waits too, and every chunk is refined: for files.
    Wait,
    /// Both are refined as one chunk, up to 512 frames; beyond that the older frames stay provisional.
    Merge,
    /// The older one is dropped, its frames stay provisional: the newest counts.
    Drop,
}

/// How the thread works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefineSchedule {
    /// What happens to chunks that have to wait.
    pub backlog: Backlog,
    /// Most time for a chunk; `None` lets each take what it needs, so that results do not depend on the
    /// machine.
    pub budget: Option<Duration>,
}

/// A chunk that is done.
pub struct RefinedWork {
    /// What came of it.
    pub refined: RefinedChunk,
    /// What was known of the camera.
    pub knowledge: CameraKnowledge,
    /// Number of the chunk, from 1.
    pub revision: u64,
    /// Time it took.
    pub took: Duration,
}

/// How often chunks could not be refined one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BacklogCounts {
    /// Chunks that came while an earlier one was still in work.
    pub waited: u64,
    /// Chunks that were refined together with the one before.
    pub merged: u64,
    /// Chunks that were not refined.
    pub dropped: u64,
}

/// Why there is no refinement.
#[derive(Debug, thiserror::Error)]
pub enum RefineThreadError {
    /// The system gives no more threads.
    #[error("the refinement thread could not be started ({0}): close other programs, or give --no-refine")]
    Start(std::io::Error),
    /// The motion prior could not be made.
    #[error("{0}")]
    Prior(String),
    /// The refinement panicked or hangs, and there is no other.
    #[error("refinement stopped on an internal error; the hands stay provisional, please report it")]
    Stopped,
}

/// Chunks that wait.
#[derive(Default)]
struct Waiting {
    chunks: VecDeque<Chunk>,
    /// Whether the thread is at work on one.
    busy: bool,
    closed: bool,
}

impl Waiting {
    fn add(&mut self, chunk: Chunk, backlog: Backlog, counts: &mut BacklogCounts) {
        counts.waited += u64::from(self.busy || !self.chunks.is_empty());
        match (self.chunks.pop_back(), backlog) {
            (None, _) => self.chunks.push_back(chunk),
            (Some(last), Backlog::Wait) => self.chunks.extend([last, chunk]),
            (Some(last), Backlog::Merge) if last.frames.len() + chunk.frames.len() <= MOST_MERGED => {
                counts.merged += 1;
                self.chunks.push_back(merged(last, chunk));
            }
            (Some(_), Backlog::Merge | Backlog::Drop) => {
                counts.dropped += 1;
                self.chunks.push_back(chunk);
            }
        }
    }
}

/// What threads, one after the other, share.
struct Shared {
    waiting: Mutex<Waiting>,
    bell: Condvar,
    at_work: AtWork,
    /// Chunks refined so far.
    revision: AtomicU64,
    tell: Sender<RefinedWork>,
    budget: Option<Duration>,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.waiting().closed = true;
        self.bell.notify_all();
    }
}

/// Refinement on a thread of its own, at low priority where chunks have a time budget.
///
/// One that panics or hangs is replaced where there is another; the frames of its chunk stay provisional.
pub struct RefineThread {
    shared: Arc<Shared>,
    supply: Supply<Refiner>,
    backlog: Backlog,
    counts: BacklogCounts,
    watchdog: Watchdog,
    done: Receiver<RefinedWork>,
    /// `None` after a failure that nothing has replaced.
    thread: Option<JoinHandle<()>>,
    troubles: Vec<Trouble>,
    restarts_at: (u32, u64),
}

impl RefineThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`RefineThreadError::Start`].
    pub fn start(
        refiner: impl Into<Supply<Refiner>>,
        schedule: RefineSchedule,
        watchdog: Watchdog,
    ) -> Result<Self, RefineThreadError> {
        let (tell, done) = unbounded();
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            bell: Condvar::new(),
            at_work: AtWork::default(),
            revision: AtomicU64::new(0),
            tell,
            budget: schedule.budget,
        });
        let mut supply = refiner.into();
        let thread = match supply.next() {
            Some(Ok(refiner)) => Some(spawn(refiner, 0, &shared).map_err(RefineThreadError::Start)?),
            _ => None,
        };
        Ok(Self {
            shared,
            supply,
            backlog: schedule.backlog,
            counts: BacklogCounts::default(),
            watchdog,
            done,
            thread,
            troubles: Vec::new(),
            restarts_at: (0, 0),
        })
    }

    /// Gives the next chunk, in the order of time. Returns at once.
    pub fn give(&mut self, chunk: Chunk) {
        if self.thread.is_none() {
            self.counts.dropped += 1;
            return;
        }
        self.shared.waiting().add(chunk, self.backlog, &mut self.counts);
        self.shared.bell.notify_one();
    }

    /// The chunks that are done since the last call. Replaces a thread that failed.
    pub fn done(&mut self) -> Vec<RefinedWork> {
        self.look();
        self.done.try_iter().collect()
    }

    /// What went wrong with the thread since the last call.
    pub fn troubles(&mut self) -> Vec<Trouble> {
        std::mem::take(&mut self.troubles)
    }

    /// How often the thread could not keep up.
    pub fn counts(&self) -> BacklogCounts {
        self.counts
    }

    /// Waits for all chunks that were given; returns those that are done since the last [`Self::done`], and what
    /// went wrong.
    ///
    /// # Errors
    /// [`RefineThreadError::Stopped`] after a failure that nothing has replaced.
    pub fn finish(mut self) -> Result<(Vec<RefinedWork>, Vec<Trouble>), RefineThreadError> {
        self.shared.close();
        loop {
            self.look();
            match &self.thread {
                None => return Err(RefineThreadError::Stopped),
                Some(thread) if !thread.is_finished() => thread::sleep(Duration::from_millis(1)),
                Some(_) => {
                    let ended = self.thread.take().map_or(Ok(()), JoinHandle::join);
                    ended.map_err(|_| RefineThreadError::Stopped)?;
                    return Ok((self.done.try_iter().collect(), self.troubles()));
                }
            }
        }
    }

    /// Replaces a thread that panicked or hangs.
    fn look(&mut self) {
        let shared = self.shared.clone();
        if let Some((number, revision, took)) = shared.at_work.replace_overdue(self.watchdog.refinement) {
            self.thread = None;
            self.replace(number, revision, WorkerFailure::Hung(took));
        }
        // A thread that has nothing more to do has ended, too.
        let Some(thread) = self.thread.take_if(|thread| thread.is_finished() && shared.at_work.is_busy())
        else {
            return;
        };
        if let Err(panic) = thread.join() {
            let (number, revision) = shared.at_work.replace();
            self.replace(number, revision.unwrap_or_default(), WorkerFailure::Panicked(last_words(&*panic)));
        }
    }

    fn replace(&mut self, number: u64, revision: u64, failure: WorkerFailure) {
        let (restarts, at) = self.restarts_at;
        let restarts = if at + 1 == revision { restarts + 1 } else { 1 };
        self.restarts_at = (restarts, revision);
        let next = (restarts <= self.watchdog.most_restarts).then(|| self.supply.next()).flatten();
        if let Some(Ok(refiner)) = next {
            self.thread = spawn(refiner, number, &self.shared).ok();
        }
        let recovery = if self.thread.is_some() { Recovery::Restarted } else { Recovery::Gone };
        self.troubles.push(Trouble::Worker { worker: Worker::Refinement, failure, sequence: None, recovery });
    }
}

impl Drop for RefineThread {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// The frames of both chunks, those that they share as the later one has them.
fn merged(mut earlier: Chunk, later: Chunk) -> Chunk {
    let first = later.frames.first().map_or(u64::MAX, |frame| frame.sequence);
    earlier.frames.retain(|frame| frame.sequence < first);
    earlier.frames.extend(later.frames);
    Chunk { frames: earlier.frames, knowledge: later.knowledge, ..earlier }
}

fn spawn(refiner: Refiner, number: u64, shared: &Arc<Shared>) -> std::io::Result<JoinHandle<()>> {
    let shared = shared.clone();
    thread::Builder::new().name("refinement".into()).spawn(move || work(refiner, number, &shared))
}

/// The thread: refines what waits until there is nothing left and nothing will come, or it is left behind.
fn work(mut refiner: Refiner, number: u64, shared: &Shared) {
    // Where nobody waits for the front end, nobody has to give way to it.
    if shared.budget.is_some() {
        yield_to_others();
    }
    loop {
        let mut waiting = shared.waiting();
        waiting.busy = false;
        while waiting.chunks.is_empty() && !waiting.closed {
            waiting = shared.bell.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let Some(chunk) = waiting.chunks.pop_front() else { return };
        waiting.busy = true;
        drop(waiting);
        let revision = shared.revision.fetch_add(1, Ordering::Relaxed) + 1;
        if !shared.at_work.begin(number, revision) {
            return;
        }
        let start = Instant::now();
        let deadline = shared.budget.map_or(Deadline::Never, Deadline::after);
        let refined = refiner.refine(&chunk, &deadline);
        if !shared.at_work.end(number) {
            return;
        }
        let (knowledge, took) = (chunk.knowledge, start.elapsed());
        if shared.tell.send(RefinedWork { refined, knowledge, revision, took }).is_err() {
            // Whoever gave the chunks is gone.
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Vector3;

    use super::*;
    use crate::event::{HandPose, KEYPOINTS, Side, TrackId};
    use crate::frame::{PictureSize, Timestamp};
    use crate::geometry::CameraModel;
    use crate::hand::HandModel;
    use crate::refine::{
        ChunkFrame, FrameBelief, KeypointMeaning, MotionFrame, MotionPrior, ObservedHand, RefineConfig,
    };

    fn chunk(frames: std::ops::Range<u64>) -> Chunk {
        let frame = |sequence| ChunkFrame {
            sequence,
            timestamp: Timestamp::from_seconds(sequence as f64 / 30.0),
            world_from_camera: None,
            hands: Vec::new(),
        };
        Chunk {
            frames: frames.map(frame).collect(),
            fps: 30.0,
            camera: CameraModel::guess(PictureSize::new(640, 480)),
            knowledge: CameraKnowledge::Still,
            meaning: KeypointMeaning::Tracker,
        }
    }

    /// The frames of the chunks that wait after three overlapping ones came, and the counts.
    fn backlog(backlog: Backlog) -> (Vec<Vec<u64>>, BacklogCounts) {
        let (mut waiting, mut counts) = (Waiting::default(), BacklogCounts::default());
        for frames in [0..4, 3..7, 6..10] {
            waiting.add(chunk(frames), backlog, &mut counts);
        }
        let numbers = |chunk: &Chunk| chunk.frames.iter().map(|frame| frame.sequence).collect();
        (waiting.chunks.iter().map(numbers).collect(), counts)
    }

    #[test]
    fn chunks_that_wait_are_kept_or_merged_or_the_older_dropped_and_counted() {
        let (kept, counts) = backlog(Backlog::Wait);
        assert_eq!(kept, [(0..4).collect::<Vec<_>>(), (3..7).collect(), (6..10).collect()]);
        assert_eq!(counts, BacklogCounts { waited: 2, merged: 0, dropped: 0 });
        let (merged, counts) = backlog(Backlog::Merge);
        assert_eq!(merged, [(0..10).collect::<Vec<_>>()]);
        assert_eq!(counts, BacklogCounts { waited: 2, merged: 2, dropped: 0 });
        let (newest, counts) = backlog(Backlog::Drop);
        assert_eq!(newest, [(6..10).collect::<Vec<_>>()]);
        assert_eq!(counts, BacklogCounts { waited: 2, merged: 0, dropped: 2 });
    }

    #[test]
    fn whoever_gives_does_not_wait_and_every_chunk_is_done_in_the_end() {
        let refiner = Refiner::new(Arc::new(HandModel::open()), RefineConfig::ours());
        let schedule = RefineSchedule { backlog: Backlog::Wait, budget: None };
        let mut thread = RefineThread::start(refiner, schedule, Watchdog::default()).unwrap();
        for frames in [0..4, 3..7, 6..10] {
            thread.give(chunk(frames));
        }
        let (done, _) = thread.finish().unwrap();
        let revisions: Vec<u64> = done.iter().map(|work| work.revision).collect();
        assert_eq!(revisions, [1, 2, 3]);
        assert_eq!(done[2].refined.frames.last().map(|frame| frame.sequence), Some(9));
    }

    /// Fails as a bug would when it is first asked.
    struct Broken {
        hangs: bool,
    }

    impl MotionPrior for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }

        fn fill(&mut self, _: &mut [MotionFrame]) {
            self.believe(&[]);
        }

        fn believe(&mut self, _: &[MotionFrame]) -> Vec<Option<FrameBelief>> {
            if self.hangs {
                thread::sleep(Duration::from_secs(600));
            }
            panic!("as a bug would")
        }
    }

    /// A chunk in which a hand is seen.
    fn with_a_hand(frames: std::ops::Range<u64>) -> Chunk {
        let model = HandModel::open();
        let pose = HandPose {
            global_orient: Vector3::new(0.1, 0.2, 0.3),
            hand_pose: [Vector3::zeros(); 15],
            betas: [0.0; 10],
            translation: Vector3::new(0.0, 0.0, 0.5),
        };
        let mut chunk = chunk(frames);
        let joints = model.posed(&pose, Side::Right).joints;
        let hand = ObservedHand {
            track: TrackId(1),
            side: Side::Right,
            score: 1.0,
            keypoints_px: joints.map(|joint| chunk.camera.project(joint).unwrap()),
            confidence: [1.0; KEYPOINTS],
            pose,
        };
        chunk.frames.iter_mut().for_each(|frame| frame.hands.push(hand.clone()));
        chunk
    }

    #[test]
    fn a_refinement_that_panics_or_hangs_is_told_and_the_next_chunk_is_refined_by_another() {
        for hangs in [false, true] {
            let sound = || Refiner::new(Arc::new(HandModel::open()), RefineConfig::ours());
            let supply =
                Supply::renewable(sound().with_prior(Box::new(Broken { hangs })), move || Ok(sound()));
            let schedule = RefineSchedule { backlog: Backlog::Wait, budget: None };
            let watchdog = Watchdog::every(Some(Duration::from_secs(3)));
            let mut thread = RefineThread::start(supply, schedule, watchdog).unwrap();
            thread.give(with_a_hand(0..20));
            thread.give(with_a_hand(16..36));
            let (done, troubles) = thread.finish().unwrap();
            let revisions: Vec<u64> = done.iter().map(|work| work.revision).collect();
            assert_eq!(revisions, [2]);
            let told = matches!(
                troubles[..],
                [Trouble::Worker { worker: Worker::Refinement, recovery: Recovery::Restarted, .. }]
            );
            assert!(told, "{troubles:?}");
        }
    }
}
