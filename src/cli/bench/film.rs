//! A film decoded ahead, so that the decoder is not measured as ours.

use std::sync::Arc;

use anyhow::{Result, ensure};
use handstream::frame::{Frame, Timestamp};
use handstream::source::{Source, SourceError, SourceInfo, SpareMemory};

/// Pictures of a source in memory.
pub struct Film {
    /// What the source said of itself.
    pub info: SourceInfo,
    /// Its first pictures, as many as were asked for and fit.
    pub frames: Vec<Arc<Frame>>,
    /// Whether pictures were left out because the memory was spent.
    pub cut: bool,
}

impl Film {
    /// Decodes at most `limit` pictures and at most `memory` bytes of them.
    ///
    /// # Errors
    /// The source's sentence, or that it holds no picture.
    pub fn decode(mut source: Box<dyn Source>, limit: usize, memory: usize) -> Result<Self> {
        let info = source.info().clone();
        ensure!(
            !info.live,
            "{} is a camera: this bench replays a film, give it a video or a folder of pictures",
            info.name
        );
        let fitting = memory / info.size.rgb_bytes().max(1);
        let most = limit.min(fitting.max(1));
        let mut frames = Vec::new();
        while frames.len() < most {
            match source.next_frame()? {
                Some(frame) => frames.push(Arc::new(frame)),
                None => break,
            }
        }
        ensure!(!frames.is_empty(), "{} holds no picture", info.name);
        let cut = frames.len() == most && most < limit && source.next_frame()?.is_some();
        Ok(Self { info, frames, cut })
    }

    /// The film as a source at `fps` frames a second, whatever its own rate.
    pub fn at(&self, fps: f64) -> Replay {
        let info = SourceInfo { fps, frame_count: Some(self.frames.len() as u64), ..self.info.clone() };
        Replay { info, frames: self.frames.clone(), next: 0, spare: SpareMemory::default() }
    }
}

/// A decoded film as a source.
pub struct Replay {
    info: SourceInfo,
    frames: Vec<Arc<Frame>>,
    next: usize,
    spare: SpareMemory,
}

impl Source for Replay {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, SourceError> {
        let Some(frame) = self.frames.get(self.next) else { return Ok(None) };
        let timestamp = Timestamp::from_seconds(self.next as f64 / self.info.fps);
        let sequence = self.next as u64;
        self.next += 1;
        let mut pixels = self.spare.take();
        pixels.clone_from(&frame.pixels);
        Ok(Some(Frame { pixels, size: frame.size, timestamp, sequence }))
    }

    fn take_back(&mut self, pixels: Vec<u8>) {
        self.spare.keep(pixels);
    }
}
