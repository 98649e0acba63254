//! The decoder of HaMeR and HaPTIC: one token per hand and frame gathers the features of its pictures.
//!
//! HaMeR (Pavlakos et al. 2024) starts from a constant token and lets it look at the features of the hand's
//! crop. HaPTIC (Ye et al. 2025) adds to every layer a look at the other frames of the window and a look at
//! the features of the whole frame. Tensors have the released names.

use super::config::{DecoderConfig, DecoderForm, NetworkKind};
use super::heads::{HeadRow, Heads};
use super::network::NetworkError;
use crate::net::{
    Attention, BlockMemory, CheckpointError, CodePlace, FeedForward, Group, Isa, LAYER_NORM_EPSILON,
    LayerNorm, Linear, Probe, Scope, Sight, Sublayer, Surroundings, WindowBlock, room,
};

/// The decoder with its weights.
pub struct Decoder {
    config: DecoderConfig,
    /// The constant first token.
    start: Vec<f32>,
    /// A row for each place in a window.
    codes: Vec<f32>,
    blocks: Vec<WindowBlock>,
    heads: Heads,
}

/// What the decoder sees of one frame: rows of features, [`room`] apart.
#[derive(Clone, Copy, Debug)]
pub struct FrameFeatures<'a> {
    /// Features of the hand's crop.
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
        let DecoderForm::Plain = form;
        let width = config.width;
        let transformer = scope.part("transformer");
        // The token that goes in is zero, so its embedding is the layer's bias.
        let embedding = transformer.part("to_token_embedding").tensor("bias", &[width])?;
        let place = transformer.tensor("pos_embedding", &[1, 1, width])?;
        let start = embedding.iter().zip(place).map(|(a, b)| a + b).collect::<Vec<f32>>();

        let layers = transformer.part("transformer");
        let codes = match config.kind {
            NetworkKind::Hamer => Vec::new(),
            NetworkKind::Haptic => {
                layers.part("pos_enc_f").tensor("pos_table", &[1, config.longest_window, width])?
            }
        };
        let blocks = (0..config.depth).map(|l| read_block(&layers, l, config, isa));
        Ok(Self {
            config: *config,
            start: roomy(&start, width),
            codes: roomy(&codes, width),
            blocks: blocks.collect::<Result<_, _>>()?,
            heads: Heads::read(scope, config, isa)?,
        })
    }

    /// The sizes.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Appends the heads' numbers for every frame of every window, frames oldest first. Windows do not see
    /// each other. Shows `dec.…` and `head.…` as the fixtures of the released modules name them.
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
        let (width, pitch) = (self.config.width, room(self.config.width));
        x.clear();
        code.clear();
        let (mut views, mut crops, mut wholes) = (Vec::new(), Vec::new(), Vec::new());
        for window in windows {
            assert!(window.len() <= self.config.longest_window, "a window of {} frames", window.len());
            let first = crops.len();
            crops.extend(window.iter().map(|frame| frame.crop));
            wholes.extend(window.iter().map(|frame| frame.whole));
            views.push(Group::among(first..crops.len()));
            // Codes count from the window's first frame, whatever its length.
            code.extend(self.codes.iter().take(window.len() * pitch));
        }
        for _ in &crops {
            x.extend_from_slice(&self.start);
        }
        let mut inner = probe.part("dec");
        let around =
            Surroundings { code, views: &views, near: Sight::Each(&crops), far: Sight::Each(&wholes) };
        for (layer, weights) in self.blocks.iter().enumerate() {
            weights.apply(x, &around, block, inner.part(format_args!("layer{layer}")));
        }
        inner.see_rows(format_args!("token_out"), x, width);
        self.heads.apply(x, numbers, probe.part("head"), out);
    }
}

/// Reads layer `l` of the stacks `layers`, `cross_view_layers` and `global_layers`.
fn read_block(
    scope: &Scope,
    l: usize,
    config: &DecoderConfig,
    isa: Isa,
) -> Result<WindowBlock, CheckpointError> {
    let &DecoderConfig { width, inner, hidden, context, heads, .. } = config;
    let norm = |scope: &Scope| LayerNorm::read(&scope.part("norm"), width, LAYER_NORM_EPSILON);
    let out = |scope: &Scope| Linear::read(&scope.part("to_out").part(0), inner, width, isa);
    let among = |scope: &Scope| {
        let joint = scope.tensor("to_qkv.weight", &[3 * inner, width])?;
        let (q, kv) = joint.split_at(inner * width);
        Ok::<_, CheckpointError>(Attention::new(
            unbiased(q, inner, isa),
            unbiased(kv, 2 * inner, isa),
            out(scope)?,
            heads,
        ))
    };
    let across = |scope: &Scope| {
        let q = scope.tensor("to_q.weight", &[inner, width])?;
        let kv = scope.tensor("to_kv.weight", &[2 * inner, context])?;
        Ok::<_, CheckpointError>(Attention::new(
            unbiased(&q, inner, isa),
            unbiased(&kv, 2 * inner, isa),
            out(scope)?,
            heads,
        ))
    };

    let layer = scope.part("layers").part(l);
    let [own, near, feed] = [0, 1, 2].map(|i| layer.part(i));
    let mut sublayers = vec![
        (norm(&own)?, Sublayer::Own(among(&own.part("fn"))?)),
        (norm(&near)?, Sublayer::Near(across(&near.part("fn"))?)),
    ];
    if config.kind == NetworkKind::Haptic {
        let [view, far] = ["cross_view_layers", "global_layers"].map(|name| scope.part(name).part(l).part(0));
        let among = among(&view.part("fn"))?;
        sublayers.push((norm(&view)?, Sublayer::View(among, CodePlace::BeforeNorm)));
        sublayers.push((norm(&far)?, Sublayer::Far(across(&far.part("fn"))?)));
    }
    let net = feed.part("fn").part("net");
    let first = Linear::read(&net.part(0), width, hidden, isa)?;
    let second = Linear::read(&net.part(3), hidden, width, isa)?;
    sublayers.push((norm(&feed)?, Sublayer::Feed(FeedForward::new(first, second))));
    Ok(WindowBlock::new(sublayers))
}

fn unbiased(weight: &[f32], outputs: usize, isa: Isa) -> Linear {
    Linear::new(weight, &vec![0.0; outputs], isa)
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
