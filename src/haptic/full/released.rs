//! A user's HaMeR or HaPTIC checkpoint: opened, told apart, its sizes known.
//!
//! Sizes are read off the tensors. The numbers of heads are not in them: they come from the facts of a
//! converted file, else from the yaml that the releases keep beside the checkpoint, else from the released
//! widths. What the yaml says besides must agree with the tensors, so that a stranger's yaml is noticed.

use std::path::{Path, PathBuf};

use super::config::{DecoderConfig, NetworkKind};
use super::error::NetworkError;
use super::picture::SQUARE;
use crate::net::{Checkpoint, CheckpointError, CheckpointFile, CheckpointFileError, VitConfig, VitError};
use crate::yaml::Document;

/// Facts of converted files: heads of the backbone and of the decoder.
pub(super) const VIT_HEADS: &str = "vit_heads";
pub(super) const DECODER_HEADS: &str = "decoder_heads";

/// Names of the settings, HaMeR's and HaPTIC's, in the checkpoint's folder or the one above.
const SETTINGS: [&str; 2] = ["model_config.yaml", "config.yaml"];
const DECODER_SETTINGS: [&str; 3] = ["MODEL", "MANO_HEAD", "TRANSFORMER_DECODER"];

/// A tensor of the second backbone and its twin; every other pair shares its numbers as this one does.
const TWINS: [&str; 2] = ["backbone.pos_embed", "backbone_bg.pos_embed"];

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReleasedError {
    /// The file is unreadable, damaged or of another kind.
    #[error(transparent)]
    File(#[from] CheckpointFileError),
    /// It is the checkpoint of another network.
    #[error(
        "the checkpoint {} holds neither HaMeR nor HaPTIC (it has no tensor {absent}); give HaMeR's hamer.ckpt or \
         HaPTIC's last.ckpt",
        path.display()
    )]
    OtherNetwork {
        /// The file.
        path: PathBuf,
        /// What both have and it has not.
        absent: &'static str,
    },
    /// The backbone's tensors make no sense.
    #[error("the checkpoint {} cannot be used: {fault}", path.display())]
    Backbone {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: VitError,
    },
    /// The decoder's tensors make no sense.
    #[error("the checkpoint {} cannot be used: {fault}", path.display())]
    Decoder {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: NetworkError,
    },
    /// The yaml beside it cannot be used.
    #[error(
        "the settings {} do not belong to the checkpoint {} ({what}); put the yaml of its release beside it",
        settings.display(), path.display()
    )]
    Settings {
        /// The yaml.
        settings: PathBuf,
        /// The checkpoint.
        path: PathBuf,
        /// What contradicts, in a few words.
        what: String,
    },
}

/// A checkpoint of HaMeR or HaPTIC: as released, or rewritten by [`ReleasedFile::write_compact`].
///
/// ```no_run
/// use handstream::haptic::full::ReleasedFile;
/// use handstream::net::{Isa, Vit};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let file = ReleasedFile::open("_DATA/hamer_ckpts/checkpoints/hamer.ckpt")?;
/// let checkpoint = file.checkpoint();
/// let vit = Vit::read(&checkpoint.root().part("backbone"), file.vit(), Isa::best())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ReleasedFile {
    file: CheckpointFile,
    settings: Option<PathBuf>,
    vit: VitConfig,
    decoder: DecoderConfig,
}

impl ReleasedFile {
    /// Opens the checkpoint at `path` and the yaml beside it, where there is one. Only the table of contents
    /// and a few numbers are read.
    ///
    /// # Errors
    /// [`ReleasedError`], one sentence for the user.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReleasedError> {
        let file = CheckpointFile::open(path)?;
        let checkpoint = file.checkpoint();
        let root = checkpoint.root();
        for absent in ["backbone.patch_embed.proj.weight", "mano_head.decpose.weight"] {
            if !root.has(absent) {
                return Err(ReleasedError::OtherNetwork { path: file.path().to_owned(), absent });
            }
        }
        shares_backbone(&checkpoint).map_err(|fault| file.unusable(fault))?;
        let settings = Settings::beside(file.path());
        let settings = settings.transpose().map_err(|(settings, what)| {
            let path = file.path().to_owned();
            ReleasedError::Settings { settings, path, what }
        })?;
        let number = |path: &[&str]| settings.as_ref().and_then(|settings| settings.number(path));
        let fact = |key| checkpoint.fact(key).and_then(|heads| heads.parse().ok());

        let heads = fact(VIT_HEADS).or_else(|| number(&["MODEL", "BACKBONE", "NUM_HEADS"]));
        let vit = VitConfig::read(&root.part("backbone"), heads)
            .map_err(|fault| ReleasedError::Backbone { path: file.path().to_owned(), fault })?;
        let heads = fact(DECODER_HEADS).or_else(|| number(&decoder_setting("heads")));
        let decoder = DecoderConfig::read(&root.part("mano_head"), heads)
            .map_err(|fault| ReleasedError::Decoder { path: file.path().to_owned(), fault })?;
        if let Some(settings) = &settings {
            settings.agree(&decoder).map_err(|what| ReleasedError::Settings {
                settings: settings.path.clone(),
                path: file.path().to_owned(),
                what,
            })?;
        }
        let settings = settings.map(|settings| settings.path);
        Ok(Self { settings, vit, decoder, file })
    }

    /// Which network it holds.
    pub fn kind(&self) -> NetworkKind {
        self.decoder.kind
    }

    /// Sizes of the backbone, the part `backbone` of the checkpoint.
    pub fn vit(&self) -> &VitConfig {
        &self.vit
    }

    /// Sizes of the decoder, the part `mano_head` of the checkpoint.
    pub fn decoder(&self) -> &DecoderConfig {
        &self.decoder
    }

    /// The tensors.
    pub fn checkpoint(&self) -> Checkpoint<'_> {
        self.file.checkpoint()
    }

    /// The mapped file.
    pub fn file(&self) -> &CheckpointFile {
        &self.file
    }

    /// The yaml that was found beside it.
    pub fn settings(&self) -> Option<&Path> {
        self.settings.as_deref()
    }
}

/// Whether the whole frame goes through the same backbone as the crop, as in every release.
fn shares_backbone(checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
    let [own, second] = TWINS;
    if checkpoint.root().has(second) && checkpoint.raw(own)?.data != checkpoint.raw(second)?.data {
        return Err(CheckpointError::Unsupported(
            "it has a second backbone with numbers of its own, which no release has; train with SHARE_BACKBONE",
        ));
    }
    Ok(())
}

/// The path of a number under the decoder's settings.
fn decoder_setting(name: &'static str) -> [&'static str; 4] {
    let [model, head, decoder] = DECODER_SETTINGS;
    [model, head, decoder, name]
}

/// The yaml beside a checkpoint.
struct Settings {
    path: PathBuf,
    document: Document,
}

impl Settings {
    /// The settings in the checkpoint's folder, or in the one above; an error names the file that is there
    /// and cannot be read.
    fn beside(checkpoint: &Path) -> Option<Result<Self, (PathBuf, String)>> {
        let folders = checkpoint.ancestors().skip(1).take(2);
        let mut candidates = folders.flat_map(|folder| SETTINGS.map(|name| folder.join(name)));
        let path = candidates.find(|path| path.is_file())?;
        Some(match std::fs::read(&path) {
            Ok(bytes) => Ok(Self { document: Document::read(&String::from_utf8_lossy(&bytes)), path }),
            Err(error) => Err((path, format!("it cannot be read: {error}"))),
        })
    }

    fn number(&self, path: &[&str]) -> Option<usize> {
        self.document.at(path)?.parse().ok()
    }

    /// Whether what the yaml says is what the tensors say.
    fn agree(&self, decoder: &DecoderConfig) -> Result<(), String> {
        for (path, found) in [
            (&["MODEL", "IMAGE_SIZE"][..], SQUARE),
            (&decoder_setting("depth"), decoder.depth),
            (&decoder_setting("mlp_dim"), decoder.hidden),
            (&decoder_setting("context_dim"), decoder.context),
            (&decoder_setting("dim_head"), decoder.inner / decoder.heads),
        ] {
            if let Some(said) = self.number(path).filter(|&said| said != found) {
                return Err(format!("{} is {said} there and {found} in the network", path.join(".")));
            }
        }
        Ok(())
    }
}
