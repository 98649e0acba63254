//! Flags that say where a released network computes, and in what numbers.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use handstream::engine::Device;
use handstream::gpu::Precision;

/// Where a released network computes, as a user types it.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum DeviceName {
    /// The processor, in 32-bit floats.
    #[default]
    Cpu,
    /// An NVIDIA card.
    Cuda,
}

/// What numbers a card computes with, as a user types it.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum PrecisionName {
    /// 16 bits with the range of 32.
    #[default]
    Bf16,
    /// 16 bits, finer, none beyond 65,504.
    F16,
    /// 32 bits, for comparisons.
    F32,
}

/// Flags of `track`.
#[derive(Args)]
pub struct DeviceArgs {
    /// --profile haptic: where the network computes.
    #[arg(long, value_enum, default_value_t)]
    device: DeviceName,
    /// --device cuda: the numbers that it computes with; sums are 32-bit in all.
    #[arg(long, value_enum)]
    precision: Option<PrecisionName>,
}

impl DeviceArgs {
    /// The device; `has_card_form` says whether the profile's network can run on a card.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn device(&self, has_card_form: bool) -> Result<Device> {
        match self.device {
            DeviceName::Cpu if self.precision.is_some() => {
                bail!("--precision is for --device cuda; the processor computes in 32 bits")
            }
            DeviceName::Cpu => Ok(Device::Cpu),
            DeviceName::Cuda if !has_card_form => bail!(
                "--device cuda is for the networks of --profile haptic; the other profiles run on the processor"
            ),
            DeviceName::Cuda => Ok(Device::Cuda(match self.precision.unwrap_or_default() {
                PrecisionName::Bf16 => Precision::Bf16,
                PrecisionName::F16 => Precision::F16,
                PrecisionName::F32 => Precision::F32,
            })),
        }
    }
}
