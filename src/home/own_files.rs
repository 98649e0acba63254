//! Files that only the user can have, because of their licences: where they lie is told once, with
//! `handstream setup`, and kept in the data folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::DataFolder;
use crate::files::{PartFile, WriteError};

/// The list's name in the data folder.
const LIST: &str = "own_files.json";

/// A file that the user brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnFile {
    /// HaMeR's checkpoint.
    Hamer,
    /// HaPTIC's checkpoint.
    Haptic,
    /// OmniHands' checkpoint.
    OmniHands,
    /// MANO's right hand.
    Mano,
}

/// Where the user's own files lie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnFiles {
    /// HaMeR's checkpoint.
    pub hamer: Option<PathBuf>,
    /// HaPTIC's checkpoint.
    pub haptic: Option<PathBuf>,
    /// OmniHands' checkpoint.
    pub omnihands: Option<PathBuf>,
    /// MANO's right hand, `MANO_RIGHT.pkl`.
    pub mano: Option<PathBuf>,
}

/// Why a file of the user's is not known.
#[derive(Debug, thiserror::Error)]
pub enum OwnFilesError {
    /// Nothing lies at the path.
    #[error("{} does not exist: check the path", .0.display())]
    Absent(PathBuf),
    /// The folder does not hold the file.
    #[error("there is no {wanted} in {}: give the file itself, or the folder that the download was unpacked to", folder.display())]
    NotInFolder {
        /// The folder.
        folder: PathBuf,
        /// Where the file would be in it.
        wanted: &'static str,
    },
    /// The list in the data folder cannot be read.
    #[error("the list {} cannot be read ({reason}): delete it and run `handstream setup` with your paths again", path.display())]
    List {
        /// The list.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl OwnFile {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Hamer, Self::Haptic, Self::OmniHands, Self::Mano];

    /// Its name for the user.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hamer => "HaMeR",
            Self::Haptic => "HaPTIC",
            Self::OmniHands => "OmniHands",
            Self::Mano => "MANO",
        }
    }

    /// The flag of `handstream setup` that tells where it lies.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Hamer => "--hamer",
            Self::Haptic => "--haptic",
            Self::OmniHands => "--omnihands",
            Self::Mano => "--mano",
        }
    }

    /// Where the file lies below the folder of its project, as the project's README leaves it; the first is
    /// the usual place.
    fn places(self) -> &'static [&'static str] {
        match self {
            Self::Hamer => &["_DATA/hamer_ckpts/checkpoints/hamer.ckpt"],
            Self::Haptic => &["output/release/mix_all/checkpoints/last.ckpt"],
            Self::OmniHands => &["Demo_Video.pth", "Demo_Image.pth"],
            Self::Mano => &[
                "_DATA/data/mano/MANO_RIGHT.pkl",
                "assets/mano/MANO_RIGHT.pkl",
                "mano_v1_2/models/MANO_RIGHT.pkl",
            ],
        }
    }

    /// The file that `given` means: itself, or the one in a folder of its project, at any depth of the usual
    /// path (`.`, `_DATA`, `_DATA/hamer_ckpts`, ...).
    ///
    /// # Errors
    /// [`OwnFilesError::Absent`], [`OwnFilesError::NotInFolder`].
    pub fn find(self, given: &Path) -> Result<PathBuf, OwnFilesError> {
        let absent = |_| OwnFilesError::Absent(given.to_owned());
        let given = given.canonicalize().map_err(absent)?;
        if !given.is_dir() {
            return Ok(given);
        }
        let ends = |place: &'static str| {
            let starts = std::iter::once(0).chain(place.match_indices('/').map(|(at, _)| at + 1));
            starts.map(move |start| &place[start..])
        };
        let mut places = self.places().iter().flat_map(|place| ends(place)).map(|end| given.join(end));
        let wanted = self.places()[0];
        places.find(|path| path.is_file()).ok_or(OwnFilesError::NotInFolder { folder: given, wanted })
    }
}

impl OwnFiles {
    /// The list in the data folder; an empty one where nothing was told yet.
    ///
    /// # Errors
    /// [`OwnFilesError::List`].
    pub fn load(folder: &DataFolder) -> Result<Self, OwnFilesError> {
        let path = folder.path().join(LIST);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(OwnFilesError::List { path, reason: error.to_string() }),
        };
        serde_json::from_slice(&text).map_err(|error| OwnFilesError::List { path, reason: error.to_string() })
    }

    /// Writes the list into the data folder.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn save(&self, folder: &DataFolder) -> Result<(), WriteError> {
        let path = folder.path().join(LIST);
        let text = serde_json::to_vec_pretty(self).map_err(|error| WriteError::new(&path, error.into()))?;
        let mut file = PartFile::create(&path)?;
        file.write(&text)?;
        file.commit()
    }

    /// Where `file` lies, if that was told.
    pub fn get(&self, file: OwnFile) -> Option<&Path> {
        match file {
            OwnFile::Hamer => self.hamer.as_deref(),
            OwnFile::Haptic => self.haptic.as_deref(),
            OwnFile::OmniHands => self.omnihands.as_deref(),
            OwnFile::Mano => self.mano.as_deref(),
        }
    }

    /// Notes where `file` lies.
    pub fn set(&mut self, file: OwnFile, path: PathBuf) {
        let place = match file {
            OwnFile::Hamer => &mut self.hamer,
            OwnFile::Haptic => &mut self.haptic,
            OwnFile::OmniHands => &mut self.omnihands,
            OwnFile::Mano => &mut self.mano,
        };
        *place = Some(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_from_every_folder_of_its_usual_path() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = folder.path().join("_DATA/hamer_ckpts/checkpoints");
        std::fs::create_dir_all(&checkpoints).unwrap();
        let file = checkpoints.join("hamer.ckpt");
        let missing = OwnFile::Hamer.find(folder.path()).unwrap_err().to_string();
        assert!(missing.contains("no _DATA/hamer_ckpts/checkpoints/hamer.ckpt in"), "{missing}");
        std::fs::write(&file, b"").unwrap();
        let file = file.canonicalize().unwrap();
        for given in [".", "_DATA", "_DATA/hamer_ckpts", "_DATA/hamer_ckpts/checkpoints"] {
            assert_eq!(OwnFile::Hamer.find(&folder.path().join(given)).unwrap(), file);
        }
        assert_eq!(OwnFile::Haptic.find(&file).unwrap(), file, "a file is taken as it is");
        assert!(matches!(OwnFile::Mano.find(&folder.path().join("x")), Err(OwnFilesError::Absent(_))));
    }

    #[test]
    fn the_list_is_read_back_and_a_damaged_one_is_a_sentence() {
        let home = tempfile::tempdir().unwrap();
        let folder = DataFolder::at(home.path().join("data"));
        let mut files = OwnFiles::load(&folder).unwrap();
        assert_eq!(files, OwnFiles::default());
        files.set(OwnFile::Mano, "/hands/MANO_RIGHT.pkl".into());
        files.save(&folder).unwrap();
        let read = OwnFiles::load(&folder).unwrap();
        assert_eq!(read.get(OwnFile::Mano), Some(Path::new("/hands/MANO_RIGHT.pkl")));
        assert_eq!(read, files);
        for damaged in ["", "{\"hamer\": 3}", "{\"other\": null}"] {
            std::fs::write(folder.path().join(LIST), damaged).unwrap();
            let error = OwnFiles::load(&folder).unwrap_err().to_string();
            assert!(error.contains("own_files.json") && error.contains("delete it"), "{error}");
        }
    }
}
