//! `handstream convert`: a released checkpoint without what the network does not need.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use handstream::haptic::full::{CompactNumbers, CompactOptions, ReleasedFile};
use handstream::haptic::omni::{OmniFile, OmniFileError};

#[derive(Args)]
pub struct ConvertArgs {
    /// HaMeR's hamer.ckpt or HaPTIC's last.ckpt, whose yaml is looked for beside it, or OmniHands'
    /// Demo_Video.pth or Demo_Image.pth.
    input: PathBuf,
    /// The new file, best called .safetensors.
    output: PathBuf,
    /// How the matrices are written; f32 keeps every number.
    #[arg(long, value_enum, default_value_t = Numbers::Bf16)]
    dtype: Numbers,
    /// Keep the MANO model that lies in the checkpoint: licensed data, do not pass the file on.
    #[arg(long)]
    with_mano: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Numbers {
    F16,
    Bf16,
    F32,
}

impl ConvertArgs {
    /// Writes the new file and says what became of the tensors.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        let numbers = match self.dtype {
            Numbers::F16 => CompactNumbers::F16,
            Numbers::Bf16 => CompactNumbers::Bf16,
            Numbers::F32 => CompactNumbers::F32,
        };
        let options = CompactOptions { numbers, with_mano: self.with_mano };
        let (kind, report) = match OmniFile::open(&self.input) {
            Ok(file) => ("OmniHands", file.write_compact(&self.output, options)?),
            Err(OmniFileError::OtherNetwork { .. }) => {
                let released = ReleasedFile::open(&self.input)?;
                (released.kind().name(), released.write_compact(&self.output, options)?)
            }
            Err(fault) => return Err(fault.into()),
        };
        println!(
            "{} ({}, matrices in {}): {} tensors in {:.1} MB, {} left out",
            self.output.display(),
            kind,
            numbers.name(),
            report.kept,
            report.bytes as f64 / 1e6,
            report.left_out
        );
        Ok(())
    }
}
