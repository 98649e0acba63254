//! Symmetric positive definite systems whose unknowns are coupled only to near neighbours in time.
//!
//! Block Cholesky factorisation `A = L L^T` of a block-banded matrix (Golub and Van Loan, "Matrix
//! Computations", 4.3.5 with blocks for entries): the cost is linear in the number of blocks.

use nalgebra::{SMatrix, SVector};

/// A symmetric matrix of `N` x `N` blocks, of which row `i` reaches back to block `i - (WIDTH - 1)`.
///
/// `WIDTH` 2 is block-tridiagonal, 3 block-pentadiagonal.
#[derive(Clone, Debug)]
pub struct BlockBanded<const N: usize, const WIDTH: usize> {
    /// `rows[i][d]` is the block at row `i`, column `i - d`.
    rows: Vec<[SMatrix<f64, N, N>; WIDTH]>,
}

impl<const N: usize, const WIDTH: usize> BlockBanded<N, WIDTH> {
    /// The zero matrix of `blocks` block rows.
    pub fn zeros(blocks: usize) -> Self {
        Self { rows: vec![[SMatrix::zeros(); WIDTH]; blocks] }
    }

    /// Block rows.
    pub fn blocks(&self) -> usize {
        self.rows.len()
    }

    /// Adds `block` at `(row, column)` and its transpose at `(column, row)`; on the diagonal `block`
    /// itself.
    ///
    /// # Panics
    /// Where the block lies outside the band or the matrix.
    pub fn add(&mut self, row: usize, column: usize, block: &SMatrix<f64, N, N>) {
        if row >= column {
            self.rows[row][row - column] += block;
        } else {
            self.rows[column][column - row] += block.transpose();
        }
    }

    /// The diagonal block of `row`.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn diagonal_mut(&mut self, row: usize) -> &mut SMatrix<f64, N, N> {
        &mut self.rows[row][0]
    }

    /// Takes unknown `index` of block `row` out of the system: its solution becomes `right[row][index]`
    /// where the right-hand side is zero, and nothing else depends on it.
    ///
    /// # Panics
    /// Where there is no such unknown.
    pub fn hold(&mut self, row: usize, index: usize) {
        for block in &mut self.rows[row] {
            block.row_mut(index).fill(0.0);
        }
        self.rows[row][0].column_mut(index).fill(0.0);
        self.rows[row][0][(index, index)] = 1.0;
        for distance in 1..WIDTH {
            if let Some(below) = self.rows.get_mut(row + distance) {
                below[distance].column_mut(index).fill(0.0);
            }
        }
    }

    /// Solves `A x = right`; `None` where the matrix is not positive definite or sizes differ.
    pub fn solve(self, right: &[SVector<f64, N>]) -> Option<Vec<SVector<f64, N>>> {
        if right.len() != self.rows.len() {
            return None;
        }
        self.factorise()?.solve(right)
    }

    /// The factor `L`; `None` where the matrix is not positive definite.
    pub fn factorise(mut self) -> Option<BandedFactor<N, WIDTH>> {
        for i in 0..self.rows.len() {
            for d in (1..WIDTH.min(i + 1)).rev() {
                let j = i - d;
                let mut block = self.rows[i][d];
                for e in d + 1..WIDTH.min(i + 1) {
                    block -= self.rows[i][e] * self.rows[j][e - d].transpose();
                }
                // block L_jj^-T, as the transpose of L_jj^-1 block^T.
                let lower = self.rows[j][0].solve_lower_triangular(&block.transpose())?;
                self.rows[i][d] = lower.transpose();
            }
            let mut diagonal = self.rows[i][0];
            for d in 1..WIDTH.min(i + 1) {
                let block = &self.rows[i][d];
                diagonal -= block * block.transpose();
            }
            self.rows[i][0] = diagonal.cholesky()?.l();
        }
        Some(BandedFactor { rows: self.rows })
    }
}

/// The Cholesky factor of a [`BlockBanded`] matrix, for any number of right-hand sides.
#[derive(Clone, Debug)]
pub struct BandedFactor<const N: usize, const WIDTH: usize> {
    /// `rows[i][d]` is the factor's block at row `i`, column `i - d`.
    rows: Vec<[SMatrix<f64, N, N>; WIDTH]>,
}

impl<const N: usize, const WIDTH: usize> BandedFactor<N, WIDTH> {
    /// Solves `A X = right` for `K` right-hand sides at once; `None` where sizes differ.
    pub fn solve<const K: usize>(&self, right: &[SMatrix<f64, N, K>]) -> Option<Vec<SMatrix<f64, N, K>>> {
        if right.len() != self.rows.len() {
            return None;
        }
        // Forward: L Y = right.
        let mut solution = right.to_vec();
        for i in 0..self.rows.len() {
            let mut rest = solution[i];
            for d in 1..WIDTH.min(i + 1) {
                rest -= self.rows[i][d] * solution[i - d];
            }
            solution[i] = self.rows[i][0].solve_lower_triangular(&rest)?;
        }
        // Backward: L^T X = Y.
        for i in (0..self.rows.len()).rev() {
            let mut rest = solution[i];
            for d in 1..WIDTH.min(self.rows.len() - i) {
                rest -= self.rows[i + d][d].tr_mul(&solution[i + d]);
            }
            solution[i] = self.rows[i][0].tr_solve_lower_triangular(&rest)?;
        }
        Some(solution)
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};

    use super::*;

    const N: usize = 3;

    /// A positive definite banded matrix with irregular entries, also as a dense one.
    fn system<const WIDTH: usize>(blocks: usize) -> (BlockBanded<N, WIDTH>, DMatrix<f64>) {
        let mut banded = BlockBanded::zeros(blocks);
        let mut dense = DMatrix::zeros(N * blocks, N * blocks);
        for i in 0..blocks {
            for d in 0..WIDTH.min(i + 1) {
                let mut block =
                    SMatrix::<f64, N, N>::from_fn(|r, c| ((i * 7 + d * 5 + r * 3 + c) % 11) as f64 / 11.0);
                if d == 0 {
                    block = block + block.transpose() + SMatrix::identity() * (4.0 * WIDTH as f64);
                }
                banded.add(i, i - d, &block);
                dense.view_mut((N * i, N * (i - d)), (N, N)).copy_from(&block);
                dense.view_mut((N * (i - d), N * i), (N, N)).copy_from(&block.transpose());
            }
        }
        (banded, dense)
    }

    fn right(blocks: usize) -> Vec<SVector<f64, N>> {
        (0..blocks).map(|i| SVector::from_fn(|r, _| (i as f64 - 1.5).sin() + r as f64)).collect()
    }

    fn agrees<const WIDTH: usize>(blocks: usize) {
        let (banded, dense) = system::<WIDTH>(blocks);
        let right = right(blocks);
        let stacked = DVector::from_iterator(N * blocks, right.iter().flat_map(|b| b.iter().copied()));
        let expected = dense.cholesky().unwrap().solve(&stacked);
        let solution = banded.solve(&right).unwrap();
        for (k, value) in solution.iter().flat_map(|b| b.iter()).enumerate() {
            assert!((value - expected[k]).abs() < 1e-12, "{k}: {value} {}", expected[k]);
        }
    }

    #[test]
    fn the_solution_is_the_dense_one_for_every_width_and_length() {
        for blocks in 1..8 {
            agrees::<1>(blocks);
            agrees::<2>(blocks);
            agrees::<3>(blocks);
            agrees::<4>(blocks);
        }
    }

    #[test]
    fn a_block_may_be_added_from_either_side_of_the_diagonal() {
        let block = SMatrix::<f64, N, N>::from_fn(|r, c| (r * 3 + c) as f64 * 0.1);
        let (mut above, _) = system::<3>(4);
        let (mut below, _) = system::<3>(4);
        above.add(1, 2, &block);
        below.add(2, 1, &block.transpose());
        assert_eq!(above.solve(&right(4)), below.solve(&right(4)));
    }

    #[test]
    fn a_held_unknown_stays_and_the_others_solve_the_rest() {
        let (mut banded, mut dense) = system::<3>(4);
        let held = N + 1;
        let mut right = right(4);
        right[1][1] = 0.0;
        banded.hold(1, 1);
        dense.row_mut(held).fill(0.0);
        dense.column_mut(held).fill(0.0);
        dense[(held, held)] = 1.0;
        let stacked = DVector::from_iterator(N * 4, right.iter().flat_map(|b| b.iter().copied()));
        let expected = dense.cholesky().unwrap().solve(&stacked);
        let solution = banded.solve(&right).unwrap();
        assert_eq!(solution[1][1], 0.0);
        for (k, value) in solution.iter().flat_map(|b| b.iter()).enumerate() {
            assert!((value - expected[k]).abs() < 1e-12, "{k}");
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_has_no_solution() {
        let (mut banded, _) = system::<2>(3);
        banded.add(1, 1, &(SMatrix::identity() * -100.0));
        assert!(banded.solve(&right(3)).is_none());
        assert!(system::<2>(3).0.solve(&right(2)).is_none());
    }
}
