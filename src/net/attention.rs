//! Multi-head attention (Vaswani et al. 2017) from groups of rows to groups of rows.

use std::ops::Range;

use super::checkpoint::{CheckpointError, Scope};
use super::{Isa, Linear};

/// Partial sums of a product of two rows.
const PARTS: usize = 8;

/// Rows that look, and the rows of the source that they see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Rows of the queries.
    pub queries: Range<usize>,
    /// Rows of the source.
    pub source: Range<usize>,
}

/// Attention with separate queries and joint keys and values.
pub struct Attention {
    q: Linear,
    kv: Linear,
    out: Linear,
    width: usize,
    heads: usize,
}

/// Working memory of an [`Attention`].
#[derive(Default)]
pub struct AttentionMemory {
    queries: Vec<f32>,
    /// Rows of keys, then values.
    keys_values: Vec<f32>,
    mixed: Vec<f32>,
    scores: Vec<f32>,
}

impl Attention {
    /// Reads `q` and `out` `[width, width]` and `kv` `[2 width, width]`, keys first, with their biases.
    /// `width` is a multiple of `heads` and of [`super::LANE_STEP`].
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(scope: &Scope, width: usize, heads: usize, isa: Isa) -> Result<Self, CheckpointError> {
        Ok(Self {
            q: Linear::read(&scope.part("q"), width, width, isa)?,
            kv: Linear::read(&scope.part("kv"), width, 2 * width, isa)?,
            out: Linear::read(&scope.part("out"), width, width, isa)?,
            width,
            heads,
        })
    }

    /// What the rows of `x` gather from the rows of `source` that their group sees, into `out`.
    ///
    /// # Panics
    /// When a group names rows that are not there.
    pub fn apply(
        &self,
        x: &[f32],
        source: &[f32],
        groups: &[Group],
        memory: &mut AttentionMemory,
        out: &mut Vec<f32>,
    ) {
        self.q.apply(x, self.width, &mut memory.queries);
        self.kv.apply(source, self.width, &mut memory.keys_values);
        memory.mixed.clear();
        memory.mixed.resize(memory.queries.len(), 0.0);
        for group in groups {
            for row in group.queries.clone() {
                for head in 0..self.heads {
                    self.mix(row, head, &group.source, memory);
                }
            }
        }
        self.out.apply(&memory.mixed, self.width, out);
    }

    /// One head of one row: softmax of its scaled products with the keys, then the values' weighted sum.
    fn mix(&self, row: usize, head: usize, source: &Range<usize>, memory: &mut AttentionMemory) {
        let size = self.width / self.heads;
        let scale = 1.0 / (size as f32).sqrt();
        let at = row * self.width + head * size..row * self.width + (head + 1) * size;
        let query = &memory.queries[at.clone()];
        let key = |s: usize| &memory.keys_values[2 * s * self.width + head * size..][..size];
        memory.scores.clear();
        memory.scores.extend(source.clone().map(|s| dot(query, key(s)) * scale));
        let largest = memory.scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for score in &mut memory.scores {
            *score = (*score - largest).exp();
            sum += *score;
        }
        let mixed = &mut memory.mixed[at];
        for (s, score) in source.clone().zip(&memory.scores) {
            let share = score / sum;
            let value = &memory.keys_values[(2 * s + 1) * self.width + head * size..][..size];
            for (mixed, value) in mixed.iter_mut().zip(value) {
                *mixed += share * value;
            }
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<PARTS>(), b.as_chunks::<PARTS>());
    let mut parts = [0.0; PARTS];
    for (a, b) in a.iter().zip(b) {
        for (part, (a, b)) in parts.iter_mut().zip(a.iter().zip(b)) {
            *part += a * b;
        }
    }
    parts.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}
