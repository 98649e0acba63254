//! Where a released network computes.

use crate::gpu::{CudaBackend, GpuNetwork, GpuNetworkError, KernelCache, Precision};
use crate::haptic::full::{CpuNetwork, DecoderForm, ReleasedFile, WindowNetwork};
use crate::home::DataFolder;

use super::front_end::FrontEndError;

/// Where a released network computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// On the processor, in 32 bits.
    #[default]
    Cpu,
    /// On the first NVIDIA card.
    Cuda(Precision),
}

impl Device {
    /// Reads the network of `file` to where it computes. On a card the decoder has its absorbed form, whatever
    /// `form` says.
    ///
    /// # Errors
    /// [`FrontEndError::Checkpoint`], [`FrontEndError::Gpu`], [`FrontEndError::Home`].
    pub(super) fn open(
        self,
        file: &ReleasedFile,
        form: DecoderForm,
    ) -> Result<Box<dyn WindowNetwork>, FrontEndError> {
        match self {
            Self::Cpu => Ok(Box::new(CpuNetwork::open(file, form)?)),
            Self::Cuda(precision) => {
                let cache = KernelCache::of(&DataFolder::locate()?);
                let card = CudaBackend::open(0, cache).map_err(GpuNetworkError::Gpu)?;
                Ok(Box::new(GpuNetwork::open(card, file, precision)?))
            }
        }
    }
}
