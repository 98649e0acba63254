//! Recordings of runs: what the front end saw and what it said, in a file that survives a kill.
//!
//! A file is a head and chunks after it, each with its length and checksum ([`chunk`]); `docs/formats.md` says what
//! is in them. What was written before a crash can be read; what is damaged is cut off, and that is said.

mod chunk;
mod picture;
mod reader;
mod records;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{Entry, RecordingReader};
pub use records::{PicturesFrom, RecordedFile, RecordingHead, hands_line};
pub use writer::RecordingWriter;

use std::path::PathBuf;

/// Why a recording cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The system does not give the file.
    #[error("{path} cannot be read ({cause}): check the path and its permissions")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// The file is something else.
    #[error("{path} is no recording of handstream: give a file that --record wrote")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file's form is of a later program.
    #[error(
        "{path} is a recording of form {found}, and this program reads form {known}: use a newer program"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: u32,
        /// The form that is read here.
        known: u32,
    },
    /// Nothing can be made of the file.
    #[error("{path} holds nothing that can be played ({what}): record it again")]
    Empty {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The file with the pictures is not what it was.
    #[error("the pictures of this recording are in {path}, which {what}: put the same file there again")]
    Pictures {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The recording cannot be written.
    #[error(transparent)]
    Write(#[from] crate::files::WriteError),
}
