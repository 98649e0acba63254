//! Pictures cut into patches.

use super::{GRID, PADDING, PATCH, PATCH_NUMBERS, PICTURE, TOKENS};
use crate::net::Slabs;

/// Writes each patch as a row: colour by colour, row by row. What lies outside of the picture stays zero.
///
/// # Panics
/// When `pictures` holds no whole number of pictures.
pub(super) fn cut_patches(pictures: &[f32], patches: &mut Slabs) {
    let [colours, height, width] = PICTURE;
    let size = colours * height * width;
    assert!(pictures.len().is_multiple_of(size), "whole pictures");
    patches.resize(pictures.len() / size * TOKENS, PATCH_NUMBERS);
    for row in 0..patches.rows() {
        let (picture, token) = (&pictures[row / TOKENS * size..][..size], row % TOKENS);
        // Padding comes first, so rows and columns of the picture are `PADDING` less.
        let [top, left] = [token / GRID[1] * PATCH, token % GRID[1] * PATCH];
        let skipped = PADDING.saturating_sub(left);
        let first = left + skipped - PADDING;
        let count = (PATCH - skipped).min(width - first);
        for line in 0..colours * PATCH {
            let Some(y) = (top + line % PATCH).checked_sub(PADDING).filter(|&y| y < height) else { continue };
            let source = &picture[(line / PATCH * height + y) * width + first..][..count];
            let column = line * PATCH + skipped;
            patches.part_mut(row, column..column + count).copy_from_slice(source);
        }
    }
}

/// The patches of pictures as plain rows, for comparisons.
#[cfg(test)]
pub(crate) fn patches_of(pictures: &[f32]) -> Vec<f32> {
    let (mut patches, mut rows) = (Slabs::default(), Vec::new());
    cut_patches(pictures, &mut patches);
    patches.copy_rows(PATCH_NUMBERS, &mut rows);
    rows
}
