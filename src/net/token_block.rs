//! The block of a transformer on hundreds of tokens: those of a picture (ViT, Dosovitskiy et al. 2021), or of
//! two hands' pictures together.

use super::token_attention::{MixMemory, mix};
use super::{Isa, LayerNorm, Linear, Probe, Slabs, Then, room};
use crate::jobs::Jobs;

/// Every token looks at all tokens of its group, then the feed-forward layers; each behind a norm and beside a
/// residual connection.
pub(crate) struct TokenBlock {
    /// For what is no layer.
    pub isa: Isa,
    /// Heads of the attention.
    pub heads: usize,
    /// Before the attention.
    pub norm_attention: LayerNorm,
    /// Queries, keys and values, each with all heads one after the other.
    pub qkv: Linear,
    /// After the heads.
    pub proj: Linear,
    /// Before the feed-forward layers.
    pub norm_feed: LayerNorm,
    /// Before the GELU.
    pub first: Linear,
    /// After it.
    pub second: Linear,
}

/// Working memory of [`TokenBlock`]s.
#[derive(Default)]
pub(crate) struct TokenMemory {
    normed: Slabs,
    qkv: Slabs,
    mix: MixMemory,
    mixed: Slabs,
    hidden: Slabs,
    change: Slabs,
}

impl TokenBlock {
    /// Changes the tokens `x`, of which each `group` see each other.
    ///
    /// # Panics
    /// When a group is no multiple of 16, or `x` holds no whole number of groups.
    pub fn apply(
        &self,
        x: &mut Slabs,
        group: usize,
        memory: &mut TokenMemory,
        jobs: &dyn Jobs,
        mut probe: Probe,
    ) {
        let TokenMemory { normed, qkv, mix: mix_memory, mixed, hidden, change } = memory;
        self.norm_attention.apply_slabs(x, self.isa, jobs, normed);
        self.qkv.apply_slabs(normed, Then::Keep, jobs, qkv);
        mix(qkv, group, self.heads, self.isa, jobs, mix_memory, mixed);
        self.proj.apply_slabs(mixed, Then::Keep, jobs, change);
        show(&mut probe, "attn_out", change);
        x.add(change, jobs);
        self.norm_feed.apply_slabs(x, self.isa, jobs, normed);
        self.first.apply_slabs(normed, Then::Gelu, jobs, hidden);
        self.second.apply_slabs(hidden, Then::Keep, jobs, change);
        show(&mut probe, "mlp_out", change);
        x.add(change, jobs);
        show(&mut probe, "out", x);
    }
}

/// Shows `slabs` as rows [`room`] numbers apart.
pub(super) fn show(probe: &mut Probe, name: &str, slabs: &Slabs) {
    if probe.is_on() {
        let mut rows = Vec::new();
        slabs.copy_rows(room(slabs.width()), &mut rows);
        probe.see(format_args!("{name}"), &rows);
    }
}
