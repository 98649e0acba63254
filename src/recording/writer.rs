//! Writing a recording, chunk by chunk.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::chunk::{self, Kind};
use super::records::{PicturesFrom, RecordingHead, event_line, hands_line, json, timing_line};
use super::{RecordingError, picture};
use crate::event::Event;
use crate::files::WriteError;

/// The first bytes of a recording.
pub(super) const MAGIC: [u8; 8] = *b"handsrec";
/// Form of the file, which follows them, 4 bytes, little endian.
pub(super) const FORM: u32 = 1;

/// A recording being written. Each chunk goes to the system in one go: a program that is killed loses none that was
/// written.
pub struct RecordingWriter {
    path: PathBuf,
    file: File,
    with_pictures: bool,
    bytes: u64,
}

impl RecordingWriter {
    /// Starts the file; its folder is made when missing. A file of that name is replaced.
    ///
    /// # Errors
    /// [`RecordingError::Write`].
    pub fn create(path: &Path, head: &RecordingHead) -> Result<Self, RecordingError> {
        let start = || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let mut file = File::create(path)?;
            file.write_all(&MAGIC)?;
            file.write_all(&FORM.to_le_bytes())?;
            Ok(file)
        };
        let file = start().map_err(|cause| WriteError::new(path, cause))?;
        let with_pictures = head.pictures == PicturesFrom::Here;
        let mut writer = Self { path: path.to_owned(), file, with_pictures, bytes: 12 };
        writer.chunk(Kind::Head, &json(head))?;
        Ok(writer)
    }

    /// Writes an event.
    ///
    /// # Errors
    /// [`RecordingError::Write`], for example when the disk is full.
    pub fn event(&mut self, event: &Event) -> Result<(), RecordingError> {
        if let Event::Frame { frame, hands } = event {
            let kind = if self.with_pictures { Kind::Picture } else { Kind::Mark };
            self.chunk(kind, &picture::encode(frame, self.with_pictures))?;
            self.chunk(Kind::Hands, &hands_line(hands))?;
            self.chunk(Kind::Timing, &timing_line(hands))?;
        }
        event_line(event).map_or(Ok(()), |line| self.chunk(Kind::Event, &line))
    }

    /// Notes frames that are not in the recording.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub fn missing(&mut self, frames: u64) -> Result<(), RecordingError> {
        self.chunk(Kind::Missing, &frames.to_le_bytes())
    }

    /// Asks the system to bring to the disk what was written.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub fn sync(&mut self) -> Result<(), RecordingError> {
        Ok(self.file.sync_data().map_err(|cause| WriteError::new(&self.path, cause))?)
    }

    /// Bytes written.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Closes the recording in good order.
    ///
    /// # Errors
    /// As [`Self::event`].
    pub fn finish(mut self) -> Result<(), RecordingError> {
        self.chunk(Kind::End, &[])?;
        self.sync()
    }

    fn chunk(&mut self, kind: Kind, payload: &[u8]) -> Result<(), RecordingError> {
        let written = chunk::write(&mut self.file, kind, payload);
        self.bytes += written.map_err(|cause| WriteError::new(&self.path, cause))?;
        Ok(())
    }
}
