//! Sizes of a backbone, as far as its tensors tell them.

use crate::net::{CheckpointError, Scope};

/// Width and heads of ViT-H, whose number of heads no tensor tells.
const HUGE: (usize, usize) = (1280, 16);

/// Sizes of a [`super::Vit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VitConfig {
    /// Numbers of a token.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of the attention.
    pub heads: usize,
    /// Hidden numbers of the feed-forward layers.
    pub hidden: usize,
}

/// Why a backbone could not be read; each message is the end of a sentence that names the file.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum VitError {
    /// A tensor is missing or is not what it should be.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The number of heads is neither given nor known.
    #[error(
        "it does not say how many heads its backbone of width {0} has; give the number as \
         MODEL.BACKBONE.NUM_HEADS in the yaml beside it"
    )]
    HeadsUnknown(usize),
    /// Heads of equal size do not fill a token.
    #[error("a backbone of width {width} cannot have {heads} heads; correct the number in its configuration")]
    Heads {
        /// Numbers of a token.
        width: usize,
        /// Heads that were asked for.
        heads: usize,
    },
}

impl VitConfig {
    /// Reads the sizes off the tensors of `scope` (`patch_embed.proj.bias`, `blocks.0.mlp.fc1.bias` and the
    /// number of `blocks`). Without `heads` it has ViT-H's if it has ViT-H's width.
    ///
    /// # Errors
    /// [`VitError`].
    pub fn read(scope: &Scope, heads: Option<usize>) -> Result<Self, VitError> {
        let width = length(scope, "patch_embed.proj.bias")?;
        let hidden = length(scope, "blocks.0.mlp.fc1.bias")?;
        let depth = (0..).take_while(|i| scope.shape(&format!("blocks.{i}.norm1.bias")).is_some()).count();
        let known = (width == HUGE.0).then_some(HUGE.1);
        let heads = heads.or(known).ok_or(VitError::HeadsUnknown(width))?;
        let config = Self { width, depth, heads, hidden };
        config.check()?;
        Ok(config)
    }

    /// Whether heads of equal size fill a token.
    pub(super) fn check(&self) -> Result<(), VitError> {
        let Self { width, heads, .. } = *self;
        if heads > 0 && width.is_multiple_of(heads) { Ok(()) } else { Err(VitError::Heads { width, heads }) }
    }
}

/// Length of the list `name`.
fn length(scope: &Scope, name: &str) -> Result<usize, CheckpointError> {
    scope
        .shape(name)
        .and_then(|shape| shape.first().copied())
        .ok_or_else(|| CheckpointError::Missing(name.into()))
}
