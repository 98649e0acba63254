//! A user's OmniHands checkpoint: opened, told apart, its sizes known.

use std::path::{Path, PathBuf};

use super::config::OmniShape;
use super::cpu::CpuPairNetwork;
use super::relation::RelationMode;
use super::{IMAGE_WINDOW, WINDOW};
use crate::haptic::full::NetworkError;
use crate::net::{CheckpointFile, CheckpointFileError, VitConfig};

/// Numbers of one head of the released backbone.
const BACKBONE_HEAD: usize = 80;
/// In the names of models for single pictures (`Demo_Image.pth`); no tensor tells them from those for video.
const IMAGE: &str = "image";
/// What every released model has, and what the multi-view model has not.
const PARTS: [&str; 4] = [
    "backbone.patch_embed.proj.weight",
    "map_head.0.weight",
    "mano_head.inter_attn.layers.0.0.fn.to_qkv.weight",
    "time_head.mano_branch.rel_reg.weight",
];

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OmniFileError {
    /// The file is unreadable, damaged or of another kind.
    #[error(transparent)]
    File(#[from] CheckpointFileError),
    /// It is the checkpoint of another network.
    #[error(
        "the checkpoint {} is none of OmniHands (it has no tensor {absent}); give Demo_Video.pth or Demo_Image.pth",
        path.display()
    )]
    OtherNetwork {
        /// The file.
        path: PathBuf,
        /// What OmniHands has and it has not.
        absent: &'static str,
    },
    /// Its tensors make no sense.
    #[error("the checkpoint {} cannot be used: {fault}", path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: NetworkError,
    },
}

/// A checkpoint of OmniHands as released.
#[derive(Debug)]
pub struct OmniFile {
    file: CheckpointFile,
    backbone: VitConfig,
    shape: OmniShape,
    window: usize,
}

impl OmniFile {
    /// Opens the checkpoint at `path`. Only the table of contents is read. Heads are as large as the released
    /// ones; a file with `image` in its name sees one frame, any other one a window of 9.
    ///
    /// # Errors
    /// [`OmniFileError`], one sentence for the user.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OmniFileError> {
        let file = CheckpointFile::open(path)?;
        let checkpoint = file.checkpoint();
        let root = checkpoint.root();
        if let Some(absent) = PARTS.into_iter().find(|part| !root.has(part)) {
            return Err(OmniFileError::OtherNetwork { path: file.path().to_owned(), absent });
        }
        let unusable = |fault| OmniFileError::Network { path: file.path().to_owned(), fault };
        let shape = OmniShape::read(&root, None).map_err(unusable)?;
        let heads =
            Some(shape.context / BACKBONE_HEAD).filter(|heads| heads * BACKBONE_HEAD == shape.context);
        let backbone =
            VitConfig::read(&root.part("backbone"), heads).map_err(|fault| unusable(fault.into()))?;
        let name = file.path().file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let window = if name.contains(IMAGE) { IMAGE_WINDOW } else { WINDOW };
        Ok(Self { backbone, shape, window, file })
    }

    /// Reads the network, whose relation maps are those of `mode`.
    ///
    /// # Errors
    /// [`OmniFileError::Network`].
    pub fn network(&self, mode: RelationMode) -> Result<CpuPairNetwork, OmniFileError> {
        let checkpoint = self.file.checkpoint();
        CpuPairNetwork::read(&checkpoint.root(), &self.backbone, &self.shape, mode, self.window)
            .map_err(|fault| OmniFileError::Network { path: self.file.path().to_owned(), fault })
    }

    /// Sizes of the backbone.
    pub fn backbone(&self) -> &VitConfig {
        &self.backbone
    }

    /// Sizes of the two-hand modules.
    pub fn shape(&self) -> &OmniShape {
        &self.shape
    }

    /// Frames of a window.
    pub fn window(&self) -> usize {
        self.window
    }
}
