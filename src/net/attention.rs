//! Multi-head attention (Vaswani et al. 2017) from groups of rows to groups of rows.

use std::borrow::Cow;
use std::ops::Range;

use super::Linear;
use super::linear::room;

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

impl Group {
    /// Rows that see each other.
    pub fn among(rows: Range<usize>) -> Self {
        Self { queries: rows.clone(), source: rows }
    }

    /// A row that sees itself alone.
    pub fn alone(row: usize) -> Self {
        Self::among(row..row + 1)
    }
}

/// Where the rows of a batch look.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// Groups of rows look at groups of the rows of one list.
    Groups(&'a [f32], &'a [Group]),
    /// Each row looks at a list of its own.
    Each(&'a [&'a [f32]]),
}

impl<'a> Sight<'a> {
    /// The rows that each row sees, rows of the source `pitch` apart, for groups that name all rows in order.
    pub(super) fn lists(&self, pitch: usize) -> Cow<'a, [&'a [f32]]> {
        match *self {
            Self::Each(lists) => Cow::Borrowed(lists),
            Self::Groups(source, groups) => {
                let seen = |group: &Group| &source[group.source.start * pitch..group.source.end * pitch];
                let lists = groups.iter().flat_map(|group| group.queries.clone().map(move |_| seen(group)));
                Cow::Owned(lists.collect())
            }
        }
    }
}

/// Multi-head attention: queries of the rows that look, keys and values of what they look at.
pub struct Attention {
    q: Linear,
    kv: Linear,
    out: Linear,
    /// Numbers of all heads together; need not be the tokens' width.
    inner: usize,
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
    /// Attention of `q` `[inner, width]`, `kv` `[2 inner, source]`, keys first, and `out` `[width, inner]`.
    /// Scores are scaled by the square root of a head's size, `inner / heads`.
    ///
    /// # Panics
    /// When the layers do not fit together or `inner` is no multiple of `heads`.
    pub fn new(q: Linear, kv: Linear, out: Linear, heads: usize) -> Self {
        let inner = q.outputs();
        assert!(kv.outputs() == 2 * inner && out.inputs() == inner, "layers of one attention");
        assert!(heads > 0 && inner.is_multiple_of(heads), "{inner} numbers in {heads} heads");
        Self { q, kv, out, inner, heads }
    }

    /// What the rows of `x` gather from where they look, into `out`.
    ///
    /// # Panics
    /// When a group names rows that are not there, or a row has nothing to look at.
    pub fn apply(&self, x: &[f32], sight: Sight, memory: &mut AttentionMemory, out: &mut Vec<f32>) {
        self.q.apply(x, room(self.q.inputs()), &mut memory.queries);
        memory.mixed.clear();
        memory.mixed.resize(memory.queries.len(), 0.0);
        let pitch = room(self.kv.inputs());
        match sight {
            Sight::Groups(source, groups) => {
                self.kv.apply(source, pitch, &mut memory.keys_values);
                for group in groups {
                    self.mix_rows(group.queries.clone(), &group.source, memory);
                }
            }
            Sight::Each(sources) => {
                for (row, source) in sources.iter().enumerate() {
                    self.kv.apply(source, pitch, &mut memory.keys_values);
                    self.mix_rows(row..row + 1, &(0..source.len() / pitch), memory);
                }
            }
        }
        self.out.apply(&memory.mixed, room(self.inner), out);
    }

    fn mix_rows(&self, rows: Range<usize>, source: &Range<usize>, memory: &mut AttentionMemory) {
        for row in rows {
            for head in 0..self.heads {
                self.mix(row, head, source, memory);
            }
        }
    }

    /// One head of one row: softmax of its scaled products with the keys, then the values' weighted sum.
    fn mix(&self, row: usize, head: usize, source: &Range<usize>, memory: &mut AttentionMemory) {
        let size = self.inner / self.heads;
        let scale = 1.0 / (size as f32).sqrt();
        let start = row * room(self.inner) + head * size;
        let query = &memory.queries[start..start + size];
        let pitch = self.kv.pitch();
        let key = |s: usize| &memory.keys_values[s * pitch + head * size..][..size];
        memory.scores.clear();
        memory.scores.extend(source.clone().map(|s| dot(query, key(s)) * scale));
        let sum = softmax_unscaled(&mut memory.scores);
        let mixed = &mut memory.mixed[start..start + size];
        for (s, score) in source.clone().zip(&memory.scores) {
            let share = score / sum;
            let value = &memory.keys_values[s * pitch + self.inner + head * size..][..size];
            for (mixed, value) in mixed.iter_mut().zip(value) {
                *mixed += share * value;
            }
        }
    }
}

/// Replaces scores by their exponentials, scaled so that the largest is 1, and returns their sum.
pub(super) fn softmax_unscaled(scores: &mut [f32]) -> f32 {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores {
        *score = (*score - largest).exp();
        sum += *score;
    }
    sum
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
