//! Machine code of kernels, and the algorithms of products, on disk, so that a kernel is compiled and an algorithm chosen
//! once for each kind of card.

use std::path::{Path, PathBuf};

use super::error::GpuError;
use super::kernel::Kernel;
use super::nvrtc::{Nvrtc, options};
use crate::files::PartFile;
use crate::home::DataFolder;

/// The folder in the data folder.
const FOLDER: &str = "kernels";

/// Compiled kernels in a folder.
#[derive(Clone, Debug)]
pub struct KernelCache(PathBuf);

impl KernelCache {
    /// The cache in the data folder.
    pub fn of(folder: &DataFolder) -> Self {
        Self(folder.path().join(FOLDER))
    }

    /// Where the machine code of a kernel lies, or would lie: its name says which text it was made of, with which
    /// sizes and for which architecture.
    pub fn place(&self, kernel: &Kernel, architecture: &str) -> PathBuf {
        let fingerprint = kernel.fingerprint(&options(kernel, architecture));
        self.0.join(format!("{}-{architecture}-{fingerprint}.cubin", kernel.name))
    }

    /// The machine code of a kernel: from the folder, or compiled now and kept there. A folder that cannot be
    /// written keeps nothing, and the kernel runs all the same.
    ///
    /// # Errors
    /// [`GpuError::Missing`] where it must be compiled and there is no compiler, [`GpuError::Compile`].
    pub fn machine_code(&self, kernel: &Kernel, architecture: &str) -> Result<Vec<u8>, GpuError> {
        let place = self.place(kernel, architecture);
        if let Ok(kept) = std::fs::read(&place) {
            return Ok(kept);
        }
        let compiled = Nvrtc::get()?.compile(kernel, architecture)?;
        if let Err(error) = self.keep(kernel, architecture, &compiled.cubin) {
            tracing::warn!("{error}");
        }
        Ok(compiled.cubin)
    }

    /// Keeps machine code.
    ///
    /// # Errors
    /// [`GpuError::Cache`].
    pub fn keep(&self, kernel: &Kernel, architecture: &str, cubin: &[u8]) -> Result<(), GpuError> {
        self.write(&self.place(kernel, architecture), cubin)
    }

    /// What was chosen under a name, if anything was.
    pub fn choice(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.0.join(name)).ok()
    }

    /// Keeps what was chosen under a name.
    ///
    /// # Errors
    /// [`GpuError::Cache`].
    pub fn keep_choice(&self, name: &str, choice: &[u8]) -> Result<(), GpuError> {
        self.write(&self.0.join(name), choice)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), GpuError> {
        let failed = |source| GpuError::Cache { path: path.to_owned(), source };
        std::fs::create_dir_all(&self.0).map_err(failed)?;
        let write = || {
            let mut file = PartFile::create(path)?;
            file.write(bytes)?;
            file.commit()
        };
        write().map_err(|error| failed(std::io::Error::other(error.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Precision, Source};

    #[test]
    fn a_kernel_that_was_kept_needs_no_compiler_and_another_form_of_it_does() {
        let home = tempfile::tempdir().unwrap();
        let cache = KernelCache::of(&DataFolder::at(home.path().join("data")));
        let kernel = Kernel::new(Source::Gelu, "gelu_all", 256);
        cache.keep(&kernel, "sm_1", b"machine code").unwrap();
        assert_eq!(cache.machine_code(&kernel, "sm_1").unwrap(), b"machine code");
        let other = Kernel { precision: Precision::Bf16, ..kernel.clone() };
        // No card is of this architecture, so that no compiler makes code for it.
        assert!(cache.machine_code(&other, "sm_1").is_err());
        assert_ne!(cache.place(&kernel, "sm_80"), cache.place(&kernel, "sm_90"));
        assert_eq!(cache.choice("product"), None);
        cache.keep_choice("product", &[7; 64]).unwrap();
        assert_eq!(cache.choice("product"), Some(vec![7; 64]));
    }
}
