//! How `--profile omnihands` looks at a stream.

use std::path::Path;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use handstream::engine::PairNetworkChoice;
use handstream::haptic::omni::{OmniConfig, RelationMode};
use handstream::home::{DataFolder, OwnFiles};

/// Whose relation between the hands, as a user types it.
#[derive(Clone, Copy, Default, ValueEnum)]
enum RelationName {
    /// The released code's, for the released weights.
    #[default]
    Release,
    /// The paper's, for weights that were trained with it.
    Paper,
}

/// Which frame of its window is told, as a user types it.
#[derive(Clone, Copy, Default, ValueEnum)]
enum LagName {
    /// The newest, at once.
    #[default]
    Newest,
    /// The one in the middle, half a window later, as the release does.
    Centre,
}

/// Frames from one of a window to the next, as in the released demo.
const GAP: u8 = 10;

#[derive(Args)]
pub struct OmniArgs {
    /// --profile omnihands: whose relation between the hands.
    #[arg(long, value_enum, default_value_t)]
    relation: RelationName,
    /// --profile omnihands: which frame of its window is told.
    #[arg(long, value_enum, default_value_t)]
    lag: LagName,
    /// --profile omnihands: the window of 9 takes every N-th frame. The released demo takes every 10th; the
    /// network was trained with every 5th.
    #[arg(long, value_name = "N", default_value_t = GAP, value_parser = clap::value_parser!(u8).range(1..=60))]
    gap: u8,
}

impl Default for OmniArgs {
    fn default() -> Self {
        Self { relation: RelationName::default(), lag: LagName::default(), gap: GAP }
    }
}

impl OmniArgs {
    /// The network to run: the checkpoint given, or the one that the setup was told of.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn choice(&self, checkpoint: Option<&Path>) -> Result<PairNetworkChoice> {
        let checkpoint = match checkpoint {
            Some(path) => path.to_owned(),
            None => OwnFiles::load(&DataFolder::locate()?)?.omnihands.context(
                "--profile omnihands needs your own checkpoint: say where it lies once with `handstream setup \
                 --omnihands DIR`, or give it with --checkpoint FILE",
            )?,
        };
        let relation = match self.relation {
            RelationName::Release => RelationMode::Release,
            RelationName::Paper => RelationMode::Paper,
        };
        let centre = matches!(self.lag, LagName::Centre);
        let stream = OmniConfig { gap: usize::from(self.gap), centre, ..OmniConfig::default() };
        Ok(PairNetworkChoice { checkpoint, relation, stream })
    }
}
