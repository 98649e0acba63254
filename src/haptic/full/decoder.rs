//! The decoder of HaMeR and HaPTIC: one token per hand and frame gathers the features of its pictures.
//!
//! HaMeR (Pavlakos et al. 2024) starts from a constant token and lets it look at the features of the hand's
//! crop. HaPTIC (Ye et al. 2025) adds to every layer a look at the other frames of the window and a look at
//! the features of the whole frame.

use super::config::{DecoderConfig, DecoderForm, NetworkKind};
use super::error::NetworkError;
use super::heads::{HeadRow, Heads};
use super::token_decoder::{TokenDecoder, roomy};
use crate::net::{BlockMemory, Group, Isa, Probe, Scope, Sight, Surroundings, room};

/// The decoder with its weights.
pub struct Decoder {
    config: DecoderConfig,
    tokens: TokenDecoder,
    /// A row for each place in a window.
    codes: Vec<f32>,
    heads: Heads,
}

/// What the decoder sees of one frame.
#[derive(Clone, Copy, Debug)]
pub struct FrameFeatures<'a> {
    /// The first token, from [`Decoder::start`].
    pub token: &'a [f32],
    /// Features of the hand's crop, rows [`room`] apart.
    pub crop: &'a [f32],
    /// Features of the whole frame; HaMeR looks at none.
    pub whole: &'a [f32],
}

/// Working memory of a [`Decoder`].
#[derive(Default)]
pub struct DecoderMemory {
    x: Vec<f32>,
    code: Vec<f32>,
    block: BlockMemory,
    numbers: Vec<f32>,
}

impl Decoder {
    /// Reads the decoder from the part `mano_head` of a checkpoint.
    ///
    /// # Errors
    /// [`NetworkError::Weights`].
    pub fn read(
        scope: &Scope,
        config: &DecoderConfig,
        form: DecoderForm,
        isa: Isa,
    ) -> Result<Self, NetworkError> {
        let transformer = scope.part("transformer");
        let codes = match config.kind {
            NetworkKind::Hamer => Vec::new(),
            NetworkKind::Haptic => {
                let codes = transformer.part("transformer").part("pos_enc_f");
                codes.tensor("pos_table", &[1, config.longest_window, config.width])?
            }
        };
        Ok(Self {
            config: *config,
            tokens: TokenDecoder::read(&transformer, config, form, isa)?,
            codes: roomy(&codes, config.width),
            heads: Heads::read(scope, config, isa)?,
        })
    }

    /// The sizes.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The first tokens of frames from the features of their crops, rows [`room`] apart.
    pub fn start(&self, crops: &[&[f32]], memory: &mut DecoderMemory, tokens: &mut Vec<f32>) {
        self.tokens.start(crops, &mut memory.block, tokens);
    }

    /// Appends the heads' numbers for every frame of every window, frames oldest first. Windows do not see
    /// each other. Shows `dec.…` and `head.…` as the fixtures of the released modules name them; the
    /// absorbed form shows nothing of what [`Self::start`] does.
    ///
    /// # Panics
    /// When a window is longer than the longest.
    pub fn apply(
        &self,
        windows: &[&[FrameFeatures<'_>]],
        memory: &mut DecoderMemory,
        mut probe: Probe,
        out: &mut Vec<HeadRow>,
    ) {
        let DecoderMemory { x, code, block, numbers } = memory;
        let pitch = room(self.config.width);
        x.clear();
        code.clear();
        let (mut views, mut crops, mut wholes) = (Vec::new(), Vec::new(), Vec::new());
        for window in windows {
            assert!(window.len() <= self.config.longest_window, "a window of {} frames", window.len());
            views.push(Group::among(crops.len()..crops.len() + window.len()));
            for frame in *window {
                x.extend_from_slice(frame.token);
                crops.push(frame.crop);
                wholes.push(frame.whole);
            }
            // Codes count from the window's first frame, whatever its length.
            code.extend(self.codes.iter().take(window.len() * pitch));
        }
        let mut inner = probe.part("dec");
        let around =
            Surroundings { code, views: &views, near: Sight::Each(&crops), far: Sight::Each(&wholes) };
        self.tokens.continue_from_start(x, &around, block, &mut inner);
        inner.see_rows(format_args!("token_out"), x, self.config.width);
        self.heads.apply(x, numbers, probe.part("head"), out);
    }
}
