//! What makes hands in metres, as a user types it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use handstream::engine::{Device, PictureNetwork, Profile, Watchdog};
use handstream::haptic::full::{DecoderForm, FullConfig};
use handstream::haptic::{LiteConfig, PlacementMode, StreamConfig};
use handstream::home::{DataFolder, OwnFiles};

use super::omnihands::OmniArgs;

/// Longest time for a frame of --profile haptic or omnihands.
const HAPTIC_PATIENCE: Duration = Duration::from_secs(300);

/// What makes hands in metres.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProfileName {
    /// The window transformer on key points, then the fit.
    #[default]
    Lite,
    /// The fit alone.
    Direct,
    /// Your own HaPTIC or HaMeR checkpoint, on pictures, as released.
    Haptic,
    /// Your own OmniHands checkpoint: two hands that see each other, as released.
    Omnihands,
}

/// What flags say of the profiles' networks.
pub struct Networks<'a> {
    /// Windows.
    pub stream: StreamConfig,
    /// How distances come together.
    pub placement: PlacementMode,
    /// In place of the checkpoint that the set-up knows.
    pub checkpoint: Option<&'a Path>,
    /// Where a network on pictures computes.
    pub device: Device,
    /// How two hands are looked at.
    pub omnihands: &'a OmniArgs,
}

impl ProfileName {
    /// The name, as it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lite => "lite",
            Self::Direct => "direct",
            Self::Haptic => "haptic",
            Self::Omnihands => "omnihands",
        }
    }

    /// The one after it among those whose weights are there, by what the set-up knows.
    #[cfg(feature = "window")]
    pub fn next(self, own: &OwnFiles) -> Self {
        let there = |profile: &Self| match profile {
            Self::Lite | Self::Direct => true,
            Self::Haptic => own.haptic.is_some() || own.hamer.is_some(),
            Self::Omnihands => own.omnihands.is_some(),
        };
        let (before, after) = Self::value_variants().split_at(self as usize + 1);
        after.iter().chain(before).copied().find(there).unwrap_or_default()
    }

    /// How long workers may take: a ViT-H on a processor takes seconds for a frame.
    pub fn watchdog(self) -> Watchdog {
        match self {
            Self::Lite | Self::Direct => Watchdog::default(),
            Self::Haptic | Self::Omnihands => {
                Watchdog { front_end: Some(HAPTIC_PATIENCE), ..Watchdog::default() }
            }
        }
    }

    /// The engine's profile.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn profile(self, networks: &Networks) -> Result<Profile> {
        let Networks { stream, placement, checkpoint, device, omnihands } = networks;
        let (stream, placement) = (stream.clone(), *placement);
        Ok(match self {
            Self::Direct => Profile::Direct,
            Self::Lite => Profile::Lite(LiteConfig { stream, placement }),
            Self::Omnihands => Profile::OmniHands(omnihands.choice(*checkpoint)?),
            Self::Haptic => {
                let own = match checkpoint {
                    Some(path) => Some(path.to_path_buf()),
                    None => {
                        let own = OwnFiles::load(&DataFolder::locate()?)?;
                        own.haptic.or(own.hamer)
                    }
                };
                let checkpoint = own.context(
                    "--profile haptic needs your own checkpoint: say where it lies once with `handstream setup \
                     --haptic DIR` (or --hamer DIR), or give it with --checkpoint FILE",
                )?;
                let stream = FullConfig { stream, placement, ..FullConfig::default() };
                Profile::Haptic(PictureNetwork {
                    checkpoint,
                    form: DecoderForm::Absorbed,
                    device: *device,
                    stream,
                })
            }
        })
    }
}

#[cfg(all(test, feature = "window"))]
mod tests {
    use super::*;

    #[test]
    fn profiles_follow_one_another_where_their_weights_are_there() {
        let nothing = OwnFiles::default();
        assert_eq!(ProfileName::Lite.next(&nothing), ProfileName::Direct);
        assert_eq!(ProfileName::Direct.next(&nothing), ProfileName::Lite);
        let all = OwnFiles { hamer: Some("a".into()), omnihands: Some("b".into()), ..nothing };
        let after_direct = ProfileName::Direct.next(&all);
        assert_eq!([after_direct, after_direct.next(&all)], [ProfileName::Haptic, ProfileName::Omnihands]);
        assert_eq!(ProfileName::Omnihands.next(&all), ProfileName::Lite);
    }
}
