//! The refinement thread: takes chunks, refines one after another, and never holds up who gives them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::priority::yield_to_others;
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
    /// The refinement panicked.
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

type Shared = Arc<(Mutex<Waiting>, Condvar)>;

/// Refinement on a thread of its own, at low priority where chunks have a time budget.
pub struct RefineThread {
    shared: Shared,
    backlog: Backlog,
    counts: BacklogCounts,
    done: Receiver<RefinedWork>,
    thread: Option<JoinHandle<()>>,
}

impl RefineThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`RefineThreadError::Start`].
    pub fn start(refiner: Refiner, schedule: RefineSchedule) -> Result<Self, RefineThreadError> {
        let shared = Shared::default();
        let (tell, done) = unbounded();
        let worker = shared.clone();
        let thread = thread::Builder::new()
            .name("refinement".into())
            .spawn(move || work(refiner, schedule.budget, &worker, &tell))
            .map_err(RefineThreadError::Start)?;
        let counts = BacklogCounts::default();
        Ok(Self { shared, backlog: schedule.backlog, counts, done, thread: Some(thread) })
    }

    /// Gives the next chunk, in the order of time. Returns at once.
    pub fn give(&mut self, chunk: Chunk) {
        let (waiting, bell) = &*self.shared;
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.add(chunk, self.backlog, &mut self.counts);
        bell.notify_one();
    }

    /// The chunks that are done since the last call.
    pub fn done(&self) -> impl Iterator<Item = RefinedWork> {
        self.done.try_iter()
    }

    /// How often the thread could not keep up.
    pub fn counts(&self) -> BacklogCounts {
        self.counts
    }

    /// Waits for all chunks that were given; returns those that are done since the last [`Self::done`].
    ///
    /// # Errors
    /// [`RefineThreadError::Stopped`] after a panic.
    pub fn finish(mut self) -> Result<Vec<RefinedWork>, RefineThreadError> {
        self.close();
        let ended = self.thread.take().map_or(Ok(()), JoinHandle::join);
        ended.map_err(|_| RefineThreadError::Stopped)?;
        Ok(self.done.try_iter().collect())
    }

    fn close(&self) {
        let (waiting, bell) = &*self.shared;
        waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        bell.notify_one();
    }
}

impl Drop for RefineThread {
    fn drop(&mut self) {
        self.close();
    }
}

/// The frames of both chunks, those that they share as the later one has them.
fn merged(mut earlier: Chunk, later: Chunk) -> Chunk {
    let first = later.frames.first().map_or(u64::MAX, |frame| frame.sequence);
    earlier.frames.retain(|frame| frame.sequence < first);
    earlier.frames.extend(later.frames);
    Chunk { frames: earlier.frames, knowledge: later.knowledge, ..earlier }
}

/// The thread: refines what waits until there is nothing left and nothing will come.
fn work(
    mut refiner: Refiner,
    budget: Option<Duration>,
    shared: &(Mutex<Waiting>, Condvar),
    tell: &Sender<RefinedWork>,
) {
    // Where nobody waits for the front end, nobody has to give way to it.
    if budget.is_some() {
        yield_to_others();
    }
    let (waiting, bell) = shared;
    let mut revision = 0;
    loop {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.busy = false;
        while waiting.chunks.is_empty() && !waiting.closed {
            waiting = bell.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let Some(chunk) = waiting.chunks.pop_front() else { return };
        waiting.busy = true;
        drop(waiting);
        let start = Instant::now();
        let deadline = budget.map_or(Deadline::Never, Deadline::after);
        let refined = refiner.refine(&chunk, &deadline);
        revision += 1;
        let (knowledge, took) = (chunk.knowledge, start.elapsed());
        if tell.send(RefinedWork { refined, knowledge, revision, took }).is_err() {
            // Whoever gave the chunks is gone.
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{PictureSize, Timestamp};
    use crate::geometry::CameraModel;
    use crate::hand::HandModel;
    use crate::refine::{ChunkFrame, KeypointMeaning, RefineConfig};

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
        let mut thread = RefineThread::start(refiner, schedule).unwrap();
        for frames in [0..4, 3..7, 6..10] {
            thread.give(chunk(frames));
        }
        let done = thread.finish().unwrap();
        let revisions: Vec<u64> = done.iter().map(|work| work.revision).collect();
        assert_eq!(revisions, [1, 2, 3]);
        assert_eq!(done[2].refined.frames.last().map(|frame| frame.sequence), Some(9));
    }
}
