//! Attention of all tokens of a picture to each other.

use super::TOKENS;
use crate::jobs::{Jobs, share};
use crate::net::product::{Panels, Place, Then};
use crate::net::slabs::{SharedSlabs, stretches};
use crate::net::softmax::softmax_unscaled;
use crate::net::{Isa, Slabs, room};

/// What one job needs for itself: one head of one picture.
struct Worker {
    /// Keys as a matrix from a head's numbers to tokens.
    keys: Panels,
    /// Values as a matrix from tokens to a head's numbers.
    values: Panels,
    queries: Vec<f32>,
    scores: Vec<f32>,
    mixed: Vec<f32>,
    row: Vec<f32>,
}

/// Working memory of the attention.
#[derive(Default)]
pub(super) struct MixMemory {
    workers: Vec<Worker>,
    /// For which sizes the workers are: a head's numbers and the instruction set.
    made_for: Option<(usize, Isa)>,
}

/// What each token gathers from the tokens of its picture, into `mixed`, for queries, keys and values in
/// `qkv`, each of which has all heads one after the other.
pub(super) fn mix(
    qkv: &Slabs,
    heads: usize,
    isa: Isa,
    jobs: &dyn Jobs,
    memory: &mut MixMemory,
    mixed: &mut Slabs,
) {
    let width = qkv.width() / 3;
    let size = width / heads;
    if memory.made_for != Some((size, isa)) {
        memory.workers.clear();
        memory.made_for = Some((size, isa));
    }
    memory.workers.resize_with(jobs.at_once(), || Worker::new(size, isa));
    mixed.resize(qkv.rows(), width);
    let mixed = mixed.shared();
    share(jobs, &mut memory.workers, qkv.rows() / TOKENS * heads, &|worker, unit| {
        let (picture, head) = (unit / heads, unit % heads);
        // SAFETY: each unit has its own rows and columns.
        unsafe { worker.mix(qkv, picture * TOKENS, head * size, isa, mixed) }
    });
}

impl Worker {
    fn new(size: usize, isa: Isa) -> Self {
        Self {
            keys: Panels::zeros(size, TOKENS, isa),
            values: Panels::zeros(TOKENS, size, isa),
            queries: vec![0.0; TOKENS * size],
            scores: vec![0.0; TOKENS * TOKENS],
            mixed: vec![0.0; TOKENS * room(size)],
            row: vec![0.0; size],
        }
    }

    /// One head of one picture: the head's numbers start at `column`, the picture's tokens at row `first`.
    ///
    /// # Safety
    /// Nobody else may use the head's numbers in the picture's rows of `out` meanwhile.
    unsafe fn mix(&mut self, qkv: &Slabs, first: usize, column: usize, isa: Isa, out: SharedSlabs) {
        let (width, size) = (qkv.width() / 3, self.row.len());
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
        let scores = Place::rows(self.scores.as_mut_ptr(), TOKENS);
        // SAFETY: both lists have a row for each token.
        unsafe { self.keys.product(0..self.keys.count(), TOKENS, queries, scores, Then::Keep) };
        let mut sums = [0.0; TOKENS];
        for (row, sum) in self.scores.chunks_exact_mut(TOKENS).zip(&mut sums) {
            *sum = softmax_unscaled(isa, row);
        }
        let shares = Place::rows(self.scores.as_ptr(), TOKENS);
        let mixed = Place::rows(self.mixed.as_mut_ptr(), room(size));
        // SAFETY: as above.
        unsafe { self.values.product(0..self.values.count(), TOKENS, shares, mixed, Then::Keep) };
        for (token, (mixed, sum)) in self.mixed.chunks_exact(room(size)).zip(sums).enumerate() {
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
