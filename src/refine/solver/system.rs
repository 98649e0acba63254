//! The normal equations of one hand: banded in time, with a border for what all frames share.

use nalgebra::{Matrix3, SMatrix, SVector, Vector3};

use crate::event::KEYPOINTS;
use crate::fit::banded::BlockBanded;
use crate::fit::kinematics::SHAPES;
use crate::fit::normal::Columns;
use crate::fit::parameters::{Step, StepMatrix, TRANSLATION, UNKNOWNS};
use crate::refine::terms::PointForm;
use crate::refine::terms::motion::LinkForm;

/// Frames that one residual may couple.
pub(super) const WIDTH: usize = 3;
/// Unknowns that all frames of a hand share: the logarithm of the scale, the shape, then the offsets of the key
/// points.
pub(super) const SHARED: usize = OFFSET + KEYPOINTS;
/// Place of the scale among them.
pub(super) const SCALE: usize = 0;
/// First place of the shape.
pub(super) const SHAPE: usize = 1;
/// First place of the offsets.
pub(super) const OFFSET: usize = SHAPE + SHAPES;

/// How a point changes with scale and shape.
pub(in crate::refine) type SharedColumns = [Vector3<f64>; OFFSET];
/// Derivatives by a posture and the shared unknowns.
pub(in crate::refine) type Mixed = SMatrix<f64, UNKNOWNS, SHARED>;

/// Gradient and Gauss-Newton Hessian of one hand.
#[derive(Clone, Debug)]
pub(in crate::refine) struct HandSystem {
    /// Postures with postures.
    pub banded: BlockBanded<UNKNOWNS, WIDTH>,
    pub gradient: Vec<Step>,
    /// Postures with shared unknowns.
    pub mixed: Vec<Mixed>,
    /// Shared unknowns with each other.
    pub shared: SMatrix<f64, SHARED, SHARED>,
    pub shared_gradient: SVector<f64, SHARED>,
}

impl HandSystem {
    /// Nothing known of `nodes` frames.
    pub fn zeros(nodes: usize) -> Self {
        Self {
            banded: BlockBanded::zeros(nodes),
            gradient: vec![Step::zeros(); nodes],
            mixed: vec![Mixed::zeros(); nodes],
            shared: SMatrix::zeros(),
            shared_gradient: SVector::zeros(),
        }
    }

    /// Adds a cost of one point of a node, in world axes. Columns come in ascending order; `offset` is the key
    /// point whose offset moves the point, and how.
    pub fn add_point(
        &mut self,
        node: usize,
        columns: &Columns<3>,
        shared: &SharedColumns,
        offset: Option<(usize, Vector3<f64>)>,
        form: &PointForm,
    ) {
        let diagonal = self.banded.diagonal_mut(node);
        let gradient = &mut self.gradient[node];
        let mixed = &mut self.mixed[node];
        let informed: SharedColumns = shared.map(|column| form.information * column);
        for (i, (row, left)) in columns.iter().enumerate() {
            gradient[row] += left.dot(&form.gradient);
            let weighted = form.information * left;
            for (column, right) in columns.iter().take(i + 1) {
                diagonal[(row, column)] += weighted.dot(right);
            }
            for (c, right) in informed.iter().enumerate() {
                mixed[(row, c)] += left.dot(right);
            }
        }
        for (a, left) in informed.iter().enumerate() {
            self.shared_gradient[a] += shared[a].dot(&form.gradient);
            for (b, right) in shared.iter().enumerate() {
                self.shared[(a, b)] += left.dot(right);
            }
        }
        if let Some((k, along)) = offset {
            let (place, informed) = (OFFSET + k, form.information * along);
            for (row, left) in columns.iter() {
                mixed[(row, place)] += left.dot(&informed);
            }
            for (a, left) in shared.iter().enumerate() {
                let both = left.dot(&informed);
                self.shared[(a, place)] += both;
                self.shared[(place, a)] += both;
            }
            self.shared[(place, place)] += along.dot(&informed);
            self.shared_gradient[place] += along.dot(&form.gradient);
        }
    }

    /// Adds a cost of one number with derivatives `row` and `shared`: `slope` is its own derivative by that
    /// number and `information` its curvature.
    pub fn add_row(&mut self, node: usize, row: &Step, shared: &[f64; OFFSET], slope: f64, information: f64) {
        self.gradient[node].axpy(slope, row, 1.0);
        self.banded.diagonal_mut(node).ger(information, row, row, 1.0);
        let shared = SVector::<f64, SHARED>::from_fn(|c, _| shared.get(c).copied().unwrap_or(0.0));
        self.mixed[node].ger(information, row, &shared, 1.0);
        self.shared_gradient.axpy(slope, &shared, 1.0);
        self.shared.ger(information, &shared, &shared, 1.0);
    }

    /// Adds `weight / 2 |later - earlier|^2` of a point in node `node` and in the one before; `pull` is the
    /// gradient by the later point.
    pub fn add_difference(
        &mut self,
        node: usize,
        earlier: (&Columns<3>, &SharedColumns),
        later: (&Columns<3>, &SharedColumns),
        pull: &Vector3<f64>,
        weight: f64,
    ) {
        let shared: SharedColumns = std::array::from_fn(|c| later.1[c] - earlier.1[c]);
        for (at, columns, sign) in [(node, later.0, 1.0), (node - 1, earlier.0, -1.0)] {
            let diagonal = self.banded.diagonal_mut(at);
            for (i, (row, left)) in columns.iter().enumerate() {
                self.gradient[at][row] += sign * left.dot(pull);
                for (column, right) in columns.iter().take(i + 1) {
                    diagonal[(row, column)] += weight * left.dot(right);
                }
                for (c, right) in shared.iter().enumerate() {
                    self.mixed[at][(row, c)] += sign * weight * left.dot(right);
                }
            }
        }
        let mut block = StepMatrix::zeros();
        for (row, left) in later.0.iter() {
            for (column, right) in earlier.0.iter() {
                block[(row, column)] -= weight * left.dot(right);
            }
        }
        self.banded.add(node, node - 1, &block);
        for (a, left) in shared.iter().enumerate() {
            self.shared_gradient[a] += left.dot(pull);
            for (b, right) in shared.iter().enumerate() {
                self.shared[(a, b)] += weight * left.dot(right);
            }
        }
    }

    /// Fills the upper triangles of the diagonal blocks; once, after all points and before all blocks.
    pub fn complete(&mut self) {
        for node in 0..self.gradient.len() {
            self.banded.diagonal_mut(node).fill_upper_triangle_with_lower_triangle();
        }
    }

    /// Adds a cost of one posture.
    pub fn add_posture(&mut self, node: usize, gradient: &Step, hessian: &StepMatrix) {
        self.gradient[node] += gradient;
        *self.banded.diagonal_mut(node) += hessian;
    }

    /// Adds what a cost of a wrist's place relative to the camera says of the scale; `by_scale` is how the
    /// camera moves with it.
    pub fn add_wrist_scale(
        &mut self,
        node: usize,
        gradient: &Vector3<f64>,
        information: &Matrix3<f64>,
        by_scale: &Vector3<f64>,
    ) {
        let mut rows = self.mixed[node].fixed_view_mut::<3, 1>(TRANSLATION, SCALE);
        rows -= information * by_scale;
        self.shared_gradient[SCALE] -= gradient.dot(by_scale);
        self.shared[(SCALE, SCALE)] += by_scale.dot(&(information * by_scale));
    }

    /// Adds what a link's motion says of the scale.
    pub fn add_link_scale(&mut self, form: &LinkForm) {
        let (first, mixed, gradient, information) = form.by_scale();
        for (mixed, system) in mixed.iter().zip(&mut self.mixed[first..]) {
            let mut rows = system.fixed_view_mut::<3, 1>(TRANSLATION, SCALE);
            rows += mixed;
        }
        self.shared_gradient[SCALE] += gradient;
        self.shared[(SCALE, SCALE)] += information;
    }

    /// Takes an unknown of a node out: its step is zero.
    pub fn hold(&mut self, node: usize, index: usize) {
        self.banded.hold(node, index);
        self.gradient[node][index] = 0.0;
        self.mixed[node].row_mut(index).fill(0.0);
    }
}
