//! Hundreds of rows, laid out for the product kernel.

use std::marker::PhantomData;
use std::ops::Range;

use super::block::add;
use super::memory::Buffer;
use super::product::{DEPTH, Place};
use crate::jobs::{Job, Jobs};

/// Rows cut into slabs of [`Slabs::COLUMNS`] columns: first these columns of all rows, row after row, then the
/// next. A tile of rows and a block of inputs are so one stretch of memory. Columns that fill up the last
/// slab are zero.
#[derive(Clone, Default)]
pub struct Slabs {
    numbers: Buffer,
    rows: usize,
    width: usize,
}

impl Slabs {
    /// Columns of a slab.
    pub const COLUMNS: usize = DEPTH;

    /// Takes the sizes of `rows` rows of `width` numbers. Numbers are zero when the sizes are new, and
    /// otherwise stay as they were.
    pub fn resize(&mut self, rows: usize, width: usize) {
        if (self.rows, self.width) != (rows, width) {
            self.numbers = Buffer::zeros(width.div_ceil(DEPTH) * rows * DEPTH);
            (self.rows, self.width) = (rows, width);
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The stretches of columns that lie together.
    pub fn stretches(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        stretches(0..self.width)
    }

    /// Numbers of a row in `columns`, which lie in one slab.
    ///
    /// # Panics
    /// When there are no such rows and columns.
    pub fn part(&self, row: usize, columns: Range<usize>) -> &[f32] {
        &self.numbers[self.range(row, columns)]
    }

    /// [`Self::part`], to be written.
    ///
    /// # Panics
    /// As [`Self::part`].
    pub fn part_mut(&mut self, row: usize, columns: Range<usize>) -> &mut [f32] {
        let range = self.range(row, columns);
        &mut self.numbers[range]
    }

    /// Copies the numbers of a row from column `first` on into `out`.
    ///
    /// # Panics
    /// As [`Self::part`].
    pub fn copy_row(&self, row: usize, first: usize, out: &mut [f32]) {
        for columns in stretches(first..first + out.len()) {
            out[columns.start - first..columns.end - first].copy_from_slice(self.part(row, columns));
        }
    }

    /// All rows one after the other, `pitch` numbers apart, into `out`.
    ///
    /// # Panics
    /// When a row is longer than `pitch`.
    pub fn copy_rows(&self, pitch: usize, out: &mut Vec<f32>) {
        out.clear();
        out.resize(self.rows * pitch, 0.0);
        for (row, out) in out.chunks_exact_mut(pitch.max(1)).enumerate() {
            self.copy_row(row, 0, &mut out[..self.width]);
        }
    }

    /// Takes rows of `width` numbers, which lie `pitch` numbers apart.
    ///
    /// # Panics
    /// When a row is longer than `pitch`.
    pub fn set_rows(&mut self, rows: &[f32], pitch: usize, width: usize) {
        self.resize(rows.len() / pitch.max(1), width);
        for (row, numbers) in rows.chunks_exact(pitch.max(1)).enumerate() {
            for columns in stretches(0..width) {
                self.part_mut(row, columns.clone()).copy_from_slice(&numbers[columns]);
            }
        }
    }

    /// Adds `change`, number by number.
    ///
    /// # Panics
    /// When the sizes differ.
    pub fn add(&mut self, change: &Slabs, jobs: &dyn Jobs) {
        assert_eq!((self.rows, self.width), (change.rows, change.width), "sizes of a change");
        let piece = (self.numbers.len().div_ceil(jobs.at_once())).next_multiple_of(DEPTH).max(DEPTH);
        let parts = self.numbers.chunks_mut(piece).zip(change.numbers.chunks(piece));
        jobs.run(parts.map(|(x, change)| -> Job<'_> { Box::new(|| add(x, change)) }).collect());
    }

    /// A handle through which jobs write different numbers at the same time.
    pub(super) fn shared(&mut self) -> SharedSlabs<'_> {
        let (rows, width) = (self.rows, self.width);
        SharedSlabs { start: self.numbers.as_mut_ptr(), rows, width, slabs: PhantomData }
    }

    pub(super) fn place(&self) -> Place<*const f32> {
        Place { start: self.numbers.as_ptr(), pitch: DEPTH, block: self.rows * DEPTH }
    }

    fn range(&self, row: usize, columns: Range<usize>) -> Range<usize> {
        assert!(row < self.rows && columns.end <= self.width, "{columns:?} of row {row}");
        let start = offset(self.rows, row, &columns);
        start..start + columns.len()
    }
}

/// The parts of `columns` that lie in one slab each.
pub(super) fn stretches(columns: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut next = columns.start;
    std::iter::from_fn(move || {
        let first = next;
        next = columns.end.min((first / DEPTH + 1) * DEPTH);
        (first < columns.end).then_some(first..next)
    })
}

/// Where a part of a row starts.
fn offset(rows: usize, row: usize, columns: &Range<usize>) -> usize {
    assert!(columns.is_empty() || columns.start / DEPTH == (columns.end - 1) / DEPTH, "one slab");
    (columns.start / DEPTH * rows + row) * DEPTH + columns.start % DEPTH
}

/// [`Slabs`] that several jobs write.
#[derive(Clone, Copy)]
pub(super) struct SharedSlabs<'a> {
    start: *mut f32,
    rows: usize,
    width: usize,
    slabs: PhantomData<&'a mut Slabs>,
}

// SAFETY: it is a unique borrow of numbers; `part` leaves it to its callers that no two write the same ones.
unsafe impl Send for SharedSlabs<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedSlabs<'_> {}

impl SharedSlabs<'_> {
    /// Numbers of a row in `columns`, which lie in one slab.
    ///
    /// # Safety
    /// Nobody else may use these numbers meanwhile.
    ///
    /// # Panics
    /// When there are no such rows and columns.
    #[allow(clippy::mut_from_ref, reason = "the caller keeps the parts apart")]
    pub unsafe fn part(&self, row: usize, columns: Range<usize>) -> &mut [f32] {
        assert!(row < self.rows && columns.end <= self.width, "{columns:?} of row {row}");
        let start = offset(self.rows, row, &columns);
        // SAFETY: just checked to lie within the slabs; the caller is alone with these numbers.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), columns.len()) }
    }

    pub fn place(&self) -> Place<*mut f32> {
        Place { start: self.start, pitch: DEPTH, block: self.rows * DEPTH }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_written() {
        let (rows, width) = (3, 2 * DEPTH + 5);
        let mut slabs = Slabs::default();
        slabs.resize(rows, width);
        for row in 0..rows {
            for columns in slabs.stretches() {
                let first = columns.start;
                for (i, value) in slabs.part_mut(row, columns).iter_mut().enumerate() {
                    *value = (row * width + first + i) as f32;
                }
            }
        }
        let mut whole = Vec::new();
        slabs.copy_rows(width, &mut whole);
        assert!(whole.into_iter().eq((0..rows * width).map(|i| i as f32)));
        let mut some = [0.0; 8];
        slabs.copy_row(1, DEPTH - 3, &mut some);
        assert!(some.into_iter().eq((0..8).map(|i| (width + DEPTH - 3 + i) as f32)));
    }
}
