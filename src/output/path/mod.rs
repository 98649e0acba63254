//! Camera paths as files: TUM lines written and read, EuRoC tables and pose matrices read.

mod read;
mod tum;

pub use read::{PathFile, PathFileError, read_path};
pub use tum::write_tum;
