//! Attention of all tokens of a group to each other.

use super::product::{Panels, Place, Then};
use super::slabs::{SharedSlabs, stretches};
use super::softmax::softmax_unscaled;
use super::{Isa, LANE_STEP, Slabs, room};
use crate::jobs::{Jobs, share};

/// What one job needs for itself: one head of one group.
struct Worker {
    /// Keys as a matrix from a head's numbers to tokens.
    keys: Panels,
    /// Values as a matrix from tokens to a head's numbers.
    values: Panels,
    queries: Vec<f32>,
    scores: Vec<f32>,
    /// Sums of the scores' exponentials, one a token.
    sums: Vec<f32>,
    mixed: Vec<f32>,
    row: Vec<f32>,
}

/// Working memory of the attention.
#[derive(Default)]
pub(super) struct MixMemory {
    workers: Vec<Worker>,
    /// For which sizes the workers are: a group's tokens, a head's numbers and the instruction set.
    made_for: Option<(usize, usize, Isa)>,
}

/// What each token gathers from the `group` tokens of its group, into `mixed`, for queries, keys and values in
/// `qkv`, each of which has all heads one after the other.
///
/// # Panics
/// When `group` is no multiple of [`LANE_STEP`], or `qkv` holds no whole number of groups.
pub(super) fn mix(
    qkv: &Slabs,
    group: usize,
    heads: usize,
    isa: Isa,
    jobs: &dyn Jobs,
    memory: &mut MixMemory,
    mixed: &mut Slabs,
) {
    assert!(group.is_multiple_of(LANE_STEP) && qkv.rows().is_multiple_of(group), "groups of {group} tokens");
    let width = qkv.width() / 3;
    let size = width / heads;
    if memory.made_for != Some((group, size, isa)) {
        memory.workers.clear();
        memory.made_for = Some((group, size, isa));
    }
    memory.workers.resize_with(jobs.at_once(), || Worker::new(group, size, isa));
    mixed.resize(qkv.rows(), width);
    let mixed = mixed.shared();
    share(jobs, &mut memory.workers, qkv.rows() / group * heads, &|worker, unit| {
        let (number, head) = (unit / heads, unit % heads);
        // SAFETY: each unit has its own rows and columns.
        unsafe { worker.mix(qkv, number * group, head * size, isa, mixed) }
    });
}

impl Worker {
    fn new(group: usize, size: usize, isa: Isa) -> Self {
        Self {
            keys: Panels::zeros(size, group, isa),
            values: Panels::zeros(group, size, isa),
            queries: vec![0.0; group * size],
            scores: vec![0.0; group * group],
            sums: vec![0.0; group],
            mixed: vec![0.0; group * room(size)],
            row: vec![0.0; size],
        }
    }

    /// One head of one group: the head's numbers start at `column`, the group's tokens at row `first`.
    ///
    /// # Safety
    /// Nobody else may use the head's numbers in the group's rows of `out` meanwhile.
    unsafe fn mix(&mut self, qkv: &Slabs, first: usize, column: usize, isa: Isa, out: SharedSlabs) {
        let (width, size, group) = (qkv.width() / 3, self.row.len(), self.sums.len());
        let scale = 1.0 / (size as f32).sqrt();
        for (token, query) in self.queries.chunks_exact_mut(size).enumerate() {
            qkv.copy_row(first + token, column, query);
            query.iter_mut().for_each(|value| *value *= scale);
            qkv.copy_row(first + token, width + column, &mut self.row);
            self.keys.set_output(token, 0.0, &self.row);
            qkv.copy_row(first + token, 2 * width + column, &mut self.row);
            self.values.set_input(token, &self.row);
        }
        let queries = Place::rows(self.queries.as_ptr(), size);
        let scores = Place::rows(self.scores.as_mut_ptr(), group);
        // SAFETY: both lists have a row for each token.
        unsafe { self.keys.product(0..self.keys.count(), group, queries, scores, Then::Keep) };
        for (row, sum) in self.scores.chunks_exact_mut(group).zip(&mut self.sums) {
            *sum = softmax_unscaled(isa, row);
        }
        let shares = Place::rows(self.scores.as_ptr(), group);
        let mixed = Place::rows(self.mixed.as_mut_ptr(), room(size));
        // SAFETY: as above.
        unsafe { self.values.product(0..self.values.count(), group, shares, mixed, Then::Keep) };
        for (token, (mixed, sum)) in self.mixed.chunks_exact(room(size)).zip(&self.sums).enumerate() {
            for columns in stretches(column..column + size) {
                // SAFETY: the caller keeps these numbers for this call.
                let out = unsafe { out.part(first + token, columns.clone()) };
                for (out, mixed) in out.iter_mut().zip(&mixed[columns.start - column..]) {
                    *out = mixed / sum;
                }
            }
        }
    }
}
