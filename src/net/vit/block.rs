//! One block of the backbone.

use super::{EPSILON, VitConfig};
use crate::net::token_block::TokenBlock;
use crate::net::{CheckpointError, Isa, LayerNorm, Linear, Scope};

/// Reads the block `scope`.
pub(super) fn read_block(scope: &Scope, config: &VitConfig, isa: Isa) -> Result<TokenBlock, CheckpointError> {
    let VitConfig { width, heads, hidden, .. } = *config;
    let (attn, mlp) = (scope.part("attn"), scope.part("mlp"));
    Ok(TokenBlock {
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
