//! Weights from safetensors files and torch archives: every tensor checked for presence, shape, type and
//! values.
//!
//! [`CheckpointFile`] maps a file of any size and lends a [`Checkpoint`]; a [`Scope`] is one part of its
//! names. Both kinds of file are read the same way.

mod directory;
mod error;
mod file;
mod torch;
mod write;
mod zip;

use std::borrow::Cow;
use std::sync::Arc;

use half::{bf16, f16};
pub use safetensors::Dtype;

use self::directory::{Directory, Entry};
pub use self::error::CheckpointError;
pub use self::file::{CheckpointFile, CheckpointFileError};
pub use self::write::{PlannedTensor, write_safetensors};

/// The tensors of a checkpoint.
#[derive(Clone, Debug)]
pub struct Checkpoint<'a> {
    bytes: &'a [u8],
    directory: Arc<Directory>,
}

/// Reads the table of contents of the file in `bytes`, whichever kind it is.
fn read_directory(bytes: &[u8]) -> Result<Directory, CheckpointError> {
    if bytes.is_empty() {
        return Err(CheckpointError::damaged("it is empty"));
    }
    if zip::is_archive(bytes) {
        return torch::read(bytes);
    }
    if torch::is_legacy(bytes) {
        return Err(CheckpointError::Unsupported(
            "PyTorch before 1.6 wrote it, or one told to write the old format; load and save it again with a \
             newer one: torch.save(torch.load(\"old\", weights_only=True), \"new\")",
        ));
    }
    // A safetensors file begins with the length of its header, and the header is JSON.
    if bytes.get(8) != Some(&b'{') {
        return Err(CheckpointError::Foreign("no checkpoint"));
    }
    Directory::of_safetensors(bytes)
}

impl<'a> Checkpoint<'a> {
    /// Reads the table of contents of the checkpoint in `bytes`.
    ///
    /// # Errors
    /// [`CheckpointError`] where it is damaged or no checkpoint.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CheckpointError> {
        Ok(Self { bytes, directory: Arc::new(read_directory(bytes)?) })
    }

    /// All tensors, under their full names.
    pub fn root(&self) -> Scope<'_> {
        Scope { checkpoint: self, prefix: String::new() }
    }

    /// What the file says of itself under `key`, for example how many heads the network has. Only
    /// safetensors files say anything.
    pub fn fact(&self, key: &str) -> Option<&str> {
        self.directory.facts.get(key).map(String::as_str)
    }

    /// A tensor as it lies in the file, row-major; `name` is its full name.
    ///
    /// # Errors
    /// [`CheckpointError::Missing`], [`CheckpointError::Damaged`].
    pub fn raw(&self, name: &str) -> Result<RawTensor<'_>, CheckpointError> {
        let entry = self.entry(name).ok_or_else(|| CheckpointError::Missing(name.to_owned()))?;
        let data = self.directory.numbers(name, entry, self.bytes)?;
        Ok(RawTensor { dtype: entry.dtype, shape: &entry.shape, data })
    }

    /// Number type and sizes of a tensor; `name` is its full name.
    pub fn layout(&self, name: &str) -> Option<(Dtype, &[usize])> {
        self.entry(name).map(|entry| (entry.dtype, entry.shape.as_slice()))
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.directory.tensors.get(name)
    }
}

/// A tensor as it lies in a file.
#[derive(Clone, Debug)]
pub struct RawTensor<'a> {
    /// How its numbers are written.
    pub dtype: Dtype,
    /// Its sizes.
    pub shape: &'a [usize],
    /// Its numbers, row-major, little-endian.
    pub data: Cow<'a, [u8]>,
}

impl RawTensor<'_> {
    /// The numbers, or `None` where they are no floating-point numbers.
    pub fn floats(&self) -> Option<Vec<f32>> {
        let data = &self.data;
        Some(match self.dtype {
            Dtype::F32 => data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Dtype::F16 => data.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
            Dtype::BF16 => data.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
            Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
            _ => return None,
        })
    }
}

/// The tensors of one part of a network: those whose names start alike.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    checkpoint: &'a Checkpoint<'a>,
    prefix: String,
}

impl Scope<'_> {
    /// The part called `name` of this part.
    pub fn part(&self, name: impl std::fmt::Display) -> Self {
        Self { checkpoint: self.checkpoint, prefix: format!("{}{name}.", self.prefix) }
    }

    /// The full name of the tensor `name`.
    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The numbers of the tensor `name`, row-major, which must have the sizes `shape`.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let name = self.name(name);
        let entry = self.checkpoint.entry(&name).ok_or_else(|| CheckpointError::Missing(name.clone()))?;
        if entry.shape != shape {
            return Err(CheckpointError::Shape { name, found: entry.shape.clone(), wanted: shape.to_vec() });
        }
        let tensor = self.checkpoint.raw(&name)?;
        let Some(numbers) = tensor.floats() else {
            return Err(CheckpointError::Type { name, found: format!("{:?}", tensor.dtype) });
        };
        if numbers.iter().all(|number| number.is_finite()) {
            Ok(numbers)
        } else {
            Err(CheckpointError::NotFinite(name))
        }
    }

    /// The sizes of the tensor `name`, `None` where there is no such tensor.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let entry = self.checkpoint.entry(&self.name(name))?;
        Some(entry.shape.clone())
    }

    /// The sizes of the tensor `name`, which has `N` of them, none of them 0.
    ///
    /// # Errors
    /// [`CheckpointError::Missing`], [`CheckpointError::Shape`].
    pub fn sizes<const N: usize>(&self, name: &str) -> Result<[usize; N], CheckpointError> {
        let found = self.shape(name).ok_or_else(|| CheckpointError::Missing(self.name(name)))?;
        match <[usize; N]>::try_from(found.as_slice()) {
            Ok(sizes) if !sizes.contains(&0) => Ok(sizes),
            _ => Err(CheckpointError::Shape { name: self.name(name), found, wanted: vec![1; N] }),
        }
    }

    /// Whether there is a tensor `name`.
    pub fn has(&self, name: &str) -> bool {
        self.checkpoint.entry(&self.name(name)).is_some()
    }

    /// Names of the tensors of this part, without its own name, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let tensors = self.checkpoint.directory.tensors.range(self.prefix.clone()..);
        tensors.map_while(|(name, _)| name.strip_prefix(&self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;

    use super::*;

    fn file(dtype: Dtype, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let view = TensorView::new(dtype, shape.to_vec(), data).unwrap();
        safetensors::serialize([("part.weight", view)], None).unwrap()
    }

    fn read(bytes: &[u8], name: &str) -> Result<Vec<f32>, CheckpointError> {
        Checkpoint::parse(bytes)?.root().part("part").tensor(name, &[2])
    }

    #[test]
    fn half_and_full_precision_give_the_same_numbers() {
        let full: Vec<u8> = [0.5_f32, -3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let half: Vec<u8> = [0.5, -3.0].iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
        let brain: Vec<u8> = [0.5, -3.0].iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect();
        for (dtype, data) in [(Dtype::F32, full), (Dtype::F16, half), (Dtype::BF16, brain)] {
            assert_eq!(read(&file(dtype, &[2], &data), "weight"), Ok(vec![0.5, -3.0]));
        }
    }

    #[test]
    fn every_fault_is_told_in_one_sentence() {
        let good = file(Dtype::F16, &[2], &[0; 4]);
        let cases = [
            (read(&good, "bias"), "it has no tensor part.bias; give weights of this network"),
            (
                read(&file(Dtype::F16, &[1, 2], &[0; 4]), "weight"),
                "tensor part.weight has shape [1, 2] instead of [2]; give weights of this network",
            ),
            (
                read(&file(Dtype::I32, &[2], &[0; 8]), "weight"),
                "tensor part.weight holds I32 numbers; convert it to f16, bf16 or f32",
            ),
            (
                read(&file(Dtype::F16, &[2], &[0, 0, 0, 0x7c]), "weight"),
                "tensor part.weight holds a value that is not finite; its training failed or the file is \
                 damaged",
            ),
        ];
        for (result, sentence) in cases {
            assert_eq!(result.unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn a_file_cut_short_anywhere_is_refused() {
        let good = file(Dtype::F16, &[2], &[0; 4]);
        for length in 0..good.len() {
            let error = read(&good[..length], "weight").unwrap_err();
            assert!(
                matches!(error, CheckpointError::Damaged(_) | CheckpointError::Foreign(_)),
                "{length}: {error}"
            );
        }
    }
}
