//! Which motion prior the refinement asks.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use handstream::engine::Supply;
use handstream::hand::HandModel;
use handstream::net::Isa;
use handstream::refine::prior::hmp::{HmpConfig, HmpNetwork, HmpPrior};
use handstream::refine::{LearnedPrior, MotionPrior};

/// A motion prior, as a user types it.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum PriorName {
    /// The network that comes with the program.
    #[default]
    Learned,
    /// Joint limits, usual bends and smoothness alone.
    Analytic,
    /// HMP, from your own files.
    Hmp,
}

/// Flags of the motion prior.
#[derive(Args, Clone)]
pub struct MotionPriorArgs {
    /// What fills gaps in a hand's motion, beside joint limits and smoothness.
    #[arg(long, value_enum, default_value_t)]
    motion_prior: PriorName,
    /// The folder that HMP's hmp_model.zip was unpacked to.
    #[arg(long, value_name = "DIR")]
    hmp: Option<PathBuf>,
}

impl MotionPriorArgs {
    /// The prior for hands of `model`, and another whenever the refinement has failed with it.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn supply(&self, model: &Arc<HandModel>) -> Result<Option<Supply<Box<dyn MotionPrior>>>> {
        let Some(first) = self.load(model)? else { return Ok(None) };
        let (args, model) = (self.clone(), model.clone());
        let again = move || {
            let prior = args.load(&model).map_err(|error| error.to_string())?;
            prior.ok_or_else(|| "there is no other motion prior".to_owned())
        };
        Ok(Some(Supply::renewable(first, again)))
    }

    /// Loads the prior for hands of `model`; none where the refinement's own terms are enough.
    ///
    /// # Errors
    /// One sentence for the user.
    fn load(&self, model: &HandModel) -> Result<Option<Box<dyn MotionPrior>>> {
        let hmp = self.motion_prior == PriorName::Hmp;
        ensure!(hmp || self.hmp.is_none(), "--hmp is for --motion-prior hmp: give both");
        match (self.motion_prior, &self.hmp) {
            (PriorName::Learned, _) => Ok(Some(Box::new(LearnedPrior::embedded()?))),
            (PriorName::Analytic, _) => Ok(None),
            (PriorName::Hmp, None) => {
                anyhow::bail!(
                    "HMP is not ours to ship: give --hmp the folder that hmp_model.zip was unpacked to"
                )
            }
            (PriorName::Hmp, Some(folder)) => {
                let network = HmpNetwork::open(folder, Isa::best())?;
                let prior = HmpPrior::new(network, model.skeleton(), HmpConfig::default());
                let prior = prior.ok_or_else(|| {
                    anyhow::anyhow!(
                        "the network in {} reads other numbers than HMP's does: give HMP's",
                        folder.display()
                    )
                })?;
                Ok(Some(Box::new(prior)))
            }
        }
    }
}
