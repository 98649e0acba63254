//! Where handstream keeps its files between runs, the two model files it cannot bring along, and where the
//! user's own files lie.
//!
//! The folder is `$HANDSTREAM_HOME`, else `$XDG_DATA_HOME/handstream`, else
//! `~/.local/share/handstream`. The key-point networks are Google's MediaPipe files (Apache-2.0);
//! `handstream setup` fetches them, and nothing runs on a file whose bytes are not the known ones.

mod own_files;

use std::path::{Path, PathBuf};

pub use self::own_files::{OwnFile, OwnFiles, OwnFilesError};
use sha2::{Digest, Sha256};

/// A file of which size and content are known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownFile {
    /// Name in the models folder.
    pub name: &'static str,
    /// Its place in the Python wheel `mediapipe` 0.10.21.
    pub in_wheel: &'static str,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content, lower-case hexadecimal.
    pub sha256: &'static str,
}

/// The palm detector.
pub const PALM_DETECTION: KnownFile = KnownFile {
    name: "palm_detection_full.tflite",
    in_wheel: "mediapipe/modules/palm_detection/palm_detection_full.tflite",
    size: 2_339_846,
    sha256: "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
};

/// The landmark network.
pub const HAND_LANDMARK: KnownFile = KnownFile {
    name: "hand_landmark_full.tflite",
    in_wheel: "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
    size: 5_478_917,
    sha256: "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
};

/// The folder in which handstream keeps its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// The folder of this user and machine; it need not exist yet.
    ///
    /// # Errors
    /// [`HomeError::NoFolder`] where no environment variable says where home is.
    pub fn locate() -> Result<Self, HomeError> {
        Self::from_variables(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Self, HomeError> {
        let folder = if let Some(own) = variable("HANDSTREAM_HOME") {
            PathBuf::from(own)
        } else if let Some(data) = variable("XDG_DATA_HOME") {
            Path::new(&data).join("handstream")
        } else {
            // Windows sets USERPROFILE instead of HOME.
            let home = variable("HOME").or_else(|| variable("USERPROFILE")).ok_or(HomeError::NoFolder)?;
            Path::new(&home).join(".local/share/handstream")
        };
        Ok(Self(folder))
    }

    /// A data folder at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of the model files.
    pub fn models(&self) -> PathBuf {
        self.0.join("models")
    }
}

/// Paths of the two MediaPipe networks, both checked byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFiles {
    /// The palm detector.
    pub palm: PathBuf,
    /// The landmark network.
    pub landmark: PathBuf,
}

impl ModelFiles {
    /// The checked files of this user's data folder.
    ///
    /// # Errors
    /// [`HomeError`] where a file is missing, cut off or altered; the message names the remedy.
    pub fn locate() -> Result<Self, HomeError> {
        Self::in_folder(&DataFolder::locate()?)
    }

    /// The checked files of a given data folder.
    ///
    /// # Errors
    /// As [`ModelFiles::locate`].
    pub fn in_folder(folder: &DataFolder) -> Result<Self, HomeError> {
        let checked = |file: &KnownFile| {
            let path = folder.models().join(file.name);
            file.check(&path).map(|()| path)
        };
        Ok(Self { palm: checked(&PALM_DETECTION)?, landmark: checked(&HAND_LANDMARK)? })
    }
}

impl KnownFile {
    /// Checks that the file at `path` is this one.
    ///
    /// # Errors
    /// [`HomeError::Missing`], [`HomeError::WrongSize`], [`HomeError::Altered`] or
    /// [`HomeError::Unreadable`].
    pub fn check(&self, path: &Path) -> Result<(), HomeError> {
        match std::fs::read(path) {
            Ok(bytes) => self.check_bytes(path, &bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(HomeError::Missing { path: path.to_owned() })
            }
            Err(source) => Err(HomeError::Unreadable { path: path.to_owned(), source }),
        }
    }

    /// Checks that `bytes`, which came from `path`, are this file's.
    ///
    /// # Errors
    /// [`HomeError::WrongSize`] or [`HomeError::Altered`].
    pub fn check_bytes(&self, path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
        let found = bytes.len() as u64;
        if found != self.size {
            return Err(HomeError::WrongSize { path: path.to_owned(), found, expected: self.size });
        }
        let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if digest != self.sha256 {
            return Err(HomeError::Altered { path: path.to_owned() });
        }
        Ok(())
    }
}

/// Why the data folder or a model file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// No environment variable tells where to keep files.
    #[error("neither HANDSTREAM_HOME, XDG_DATA_HOME nor HOME is set: set HANDSTREAM_HOME to a folder")]
    NoFolder,
    /// The file is not there.
    #[error("the model file {} is missing: run `handstream setup` once to fetch it", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file has another length than the known one.
    #[error(
        "the model file {} has {found} bytes instead of {expected}: run `handstream setup` to replace it",
        path.display()
    )]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Bytes found.
        found: u64,
        /// Bytes it should have.
        expected: u64,
    },
    /// The file has the right length but other bytes.
    #[error(
        "the model file {} is not the published one (its SHA-256 differs): run `handstream setup` to replace it",
        path.display()
    )]
    Altered {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses to read the file.
    #[error("the model file {} cannot be read ({source}): check its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(variables: &[(&str, &str)]) -> Result<DataFolder, HomeError> {
        DataFolder::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_own_variable_wins_over_the_general_ones() {
        let all = [("HANDSTREAM_HOME", "/h"), ("XDG_DATA_HOME", "/x"), ("HOME", "/u")];
        assert_eq!(folder(&all).unwrap().models(), Path::new("/h/models"));
        assert_eq!(folder(&all[1..]).unwrap().models(), Path::new("/x/handstream/models"));
        assert_eq!(folder(&all[2..]).unwrap().models(), Path::new("/u/.local/share/handstream/models"));
        assert!(matches!(folder(&[]), Err(HomeError::NoFolder)));
    }

    #[test]
    fn a_known_file_is_told_from_a_shorter_and_from_an_altered_one() {
        let known = KnownFile {
            name: "abc",
            in_wheel: "abc",
            size: 3,
            sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        };
        let check = |bytes: &[u8]| known.check_bytes(Path::new("abc"), bytes);
        assert!(check(b"abc").is_ok());
        assert!(matches!(check(b"ab"), Err(HomeError::WrongSize { found: 2, expected: 3, .. })));
        assert!(matches!(check(b"abd"), Err(HomeError::Altered { .. })));
        let absent = known.check(Path::new("/nowhere/abc")).unwrap_err().to_string();
        assert!(absent.contains("handstream setup"), "{absent}");
    }
}
