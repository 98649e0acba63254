//! A file that begins again when it ends, for runs that are longer than it.

use super::{Source, SourceError, SourceInfo};
use crate::frame::{Frame, Timestamp};

/// Opens the file again.
pub type Opener = Box<dyn FnMut() -> Result<Box<dyn Source>, SourceError> + Send>;

/// Plays a source over and over; numbers and times go on.
pub struct LoopedSource {
    info: SourceInfo,
    inner: Box<dyn Source>,
    open: Opener,
    /// Frames since the source was opened.
    since_opened: u64,
    next: u64,
}

impl LoopedSource {
    /// Plays what `open` opens, at the nominal rate of the first.
    ///
    /// # Errors
    /// What opening failed with.
    pub fn new(mut open: Opener) -> Result<Self, SourceError> {
        let inner = open()?;
        let info = SourceInfo { frame_count: None, ..inner.info().clone() };
        Ok(Self { info, inner, open, since_opened: 0, next: 0 })
    }
}

impl Source for LoopedSource {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        loop {
            if let Some(frame) = self.inner.next_frame()? {
                let sequence = self.next;
                (self.next, self.since_opened) = (sequence + 1, self.since_opened + 1);
                let timestamp = Timestamp::from_seconds(sequence as f64 / self.info.fps);
                return Ok(Some(Frame { timestamp, sequence, ..frame }));
            }
            if self.since_opened == 0 {
                return Ok(None);
            }
            self.inner = (self.open)()?;
            self.since_opened = 0;
        }
    }

    fn take_back(&mut self, pixels: Vec<u8>) {
        self.inner.take_back(pixels);
    }
}
