//! Rewrites a released checkpoint without what the network does not need.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use half::{bf16, f16};

use super::released::{DECODER_HEADS, ReleasedFile, VIT_HEADS};
use crate::files::WriteError;
use crate::net::{
    Checkpoint, CheckpointError, CheckpointFile, CheckpointFileError, Dtype, PlannedTensor, write_safetensors,
};

/// The hand model that lies in a checkpoint.
const MANO: &str = "mano.";

/// How the matrices are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompactNumbers {
    /// 16 bits with 10 of precision, up to 65504.
    F16,
    /// 16 bits with 7 of precision and the range of `F32`.
    Bf16,
    /// 32 bits: exactly the released numbers.
    #[default]
    F32,
}

/// What to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactOptions {
    /// How the matrices are written.
    pub numbers: CompactNumbers,
    /// Keep the MANO model in the checkpoint. It is licensed data, and nothing here needs it.
    pub with_mano: bool,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactReport {
    /// Tensors kept.
    pub kept: usize,
    /// Tensors left out.
    pub left_out: usize,
    /// Size of the new file, bytes.
    pub bytes: u64,
}

/// Why a checkpoint could not be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// A tensor cannot be read.
    #[error(transparent)]
    File(#[from] CheckpointFileError),
    /// The new file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A number does not fit.
    #[error("tensor {tensor} holds {value}, which {numbers} cannot hold; choose bf16 or f32")]
    Overflow {
        /// The tensor.
        tensor: String,
        /// The number.
        value: f32,
        /// The narrow type.
        numbers: &'static str,
    },
    /// The new file would replace the checkpoint.
    #[error("{} is the checkpoint itself; give another name for the new file", .0.display())]
    SameFile(PathBuf),
}

impl CompactNumbers {
    /// The type's name, as in the facts of the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F32 => "f32",
        }
    }

    fn dtype(self) -> Dtype {
        match self {
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::BF16,
            Self::F32 => Dtype::F32,
        }
    }
}

impl ReleasedFile {
    /// Writes the safetensors file `path` with the network's tensors, one tensor in memory at a time, and the
    /// network's facts in the header. Only matrices are narrowed: norms, biases, codes and mean parameters
    /// are a thousandth of the file and stay 32 bits wide.
    ///
    /// # Errors
    /// [`CompactError`]; then no file is left and an older one of that name stays.
    pub fn write_compact(&self, path: &Path, options: CompactOptions) -> Result<CompactReport, CompactError> {
        write_kept(self.file(), path, &self.facts(options.numbers), options, &["backbone.", "mano_head."])
    }

    /// What the new file says of itself.
    fn facts(&self, numbers: CompactNumbers) -> BTreeMap<String, String> {
        let (vit, decoder) = (self.vit(), self.decoder());
        let source = self.file().path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sizes = [
            ("vit_width", vit.width),
            ("vit_depth", vit.depth),
            (VIT_HEADS, vit.heads),
            ("vit_hidden", vit.hidden),
            ("decoder_width", decoder.width),
            ("decoder_depth", decoder.depth),
            (DECODER_HEADS, decoder.heads),
            ("decoder_inner", decoder.inner),
            ("decoder_hidden", decoder.hidden),
            ("longest_window", decoder.longest_window),
        ];
        let words = [
            ("source", source),
            ("kind", self.kind().name().to_lowercase()),
            ("dtype", numbers.name().to_owned()),
        ];
        let sizes = sizes.map(|(key, size)| (key, size.to_string()));
        sizes.into_iter().chain(words).map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// Writes the tensors of `file` whose names begin with one of `parts` to the safetensors file `path`, one tensor in
/// memory at a time, with `facts` in the header.
///
/// # Errors
/// As [`ReleasedFile::write_compact`].
pub(in crate::haptic) fn write_kept(
    file: &CheckpointFile,
    path: &Path,
    facts: &BTreeMap<String, String>,
    options: CompactOptions,
    parts: &[&str],
) -> Result<CompactReport, CompactError> {
    if path.canonicalize().is_ok_and(|path| file.path().canonicalize().is_ok_and(|own| own == path)) {
        return Err(CompactError::SameFile(path.to_owned()));
    }
    let checkpoint = file.checkpoint();
    let fault = |fault| CompactError::File(file.unusable(fault));
    let root = checkpoint.root();
    let needed = |name: &&str| {
        parts.iter().any(|part| name.starts_with(part)) || options.with_mano && name.starts_with(MANO)
    };
    let plan = root.names().filter(needed).map(|name| plan(&checkpoint, name, options.numbers));
    let plan: Vec<PlannedTensor> = plan.collect::<Result<_, _>>().map_err(fault)?;
    let bytes = write_safetensors(path, facts, &plan, |tensor| {
        let raw = checkpoint.raw(&tensor.name).map_err(fault)?;
        match raw.floats() {
            Some(numbers) if numbers.iter().all(|number| number.is_finite()) => {
                narrowed(tensor, &numbers, options.numbers)
            }
            Some(_) => Err(fault(CheckpointError::NotFinite(tensor.name.clone()))),
            None => Ok(raw.data.into_owned()),
        }
    })?;
    Ok(CompactReport { kept: plan.len(), left_out: root.names().count() - plan.len(), bytes })
}

/// How the tensor `name` will be written: integers as they are, matrices in `numbers`, the rest in f32.
fn plan(
    checkpoint: &Checkpoint,
    name: &str,
    numbers: CompactNumbers,
) -> Result<PlannedTensor, CheckpointError> {
    let missing = || CheckpointError::Missing(name.to_owned());
    let (dtype, shape) = checkpoint.layout(name).ok_or_else(missing)?;
    let float = matches!(dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16);
    let matrix = name.ends_with(".weight") && shape.len() > 1;
    let dtype = match float {
        true if matrix => numbers.dtype(),
        true => Dtype::F32,
        false => dtype,
    };
    Ok(PlannedTensor { name: name.to_owned(), dtype, shape: shape.to_vec() })
}

/// The bytes of a tensor's numbers in its planned type.
fn narrowed(tensor: &PlannedTensor, all: &[f32], numbers: CompactNumbers) -> Result<Vec<u8>, CompactError> {
    let overflow =
        |value: f32| CompactError::Overflow { tensor: tensor.name.clone(), value, numbers: numbers.name() };
    let mut bytes = Vec::with_capacity(tensor.size());
    match tensor.dtype {
        Dtype::F16 => {
            for &value in all {
                let narrow = f16::from_f32(value);
                bytes.extend(if narrow.is_finite() {
                    narrow.to_le_bytes()
                } else {
                    return Err(overflow(value));
                });
            }
        }
        Dtype::BF16 => {
            for &value in all {
                let narrow = bf16::from_f32(value);
                bytes.extend(if narrow.is_finite() {
                    narrow.to_le_bytes()
                } else {
                    return Err(overflow(value));
                });
            }
        }
        _ => bytes.extend(all.iter().flat_map(|value| value.to_le_bytes())),
    }
    Ok(bytes)
}
