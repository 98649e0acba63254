//! What can be wrong with a checkpoint.

/// Why weights could not be used; each message is the end of a sentence that names the file.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CheckpointError {
    /// Cut short or overwritten.
    #[error("it is damaged or was cut short ({0}); copy or fetch it again")]
    Damaged(String),
    /// Another kind of file.
    #[error("it is {0}; give a torch checkpoint (.ckpt, .pth) or .safetensors file")]
    Foreign(&'static str),
    /// A checkpoint that this reader does not read as it is.
    #[error("{0}")]
    Unsupported(&'static str),
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

impl CheckpointError {
    /// Damage described in a few words.
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}
