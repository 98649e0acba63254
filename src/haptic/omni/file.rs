//! A user's OmniHands checkpoint: opened, told apart, its sizes known.

use std::path::{Path, PathBuf};

use super::config::{OmniHeads, OmniShape};
use super::cpu::CpuPairNetwork;
use super::relation::RelationMode;
use super::{IMAGE_WINDOW, WINDOW};
use crate::haptic::full::{CompactError, CompactOptions, CompactReport, NetworkError, write_kept};
use crate::net::{Checkpoint, CheckpointFile, CheckpointFileError, VitConfig};

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

/// What a rewritten file keeps.
const KEPT: [&str; 5] = ["backbone.", "map_head.", "map_join.", "mano_head.", "time_head."];
/// Facts of rewritten files: heads of the backbone, between the hands and of both decoders, frames of a window.
const VIT_HEADS: &str = "vit_heads";
const SPATIAL_HEADS: &str = "spatial_heads";
const DECODER_HEADS: &str = "decoder_heads";
const TEMPORAL_HEADS: &str = "temporal_heads";
const FRAMES: &str = "window";
/// What a rewritten file calls itself.
const KIND: &str = "omnihands";

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
    /// Opens the checkpoint at `path`: as released, or rewritten by [`OmniFile::write_compact`], which then says
    /// its heads and frames itself. Only the table of contents is read. The heads of a released one are as large
    /// as the released ones; a file with `image` in its name sees one frame, any other one a window of 9.
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
        let fact = |key: &str| checkpoint.fact(key)?.parse().ok();
        let told = [SPATIAL_HEADS, DECODER_HEADS, TEMPORAL_HEADS].map(fact);
        let heads = match told {
            [Some(spatial), Some(decoder), Some(temporal)] => Some(OmniHeads { spatial, decoder, temporal }),
            _ => None,
        };
        let shape = OmniShape::read(&root, heads).map_err(unusable)?;
        let released =
            || Some(shape.context / BACKBONE_HEAD).filter(|heads| heads * BACKBONE_HEAD == shape.context);
        let heads = fact(VIT_HEADS).or_else(released);
        let backbone =
            VitConfig::read(&root.part("backbone"), heads).map_err(|fault| unusable(fault.into()))?;
        let name = file.path().file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let by_name = if name.contains(IMAGE) { IMAGE_WINDOW } else { WINDOW };
        let known = |window: &usize| [IMAGE_WINDOW, WINDOW].contains(window);
        let window = fact(FRAMES).filter(known).unwrap_or(by_name);
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

    /// Writes the safetensors file `path` with the network's tensors, one tensor in memory at a time, and what no
    /// tensor tells in the header: nothing of it is a pickle, and it is mapped. Only matrices are narrowed.
    ///
    /// # Errors
    /// [`CompactError`]; then no file is left and an older one of that name stays.
    pub fn write_compact(&self, path: &Path, options: CompactOptions) -> Result<CompactReport, CompactError> {
        let numbers = [
            (VIT_HEADS, self.backbone.heads),
            (SPATIAL_HEADS, self.shape.spatial_heads),
            (DECODER_HEADS, self.shape.decoder.heads),
            (TEMPORAL_HEADS, self.shape.temporal.heads),
            (FRAMES, self.window),
        ];
        let source = self.file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let words =
            [("source", source), ("kind", KIND.to_owned()), ("dtype", options.numbers.name().to_owned())];
        let numbers = numbers.map(|(key, number)| (key, number.to_string()));
        let facts = numbers.into_iter().chain(words).map(|(key, fact)| (key.to_owned(), fact)).collect();
        write_kept(&self.file, path, &facts, options, &KEPT)
    }

    /// The tensors.
    pub fn checkpoint(&self) -> Checkpoint<'_> {
        self.file.checkpoint()
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
