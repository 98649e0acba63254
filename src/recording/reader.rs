//! Reading a recording, as far as it is whole.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::chunk::{Chunks, Kind, Stop};
use super::records::{PauseRecord, PicturesFrom, RecordingHead};
use super::writer::{FORM, MAGIC};
use super::{RecordingError, picture};
use crate::frame::Frame;

/// Bytes before the first chunk.
const START: u64 = 12;

/// One thing of a recording.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A frame; without pixels where its picture is in another file.
    Frame(Frame),
    /// Its hands, as [`super::hands_line`] writes them.
    Hands(Vec<u8>),
    /// How long it took, as JSON.
    Timing(Vec<u8>),
    /// Another event, as JSON.
    Event(Vec<u8>),
    /// Frames that came too fast to be written.
    Missing(u64),
}

/// A recording being read.
pub struct RecordingReader {
    path: PathBuf,
    head: RecordingHead,
    chunks: Chunks<BufReader<File>>,
    length: u64,
    frames: u64,
    ended: bool,
    damage: Option<String>,
}

impl RecordingReader {
    /// Opens the file and reads its head.
    ///
    /// # Errors
    /// [`RecordingError`] where it is no recording, or one without head.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let unreadable = |cause| RecordingError::Unreadable { path: path.to_owned(), cause };
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut file = BufReader::new(file);
        let (mut magic, mut form) = ([0; 8], [0; 4]);
        let read = file.read_exact(&mut magic).and_then(|()| file.read_exact(&mut form));
        if read.is_err() || magic != MAGIC {
            return Err(RecordingError::Foreign { path: path.to_owned() });
        }
        let found = u32::from_le_bytes(form);
        if found != FORM {
            return Err(RecordingError::Newer { path: path.to_owned(), found, known: FORM });
        }
        let empty = |what: &str| RecordingError::Empty { path: path.to_owned(), what: what.to_owned() };
        let mut chunks = Chunks::new(file, START);
        let head = match chunks.next() {
            Ok((Kind::Head, payload)) => serde_json::from_slice::<RecordingHead>(&payload),
            _ => return Err(empty("its head is damaged")),
        };
        let head = head.map_err(|error| empty(&format!("its head cannot be understood: {error}")))?;
        Ok(Self { path: path.to_owned(), head, chunks, length, frames: 0, ended: false, damage: None })
    }

    /// Where the work behind frames gave way in the recording at `path`: number of the frame, and after how many looks.
    /// Reads the whole file, but unpacks no picture.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn pauses(path: &Path) -> Result<HashMap<u64, u64>, RecordingError> {
        let mut reader = Self::open(path)?;
        let mut pauses = HashMap::new();
        while let Ok((kind, payload)) = reader.chunks.next() {
            let pause = (kind == Kind::Event).then(|| serde_json::from_slice::<PauseRecord>(&payload));
            pauses.extend(pause.and_then(Result::ok).and_then(PauseRecord::pause));
        }
        Ok(pauses)
    }

    /// What the recording says of itself.
    pub fn head(&self) -> &RecordingHead {
        &self.head
    }

    /// The next entry; `None` after the last that is whole.
    pub fn next_entry(&mut self) -> Option<Entry> {
        if self.ended {
            return None;
        }
        let with_picture = self.head.pictures == PicturesFrom::Here;
        let entry = match self.chunks.next() {
            Ok((Kind::Picture | Kind::Mark, payload)) => {
                let frame = picture::decode(&payload, self.head.picture_size(), with_picture);
                self.frames += u64::from(frame.is_some());
                frame.map(Entry::Frame)
            }
            Ok((Kind::Hands, payload)) => Some(Entry::Hands(payload)),
            Ok((Kind::Timing, payload)) => Some(Entry::Timing(payload)),
            Ok((Kind::Event, payload)) => Some(Entry::Event(payload)),
            Ok((Kind::Missing, payload)) => {
                payload.try_into().ok().map(|bytes| Entry::Missing(u64::from_le_bytes(bytes)))
            }
            Ok((Kind::End, _)) => {
                self.ended = true;
                return None;
            }
            Ok((Kind::Head, _)) => None,
            Err(stop) => {
                self.stop(&stop);
                return None;
            }
        };
        if entry.is_none() {
            self.stop(&Stop::Damaged { at: self.length, what: "a chunk holds something else than it says" });
        }
        entry
    }

    /// What is wrong with the file, in one sentence; known after the last entry.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    fn stop(&mut self, stop: &Stop) {
        self.ended = true;
        let (path, frames) = (self.path.display(), self.frames);
        self.damage = Some(match stop {
            Stop::End => format!(
                "{path} was not closed: the program was ended from outside; all its {frames} frames are good"
            ),
            Stop::Damaged { at, what } => {
                let lost = self.length.saturating_sub(*at);
                format!(
                    "{path} is damaged ({what}): the last {lost} bytes are cut off, the {frames} frames before are \
                     good"
                )
            }
        });
    }
}
