//! The user's own files as `handstream setup` takes them and `handstream doctor` looks at them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use handstream::hand::HandModel;
use handstream::haptic::full::{NetworkKind, ReleasedFile};
use handstream::haptic::omni::OmniFile;
use handstream::home::{DataFolder, OwnFile, OwnFiles};

/// Where the files of the full profile lie.
#[derive(Args)]
pub struct OwnFileArgs {
    /// HaMeR's checkpoint, or the folder of its project: holds _DATA/hamer_ckpts/checkpoints/hamer.ckpt.
    #[arg(long, value_name = "DIR")]
    hamer: Option<PathBuf>,
    /// HaPTIC's checkpoint, or the folder of its project: holds output/release/mix_all/checkpoints/last.ckpt.
    #[arg(long, value_name = "DIR")]
    haptic: Option<PathBuf>,
    /// OmniHands' checkpoint (Demo_Video.pth, or Demo_Image.pth for single pictures), or the folder with it.
    #[arg(long, value_name = "DIR")]
    omnihands: Option<PathBuf>,
    /// MANO's right hand: MANO_RIGHT.pkl, or a folder with it.
    #[arg(long, value_name = "FILE")]
    mano: Option<PathBuf>,
}

impl OwnFileArgs {
    /// Checks and notes what was given; says whether anything was. All or nothing is noted. Of MANO, which
    /// lies in the other projects' folders too, the first one there is taken where none was given or known.
    ///
    /// # Errors
    /// One sentence for the user: nothing there, or a file of another kind.
    pub fn register(&self) -> Result<bool> {
        let given = [
            (OwnFile::Hamer, &self.hamer),
            (OwnFile::Haptic, &self.haptic),
            (OwnFile::OmniHands, &self.omnihands),
            (OwnFile::Mano, &self.mano),
        ];
        let given: Vec<_> =
            given.into_iter().filter_map(|(file, path)| Some((file, path.as_ref()?))).collect();
        let folder = DataFolder::locate()?;
        let mut files = OwnFiles::load(&folder)?;
        for (file, path) in &given {
            files.set(*file, file.find(path)?);
        }
        if files.mano.is_none() {
            files.mano =
                given.iter().find_map(|(_, path)| OwnFile::Mano.find(path).ok().filter(|path| is_mano(path)));
        }
        for file in OwnFile::ALL {
            if let Some(path) = files.get(file)
                && (given.iter().any(|(given, _)| *given == file)
                    || file == OwnFile::Mano && !given.is_empty())
            {
                println!("{}: {}", file.name(), look(file, path)?);
            }
        }
        if !given.is_empty() {
            files
                .save(&folder)
                .context("the data folder is not writable: set HANDSTREAM_HOME to another one")?;
        }
        Ok(!given.is_empty())
    }
}

/// A folder's checkpoint was given as a file; only a pickle can be MANO.
fn is_mano(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "pkl")
}

/// What `path` holds, in a few words.
///
/// # Errors
/// One sentence where it is not what `file` should be.
pub fn look(file: OwnFile, path: &Path) -> Result<String> {
    let kind = match file {
        OwnFile::Hamer => NetworkKind::Hamer,
        OwnFile::Haptic => NetworkKind::Haptic,
        OwnFile::OmniHands => return look_at_pair(path),
        OwnFile::Mano => {
            let model = HandModel::load(path)?;
            return Ok(format!("{}, {} vertices", path.display(), model.vertex_count()));
        }
    };
    let released = ReleasedFile::open(path)?;
    if released.kind() != kind {
        let found = released.kind().name();
        bail!(
            "the checkpoint {} is {found}'s, not {}'s: give it with --{}",
            path.display(),
            kind.name(),
            found.to_lowercase()
        );
    }
    let (vit, decoder) = (released.vit(), released.decoder());
    Ok(format!(
        "{}, backbone of {} blocks {} wide, decoder of {} layers",
        path.display(),
        vit.depth,
        vit.width,
        decoder.depth
    ))
}

/// What OmniHands' checkpoint at `path` holds, in a few words.
fn look_at_pair(path: &Path) -> Result<String> {
    let file = OmniFile::open(path)?;
    let frames = match file.window() {
        1 => "single frames".to_owned(),
        frames => format!("windows of {frames} frames"),
    };
    let (backbone, shape) = (file.backbone(), file.shape());
    Ok(format!(
        "{}, backbone of {} blocks {} wide, {} blocks between the hands, {frames}",
        path.display(),
        backbone.depth,
        backbone.width,
        shape.spatial_depth
    ))
}
