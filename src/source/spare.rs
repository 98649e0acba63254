//! Memory of pictures that came back, for the next ones.

/// More is not kept: a reader holds few frames at a time.
const MOST: usize = 4;

/// Memory of pictures that nobody needs any more, see [`Source::take_back`](super::Source::take_back).
#[derive(Debug, Default)]
pub struct SpareMemory(Vec<Vec<u8>>);

impl SpareMemory {
    /// Memory for a picture: of one that came back, with its old content, or none yet.
    pub fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    /// Keeps the memory of a picture, or lets it go where enough is kept.
    pub fn keep(&mut self, pixels: Vec<u8>) {
        if self.0.len() < MOST {
            self.0.push(pixels);
        }
    }
}
