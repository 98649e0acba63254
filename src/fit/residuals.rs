//! The cost of a posture: key points, landmark bones, usual bends and the prediction, with its
//! gradient and Gauss-Newton Hessian.
//!
//! `cost = 1/2 sum_k rho(|r_k|^2)` with Cauchy's `rho(s) = c^2 ln(1 + s / c^2)` on the two observed
//! terms and `rho(s) = s` on the two priors; the Hessian is `J^T w J` with `w = rho'(s)` (iteratively
//! reweighted least squares).

use nalgebra::{Matrix2x3, Matrix3, SMatrix, SVector, Vector2, Vector3};

use super::config::FitConfig;
use super::kinematics::{Bent, Betas, Bones, Chain, SHAPES, angles_of, parent_of};
use super::observation::Evidence;
use super::parameters::{FIRST_ANGLE, Posture, Step, StepMatrix, TRANSLATION};
use super::prior;
use crate::event::KEYPOINTS;

/// Nearest depth of a key point, metres: nothing closer is a hand in a picture.
const NEAREST: f64 = 0.02;
/// Most unknowns that one residual depends on: root, wrist and two key points' worth of one finger.
const MOST_COLUMNS: usize = 6 + 5;

/// A Gaussian belief of the posture before the frame is seen.
#[derive(Clone, Debug)]
pub(super) struct Prediction {
    /// Its mean.
    pub posture: Posture,
    /// Inverse of its covariance.
    pub information: StepMatrix,
}

/// One frame's least-squares problem at a fixed shape.
pub(super) struct Problem<'a> {
    pub chain: &'a Chain,
    pub bones: &'a Bones,
    pub evidence: &'a Evidence,
    pub config: &'a FitConfig,
    /// Weight of the usual bends, 1 for a frame that stands alone.
    pub anatomy_weight: f64,
    /// What the frames before say, if anything.
    pub prediction: Option<&'a Prediction>,
}

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
    pub mixed: SMatrix<f64, SHAPES, { super::parameters::UNKNOWNS }>,
}

/// Cauchy's `rho(s)` and `rho'(s)` for a squared residual.
fn cauchy(squared: f64, scale: f64) -> (f64, f64) {
    let ratio = squared / (scale * scale);
    (scale * scale * ratio.ln_1p(), 1.0 / (1.0 + ratio))
}

impl Problem<'_> {
    /// The cost alone.
    pub fn cost(&self, posture: &Posture) -> f64 {
        let bent = self.chain.bend(self.bones, posture);
        let mut cost = prior::anatomy_cost(&posture.angles, &self.config.anatomy) * self.anatomy_weight;
        for k in 0..KEYPOINTS {
            cost += 0.5 * self.keypoint(&bent, posture, k).robust.0;
        }
        for k in 1..KEYPOINTS {
            if let Some(bone) = self.landmark_bone(&bent, k) {
                cost += 0.5 * bone.robust.0;
            }
        }
        if let Some(prediction) = self.prediction {
            let step = posture.minus(&prediction.posture);
            cost += 0.5 * step.dot(&(prediction.information * step));
        }
        cost
    }

    /// Cost, gradient and Hessian of the observation alone.
    pub fn observe(&self, posture: &Posture) -> Normal {
        let bent = self.chain.bend(self.bones, posture);
        let mut normal = Normal { cost: 0.0, gradient: Step::zeros(), hessian: StepMatrix::zeros() };
        for k in 0..KEYPOINTS {
            let seen = self.keypoint(&bent, posture, k);
            normal.cost += 0.5 * seen.robust.0;
            let columns = Columns::of(&bent, k).map(|c| seen.by_point * c);
            normal.add(&columns, &seen.residual, seen.robust.1);
        }
        for k in 1..KEYPOINTS {
            let Some(bone) = self.landmark_bone(&bent, k) else { continue };
            normal.cost += 0.5 * bone.robust.0;
            let whiten = bone.by_vector;
            let columns = Columns::of_bone(&bent, k).map(|c| whiten * c);
            normal.add(&columns, &bone.residual, bone.robust.1);
        }
        normal
    }

    /// Cost, gradient and Hessian of everything.
    pub fn linearise(&self, posture: &Posture) -> Normal {
        let mut normal = self.observe(posture);
        normal.cost += prior::add_anatomy(
            &posture.angles,
            &self.config.anatomy,
            self.anatomy_weight,
            &mut normal.gradient,
            &mut normal.hessian,
        );
        if let Some(prediction) = self.prediction {
            let step = posture.minus(&prediction.posture);
            let pull = prediction.information * step;
            normal.cost += 0.5 * step.dot(&pull);
            normal.gradient += pull;
            normal.hessian += prediction.information;
        }
        normal
    }

    /// Second-order terms of the observation in the shape at `posture`.
    pub fn observe_shape(&self, posture: &Posture) -> ShapeNormal {
        let bent = self.chain.bend(self.bones, posture);
        let mut normal =
            ShapeNormal { gradient: Betas::zeros(), hessian: SMatrix::zeros(), mixed: SMatrix::zeros() };
        for k in 0..KEYPOINTS {
            let seen = self.keypoint(&bent, posture, k);
            let by_shape = self.chain.shape_derivative(&bent, k).map(|d| seen.by_point * d);
            let columns = Columns::of(&bent, k).map(|c| seen.by_point * c);
            let weight = seen.robust.1;
            for (b, row) in by_shape.iter().enumerate() {
                normal.gradient[b] += weight * row.dot(&seen.residual);
                for (c, column) in by_shape.iter().enumerate() {
                    normal.hessian[(b, c)] += weight * row.dot(column);
                }
                for (index, column) in columns.iter() {
                    normal.mixed[(b, index)] += weight * row.dot(column);
                }
            }
        }
        normal
    }

    /// Mean distance between the key points and their projections, pixels.
    pub fn reprojection_px(&self, posture: &Posture) -> f64 {
        let bent = self.chain.bend(self.bones, posture);
        let sum: f64 = (0..KEYPOINTS)
            .map(|k| (ray_of(posture.wrist + bent.keypoints[k]) - self.evidence.rays[k]).norm())
            .sum();
        sum / KEYPOINTS as f64 * self.evidence.focal
    }

    fn keypoint(&self, bent: &Bent, posture: &Posture, k: usize) -> KeypointResidual {
        let point = posture.wrist + bent.keypoints[k];
        let inverse_sigma = 1.0 / self.evidence.ray_sigma;
        let residual = (ray_of(point) - self.evidence.rays[k]) * inverse_sigma;
        let w = inverse_sigma / point.z.max(NEAREST);
        let ray = ray_of(point);
        // Behind the nearest depth the projection does not depend on z any more.
        let along = if point.z > NEAREST { 1.0 } else { 0.0 };
        let by_point = Matrix2x3::new(w, 0.0, -w * ray.x * along, 0.0, w, -w * ray.y * along);
        let robust = cauchy(residual.norm_squared(), self.config.observation.keypoint_outlier);
        KeypointResidual { residual, by_point, robust }
    }

    /// The bone that ends in key point `k` against the landmarks' bone.
    fn landmark_bone(&self, bent: &Bent, k: usize) -> Option<BoneResidual> {
        let landmarks = self.evidence.landmarks.as_ref()?;
        let parent = parent_of(k);
        let observation = &self.config.observation;
        let bone = bent.keypoints[k] - bent.keypoints[parent];
        let seen = landmarks[k] - landmarks[parent];
        let lateral = 1.0 / observation.landmark_sigma_lateral;
        let whiten = Vector3::new(lateral, lateral, 1.0 / observation.landmark_sigma_depth);
        let residual = (bone - seen).component_mul(&whiten);
        Some(BoneResidual {
            residual,
            by_vector: Matrix3::from_diagonal(&whiten),
            robust: cauchy(residual.norm_squared(), observation.landmark_outlier),
        })
    }
}

fn ray_of(point: Vector3<f64>) -> Vector2<f64> {
    point.xy() / point.z.max(NEAREST)
}

/// A whitened residual of a key point, its derivative by the point, `rho` and `rho'`.
struct KeypointResidual {
    residual: Vector2<f64>,
    by_point: Matrix2x3<f64>,
    robust: (f64, f64),
}

/// A whitened residual of a bone, its derivative by the bone's vector, `rho` and `rho'`.
struct BoneResidual {
    residual: Vector3<f64>,
    by_vector: Matrix3<f64>,
    robust: (f64, f64),
}

/// The non-zero columns of a Jacobian.
struct Columns<const ROWS: usize> {
    columns: [SVector<f64, ROWS>; MOST_COLUMNS],
    indices: [usize; MOST_COLUMNS],
    count: usize,
}

impl Columns<3> {
    /// Derivative of key point `k` by the unknowns.
    fn of(bent: &Bent, k: usize) -> Self {
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
    fn of_bone(bent: &Bent, k: usize) -> Self {
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

    fn map<const OUT: usize>(&self, f: impl Fn(&SVector<f64, ROWS>) -> SVector<f64, OUT>) -> Columns<OUT> {
        let mut mapped = Columns::empty();
        for (index, column) in self.iter() {
            mapped.push(index, f(column));
        }
        mapped
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &SVector<f64, ROWS>)> {
        self.indices.iter().copied().zip(&self.columns).take(self.count)
    }
}

impl Normal {
    /// Adds `weight J^T r` and `weight J^T J`.
    fn add<const ROWS: usize>(
        &mut self,
        columns: &Columns<ROWS>,
        residual: &SVector<f64, ROWS>,
        weight: f64,
    ) {
        for (row, left) in columns.iter() {
            self.gradient[row] += weight * left.dot(residual);
            for (column, right) in columns.iter() {
                self.hessian[(row, column)] += weight * left.dot(right);
            }
        }
    }
}
