//! Everything that can be wrong with a model file.

use thiserror::Error;

/// Why a model file cannot be run.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ModelError {
    /// The file does not carry the `TFL3` mark.
    #[error("not a TensorFlow Lite model: the file lacks the mark TFL3; fetch the model again")]
    NotTflite,
    /// An offset or a length points outside the file, or a required field is absent.
    #[error("the model file is damaged near byte {at} ({what}); fetch the model again")]
    Damaged {
        /// Position in the file.
        at: usize,
        /// What was being read.
        what: &'static str,
    },
    /// Parts of the model contradict each other.
    #[error("operator {operator} of the model does not fit its tensors: {why}; fetch the model again")]
    Inconsistent {
        /// Index of the operator in the file.
        operator: usize,
        /// The contradiction.
        why: &'static str,
    },
    /// A valid model, but one that this small runner was not made for.
    #[error("operator {operator} (kind {code}) is not supported: {why}; use the MediaPipe hand models")]
    Unsupported {
        /// Index of the operator in the file.
        operator: usize,
        /// TensorFlow Lite's number of the operator.
        code: i32,
        /// What is missing.
        why: &'static str,
    },
    /// A size beyond the limits that keep a hostile file from filling the memory.
    #[error("the model wants {wanted} {what}, more than the limit of {limit}; use the MediaPipe hand models")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The size asked for.
        wanted: usize,
        /// The largest size accepted.
        limit: usize,
    },
    /// The instruction set was asked for by name and this processor does not have it.
    #[error("this processor has no {0}; let the program choose the instruction set itself")]
    IsaUnavailable(super::Isa),
}
