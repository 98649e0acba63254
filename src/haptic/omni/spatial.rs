//! Spatial reasoning: the tokens of both hands look at each other, then one token of each hand gathers its own
//! (4DHands, Lin et al. 2024, section 3.3).

use super::config::OmniShape;
use crate::haptic::full::{DecoderForm, TokenDecoder};
use crate::jobs::Jobs;
use crate::net::vit::TOKENS;
use crate::net::{
    BlockMemory, CheckpointError, Isa, LAYER_NORM_EPSILON, LayerNorm, Linear, Probe, Scope, Slabs,
    TokenBlock, TokenMemory, room,
};

/// Hands of a pair.
const HANDS: usize = 2;

/// The blocks and the decoder with their weights.
pub struct SpatialReasoning {
    shape: OmniShape,
    blocks: Vec<TokenBlock>,
    decoder: TokenDecoder,
}

/// Working memory of a [`SpatialReasoning`].
#[derive(Default)]
pub struct SpatialMemory {
    tokens: Slabs,
    block: TokenMemory,
    rows: Vec<f32>,
    decoder: BlockMemory,
}

impl SpatialReasoning {
    /// Reads `mano_head` of a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(
        scope: &Scope,
        shape: &OmniShape,
        form: DecoderForm,
        isa: Isa,
    ) -> Result<Self, CheckpointError> {
        let layers = scope.part("inter_attn").part("layers");
        let blocks = (0..shape.spatial_depth).map(|l| read_block(&layers.part(l), shape, isa));
        Ok(Self {
            shape: *shape,
            blocks: blocks.collect::<Result<_, _>>()?,
            decoder: TokenDecoder::read(&scope.part("transformer"), &shape.decoder, form, isa)?,
        })
    }

    /// Numbers of a hand's token.
    pub fn width(&self) -> usize {
        self.shape.decoder.width
    }

    /// One token for each hand, rows [`room`] apart, from the relation-aware tokens `[pairs, 2, 192, C]` of
    /// pairs, rows [`room`] apart, a pair's right hand first. Shows the tokens before the decoder as
    /// `inter_out`.
    pub fn apply(
        &self,
        tokens: &[f32],
        memory: &mut SpatialMemory,
        jobs: &dyn Jobs,
        mut probe: Probe,
        out: &mut Vec<f32>,
    ) {
        let SpatialMemory { tokens: x, block, rows, decoder } = memory;
        let pitch = room(self.shape.context);
        x.set_rows(tokens, pitch, self.shape.context);
        for (l, weights) in self.blocks.iter().enumerate() {
            weights.apply(x, HANDS * TOKENS, block, jobs, probe.part(format_args!("inter_attn{l}")));
        }
        x.copy_rows(pitch, rows);
        probe.see_rows(format_args!("inter_out"), rows, self.shape.context);
        let hands: Vec<&[f32]> = rows.chunks_exact(TOKENS * pitch).collect();
        self.decoder.gather(&hands, decoder, out);
    }
}

/// Reads one block; queries, keys and values have no biases.
fn read_block(scope: &Scope, shape: &OmniShape, isa: Isa) -> Result<TokenBlock, CheckpointError> {
    let &OmniShape { context: width, spatial_inner: inner, spatial_hidden: hidden, .. } = shape;
    let (attention, feed) = (scope.part(0), scope.part(1));
    let (attend, net) = (attention.part("fn"), feed.part("fn").part("net"));
    let qkv = attend.tensor("to_qkv.weight", &[3 * inner, width])?;
    Ok(TokenBlock {
        isa,
        heads: shape.spatial_heads,
        norm_attention: LayerNorm::read(&attention.part("norm"), width, LAYER_NORM_EPSILON)?,
        qkv: Linear::new(&qkv, &vec![0.0; 3 * inner], isa),
        proj: Linear::read(&attend.part("to_out").part(0), inner, width, isa)?,
        norm_feed: LayerNorm::read(&feed.part("norm"), width, LAYER_NORM_EPSILON)?,
        first: Linear::read(&net.part(0), width, hidden, isa)?,
        second: Linear::read(&net.part(3), hidden, width, isa)?,
    })
}
