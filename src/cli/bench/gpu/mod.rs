//! `handstream bench gpu`: the released network at full size on the card: its numbers beside the processor's, the time
//! of a frame and of every part, beside what the card could do at best.

mod ceilings;
mod compare;
mod frames;
mod parts;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use handstream::gpu::{CudaBackend, FULL_SIZE, GpuNetwork, KernelCache, Precision, write_random_release};
use handstream::haptic::full::{CpuNetwork, DecoderForm, ReleasedFile};
use handstream::home::DataFolder;

use self::ceilings::Ceilings;

/// Start of the random numbers.
const SEED: u64 = 1;

#[derive(Args)]
pub struct GpuArgs {
    /// A HaPTIC checkpoint; default: random weights of the released size, made once and kept in the data folder.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// How often each part is timed; medians are told.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Leave out the comparison with the processor, which takes a minute.
    #[arg(long)]
    without_processor: bool,
}

impl GpuArgs {
    /// Measures and prints.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        let folder = DataFolder::locate()?;
        let cache = KernelCache::of(&folder);
        let card = CudaBackend::open(0, cache.clone())?;
        let runs = usize::from(self.runs);
        println!("{} ({})\n", card.info().name, card.info().architecture());
        let ceilings = Ceilings::measure(&card, runs)?;
        parts::parts(&card, &ceilings, runs)?;
        let weights = match self.weights {
            Some(path) => path,
            None => random_weights(&folder)?,
        };
        let file = ReleasedFile::open(&weights)?;
        let mut network = GpuNetwork::open(card, &file, Precision::Bf16)?;
        frames::frames(&mut network, &ceilings, runs)?;
        if !self.without_processor {
            let mut processor = CpuNetwork::open(&file, DecoderForm::Absorbed)?;
            let another =
                |precision| GpuNetwork::open(CudaBackend::open(0, cache.clone())?, &file, precision);
            let others = [another(Precision::F16)?, another(Precision::F32)?];
            compare::compare(network, others, &mut processor)?;
        }
        Ok(())
    }
}

/// Random weights of the released size, from the data folder or made now.
fn random_weights(folder: &DataFolder) -> Result<PathBuf> {
    let path = folder.path().join("random_haptic.safetensors");
    if !path.is_file() {
        std::fs::create_dir_all(folder.path())
            .with_context(|| format!("cannot make {}", folder.path().display()))?;
        write_random_release(&path, &FULL_SIZE, SEED)?;
    }
    Ok(path)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
