//! Chunks of a file that is only ever written at its end: kind, length, payload, checksum.
//!
//! ```text
//! length of the payload  4 bytes, little endian
//! kind                   1 byte
//! payload                length bytes
//! CRC-32 of all before   4 bytes, little endian
//! ```

use std::io::{self, Read, Write};

/// Bytes before and after a payload.
const OVERHEAD: u64 = 9;
/// Longest payload; a damaged length asks for no more memory than this.
const MOST_BYTES: u32 = 1 << 28;

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What is known of the run.
    Head = 1,
    /// A frame with its picture.
    Picture = 2,
    /// A frame whose picture is in another file.
    Mark = 3,
    /// The hands of a frame.
    Hands = 4,
    /// How long a frame took.
    Timing = 5,
    /// Something else that happened.
    Event = 6,
    /// Frames that came too fast to be written.
    Missing = 7,
    /// The recording was closed in good order.
    End = 8,
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Head,
        Kind::Picture,
        Kind::Mark,
        Kind::Hands,
        Kind::Timing,
        Kind::Event,
        Kind::Missing,
        Kind::End,
    ];
}

/// Why there are no more chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The file ends between two chunks.
    End,
    /// It is cut or damaged after so many good bytes.
    Damaged {
        /// Bytes before the damage.
        at: u64,
        /// What is wrong, in words.
        what: &'static str,
    },
}

/// Writes a chunk in one go; its length in bytes.
pub(super) fn write(out: &mut impl Write, kind: Kind, payload: &[u8]) -> io::Result<u64> {
    let length = u32::try_from(payload.len()).ok().filter(|&length| length <= MOST_BYTES);
    let length = length.ok_or_else(|| io::Error::other("a chunk of more than 256 MB"))?;
    let mut chunk = Vec::with_capacity(payload.len() + OVERHEAD as usize);
    chunk.extend(length.to_le_bytes());
    chunk.push(kind as u8);
    chunk.extend(payload);
    let sum = crc32fast::hash(&chunk);
    chunk.extend(sum.to_le_bytes());
    out.write_all(&chunk)?;
    Ok(chunk.len() as u64)
}

/// Reads chunks until the file ends or is damaged.
pub(super) struct Chunks<R> {
    file: R,
    good: u64,
}

impl<R: Read> Chunks<R> {
    /// Reads on from byte `start`.
    pub fn new(file: R, start: u64) -> Self {
        Self { file, good: start }
    }

    /// The next chunk.
    ///
    /// # Errors
    /// [`Stop`] where there is none; nothing can be read after it.
    pub fn next(&mut self) -> Result<(Kind, Vec<u8>), Stop> {
        let at = self.good;
        let damaged = |what| Stop::Damaged { at, what };
        let cut = || damaged("a chunk is cut off");
        let mut head = [0; 5];
        match self.fill(&mut head) {
            0 => return Err(Stop::End),
            5 => {}
            _ => return Err(cut()),
        }
        let [a, b, c, d, kind] = head;
        let length = u32::from_le_bytes([a, b, c, d]);
        if length > MOST_BYTES {
            return Err(damaged("a chunk's length is damaged"));
        }
        let mut payload = Vec::new();
        // Memory grows with what is really there.
        let read = (&mut self.file).take(u64::from(length)).read_to_end(&mut payload);
        let mut sum = [0; 4];
        if read.is_err() || payload.len() != length as usize || self.fill(&mut sum) != 4 {
            return Err(cut());
        }
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&head);
        hasher.update(&payload);
        if hasher.finalize() != u32::from_le_bytes(sum) {
            return Err(damaged("a chunk's checksum is wrong"));
        }
        let kind = Kind::ALL.into_iter().find(|known| *known as u8 == kind);
        let kind = kind.ok_or(damaged("a chunk is of an unknown kind"))?;
        self.good += u64::from(length) + OVERHEAD;
        Ok((kind, payload))
    }

    /// Bytes that were read of what was wanted; fewer where the file ends or cannot be read.
    fn fill(&mut self, wanted: &mut [u8]) -> usize {
        let mut read = 0;
        while let Some(rest) = wanted.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.file.read(rest) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        read
    }
}
