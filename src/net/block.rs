//! The block of a window decoder: attention over the window, attention to its surroundings, feed-forward
//! (HaPTIC, Ye et al. 2025, its cross-view and global layers).

use super::attention::AttentionMemory;
use super::checkpoint::{CheckpointError, Scope};
use super::norm::EPSILON;
use super::{Attention, FeedForward, Group, Isa, LayerNorm};

/// Sizes of a [`WindowBlock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockConfig {
    /// Numbers of a token.
    pub width: usize,
    /// Heads of both attentions.
    pub heads: usize,
    /// Hidden numbers of the feed-forward layers.
    pub hidden: usize,
}

/// One block: `view` over the frames of the window, `global` to the context, `feed`; each behind a norm
/// and beside a residual connection.
pub struct WindowBlock {
    norm_view: LayerNorm,
    view: Attention,
    norm_global: LayerNorm,
    global: Attention,
    norm_feed: LayerNorm,
    feed: FeedForward,
}

/// Working memory of a [`WindowBlock`].
#[derive(Default)]
pub struct BlockMemory {
    attention: AttentionMemory,
    normed: Vec<f32>,
    hidden: Vec<f32>,
    change: Vec<f32>,
}

impl WindowBlock {
    /// Reads `norm_view`, `view`, `norm_global`, `global`, `norm_feed` and `feed`.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(scope: &Scope, config: &BlockConfig, isa: Isa) -> Result<Self, CheckpointError> {
        let BlockConfig { width, heads, hidden } = *config;
        Ok(Self {
            norm_view: LayerNorm::read(&scope.part("norm_view"), width, EPSILON)?,
            view: Attention::read(&scope.part("view"), width, heads, isa)?,
            norm_global: LayerNorm::read(&scope.part("norm_global"), width, EPSILON)?,
            global: Attention::read(&scope.part("global"), width, heads, isa)?,
            norm_feed: LayerNorm::read(&scope.part("norm_feed"), width, EPSILON)?,
            feed: FeedForward::read(&scope.part("feed"), [width, hidden, width], isa)?,
        })
    }

    /// Changes the tokens `x`. `code` holds each row's frame code, which queries, keys and values of the
    /// window attention see but the residual does not; `views` and `globals` say which rows see which.
    pub fn apply(
        &self,
        x: &mut [f32],
        code: &[f32],
        context: &[f32],
        views: &[Group],
        globals: &[Group],
        memory: &mut BlockMemory,
    ) {
        let BlockMemory { attention, normed, hidden, change } = memory;
        self.norm_view.apply(x, normed);
        add(normed, code);
        self.view.apply(normed, normed, views, attention, change);
        add(x, change);
        self.norm_global.apply(x, normed);
        self.global.apply(normed, context, globals, attention, change);
        add(x, change);
        self.norm_feed.apply(x, normed);
        self.feed.apply(normed, self.feed.pitch(), hidden, change);
        add(x, change);
    }
}

/// Adds `change` to `values`.
pub(crate) fn add(values: &mut [f32], change: &[f32]) {
    for (value, change) in values.iter_mut().zip(change) {
        *value += change;
    }
}
