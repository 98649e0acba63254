//! The update operator: what each edge sees, what its neighbours in time and its group know, and what follows
//! for where the patch is.
//!
//! Rows of hidden numbers, one per edge, go through 20 layers of 384 numbers. Edges are taken in pieces small
//! enough that a layer's rows stay in the processor's cache.

use std::ops::Range;

use nalgebra::Vector2;

use super::correlation::CORRELATIONS;
use crate::net::{CheckpointError, Isa, LayerNorm, Linear, Probe, Scope, add, room};
use crate::slam::dpvo::graph::Edge;
use crate::slam::dpvo::schedule::Correction;

/// Hidden numbers of an edge, numbers of a patch's context.
pub const WIDTH: usize = 384;
/// Added to the variance of every layer norm.
const EPSILON: f32 = 1e-3;
/// Edges of a piece.
const PIECE: usize = 192;
/// Numbers from row to row of correlations.
const CORRELATION_PITCH: usize = room(CORRELATIONS);

/// What the operator asks of each edge.
pub trait EdgeSight {
    /// The [`WIDTH`] numbers of the context of the edge's patch.
    fn context(&self, edge: usize) -> &[f32];

    /// Writes the edge's [`CORRELATIONS`] numbers into `out`.
    fn correlations(&self, edge: usize, out: &mut [f32]);
}

/// Layers `first`, ReLU, `second`.
struct Pair {
    first: Linear,
    second: Linear,
}

/// `x + sigmoid(gate x) * res(x)`.
struct GatedResidual {
    gate: Linear,
    residual: Pair,
}

/// A weighted mean of each group's rows, weights by softmax in every channel by itself.
struct SoftAggregation {
    value: Linear,
    score: Linear,
    out: Linear,
}

/// The operator with its weights.
pub struct UpdateOperator {
    correlations: (Linear, Linear, LayerNorm, Linear),
    norm: LayerNorm,
    before: Pair,
    after: Pair,
    by_patch: SoftAggregation,
    by_frames: SoftAggregation,
    recurrent: [(LayerNorm, GatedResidual); 2],
    delta: Linear,
    weight: Linear,
}

/// Which edges know of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbours {
    /// The edge of the same patch to the last frame before.
    pub before: Vec<Option<usize>>,
    /// The edge of the same patch to the next frame.
    pub after: Vec<Option<usize>>,
    by_patch: Groups,
    by_frames: Groups,
}

/// Edges in groups.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Groups {
    /// The edges, group by group.
    order: Vec<usize>,
    /// Where each group lies in it.
    ranges: Vec<Range<usize>>,
}

impl Groups {
    fn of<K: Ord>(edges: &[Edge], key: impl Fn(&Edge) -> K) -> Self {
        let mut order: Vec<usize> = (0..edges.len()).collect();
        order.sort_by_key(|&edge| key(&edges[edge]));
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (at, &edge) in order.iter().enumerate() {
            match ranges.last_mut() {
                Some(last) if key(&edges[order[last.start]]) == key(&edges[edge]) => last.end = at + 1,
                _ => ranges.push(at..at + 1),
            }
        }
        Self { order, ranges }
    }
}

impl Neighbours {
    /// The neighbours among `edges`.
    pub fn of(edges: &[Edge]) -> Self {
        let by_patch = Groups::of(edges, |edge| edge.patch);
        let (mut before, mut after) = (vec![None; edges.len()], vec![None; edges.len()]);
        for range in &by_patch.ranges {
            let mut group = by_patch.order[range.clone()].to_vec();
            group.sort_by_key(|&edge| edges[edge].frame);
            for pair in group.windows(2) {
                before[pair[1]] = Some(pair[0]);
                after[pair[0]] = Some(pair[1]);
            }
        }
        Self { before, after, by_patch, by_frames: Groups::of(edges, |edge| (edge.source, edge.frame)) }
    }
}

/// Working memory.
#[derive(Default)]
struct Memory {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

impl UpdateOperator {
    /// Reads the operator from the part `update` of a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(scope: &Scope, isa: Isa) -> Result<Self, CheckpointError> {
        let square = |scope: &Scope| Linear::read(scope, WIDTH, WIDTH, isa);
        let norm = |scope: &Scope| LayerNorm::read(scope, WIDTH, EPSILON);
        let pair = |scope: &Scope| {
            Ok::<_, CheckpointError>(Pair { first: square(&scope.part(0))?, second: square(&scope.part(2))? })
        };
        let aggregation = |name: &str| {
            let [f, g, h] = ["f", "g", "h"].map(|part| square(&scope.part(name).part(part)));
            Ok::<_, CheckpointError>(SoftAggregation { value: f?, score: g?, out: h? })
        };
        let recurrent = |index: usize| {
            let gru = scope.part("gru");
            let gated = gru.part(index + 1);
            let residual = GatedResidual {
                gate: square(&gated.part("gate").part(0))?,
                residual: pair(&gated.part("res"))?,
            };
            Ok::<_, CheckpointError>((norm(&gru.part(index))?, residual))
        };
        let corr = scope.part("corr");
        Ok(Self {
            correlations: (
                Linear::read(&corr.part(0), CORRELATIONS, WIDTH, isa)?,
                square(&corr.part(2))?,
                norm(&corr.part(3))?,
                square(&corr.part(5))?,
            ),
            norm: norm(&scope.part("norm"))?,
            before: pair(&scope.part("c1"))?,
            after: pair(&scope.part("c2"))?,
            by_patch: aggregation("agg_kk")?,
            by_frames: aggregation("agg_ij")?,
            recurrent: [recurrent(0)?, recurrent(2)?],
            delta: Linear::read(&scope.part("d").part(1), WIDTH, 2, isa)?,
            weight: Linear::read(&scope.part("w").part(1), WIDTH, 2, isa)?,
        })
    }

    /// Changes the hidden numbers of all edges, [`WIDTH`] for each, and says where their patches are. Shows
    /// `corr_enc`, `after_norm`, `after_c1`, `after_c2`, `after_agg_kk` and `after_agg_ij`.
    ///
    /// # Panics
    /// When `hidden` does not have [`WIDTH`] numbers for each edge.
    pub fn apply(
        &self,
        sight: &dyn EdgeSight,
        neighbours: &Neighbours,
        hidden: &mut [f32],
        mut probe: Probe,
    ) -> Vec<Correction> {
        assert_eq!(hidden.len(), neighbours.before.len() * WIDTH, "hidden numbers of the edges");
        let mut memory = Memory::default();
        self.look(sight, hidden, &mut memory, &mut probe);
        probe.see(format_args!("after_norm"), hidden);
        for (name, pair, near) in
            [("c1", &self.before, &neighbours.before), ("c2", &self.after, &neighbours.after)]
        {
            tell_neighbours(pair, near, hidden, &mut memory);
            probe.see(format_args!("after_{name}"), hidden);
        }
        for (name, aggregation, groups) in
            [("kk", &self.by_patch, &neighbours.by_patch), ("ij", &self.by_frames, &neighbours.by_frames)]
        {
            aggregation.apply(groups, hidden, &mut memory);
            probe.see(format_args!("after_agg_{name}"), hidden);
        }
        let mut corrections = Vec::with_capacity(neighbours.before.len());
        for piece in hidden.chunks_mut(PIECE * WIDTH) {
            self.conclude(piece, &mut memory, &mut corrections);
        }
        corrections
    }

    /// Correlations and context come in.
    fn look(&self, sight: &dyn EdgeSight, hidden: &mut [f32], memory: &mut Memory, probe: &mut Probe) {
        let (first, second, norm, third) = &self.correlations;
        let Memory { a, b, c } = memory;
        let mut seen = Vec::new();
        for (index, piece) in hidden.chunks_mut(PIECE * WIDTH).enumerate() {
            let edges = index * PIECE..index * PIECE + piece.len() / WIDTH;
            a.clear();
            a.resize(edges.len() * CORRELATION_PITCH, 0.0);
            for (edge, row) in edges.clone().zip(a.chunks_exact_mut(CORRELATION_PITCH)) {
                sight.correlations(edge, row);
            }
            first.apply(a, CORRELATION_PITCH, b);
            relu(b);
            second.apply(b, WIDTH, c);
            norm.apply(c, b);
            relu(b);
            third.apply(b, WIDTH, c);
            if probe.is_on() {
                seen.extend_from_slice(c);
            }
            add(piece, c);
            for (edge, row) in edges.zip(piece.chunks_exact_mut(WIDTH)) {
                add(row, sight.context(edge));
            }
            self.norm.apply(piece, b);
            piece.copy_from_slice(b);
        }
        probe.see(format_args!("corr_enc"), &seen);
    }

    /// The recurrent part and both heads.
    fn conclude(&self, piece: &mut [f32], memory: &mut Memory, out: &mut Vec<Correction>) {
        for (norm, gated) in &self.recurrent {
            norm.apply(piece, &mut memory.a);
            gated.apply(piece, memory);
        }
        let Memory { a, b, c } = memory;
        a.clear();
        a.extend(piece.iter().map(|value| value.max(0.0)));
        self.delta.apply(a, WIDTH, b);
        self.weight.apply(a, WIDTH, c);
        let pitch = self.delta.pitch();
        for (delta, weight) in b.chunks_exact(pitch).zip(c.chunks_exact(pitch)) {
            out.push(Correction {
                delta: Vector2::new(delta[0].into(), delta[1].into()),
                weight: Vector2::new(sigmoid(weight[0]).into(), sigmoid(weight[1]).into()),
            });
        }
    }
}

/// Adds to each edge what a pair of layers makes of the numbers that its neighbour has now. An edge without
/// a neighbour hears of zeros.
fn tell_neighbours(pair: &Pair, near: &[Option<usize>], hidden: &mut [f32], memory: &mut Memory) {
    let Memory { a, b, c } = memory;
    let now = hidden.to_vec();
    for (near, piece) in near.chunks(PIECE).zip(hidden.chunks_mut(PIECE * WIDTH)) {
        a.clear();
        for edge in near {
            match edge {
                Some(edge) => a.extend_from_slice(&now[edge * WIDTH..(edge + 1) * WIDTH]),
                None => a.resize(a.len() + WIDTH, 0.0),
            }
        }
        pair.apply(a, b, c);
        add(piece, c);
    }
}

impl Pair {
    /// Into `out`, by way of `between`.
    fn apply(&self, input: &[f32], between: &mut Vec<f32>, out: &mut Vec<f32>) {
        self.first.apply(input, WIDTH, between);
        relu(between);
        self.second.apply(between, WIDTH, out);
    }
}

impl GatedResidual {
    /// Writes the result for the rows `memory.a` into `out`.
    fn apply(&self, out: &mut [f32], memory: &mut Memory) {
        let Memory { a, b, c } = memory;
        self.residual.apply(a, b, c);
        self.gate.apply(a, WIDTH, b);
        for (((out, x), gate), residual) in out.iter_mut().zip(a).zip(b).zip(c) {
            *out = *x + sigmoid(*gate) * *residual;
        }
    }
}

impl SoftAggregation {
    /// Adds each group's mean, through a layer, to its rows.
    fn apply(&self, groups: &Groups, hidden: &mut [f32], memory: &mut Memory) {
        let mut rest = groups.ranges.as_slice();
        while let Some(first) = rest.first() {
            // As many whole groups as fill a piece.
            let full = rest.partition_point(|range| range.end - first.start <= PIECE).max(1);
            let (piece, later) = rest.split_at(full);
            self.apply_piece(piece, &groups.order, hidden, memory);
            rest = later;
        }
    }

    fn apply_piece(&self, ranges: &[Range<usize>], order: &[usize], hidden: &mut [f32], memory: &mut Memory) {
        let Memory { a, b, c } = memory;
        a.clear();
        for &edge in ranges.iter().flat_map(|range| &order[range.clone()]) {
            a.extend_from_slice(&hidden[edge * WIDTH..(edge + 1) * WIDTH]);
        }
        self.value.apply(a, WIDTH, b);
        self.score.apply(a, WIDTH, c);
        a.clear();
        let (mut values, mut scores) = (b.as_slice(), c.as_slice());
        for range in ranges {
            let (own_values, later_values) = values.split_at(range.len() * WIDTH);
            let (own_scores, later_scores) = scores.split_at(range.len() * WIDTH);
            let first = a.len();
            a.resize(first + WIDTH, 0.0);
            soft_mean(own_values, own_scores, &mut a[first..]);
            (values, scores) = (later_values, later_scores);
        }
        self.out.apply(a, WIDTH, b);
        for (range, mean) in ranges.iter().zip(b.chunks_exact(WIDTH)) {
            for &edge in &order[range.clone()] {
                add(&mut hidden[edge * WIDTH..(edge + 1) * WIDTH], mean);
            }
        }
    }
}

/// The mean of rows of values, weighted by the softmax of the scores of each column; `mean` is zero before.
fn soft_mean(values: &[f32], scores: &[f32], mean: &mut [f32]) {
    let mut largest = [f32::NEG_INFINITY; WIDTH];
    for row in scores.chunks_exact(WIDTH) {
        for (largest, &score) in largest.iter_mut().zip(row) {
            *largest = largest.max(score);
        }
    }
    let mut sums = [0.0_f32; WIDTH];
    for (values, scores) in values.chunks_exact(WIDTH).zip(scores.chunks_exact(WIDTH)) {
        let columns = mean.iter_mut().zip(&mut sums).zip(&largest).zip(values.iter().zip(scores));
        for (((mean, sum), largest), (value, score)) in columns {
            let share = (score - largest).exp();
            *sum += share;
            *mean += share * value;
        }
    }
    for (mean, sum) in mean.iter_mut().zip(sums) {
        *mean /= sum;
    }
}

fn relu(values: &mut [f32]) {
    for value in values {
        *value = value.max(0.0);
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}
