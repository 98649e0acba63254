//! The cost of a posture: key points, landmark bones, usual bends, a network's belief and the prediction, with its
//! gradient and Gauss-Newton Hessian.
//!
//! `cost = 1/2 sum_k rho(|r_k|^2)` with Cauchy's `rho(s) = c^2 ln(1 + s / c^2)` on what is observed
//! and believed and `rho(s) = s` on usual bends and prediction; the Hessian is `J^T w J` with `w = rho'(s)` (iteratively
//! reweighted least squares).

use nalgebra::{Matrix2x3, Matrix3, SMatrix, Vector2, Vector3};

use super::config::FitConfig;
use super::kinematics::{Bent, Betas, Bones, Chain, parent_of};
use super::landmarks::relative_sigma;
use super::normal::{Columns, Normal, ShapeNormal};
use super::observation::{Evidence, total_length};
use super::parameters::{Posture, Step, StepMatrix};
use super::prior;
use super::robust::cauchy;
use crate::event::KEYPOINTS;

/// Nearest depth of a key point, metres: nothing closer is a hand in a picture.
const NEAREST: f64 = 0.02;

/// A Gaussian belief of the posture before the frame is seen.
#[derive(Clone, Debug)]
pub(super) struct Prediction {
    /// Its mean.
    pub posture: Posture,
    /// Inverse of its covariance.
    pub information: StepMatrix,
}

/// How much of a statement that holds for many frames counts in one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights {
    /// Of the usual bends.
    pub anatomy: f64,
    /// Of the network's belief.
    pub belief: f64,
}

impl Weights {
    /// Of a frame that stands alone.
    pub const ALONE: Self = Self { anatomy: 1.0, belief: 1.0 };

    /// Of a frame that lasts `dt` seconds.
    pub fn lasting(dt: f64, config: &FitConfig) -> Self {
        let part = |memory: f64| (dt / memory).min(1.0);
        Self { anatomy: part(config.anatomy.memory_seconds), belief: part(config.belief.memory_seconds) }
    }
}

/// One frame's least-squares problem at a fixed shape.
pub(super) struct Problem<'a> {
    pub chain: &'a Chain,
    pub bones: &'a Bones,
    pub evidence: &'a Evidence,
    pub config: &'a FitConfig,
    pub weights: Weights,
    /// Factor that brings the landmarks to the bones' size: their size is a guess of the tracker.
    pub landmark_scale: f64,
    /// What the frames before say, if anything.
    pub prediction: Option<&'a Prediction>,
}

impl<'a> Problem<'a> {
    /// The problem of a frame with `evidence`, whose landmarks are brought to the size of `bones`.
    pub fn new(
        chain: &'a Chain,
        bones: &'a Bones,
        evidence: &'a Evidence,
        config: &'a FitConfig,
        weights: Weights,
        prediction: Option<&'a Prediction>,
    ) -> Self {
        let landmark_scale =
            evidence.landmarks.as_ref().map_or(1.0, |l| bones.total_length() / total_length(l));
        Self { chain, bones, evidence, config, weights, landmark_scale, prediction }
    }
}

impl Problem<'_> {
    /// The cost alone.
    pub fn cost(&self, posture: &Posture) -> f64 {
        let bent = self.chain.bend(self.bones, posture);
        let mut cost = prior::anatomy_cost(&posture.angles, &self.config.anatomy) * self.weights.anatomy;
        for k in 0..KEYPOINTS {
            cost += 0.5 * self.keypoint(&bent, posture, k).robust.0;
        }
        for k in 1..KEYPOINTS {
            if let Some(bone) = self.landmark_bone(&bent, k) {
                cost += 0.5 * bone.robust.0;
            }
        }
        if let Some(belief) = &self.evidence.belief {
            cost += self.weights.belief * belief.cost(posture);
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
        normal.complete();
        normal
    }

    /// Cost, gradient and Hessian of everything.
    pub fn linearise(&self, posture: &Posture) -> Normal {
        let mut normal = self.observe(posture);
        normal.cost += prior::add_anatomy(
            &posture.angles,
            &self.config.anatomy,
            self.weights.anatomy,
            &mut normal.gradient,
            &mut normal.hessian,
        );
        if let Some(belief) = &self.evidence.belief {
            let (gradient, hessian) = (&mut normal.gradient, &mut normal.hessian);
            normal.cost += belief.add(posture, self.weights.belief, gradient, hessian);
        }
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
        let inverse_sigma = 1.0 / (self.evidence.ray_sigma * relative_sigma(k));
        let residual = (ray_of(point) - self.evidence.rays[k]) * inverse_sigma;
        let w = inverse_sigma / point.z.max(NEAREST);
        let ray = ray_of(point);
        // Closer than the nearest depth the projection does not depend on z any more.
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
        let seen = (landmarks[k] - landmarks[parent]) * self.landmark_scale;
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

#[cfg(test)]
mod tests {
    use nalgebra::Rotation3;

    use super::*;
    use crate::fit::kinematics::SHAPES;
    use crate::fit::parameters::UNKNOWNS;
    use crate::fit::solver::minimise;
    use crate::hand::HandModel;

    /// Step of the finite differences and how close they must come, relative to the gradient.
    const EPSILON: f64 = 1e-6;
    const CLOSE: f64 = 1e-5;

    struct Scene {
        chain: Chain,
        evidence: Evidence,
        config: FitConfig,
        prediction: Prediction,
        posture: Posture,
    }

    /// A bent hand, seen with errors of some sigmas, and a prediction beside it.
    fn scene() -> Scene {
        let chain = Chain::new(HandModel::open().skeleton());
        let posture = Posture {
            rotation: Rotation3::new(Vector3::new(0.4, -1.2, 0.9)),
            wrist: Vector3::new(0.05, -0.08, 0.6),
            angles: std::array::from_fn(|i| 0.1 + 0.02 * i as f64),
        };
        let bent = chain.bend(&chain.bones(&Betas::zeros()), &posture);
        let noise = |k: usize, scale: f64| ((k * 7919 % 101) as f64 / 50.0 - 1.0) * scale;
        let evidence = Evidence {
            rays: std::array::from_fn(|k| {
                ray_of(posture.wrist + bent.keypoints[k]) + Vector2::new(noise(k, 0.01), noise(k + 50, 0.01))
            }),
            ray_sigma: 0.003,
            focal: 600.0,
            landmarks: Some(std::array::from_fn(|k| {
                bent.keypoints[k] * 0.7
                    + Vector3::new(noise(k, 0.01), noise(k + 9, 0.01), noise(k + 31, 0.02))
            })),
            belief: None,
        };
        let information = StepMatrix::identity() * 50.0 + StepMatrix::repeat(3.0);
        let beside = posture.plus(&Step::from_fn(|i, _| noise(i, 0.02)));
        let prediction = Prediction { posture: beside, information };
        Scene { chain, evidence, config: FitConfig::default(), prediction, posture }
    }

    fn problem<'a>(scene: &'a Scene, bones: &'a Bones) -> Problem<'a> {
        let weights = Weights { anatomy: 0.7, belief: 0.3 };
        Problem::new(&scene.chain, bones, &scene.evidence, &scene.config, weights, Some(&scene.prediction))
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_cost() {
        let scene = scene();
        let bones = scene.chain.bones(&Betas::zeros());
        let problem = problem(&scene, &bones);
        let gradient = problem.linearise(&scene.posture).gradient;
        for i in 0..UNKNOWNS {
            let step = Step::ith(i, EPSILON);
            let cost = |step: &Step| problem.cost(&scene.posture.plus(step));
            let slope = (cost(&step) - cost(&-step)) / (2.0 * EPSILON);
            assert!((slope - gradient[i]).abs() < CLOSE * gradient.norm(), "{i}: {slope} {}", gradient[i]);
        }
    }

    #[test]
    fn the_hessian_of_a_perfect_fit_is_the_curvature_of_the_cost() {
        let mut scene = scene();
        let bones = scene.chain.bones(&Betas::zeros());
        let bent = scene.chain.bend(&bones, &scene.posture);
        scene.evidence.rays = std::array::from_fn(|k| ray_of(scene.posture.wrist + bent.keypoints[k]));
        scene.evidence.landmarks = Some(bent.keypoints);
        scene.prediction.posture = scene.posture.clone();
        let mut problem = problem(&scene, &bones);
        problem.weights.anatomy = 0.0;
        let hessian = problem.linearise(&scene.posture).hessian;
        for i in 0..UNKNOWNS {
            let step = Step::ith(i, EPSILON);
            let gradient = |step: &Step| problem.linearise(&scene.posture.plus(step)).gradient;
            let column = (gradient(&step) - gradient(&-step)) / (2.0 * EPSILON);
            assert!((column - hessian.column(i)).norm() < 1e-3 * hessian.norm(), "{i}");
        }
    }

    #[test]
    fn the_shape_gradient_is_the_slope_of_the_key_points_cost() {
        let mut scene = scene();
        scene.evidence.landmarks = None;
        let normal = {
            let bones = scene.chain.bones(&Betas::zeros());
            without_landmarks(&scene, &bones).observe_shape(&scene.posture)
        };
        for b in 0..SHAPES {
            let cost = |change: f64| {
                let bones = scene.chain.bones(&Betas::ith(b, change));
                without_landmarks(&scene, &bones).observe(&scene.posture).cost
            };
            let slope = (cost(EPSILON) - cost(-EPSILON)) / (2.0 * EPSILON);
            let error = (slope - normal.gradient[b]).abs();
            assert!(error < CLOSE * normal.gradient.norm(), "{b}: {slope} {}", normal.gradient[b]);
        }
    }

    #[test]
    fn no_step_of_the_solver_costs_more() {
        let scene = scene();
        let bones = scene.chain.bones(&Betas::zeros());
        let problem = problem(&scene, &bones);
        for turn in 0..12 {
            let away = Step::from_fn(|i, _| ((turn * 31 + i * 17) % 23) as f64 / 23.0 - 0.5);
            let mut start = scene.posture.plus(&away);
            start.clamp(&scene.chain.limits);
            let mut cost = problem.cost(&start);
            for _ in 0..10 {
                let solution = minimise(&problem, start, 1);
                assert!(solution.cost <= cost, "{} after {cost}", solution.cost);
                assert_eq!(solution.cost, problem.cost(&solution.posture));
                let within = |(angle, [low, high]): (&f64, &[f64; 2])| low <= angle && angle <= high;
                assert!(solution.posture.angles.iter().zip(&scene.chain.limits).all(within));
                (start, cost) = (solution.posture, solution.cost);
            }
        }
    }

    fn without_landmarks<'a>(scene: &'a Scene, bones: &'a Bones) -> Problem<'a> {
        let weights = Weights { anatomy: 0.0, belief: 0.0 };
        Problem::new(&scene.chain, bones, &scene.evidence, &scene.config, weights, None)
    }
}
