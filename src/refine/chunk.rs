//! Cutting a run into chunks that overlap.

use super::config::RefineConfig;
use super::data::{CameraKnowledge, Chunk, ChunkFrame, KeypointMeaning};
use crate::geometry::CameraModel;

/// Collects frames until a chunk is full.
#[derive(Clone, Debug)]
pub struct Chunker {
    empty: Chunk,
    frames: Vec<ChunkFrame>,
    /// How many of `frames` an earlier chunk held already.
    shared: usize,
    length: usize,
    overlap: usize,
    longest_gap: usize,
}

impl Chunker {
    /// A run of frames at `fps` seen by `camera`.
    pub fn new(
        fps: f64,
        camera: CameraModel,
        knowledge: CameraKnowledge,
        meaning: KeypointMeaning,
        config: &RefineConfig,
    ) -> Self {
        let length = config.chunk_frames.max(1);
        Self {
            empty: Chunk { frames: Vec::new(), fps, camera, knowledge, meaning },
            frames: Vec::new(),
            shared: 0,
            length,
            overlap: config.overlap.min(length - 1),
            longest_gap: config.longest_gap,
        }
    }

    /// Takes in the next frame; a full chunk leaves.
    pub fn push(&mut self, frame: ChunkFrame) -> Option<Chunk> {
        self.frames.push(frame);
        if self.frames.len() < self.length {
            return None;
        }
        let chunk = Chunk { frames: self.frames.clone(), ..self.empty.clone() };
        self.frames.drain(..self.next_start());
        self.shared = self.frames.len();
        Some(chunk)
    }

    /// Ends the run: the frames that no chunk held yet, with the overlap before them.
    pub fn finish(&mut self) -> Option<Chunk> {
        let frames = std::mem::take(&mut self.frames);
        let new = frames.len() > std::mem::take(&mut self.shared);
        new.then(|| Chunk { frames, ..self.empty.clone() })
    }

    /// Where the next chunk begins: at the overlap, or earlier where a hand is out of sight at this chunk's
    /// end and may come back, so that the whole gap lies in one chunk.
    fn next_start(&self) -> usize {
        let frames = self.frames.len();
        let mut start = frames - self.overlap;
        let earliest = start.saturating_sub(self.longest_gap).max(1);
        let mut tracks: Vec<_> =
            self.frames[earliest..].iter().flat_map(|f| &f.hands).map(|h| h.track).collect();
        tracks.sort_unstable();
        tracks.dedup();
        for track in tracks {
            let seen = |frame: &ChunkFrame| frame.hands.iter().any(|hand| hand.track == track);
            if let Some(last) = self.frames.iter().rposition(seen).filter(|&last| last + 1 < frames) {
                start = start.min(last.max(earliest));
            }
        }
        start
    }
}
