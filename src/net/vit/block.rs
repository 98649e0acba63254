//! One block of the backbone.

use super::attention::{MixMemory, mix};
use super::{EPSILON, VitConfig, show};
use crate::jobs::Jobs;
use crate::net::{CheckpointError, Isa, LayerNorm, Linear, Probe, Scope, Slabs, Then};

/// Every token looks at all tokens of its picture, then the feed-forward layers; each behind a norm and beside
/// a residual connection.
pub(super) struct Block {
    isa: Isa,
    heads: usize,
    norm_attention: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm_feed: LayerNorm,
    first: Linear,
    second: Linear,
}

/// Working memory of the blocks.
#[derive(Default)]
pub(super) struct BlockMemory {
    normed: Slabs,
    qkv: Slabs,
    mix: MixMemory,
    mixed: Slabs,
    hidden: Slabs,
    change: Slabs,
}

impl Block {
    pub fn read(scope: &Scope, config: &VitConfig, isa: Isa) -> Result<Self, CheckpointError> {
        let VitConfig { width, heads, hidden, .. } = *config;
        let (attn, mlp) = (scope.part("attn"), scope.part("mlp"));
        Ok(Self {
            isa,
            heads,
            norm_attention: LayerNorm::read(&scope.part("norm1"), width, EPSILON)?,
            qkv: Linear::read(&attn.part("qkv"), width, 3 * width, isa)?,
            proj: Linear::read(&attn.part("proj"), width, width, isa)?,
            norm_feed: LayerNorm::read(&scope.part("norm2"), width, EPSILON)?,
            first: Linear::read(&mlp.part("fc1"), width, hidden, isa)?,
            second: Linear::read(&mlp.part("fc2"), hidden, width, isa)?,
        })
    }

    /// Changes the tokens `x` of whole pictures.
    pub fn apply(&self, x: &mut Slabs, memory: &mut BlockMemory, jobs: &dyn Jobs, mut probe: Probe) {
        let BlockMemory { normed, qkv, mix: mix_memory, mixed, hidden, change } = memory;
        self.norm_attention.apply_slabs(x, self.isa, jobs, normed);
        self.qkv.apply_slabs(normed, Then::Keep, jobs, qkv);
        mix(qkv, self.heads, self.isa, jobs, mix_memory, mixed);
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
