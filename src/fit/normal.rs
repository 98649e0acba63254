//! Normal equations that know which unknowns a residual depends on.

use nalgebra::{SMatrix, SVector, Vector3};

use super::kinematics::{Bent, Betas, SHAPES, angles_of, parent_of};
use super::parameters::{FIRST_ANGLE, Step, StepMatrix, TRANSLATION, UNKNOWNS};

/// Most unknowns that one residual depends on: root, wrist and the angles of one finger.
const MOST_COLUMNS: usize = 6 + 5;

/// Cost, gradient and Gauss-Newton Hessian at a posture.
#[derive(Clone, Debug)]
pub(super) struct Normal {
    pub cost: f64,
    pub gradient: Step,
    pub hessian: StepMatrix,
}

/// Second-order terms of the cost in the shape.
#[derive(Clone, Debug)]
pub(super) struct ShapeNormal {
    pub gradient: Betas,
    pub hessian: SMatrix<f64, SHAPES, SHAPES>,
    /// Mixed derivatives, shape by posture.
    pub mixed: SMatrix<f64, SHAPES, UNKNOWNS>,
}

/// The non-zero columns of a Jacobian.
pub(crate) struct Columns<const ROWS: usize> {
    columns: [SVector<f64, ROWS>; MOST_COLUMNS],
    indices: [usize; MOST_COLUMNS],
    count: usize,
}

impl Columns<3> {
    /// Derivative of key point `k` by the unknowns.
    pub fn of(bent: &Bent, k: usize) -> Self {
        let mut columns = Self::empty();
        let point = bent.keypoints[k];
        for axis in 0..3 {
            columns.push(axis, Vector3::ith(axis, 1.0).cross(&point));
        }
        for axis in 0..3 {
            columns.push(TRANSLATION + axis, Vector3::ith(axis, 1.0));
        }
        for angle in angles_of(k) {
            columns.push(FIRST_ANGLE + angle, bent.angle_derivative(k, angle));
        }
        columns
    }

    /// Derivative of the bone that ends in key point `k` by the unknowns.
    pub fn of_bone(bent: &Bent, k: usize) -> Self {
        let mut columns = Self::empty();
        let parent = parent_of(k);
        let bone = bent.keypoints[k] - bent.keypoints[parent];
        for axis in 0..3 {
            columns.push(axis, Vector3::ith(axis, 1.0).cross(&bone));
        }
        let of_parent = angles_of(parent);
        for angle in angles_of(k) {
            let mut change = bent.angle_derivative(k, angle);
            if of_parent.contains(&angle) {
                change -= bent.angle_derivative(parent, angle);
            }
            columns.push(FIRST_ANGLE + angle, change);
        }
        columns
    }
}

impl<const ROWS: usize> Columns<ROWS> {
    fn empty() -> Self {
        Self { columns: [SVector::zeros(); MOST_COLUMNS], indices: [0; MOST_COLUMNS], count: 0 }
    }

    fn push(&mut self, index: usize, column: SVector<f64, ROWS>) {
        self.columns[self.count] = column;
        self.indices[self.count] = index;
        self.count += 1;
    }

    /// The columns `f` makes of these.
    pub fn map<const OUT: usize>(
        &self,
        f: impl Fn(&SVector<f64, ROWS>) -> SVector<f64, OUT>,
    ) -> Columns<OUT> {
        let mut mapped = Columns::empty();
        for (index, column) in self.iter() {
            mapped.push(index, f(column));
        }
        mapped
    }

    /// Unknowns with their columns.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &SVector<f64, ROWS>)> {
        self.indices.iter().copied().zip(&self.columns).take(self.count)
    }
}

impl Normal {
    /// Adds `weight J^T r` and `weight J^T J`.
    pub fn add<const ROWS: usize>(
        &mut self,
        columns: &Columns<ROWS>,
        residual: &SVector<f64, ROWS>,
        weight: f64,
    ) {
        for (i, (row, left)) in columns.iter().enumerate() {
            let left = left * weight;
            self.gradient[row] += left.dot(residual);
            for (column, right) in columns.iter().take(i + 1) {
                // Columns come in ascending order, so this fills the lower triangle.
                self.hessian[(row, column)] += left.dot(right);
            }
        }
    }

    /// Fills the Hessian's upper triangle once all residuals are added.
    pub fn complete(&mut self) {
        self.hessian.fill_upper_triangle_with_lower_triangle();
    }
}
