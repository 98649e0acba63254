//! The user's own HMP: where its files lie in the folder that its archive was unpacked to.

use std::path::{Path, PathBuf};

use super::encoder::MotionEncoder;
use super::features::Statistics;
use super::field::MotionField;
use crate::net::{CheckpointError, CheckpointFile, CheckpointFileError, Isa};

/// Folders below the given one in which files may lie.
const BELOW: [&str; 4] = ["", "results/model", "model", "hmp_model"];

/// Why HMP cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HmpError {
    /// A file is not there.
    #[error("there is no {wanted} in {}: give the folder that hmp_model.zip was unpacked to", folder.display())]
    Absent {
        /// The folder.
        folder: PathBuf,
        /// The file's name.
        wanted: &'static str,
    },
    /// A file cannot be read or holds something else.
    #[error(transparent)]
    File(#[from] CheckpointFileError),
}

/// HMP's network.
pub struct HmpNetwork {
    /// A motion to a code.
    pub encoder: MotionEncoder,
    /// A code to a motion.
    pub field: MotionField,
    /// Usual values of what the encoder reads.
    pub usual: Statistics,
}

impl HmpNetwork {
    /// Reads the network from the folder of the release: `local_encoder.pth`, `nemf.pth` and the statistics
    /// `mean-….pt` and `std-….pt`, in it or where the release keeps them below it.
    ///
    /// # Errors
    /// [`HmpError`], one sentence for the user.
    pub fn open(folder: &Path, isa: Isa) -> Result<Self, HmpError> {
        let open = |wanted: &'static str| -> Result<CheckpointFile, HmpError> {
            let (start, end) = wanted.split_once('…').unwrap_or((wanted, ""));
            let path = find(folder, start, end)
                .ok_or_else(|| HmpError::Absent { folder: folder.to_owned(), wanted })?;
            Ok(CheckpointFile::open(path)?)
        };
        let (encoder, field) = (open("local_encoder.pth")?, open("nemf.pth")?);
        let (mean, spread) = (open("mean-….pt")?, open("std-….pt")?);
        let unusable = |file: &CheckpointFile, fault: CheckpointError| HmpError::File(file.unusable(fault));
        Ok(Self {
            encoder: MotionEncoder::read(&encoder.checkpoint().root())
                .map_err(|fault| unusable(&encoder, fault))?,
            field: MotionField::read(&field.checkpoint().root(), isa)
                .map_err(|fault| unusable(&field, fault))?,
            usual: Statistics::read(&mean.checkpoint(), &spread.checkpoint())
                .map_err(|fault| unusable(&mean, fault))?,
        })
    }
}

/// The first file, by name, that begins and ends so.
fn find(folder: &Path, start: &str, end: &str) -> Option<PathBuf> {
    let files = BELOW.iter().filter_map(|below| std::fs::read_dir(folder.join(below)).ok()).flatten();
    let fits = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
    };
    files.filter_map(|entry| Some(entry.ok()?.path())).filter(fits).min()
}
