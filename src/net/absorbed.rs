//! Attention of a few rows to many, without forming keys and values.
//!
//! With the key layer `K` and the value layer `V` of a head and no biases, a score is
//! `q . (K c) = (K^T q) . c`, and the weighted sum of values is `V` of the weighted sum of the `c`: both
//! layers move from the many rows `c` to the few that look. The result is the same but for rounding.
#![allow(clippy::needless_range_loop, reason = "index loops over constant bounds unroll into registers")]

use super::attention::{Sight, softmax_unscaled};
use super::simd::{Vector, per_isa};
use super::{Isa, Linear, room};

/// Multi-head attention for few rows that look at many, equal to [`super::Attention`].
pub struct AbsorbedAttention {
    isa: Isa,
    q: Linear,
    /// For each head the transposed key layer.
    keys: Vec<Linear>,
    /// For each head the value layer.
    values: Vec<Linear>,
    out: Linear,
}

/// Working memory of an [`AbsorbedAttention`].
#[derive(Default)]
pub struct AbsorbedMemory {
    queries: Vec<f32>,
    /// One head's part of the queries or of the mixed values.
    part: Vec<f32>,
    /// One head's rows as long as the source's.
    wide: Vec<f32>,
    /// The rows of all heads: first what multiplies the source, then the weighted sums of it.
    all: Vec<f32>,
    scores: Vec<f32>,
    mixed: Vec<f32>,
}

impl AbsorbedAttention {
    /// Attention of `q` `[inner, width]`, `kv` `[2 inner, source]`, row-major, keys first, without biases, and
    /// `out` `[width, inner]`, in `heads` heads.
    ///
    /// # Panics
    /// When the layers do not fit together or `inner` is no multiple of `heads`.
    pub fn new(q: Linear, kv: &[f32], out: Linear, heads: usize, isa: Isa) -> Self {
        let inner = q.outputs();
        assert!(heads > 0 && inner.is_multiple_of(heads), "{inner} numbers in {heads} heads");
        assert!(
            inner > 0 && kv.len().is_multiple_of(2 * inner) && out.inputs() == inner,
            "layers of one attention"
        );
        let (size, source) = (inner / heads, kv.len() / (2 * inner));
        let (k, v) = kv.split_at(inner * source);
        let transposed = |k: &[f32]| -> Vec<f32> {
            (0..source).flat_map(|c| k.iter().skip(c).step_by(source)).copied().collect()
        };
        let head = size * source;
        let keys = k.chunks_exact(head).map(|k| Linear::new(&transposed(k), &vec![0.0; source], isa));
        let values = v.chunks_exact(head).map(|v| Linear::new(v, &vec![0.0; size], isa));
        Self { isa, q, keys: keys.collect(), values: values.collect(), out }
    }

    /// What the rows of `x` gather from where they look, into `out`. Groups must name all rows, in order.
    ///
    /// # Panics
    /// When a group names rows that are not there, or a row does not know where to look.
    pub fn apply(&self, x: &[f32], sight: Sight, memory: &mut AbsorbedMemory, out: &mut Vec<f32>) {
        let AbsorbedMemory { queries, part, wide, all, scores, mixed } = memory;
        self.q.apply(x, room(self.q.inputs()), queries);
        let pitch = room(self.keys.first().map_or(0, Linear::outputs));
        let sources = sight.lists(pitch);
        let (rows, inner) = (sources.len(), room(self.q.outputs()));
        assert_eq!(queries.len(), rows * inner, "a list for each row");
        let size = self.q.outputs() / self.keys.len();

        all.clear();
        for (head, keys) in self.keys.iter().enumerate() {
            part.clear();
            for query in queries.chunks_exact(inner) {
                part.extend_from_slice(&query[head * size..(head + 1) * size]);
            }
            keys.apply(part, size, wide);
            all.extend_from_slice(wide);
        }
        for (row, source) in sources.iter().enumerate() {
            self.look(&mut all[row * pitch..], rows * pitch, source, pitch, scores);
        }
        mixed.clear();
        mixed.resize(rows * inner, 0.0);
        let heads = all.chunks_exact((rows * pitch).max(1));
        for (head, (values, sums)) in self.values.iter().zip(heads).enumerate() {
            values.apply(sums, pitch, part);
            for (mixed, part) in mixed.chunks_exact_mut(inner).zip(part.chunks_exact(values.pitch())) {
                mixed[head * size..(head + 1) * size].copy_from_slice(&part[..size]);
            }
        }
        self.out.apply(mixed, inner, out);
    }

    /// One row of all heads, `stride` apart from head to head: what multiplies the source becomes the
    /// source's weighted sum.
    fn look(&self, heads: &mut [f32], stride: usize, source: &[f32], pitch: usize, scores: &mut Vec<f32>) {
        let (count, rows) = (self.keys.len(), source.len() / pitch.max(1));
        assert!(heads.len() >= (count - 1) * stride + pitch && source.len() == rows * pitch);
        scores.clear();
        scores.resize(count * rows, 0.0);
        let job = Job { heads: heads.as_mut_ptr(), count, stride, source: source.as_ptr(), pitch, rows };
        // SAFETY: `Linear::new` found the instruction set; the job's sizes were just held against the slices.
        unsafe { scores_on(self.isa, &job, scores.as_mut_ptr()) };
        let size = self.q.outputs() / count;
        let scale = 1.0 / (size as f32).sqrt();
        for scores in scores.chunks_exact_mut(rows.max(1)) {
            scores.iter_mut().for_each(|score| *score *= scale);
            let sum = softmax_unscaled(scores);
            scores.iter_mut().for_each(|score| *score /= sum);
        }
        // SAFETY: as above.
        unsafe { sums_on(self.isa, &job, scores.as_ptr()) };
    }
}

/// One row of every head and the list that it looks at.
struct Job {
    heads: *mut f32,
    count: usize,
    /// Numbers from head to head.
    stride: usize,
    source: *const f32,
    /// Numbers from row to row of the source, whole registers.
    pitch: usize,
    rows: usize,
}

/// Heads that share the registers, as evenly as they divide: the first of each tile and how many.
fn tiles(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let height = count.div_ceil(count.div_ceil(most).max(1)).max(1);
    (0..count).step_by(height).map(move |first| (first, height.min(count - first)))
}

macro_rules! by_heads {
    ($kernel:ident, $count:expr, $($argument:expr),*) => {
        // SAFETY: the caller's conditions, handed on.
        unsafe {
            match $count {
                1 => $kernel::<V, 1>($($argument),*),
                2 => $kernel::<V, 2>($($argument),*),
                3 => $kernel::<V, 3>($($argument),*),
                4 => $kernel::<V, 4>($($argument),*),
                5 => $kernel::<V, 5>($($argument),*),
                6 => $kernel::<V, 6>($($argument),*),
                7 => $kernel::<V, 7>($($argument),*),
                _ => $kernel::<V, 8>($($argument),*),
            }
        }
    };
}

/// Most heads of a tile.
fn most_heads<V: Vector>() -> usize {
    V::TILE_ROWS.min(8)
}

per_isa! { fn scores_on(job: &Job, out: *mut f32) = scores }
per_isa! { fn sums_on(job: &Job, shares: *const f32) = sums }

/// Products of every head's row with every row of the source, `[heads, rows]`.
#[inline(always)]
unsafe fn scores<V: Vector>(job: &Job, out: *mut f32) {
    for (first, count) in tiles(job.count, most_heads::<V>()) {
        // SAFETY: the tile's heads lie within the job, and its scores within the output.
        let (heads, out) = unsafe { (job.heads.add(first * job.stride), out.add(first * job.rows)) };
        by_heads!(scores_of, count, job, heads, out);
    }
}

#[inline(always)]
unsafe fn scores_of<V: Vector, const H: usize>(job: &Job, heads: *const f32, out: *mut f32) {
    for row in 0..job.rows {
        // SAFETY: heads and source have `pitch` numbers, whole registers, from where they start.
        unsafe {
            let source = job.source.add(row * job.pitch);
            let mut sums = [[V::splat(0.0); 2]; H];
            let mut at = 0;
            while at + 2 * V::LANES <= job.pitch {
                for w in 0..2 {
                    let value = V::load(source.add(at + w * V::LANES));
                    for h in 0..H {
                        let query = V::load(heads.add(h * job.stride + at + w * V::LANES));
                        sums[h][w] = sums[h][w].add_product(value, query);
                    }
                }
                at += 2 * V::LANES;
            }
            while at < job.pitch {
                let value = V::load(source.add(at));
                for h in 0..H {
                    sums[h][0] = sums[h][0].add_product(value, V::load(heads.add(h * job.stride + at)));
                }
                at += V::LANES;
            }
            for h in 0..H {
                let mut lanes = [0.0; super::LANE_STEP];
                sums[h][0].add(sums[h][1]).store(lanes.as_mut_ptr());
                *out.add(h * job.rows + row) = lanes[..V::LANES].iter().sum();
            }
        }
    }
}

/// Every head's sum of the source's rows, weighted with its shares `[heads, rows]`, in place of its row.
#[inline(always)]
unsafe fn sums<V: Vector>(job: &Job, shares: *const f32) {
    for (first, count) in tiles(job.count, most_heads::<V>()) {
        // SAFETY: the tile's heads lie within the job, and its shares within the list.
        let (heads, shares) = unsafe { (job.heads.add(first * job.stride), shares.add(first * job.rows)) };
        by_heads!(sums_of, count, job, heads, shares);
    }
}

#[inline(always)]
unsafe fn sums_of<V: Vector, const H: usize>(job: &Job, heads: *mut f32, shares: *const f32) {
    let mut at = 0;
    while at < job.pitch {
        // SAFETY: columns come in whole registers, so one register fits, and two where there is room.
        unsafe {
            if at + 2 * V::LANES <= job.pitch {
                columns::<V, H, 2>(job, heads.add(at), shares, job.source.add(at));
                at += 2 * V::LANES;
            } else {
                columns::<V, H, 1>(job, heads.add(at), shares, job.source.add(at));
                at += V::LANES;
            }
        }
    }
}

/// `W` registers of columns.
#[inline(always)]
unsafe fn columns<V: Vector, const H: usize, const W: usize>(
    job: &Job,
    heads: *mut f32,
    shares: *const f32,
    source: *const f32,
) {
    // SAFETY: the caller's conditions.
    unsafe {
        let mut sums = [[V::splat(0.0); W]; H];
        for row in 0..job.rows {
            let source = source.add(row * job.pitch);
            let values: [V; W] = std::array::from_fn(|w| V::load(source.add(w * V::LANES)));
            for h in 0..H {
                let share = V::splat(*shares.add(h * job.rows + row));
                for w in 0..W {
                    sums[h][w] = sums[h][w].add_product(share, values[w]);
                }
            }
        }
        for h in 0..H {
            for w in 0..W {
                sums[h][w].store(heads.add(h * job.stride + w * V::LANES));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Attention, AttentionMemory};
    use super::*;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.0 - 1.0).collect()
    }

    fn rows(count: usize, width: usize, seed: usize) -> Vec<f32> {
        let numbers = numbers(count * width, seed);
        let row = |row: &[f32]| [row, &vec![0.0; room(width) - width]].concat();
        numbers.chunks_exact(width).flat_map(row).collect()
    }

    #[test]
    fn every_instruction_set_gives_what_keys_and_values_give() {
        for (width, source, heads, size) in
            [(40, 56, 3, 10), (64, 64, 4, 8), (32, 80, 16, 4), (16, 16, 1, 16)]
        {
            let inner = heads * size;
            let (q, kv, out) =
                (numbers(inner * width, 1), numbers(2 * inner * source, 2), numbers(width * inner, 3));
            let x = rows(3, width, 4);
            let lists = [rows(7, source, 5), rows(20, source, 6), rows(1, source, 7)];
            let lists: Vec<&[f32]> = lists.iter().map(Vec::as_slice).collect();
            for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                let layer = |weight: &[f32], outputs| Linear::new(weight, &vec![0.1; outputs], isa);
                let unbiased = |weight: &[f32], outputs| Linear::new(weight, &vec![0.0; outputs], isa);
                let (mut plain, mut absorbed) = (Vec::new(), Vec::new());
                let (q_layer, kv_layer) = (unbiased(&q, inner), unbiased(&kv, 2 * inner));
                Attention::new(q_layer, kv_layer, layer(&out, width), heads).apply(
                    &x,
                    Sight::Each(&lists),
                    &mut AttentionMemory::default(),
                    &mut plain,
                );
                AbsorbedAttention::new(unbiased(&q, inner), &kv, layer(&out, width), heads, isa).apply(
                    &x,
                    Sight::Each(&lists),
                    &mut AbsorbedMemory::default(),
                    &mut absorbed,
                );
                let largest = plain.iter().fold(1.0_f32, |largest, v| largest.max(v.abs()));
                assert_eq!(plain.len(), absorbed.len());
                for (plain, absorbed) in plain.iter().zip(&absorbed) {
                    assert!((plain - absorbed).abs() < 1e-5 * largest, "{isa}: {absorbed} for {plain}");
                }
            }
        }
    }
}
