//! The block of a window decoder: a chain of sub-layers, each behind a norm and beside a residual connection
//! (HaPTIC, Ye et al. 2025, whose block is HaMeR's (Pavlakos et al. 2024) with two attentions more).

use super::absorbed::AbsorbedMemory;
use super::attention::{AttentionMemory, Sight};
use super::{AbsorbedAttention, Attention, FeedForward, Group, LayerNorm, Linear, Probe, room};

/// Where the frame codes join the tokens of a window attention. The residual never holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePlace {
    /// Onto the tokens: the norm sees them.
    BeforeNorm,
    /// Onto the normed tokens.
    AfterNorm,
}

/// Attention to what lies around the tokens.
pub enum Across {
    /// With keys and values of all that is seen.
    Plain(Attention),
    /// The same with less work where few rows see many.
    Absorbed(AbsorbedAttention),
}

/// What a sub-layer adds to the tokens.
pub enum Sublayer {
    /// Attention of each token to itself alone.
    Own(Attention),
    /// The same as one layer: of a single score the softmax is 1, so that only values and output remain.
    OwnValue(Linear),
    /// Attention of each token to its near surroundings: the crop of its frame.
    Near(Across),
    /// Attention of each token to the tokens of its window.
    View(Attention, CodePlace),
    /// Attention of each token to its far surroundings: the whole frame, or all boxes.
    Far(Across),
    /// Feed-forward layers.
    Feed(FeedForward),
}

/// One block.
pub struct WindowBlock {
    sublayers: Vec<(LayerNorm, Sublayer)>,
}

/// What the tokens of a batch see.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Each token's frame code.
    pub code: &'a [f32],
    /// The windows.
    pub views: &'a [Group],
    /// What [`Sublayer::Near`] looks at.
    pub near: Sight<'a>,
    /// What [`Sublayer::Far`] looks at.
    pub far: Sight<'a>,
}

impl Default for Surroundings<'_> {
    /// Tokens that see nothing.
    fn default() -> Self {
        Self { code: &[], views: &[], near: Sight::Each(&[]), far: Sight::Each(&[]) }
    }
}

/// Working memory of a [`WindowBlock`].
#[derive(Default)]
pub struct BlockMemory {
    attention: AttentionMemory,
    absorbed: AbsorbedMemory,
    coded: Vec<f32>,
    normed: Vec<f32>,
    hidden: Vec<f32>,
    change: Vec<f32>,
}

impl Across {
    fn apply(
        &self,
        x: &[f32],
        sight: Sight,
        plain: &mut AttentionMemory,
        absorbed: &mut AbsorbedMemory,
        out: &mut Vec<f32>,
    ) {
        match self {
            Self::Plain(attention) => attention.apply(x, sight, plain, out),
            Self::Absorbed(attention) => attention.apply(x, sight, absorbed, out),
        }
    }
}

impl Sublayer {
    /// What the sub-layer is called where a [`Probe`] looks.
    fn name(&self) -> &'static str {
        match self {
            Self::Own(_) | Self::OwnValue(_) => "self_attn",
            Self::Near(_) => "cross_attn",
            Self::View(..) => "cross_view",
            Self::Far(_) => "global",
            Self::Feed(_) => "ff",
        }
    }
}

impl WindowBlock {
    /// A block of sub-layers with the norms before them, in the order in which they run.
    pub fn new(sublayers: Vec<(LayerNorm, Sublayer)>) -> Self {
        Self { sublayers }
    }

    /// Changes the tokens `x`, rows [`room`] apart. Shows input and output of every sub-layer as
    /// `self_attn.in`, `self_attn.out`, and so on.
    pub fn apply(&self, x: &mut [f32], around: &Surroundings, memory: &mut BlockMemory, mut probe: Probe) {
        let BlockMemory { attention, absorbed, coded, normed, hidden, change } = memory;
        for (norm, sublayer) in &self.sublayers {
            let before: &[f32] = if let Sublayer::View(_, CodePlace::BeforeNorm) = sublayer {
                coded.clear();
                coded.extend_from_slice(x);
                add(coded, around.code);
                coded
            } else {
                x
            };
            let mut probe = probe.part(sublayer.name());
            probe.see_rows(format_args!("in"), before, norm.width());
            norm.apply(before, normed);
            match sublayer {
                Sublayer::Own(own) => {
                    let alone: Vec<Group> = (0..x.len() / room(norm.width())).map(Group::alone).collect();
                    own.apply(normed, Sight::Groups(normed, &alone), attention, change);
                }
                Sublayer::OwnValue(layer) => layer.apply(normed, room(norm.width()), change),
                Sublayer::Near(near) => near.apply(normed, around.near, attention, absorbed, change),
                Sublayer::View(view, place) => {
                    if *place == CodePlace::AfterNorm {
                        add(normed, around.code);
                    }
                    view.apply(normed, Sight::Groups(normed, around.views), attention, change);
                }
                Sublayer::Far(far) => far.apply(normed, around.far, attention, absorbed, change),
                Sublayer::Feed(feed) => feed.apply(normed, room(norm.width()), hidden, change),
            }
            probe.see_rows(format_args!("out"), change, norm.width());
            add(x, change);
        }
    }
}

/// Adds `change` to `values`.
pub(crate) fn add(values: &mut [f32], change: &[f32]) {
    for (value, change) in values.iter_mut().zip(change) {
        *value += change;
    }
}
