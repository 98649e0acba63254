//! Relation maps as embeddings of the backbone's tokens.

use super::config::OmniShape;
use super::relation::RelationMode;
use crate::net::{CheckpointError, Isa, LAYER_NORM_EPSILON, LayerNorm, Linear, Scope, add, gelu, room};

/// The embedding with its weights: linear, norm, GELU, linear, for every patch.
pub struct RelationEmbedding {
    isa: Isa,
    mode: RelationMode,
    first: Linear,
    norm: LayerNorm,
    second: Linear,
    /// The paper's: a layer on each token and its embedding, one behind the other.
    join: Option<Linear>,
}

/// Working memory of a [`RelationEmbedding`].
#[derive(Default)]
pub struct EmbeddingMemory {
    rows: Vec<f32>,
    hidden: Vec<f32>,
    normed: Vec<f32>,
}

impl RelationEmbedding {
    /// Reads `map_head` of a checkpoint's root and, for the paper's relation, `map_join` `[C, 2 C]`. The
    /// release's addition is the same as a `map_join` of two identities side by side.
    ///
    /// # Errors
    /// [`CheckpointError`]: also where the weights are of the other mode.
    pub fn read(
        root: &Scope,
        mode: RelationMode,
        shape: &OmniShape,
        isa: Isa,
    ) -> Result<Self, CheckpointError> {
        let (hidden, width) = (shape.relation_hidden, shape.context);
        let head = root.part("map_head");
        let join = match mode {
            RelationMode::Release => None,
            RelationMode::Paper => Some(Linear::read(&root.part("map_join"), 2 * width, width, isa)?),
        };
        Ok(Self {
            isa,
            mode,
            first: Linear::read(&head.part(0), mode.channels(), hidden, isa)?,
            norm: LayerNorm::read(&head.part(1), hidden, LAYER_NORM_EPSILON)?,
            second: Linear::read(&head.part(3), hidden, width, isa)?,
            join,
        })
    }

    /// Whose relation maps it reads.
    pub fn mode(&self) -> RelationMode {
        self.mode
    }

    /// The embedding of every patch of `maps`, rows [`room`] apart, into `out`.
    pub fn embed(&self, maps: &[f32], memory: &mut EmbeddingMemory, out: &mut Vec<f32>) {
        let EmbeddingMemory { hidden, normed, .. } = memory;
        self.first.apply(maps, self.first.inputs(), hidden);
        self.norm.apply(hidden, normed);
        gelu(self.isa, normed);
        self.second.apply(normed, room(self.norm.width()), out);
    }

    /// Puts embeddings into tokens, both rows [`room`] apart.
    pub fn join(&self, embedded: &[f32], memory: &mut EmbeddingMemory, tokens: &mut Vec<f32>) {
        let Some(join) = &self.join else { return add(tokens, embedded) };
        let width = self.second.outputs();
        let EmbeddingMemory { rows, .. } = memory;
        rows.clear();
        for (token, embedded) in tokens.chunks_exact(room(width)).zip(embedded.chunks_exact(room(width))) {
            rows.extend_from_slice(&token[..width]);
            rows.extend_from_slice(&embedded[..width]);
        }
        join.apply(rows, 2 * width, tokens);
    }
}
