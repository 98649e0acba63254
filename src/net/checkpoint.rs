//! Weights from a safetensors file: every tensor checked for presence, shape, type and values.

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

/// Why weights could not be used; each message is the end of a sentence that names the file.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum CheckpointError {
    /// Cut short, overwritten, or another kind of file.
    #[error("it is damaged or no safetensors file ({0}); fetch it again")]
    Unreadable(String),
    /// A tensor is absent.
    #[error("it has no tensor {0}; give weights of this network")]
    Missing(String),
    /// A tensor has other sizes.
    #[error("tensor {name} has shape {found:?} instead of {wanted:?}; give weights of this network")]
    Shape {
        /// The tensor.
        name: String,
        /// Its sizes in the file.
        found: Vec<usize>,
        /// The sizes the network has.
        wanted: Vec<usize>,
    },
    /// A tensor holds something other than floating-point numbers.
    #[error("tensor {name} holds {found} numbers; convert it to f16, bf16 or f32")]
    Type {
        /// The tensor.
        name: String,
        /// Its number type in the file.
        found: String,
    },
    /// A tensor holds infinities or not-a-number.
    #[error("tensor {0} holds a value that is not finite; its training failed or the file is damaged")]
    NotFinite(String),
}

/// The tensors of a safetensors file.
#[derive(Debug)]
pub struct Checkpoint<'a>(SafeTensors<'a>);

impl<'a> Checkpoint<'a> {
    /// Reads the directory of the file in `bytes`.
    ///
    /// # Errors
    /// [`CheckpointError::Unreadable`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CheckpointError> {
        SafeTensors::deserialize(bytes)
            .map(Self)
            .map_err(|error| CheckpointError::Unreadable(error.to_string()))
    }

    /// All tensors, under their full names.
    pub fn root(&self) -> Scope<'_> {
        Scope { checkpoint: self, prefix: String::new() }
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

    /// The sizes of the tensor `name`; `None` where it is absent.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.checkpoint.0.tensor(&self.name(name)).ok().map(|tensor| tensor.shape().to_vec())
    }

    /// Whether there is a tensor `name`.
    pub fn has(&self, name: &str) -> bool {
        self.shape(name).is_some()
    }

    /// The numbers of the tensor `name`, row-major, which must have the sizes `shape`.
    ///
    /// # Errors
    /// All but [`CheckpointError::Unreadable`].
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let name = self.name(name);
        let Ok(tensor) = self.checkpoint.0.tensor(&name) else {
            return Err(CheckpointError::Missing(name));
        };
        if tensor.shape() != shape {
            let (found, wanted) = (tensor.shape().to_vec(), shape.to_vec());
            return Err(CheckpointError::Shape { name, found, wanted });
        }
        let data = tensor.data();
        let numbers: Vec<f32> = match tensor.dtype() {
            Dtype::F32 => data.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Dtype::F16 => data.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
            Dtype::BF16 => data.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
            other => return Err(CheckpointError::Type { name, found: format!("{other:?}") }),
        };
        if numbers.iter().all(|number| number.is_finite()) {
            Ok(numbers)
        } else {
            Err(CheckpointError::NotFinite(name))
        }
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
            assert!(matches!(error, CheckpointError::Unreadable(_)), "{length}: {error}");
        }
    }
}
