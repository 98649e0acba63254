//! Results as files: `hands.jsonl`, `hands.npz`, `summary.json`, camera paths; hands and paths read back
//! from files to be compared. Reads events, knows no engine.

mod held;
mod jsonl;
mod npy;
mod npz;
mod path;
mod read;
mod read_npz;
mod read_run;
mod record;
mod summary;
mod triangulated;

use std::path::Path;

use crate::event::Event;
use crate::files::WriteError;

pub use held::{FinalFrame, HeldFrames};
pub use jsonl::JsonlWriter;
pub use npz::NpzWriter;
pub use path::{PathFile, PathFileError, read_path, write_tum};
pub use read::{HandsOverTime, ReadError, read_hands};
pub use read_npz::read_hands_npz;
pub use read_run::{StoredRun, read_run};
pub use summary::{Percentiles, Summary};
pub use triangulated::read_truth;

/// The files of one run in one folder. Each gets its name when the run is complete.
pub struct RunFiles {
    jsonl: JsonlWriter,
    npz: NpzWriter,
    held: HeldFrames,
    summary: Summary,
    summary_path: std::path::PathBuf,
}

impl RunFiles {
    /// Starts the files of a run in `folder`, which is made when missing. With a second pass, frames are written
    /// once they are refined.
    ///
    /// # Errors
    /// [`WriteError`] when the folder cannot be written to.
    pub fn create(folder: &Path, second_pass: bool) -> Result<Self, WriteError> {
        Ok(Self {
            jsonl: JsonlWriter::create(&folder.join("hands.jsonl"))?,
            npz: NpzWriter::new(&folder.join("hands.npz")),
            held: HeldFrames::new(second_pass),
            summary: Summary::default(),
            summary_path: folder.join("summary.json"),
        })
    }

    /// Writes left hands to `hands.npz` as Dyn-HaMR does ([`NpzWriter::mirror_left`]).
    pub fn mirror_left(&mut self) {
        self.npz.mirror_left();
    }

    /// Takes one event of the run.
    ///
    /// # Errors
    /// [`WriteError`], for example when the disk is full.
    pub fn event(&mut self, event: &Event) -> Result<(), WriteError> {
        self.summary.event(event);
        match event {
            Event::Started(run) => {
                self.npz.started(run);
                self.jsonl.started(run)
            }
            Event::Frame { hands, .. } => {
                let last = self.held.push(hands.clone());
                self.write(&last)
            }
            Event::Refined(refinement) => {
                let last = self.held.refined(refinement);
                self.write(&last)
            }
            Event::SecondPass(_)
            | Event::Paused { .. }
            | Event::Dropped { .. }
            | Event::Warning(_)
            | Event::Trouble(_)
            | Event::Finished => Ok(()),
        }
    }

    /// Completes the files and returns what they sum up to.
    ///
    /// # Errors
    /// [`WriteError`]; files already complete stay.
    pub fn finish(mut self) -> Result<Summary, WriteError> {
        let last = self.held.finish();
        self.write(&last)?;
        self.jsonl.finish()?;
        self.npz.finish()?;
        self.summary.write(&self.summary_path)?;
        Ok(self.summary)
    }

    fn write(&mut self, frames: &[FinalFrame]) -> Result<(), WriteError> {
        frames.iter().try_for_each(|frame| {
            self.npz.frame(&frame.hands);
            self.jsonl.frame(frame)
        })
    }
}
