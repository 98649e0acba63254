//! The decoder of HaMeR and HaPTIC: one token per hand and frame gathers the features of its pictures.
//!
//! HaMeR (Pavlakos et al. 2024) starts from a constant token and lets it look at the features of the hand's
//! crop. HaPTIC (Ye et al. 2025) adds to every layer a look at the other frames of the window and a look at
//! the features of the whole frame.

use super::config::{DecoderConfig, DecoderForm, NetworkKind};
use super::error::NetworkError;
use super::heads::{HeadRow, Heads};
use super::layers::LayerReader;
use crate::net::{BlockMemory, Group, Isa, Probe, Scope, Sight, Surroundings, WindowBlock, room};

/// The decoder with its weights.
pub struct Decoder {
    config: DecoderConfig,
    /// The constant first token.
    constant: Vec<f32>,
    /// What a frame's token goes through before it meets the window.
    lead: WindowBlock,
    /// A row for each place in a window.
    codes: Vec<f32>,
    blocks: Vec<WindowBlock>,
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
        let width = config.width;
        let transformer = scope.part("transformer");
        // The token that goes in is zero, so its embedding is the layer's bias.
        let embedding = transformer.part("to_token_embedding").tensor("bias", &[width])?;
        let place = transformer.tensor("pos_embedding", &[1, 1, width])?;
        let constant = embedding.iter().zip(place).map(|(a, b)| a + b).collect::<Vec<f32>>();
        let mut constant = roomy(&constant, width);

        let layers = transformer.part("transformer");
        let codes = match config.kind {
            NetworkKind::Hamer => Vec::new(),
            NetworkKind::Haptic => {
                layers.part("pos_enc_f").tensor("pos_table", &[1, config.longest_window, width])?
            }
        };
        let reader = LayerReader { scope: &layers, config, form, isa };
        let mut lead = WindowBlock::new(Vec::new());
        let mut blocks = Vec::with_capacity(config.depth);
        for layer in 0..config.depth {
            let mut sublayers = vec![reader.own(layer)?, reader.near(layer)?];
            if form == DecoderForm::Absorbed && layer == 0 {
                // Nothing of this depends on the frame …
                WindowBlock::new(sublayers.drain(..1).collect()).apply(
                    &mut constant,
                    &Surroundings::default(),
                    &mut BlockMemory::default(),
                    Probe::off(),
                );
                // … and this on one frame alone.
                lead = WindowBlock::new(std::mem::take(&mut sublayers));
            }
            if config.kind == NetworkKind::Haptic {
                sublayers.extend([reader.view(layer)?, reader.far(layer)?]);
            }
            sublayers.push(reader.feed(layer)?);
            blocks.push(WindowBlock::new(sublayers));
        }
        let heads = Heads::read(scope, config, isa)?;
        Ok(Self { config: *config, constant, lead, codes: roomy(&codes, width), blocks, heads })
    }

    /// The sizes.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The first tokens of frames from the features of their crops, rows [`room`] apart.
    pub fn start(&self, crops: &[&[f32]], memory: &mut DecoderMemory, tokens: &mut Vec<f32>) {
        tokens.clear();
        for _ in crops {
            tokens.extend_from_slice(&self.constant);
        }
        let around = Surroundings { near: Sight::Each(crops), ..Surroundings::default() };
        self.lead.apply(tokens, &around, &mut memory.block, Probe::off());
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
        for (layer, weights) in self.blocks.iter().enumerate() {
            weights.apply(x, &around, block, inner.part(format_args!("layer{layer}")));
        }
        inner.see_rows(format_args!("token_out"), x, self.config.width);
        self.heads.apply(x, numbers, probe.part("head"), out);
    }
}

/// Rows of `width` numbers, [`room`] apart.
fn roomy(numbers: &[f32], width: usize) -> Vec<f32> {
    let mut rows = Vec::with_capacity(numbers.len() / width.max(1) * room(width));
    for row in numbers.chunks_exact(width.max(1)) {
        rows.extend_from_slice(row);
        rows.resize(rows.len().next_multiple_of(room(width)), 0.0);
    }
    rows
}
