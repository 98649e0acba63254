//! A checkpoint file on disk, mapped into memory.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;

use super::directory::Directory;
use super::error::CheckpointError;
use super::{Checkpoint, read_directory};

/// A checkpoint file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointFileError {
    /// The system refuses to read the file.
    #[error("cannot read the checkpoint {} ({source}): check the path", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its content is of no use.
    #[error("the checkpoint {} cannot be used: {fault}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        fault: CheckpointError,
    },
}

/// A `.safetensors` file or a torch archive (`.ckpt`, `.pth`, `.pt`) of any size.
///
/// Opening reads the table of contents only; numbers come into memory when a tensor is asked for, so what a
/// network does not need (optimiser states, a second name of the same numbers) is never touched. What kind
/// of file it is says its content, not its name.
#[derive(Debug)]
pub struct CheckpointFile {
    path: PathBuf,
    map: Mmap,
    directory: Arc<Directory>,
}

impl CheckpointFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`CheckpointFileError`], one sentence for the user.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointFileError> {
        let path = path.as_ref().to_owned();
        match map(&path) {
            Ok(map) => match read_directory(&map) {
                Ok(directory) => Ok(Self { path, map, directory: Arc::new(directory) }),
                Err(fault) => Err(CheckpointFileError::Unusable { path, fault }),
            },
            Err(source) => Err(CheckpointFileError::Unreadable { path, source }),
        }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's tensors.
    pub fn checkpoint(&self) -> Checkpoint<'_> {
        Checkpoint { bytes: &self.map, directory: self.directory.clone() }
    }

    /// The error that names this file, for a fault found while its tensors were read.
    pub fn unusable(&self, fault: CheckpointError) -> CheckpointFileError {
        CheckpointFileError::Unusable { path: self.path.clone(), fault }
    }
}

fn map(path: &Path) -> std::io::Result<Mmap> {
    // Asked before opening: opening a pipe would wait for who writes into it.
    let kind = std::fs::metadata(path)?;
    if !kind.is_file() {
        return Err(std::io::Error::other(if kind.is_dir() {
            "it is a folder"
        } else {
            "it is no plain file"
        }));
    }
    let file = File::open(path)?;
    // SAFETY: nothing is written through the map. A program that rewrites the file in place meanwhile can
    // change bytes under us: numbers are copied out before they are checked, and the table of contents holds
    // no references into the map, so this leads to wrong numbers at worst; one that shortens the file ends
    // this process with the system's bus error, as it would any program that maps files.
    unsafe { Mmap::map(&file) }
}
