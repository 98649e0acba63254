//! The recorder thread: writes a run to a file and never holds it up.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::capture::Delivery;
use super::priority::give_way;
use crate::event::{Event, Recovery, Trouble, Worker, WorkerFailure};
use crate::recording::{RecordingError, RecordingHead, RecordingWriter};

/// Frames that wait to be written: 66 MB of 1280x720.
const FRAMES_WAITING: usize = 24;
/// Room for what is no frame.
const NOTES_WAITING: usize = 1024;
/// Time between two requests to the system to bring everything to the disk.
const SYNC_EVERY: Duration = Duration::from_secs(2);

/// What came of a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Frames written.
    pub frames: u64,
    /// Frames that came faster than they could be written.
    pub missing: u64,
    /// Length of the file.
    pub bytes: u64,
}

/// Records a run on a thread of its own, at low priority where frames come live.
pub struct Recorder {
    give: Sender<Event>,
    live: bool,
    missing: Arc<AtomicU64>,
    failed: Arc<Mutex<Option<RecordingError>>>,
    /// The failure has been told.
    told: bool,
    thread: JoinHandle<Recorded>,
}

impl Recorder {
    /// Starts the file and the thread.
    ///
    /// # Errors
    /// [`RecordingError::Write`] where the file cannot be written to.
    pub fn start(path: &Path, head: &RecordingHead, delivery: Delivery) -> Result<Self, RecordingError> {
        let writer = RecordingWriter::create(path, head)?;
        let (give, events) = bounded(FRAMES_WAITING + NOTES_WAITING);
        let missing = Arc::new(AtomicU64::new(0));
        let failed = Arc::<Mutex<Option<RecordingError>>>::default();
        let live = delivery != Delivery::Every;
        let thread = {
            let (missing, failed) = (missing.clone(), failed.clone());
            thread::Builder::new().name("recorder".into()).spawn(move || {
                if live {
                    give_way();
                }
                let mut recorded = Recorded::default();
                let written = write(writer, &events, &missing, &mut recorded);
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = written.err();
                recorded
            })
        };
        let thread = thread.map_err(|cause| crate::files::WriteError::new(path, cause))?;
        Ok(Self { give, live, missing, failed, told: false, thread })
    }

    /// Takes one event of the run: live at once, offline when there is room. What went wrong, once.
    pub fn event(&mut self, event: &Event) -> Option<Event> {
        let frame = matches!(event, Event::Frame { .. });
        let sent = if !self.live {
            self.give.send(event.clone()).map_err(|gone| TrySendError::Disconnected(gone.0))
        } else if frame && self.give.len() >= FRAMES_WAITING {
            Err(TrySendError::Full(event.clone()))
        } else {
            self.give.try_send(event.clone())
        };
        match sent {
            Ok(()) => None,
            Err(TrySendError::Full(_)) => {
                let before = self.missing.fetch_add(u64::from(frame), Ordering::Relaxed);
                let first = frame && before == 0 && !std::mem::replace(&mut self.told, true);
                first.then(|| {
                    Event::Warning(
                        "frames come faster than they can be recorded; those that are missing are counted"
                            .into(),
                    )
                })
            }
            Err(TrySendError::Disconnected(_)) => self.failure(),
        }
    }

    /// Whether the thread is gone, although the run goes on.
    pub fn broke_off(&self) -> bool {
        self.thread.is_finished()
    }

    /// Writes what still waits and closes the file.
    ///
    /// # Errors
    /// Why the recording broke off, in one sentence.
    pub fn finish(self) -> Result<Recorded, String> {
        drop(self.give);
        let recorded =
            self.thread.join().map_err(|_| "the recorder failed on an internal error".to_owned())?;
        match self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error.to_string()),
            None => Ok(recorded),
        }
    }

    /// Why the thread is gone, once.
    fn failure(&mut self) -> Option<Event> {
        if std::mem::replace(&mut self.told, true) {
            return None;
        }
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match &*failed {
            Some(error) => Event::Warning(error.to_string()),
            None => Event::Trouble(Trouble::Worker {
                worker: Worker::Recorder,
                failure: WorkerFailure::Panicked("no words".into()),
                sequence: None,
                recovery: Recovery::Gone,
            }),
        })
    }
}

/// The thread: writes events until there are no more.
fn write(
    mut writer: RecordingWriter,
    events: &Receiver<Event>,
    missing: &AtomicU64,
    recorded: &mut Recorded,
) -> Result<(), RecordingError> {
    let mut synced = Instant::now();
    loop {
        let event = match events.recv_timeout(SYNC_EVERY) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        note(&mut writer, missing, recorded)?;
        if let Some(event) = event {
            writer.event(&event)?;
            recorded.frames += u64::from(matches!(event, Event::Frame { .. }));
        }
        if synced.elapsed() >= SYNC_EVERY {
            writer.sync()?;
            synced = Instant::now();
        }
        recorded.bytes = writer.bytes();
    }
    note(&mut writer, missing, recorded)?;
    recorded.bytes = writer.bytes();
    writer.finish()
}

/// Notes the frames that are missing since the last one.
fn note(
    writer: &mut RecordingWriter,
    missing: &AtomicU64,
    recorded: &mut Recorded,
) -> Result<(), RecordingError> {
    let lost = missing.load(Ordering::Relaxed).saturating_sub(recorded.missing);
    if lost > 0 {
        writer.missing(lost)?;
        recorded.missing += lost;
    }
    Ok(())
}
