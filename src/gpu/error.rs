//! Why a GPU cannot be used.

use std::path::PathBuf;

/// Why a GPU cannot be used, or did not do what it was asked for; each message is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// A library of NVIDIA's is not there.
    #[error("{what} is not on this machine: {remedy}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The driver sees no device.
    #[error("the NVIDIA driver finds no GPU on this machine: use --device cpu")]
    NoDevice,
    /// The card is too old.
    #[error(
        "{name} has compute capability {major}.{minor}, and the kernels need 8.0 or newer: use --device cpu"
    )]
    TooOld {
        /// The card's name.
        name: String,
        /// Its compute capability.
        major: i32,
        /// Its second part.
        minor: i32,
    },
    /// A call of the driver or of a library failed.
    #[error("{call} failed on the GPU ({reason}): look at `nvidia-smi`, or use --device cpu")]
    Call {
        /// What was called.
        call: &'static str,
        /// What it answered.
        reason: String,
    },
    /// A kernel did not compile.
    #[error("the kernels of {file} do not compile for {target}: {log}")]
    Compile {
        /// The kernel's file.
        file: &'static str,
        /// What it was compiled for.
        target: String,
        /// What the compiler said.
        log: String,
    },
    /// A compiled kernel could not be kept on disk.
    #[error("cannot write {}: {source}; make room or set HANDSTREAM_HOME to a folder that can be written", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Numbers that do not fit the kernels.
    #[error("{0}")]
    Unfit(String),
}
