//! One constant token that gathers what lies before it: the layers of HaMeR's, HaPTIC's and 4DHands' decoders.

use super::config::{DecoderConfig, DecoderForm, NetworkKind};
use super::layers::LayerReader;
use crate::net::{BlockMemory, CheckpointError, Isa, Probe, Scope, Sight, Surroundings, WindowBlock, room};

/// The layers with their weights.
pub(in crate::haptic) struct TokenDecoder {
    /// The constant first token.
    constant: Vec<f32>,
    /// What a token goes through before it meets the other tokens of its window.
    lead: WindowBlock,
    blocks: Vec<WindowBlock>,
}

impl TokenDecoder {
    /// Reads the layers from `scope`, which holds `pos_embedding`, `to_token_embedding` and `transformer`.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(
        scope: &Scope,
        config: &DecoderConfig,
        form: DecoderForm,
        isa: Isa,
    ) -> Result<Self, CheckpointError> {
        let width = config.width;
        // The token that goes in is zero, so its embedding is the layer's bias.
        let embedding = scope.part("to_token_embedding").tensor("bias", &[width])?;
        let place = scope.tensor("pos_embedding", &[1, 1, width])?;
        let constant = embedding.iter().zip(place).map(|(a, b)| a + b).collect::<Vec<f32>>();
        let mut constant = roomy(&constant, width);

        let layers = scope.part("transformer");
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
        Ok(Self { constant, lead, blocks })
    }

    /// The first tokens of what looks at `near`, a list of rows [`room`] apart for each.
    pub fn start(&self, near: &[&[f32]], memory: &mut BlockMemory, tokens: &mut Vec<f32>) {
        tokens.clear();
        for _ in near {
            tokens.extend_from_slice(&self.constant);
        }
        let around = Surroundings { near: Sight::Each(near), ..Surroundings::default() };
        self.lead.apply(tokens, &around, memory, Probe::off());
    }

    /// Takes tokens from their start to their end. Shows `layer0` and so on.
    pub fn continue_from_start(
        &self,
        tokens: &mut [f32],
        around: &Surroundings,
        memory: &mut BlockMemory,
        probe: &mut Probe,
    ) {
        for (layer, weights) in self.blocks.iter().enumerate() {
            weights.apply(tokens, around, memory, probe.part(format_args!("layer{layer}")));
        }
    }

    /// What tokens gather that see nothing but `near`.
    pub fn gather(&self, near: &[&[f32]], memory: &mut BlockMemory, tokens: &mut Vec<f32>) {
        self.start(near, memory, tokens);
        let around = Surroundings { near: Sight::Each(near), ..Surroundings::default() };
        self.continue_from_start(tokens, &around, memory, &mut Probe::off());
    }
}

/// Rows of `width` numbers, [`room`] apart.
pub(in crate::haptic) fn roomy(numbers: &[f32], width: usize) -> Vec<f32> {
    let mut rows = Vec::with_capacity(numbers.len() / width.max(1) * room(width));
    for row in numbers.chunks_exact(width.max(1)) {
        rows.extend_from_slice(row);
        rows.resize(rows.len().next_multiple_of(room(width)), 0.0);
    }
    rows
}
