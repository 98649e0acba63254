//! A recording as a source of the frames that its run saw.

use super::{Source, SourceError, SourceInfo};
use crate::frame::Frame;
use crate::recording::{Entry, PicturesFrom, RecordingReader};

/// Gives what a recording holds beside its frames, as it comes.
pub type RecordedNotes = Box<dyn FnMut(Entry) + Send>;

/// The frames of a recording, in the order in which they were seen.
pub struct RecordedSource {
    info: SourceInfo,
    reader: RecordingReader,
    /// The video that has the pictures, where the recording has none.
    pictures: Option<Box<dyn Source>>,
    notes: RecordedNotes,
    told: bool,
}

impl RecordedSource {
    /// Plays `reader`; its hands and other entries go to `notes`.
    ///
    /// # Errors
    /// Where the pictures are in another file that is not what it was.
    pub fn new(reader: RecordingReader, notes: RecordedNotes) -> Result<Self, SourceError> {
        let head = reader.head();
        let run = head.run_info();
        let pictures = match &head.pictures {
            PicturesFrom::Here => None,
            PicturesFrom::File(file) => {
                file.check()?;
                Some(super::open(&file.path.to_string_lossy(), &super::OpenOptions::default())?)
            }
        };
        let info = SourceInfo {
            name: run.source,
            size: run.size,
            fps: run.fps,
            frame_count: None,
            live: false,
            camera: Some(run.camera),
        };
        Ok(Self { info, reader, pictures, notes, told: false })
    }

    /// The frame with its picture.
    fn with_picture(&mut self, frame: Frame) -> Result<Option<Frame>, SourceError> {
        let Some(pictures) = &mut self.pictures else { return Ok(Some(frame)) };
        while let Some(picture) = pictures.next_frame()? {
            if picture.sequence == frame.sequence {
                return Ok(Some(Frame { pixels: picture.pixels, size: picture.size, ..frame }));
            }
        }
        Ok(None)
    }
}

impl Source for RecordedSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        while let Some(entry) = self.reader.next_entry() {
            match entry {
                Entry::Frame(frame) => return self.with_picture(frame),
                other => (self.notes)(other),
            }
        }
        match self.reader.damage() {
            Some(what) if !std::mem::replace(&mut self.told, true) => {
                Err(SourceError::Recording { what: what.to_owned() })
            }
            _ => Ok(None),
        }
    }
}
