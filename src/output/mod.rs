//! Results as files: `hands.jsonl`, `hands.npz`, `summary.json`, camera paths; hands and paths read back
//! from files to be compared. Reads events, knows no engine.

mod jsonl;
mod npy;
mod npz;
mod path;
mod read;
mod record;
mod summary;
mod triangulated;

use std::path::Path;

use crate::event::Event;
use crate::files::WriteError;

pub use jsonl::JsonlWriter;
pub use npz::NpzWriter;
pub use path::{PathFile, PathFileError, read_path, write_tum};
pub use read::{HandsOverTime, ReadError, read_hands};
pub use summary::{Percentiles, Summary};
pub use triangulated::read_truth;

/// The files of one run in one folder. Each gets its name when the run is complete.
pub struct RunFiles {
    jsonl: JsonlWriter,
    npz: NpzWriter,
    summary: Summary,
    summary_path: std::path::PathBuf,
}

impl RunFiles {
    /// Starts the files of a run in `folder`, which is made when missing.
    ///
    /// # Errors
    /// [`WriteError`] when the folder cannot be written to.
    pub fn create(folder: &Path) -> Result<Self, WriteError> {
        Ok(Self {
            jsonl: JsonlWriter::create(&folder.join("hands.jsonl"))?,
            npz: NpzWriter::new(&folder.join("hands.npz")),
            summary: Summary::default(),
            summary_path: folder.join("summary.json"),
        })
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
                self.npz.frame(hands);
                self.jsonl.frame(hands)
            }
            Event::Dropped { .. } | Event::Warning(_) | Event::Finished => Ok(()),
        }
    }

    /// Completes the files and returns what they sum up to.
    ///
    /// # Errors
    /// [`WriteError`]; files already complete stay.
    pub fn finish(self) -> Result<Summary, WriteError> {
        self.jsonl.finish()?;
        self.npz.finish()?;
        self.summary.write(&self.summary_path)?;
        Ok(self.summary)
    }
}
