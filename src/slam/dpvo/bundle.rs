//! Bundle adjustment over poses and inverse depths (Teed et al. 2023, "Deep Patch Visual Odometry", and its
//! released solver): Gauss-Newton, patches eliminated by the Schur complement.
//!
//! Poses are `camera_from_world` and change by a twist on their left. Every patch that is observed has a
//! free inverse depth, whether or not the frames that see it are free. The system of the patches is diagonal
//! and the coupling of a patch is kept only for the frames that see it, so a long sequence with few far
//! connections costs little more than its length.

use nalgebra::{Cholesky, DMatrix, DVector, Isometry3, Vector2, Vector6};

use super::projection::{NEAREST, Patch, PatchCamera};
use crate::geometry::se3;

/// Numbers of a pose's twist.
const POSE: usize = 6;
/// Added to the diagonal of the depths.
const DEPTH_DAMPING: f64 = 1e-4;
/// Added to the diagonal of the poses: a share of it, and a constant.
const POSE_DAMPING_SHARE: f64 = 1e-4;
const POSE_DAMPING: f64 = 1.0;
/// Residuals from this length on do not count, pixels of the feature map.
const LONGEST_RESIDUAL: f64 = 128.0;
/// Projections farther outside the picture do not count, pixels of the feature map.
const MARGIN: f64 = 64.0;
/// An inverse depth above the first becomes the second; none falls below the third.
const LARGEST_INVERSE_DEPTH: f64 = 20.0;
const RESTARTED_INVERSE_DEPTH: f64 = 1.0;
const SMALLEST_INVERSE_DEPTH: f64 = 1e-4;
/// Marquardt's damping: where it begins, its factors after a refused and a taken step, and where the search
/// ends.
const FIRST_DAMPING: f64 = 1e-3;
const HARDER: f64 = 10.0;
const SOFTER: f64 = 0.1;
const LAST_DAMPING: f64 = 1e6;
/// Most judged steps for each step that was asked for.
const JUDGED_STEPS: usize = 5;
/// Relative decrease of the cost that ends the search.
const ENOUGH: f64 = 1e-5;

/// Where a patch was found in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// The patch.
    pub patch: usize,
    /// The frame that the patch is of.
    pub source: usize,
    /// The frame that it was found in.
    pub frame: usize,
    /// Where its middle was found, pixels of the feature map.
    pub target: Vector2<f64>,
    /// How much its x and its y count.
    pub weight: Vector2<f64>,
}

/// Which steps are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StepRule {
    /// All of them, as released: the cost may rise.
    #[default]
    Always,
    /// Levenberg-Marquardt: a step that raises the cost is not taken but tried again with more damping of
    /// poses and depths, for up to five times as many steps. It keeps a good map good; it does not find more
    /// maps from random depths, since a descent ends in wrong minima that the released steps may jump out of
    /// (6 of 12 fast starts against 5): that takes `start_attempts` of the configuration.
    Decreasing,
}

/// Poses, patches and what was seen of them.
pub struct Bundle<'a> {
    /// The camera of all frames.
    pub camera: PatchCamera,
    /// `camera_from_world` of every frame.
    pub poses: &'a mut [Isometry3<f64>],
    /// The patches of every frame.
    pub patches: &'a mut [Patch],
    /// What was seen.
    pub observations: &'a [Observation],
    /// Frames before this one stay where they are.
    pub first_free: usize,
}

/// How a patch hangs on frames: each frame, counted from the first free one, with its six numbers.
pub type PatchCoupling = Vec<(usize, Vector6<f64>)>;

/// The linearised problem, `[B E; E^T C] [dX; dZ] = [v; u]`.
#[derive(Clone, Debug)]
pub struct NormalEquations {
    /// B, six rows per free frame.
    pub poses: DMatrix<f64>,
    /// E by columns, one per observed patch.
    pub coupling: Vec<PatchCoupling>,
    /// C, one number per observed patch.
    pub depths: Vec<f64>,
    /// v.
    pub poses_right: DVector<f64>,
    /// u.
    pub depths_right: Vec<f64>,
    /// Half the cost: the sum of the weighted squared residuals that count.
    pub cost: f64,
}

/// A change of all poses and depths.
#[derive(Clone, Debug)]
pub struct BundleStep {
    /// Twists of the free frames, six numbers each.
    pub poses: DVector<f64>,
    /// Changes of the observed patches' inverse depths.
    pub depths: Vec<f64>,
}

/// The observed patches in ascending order, each with its place among them.
#[derive(Clone, Debug)]
pub struct ObservedPatches {
    /// Their indices.
    pub patches: Vec<usize>,
    /// For each observation the place of its patch.
    places: Vec<usize>,
}

impl ObservedPatches {
    /// The patches of `observations`.
    pub fn of(observations: &[Observation]) -> Self {
        let mut patches: Vec<usize> = observations.iter().map(|o| o.patch).collect();
        patches.sort_unstable();
        patches.dedup();
        let place = |o: &Observation| patches.partition_point(|&patch| patch < o.patch);
        Self { places: observations.iter().map(place).collect(), patches }
    }
}

impl Bundle<'_> {
    /// Takes `iterations` steps. Stops at a system without a solution, leaving what was reached.
    ///
    /// # Panics
    /// When an observation names a frame or a patch that is not there.
    pub fn adjust(&mut self, iterations: usize, rule: StepRule) {
        let observed = ObservedPatches::of(self.observations);
        if rule == StepRule::Decreasing {
            return self.descend(&observed, iterations * JUDGED_STEPS);
        }
        for _ in 0..iterations {
            let step = self.linearise(&observed).solve(0.0);
            if !step.is_some_and(|step| self.take(&step, &observed)) {
                return;
            }
        }
    }

    /// Levenberg-Marquardt.
    fn descend(&mut self, observed: &ObservedPatches, steps: usize) {
        let mut damping = FIRST_DAMPING;
        let mut cost = self.cost();
        for _ in 0..steps {
            let equations = self.linearise(observed);
            let before = cost;
            while damping < LAST_DAMPING {
                if let Some(lower) = self.try_step(equations.solve(damping), observed, cost) {
                    cost = lower;
                    damping *= SOFTER;
                    break;
                }
                damping *= HARDER;
            }
            if before - cost <= ENOUGH * before {
                return;
            }
        }
    }

    /// Takes a step if it lowers the cost, which it then gives.
    fn try_step(&mut self, step: Option<BundleStep>, observed: &ObservedPatches, cost: f64) -> Option<f64> {
        let poses = self.poses.to_vec();
        let depths: Vec<f64> = observed.patches.iter().map(|&p| self.patches[p].inverse_depth).collect();
        if self.take(&step?, observed) {
            let new = self.cost();
            if new < cost {
                return Some(new);
            }
        }
        self.poses.copy_from_slice(&poses);
        for (&patch, depth) in observed.patches.iter().zip(depths) {
            self.patches[patch].inverse_depth = depth;
        }
        None
    }

    /// The equations at the present poses and depths.
    pub fn linearise(&self, observed: &ObservedPatches) -> NormalEquations {
        let free = self.poses.len().saturating_sub(self.first_free);
        let count = observed.patches.len();
        let mut equations = NormalEquations {
            poses: DMatrix::zeros(POSE * free, POSE * free),
            coupling: vec![Vec::new(); count],
            depths: vec![0.0; count],
            poses_right: DVector::zeros(POSE * free),
            depths_right: vec![0.0; count],
            cost: 0.0,
        };
        for (observation, &place) in self.observations.iter().zip(&observed.places) {
            // A patch in its own frame moves with it: all sums cancel.
            if observation.source != observation.frame {
                self.add(observation, place, &mut equations);
            }
        }
        equations
    }

    fn add(&self, observation: &Observation, place: usize, equations: &mut NormalEquations) {
        let motion = self.motion(observation);
        let seen = self.patches[observation.patch].project(&self.camera, &motion);
        let residual = observation.target - seen.position;
        if !self.counts(&residual, seen.depth, &seen.position) {
            return;
        }
        let free = |frame: usize| frame.checked_sub(self.first_free);
        let frames = [(free(observation.source), seen.by_source), (free(observation.frame), seen.by_target)];
        for row in 0..2 {
            let (r, w) = (residual[row], observation.weight[row]);
            let by_depth = seen.by_inverse_depth[row];
            equations.cost += w * r * r;
            equations.depths[place] += w * by_depth * by_depth;
            equations.depths_right[place] += w * r * by_depth;
            for (frame, by_pose) in &frames {
                let Some(frame) = *frame else { continue };
                let by_pose = by_pose[row];
                let mut right = equations.poses_right.fixed_rows_mut::<POSE>(POSE * frame);
                right += by_pose * (w * r);
                add_coupling(&mut equations.coupling[place], frame, by_pose * (w * by_depth));
                for (other, by_other) in &frames {
                    let Some(other) = *other else { continue };
                    let mut block = equations.poses.fixed_view_mut::<POSE, POSE>(POSE * frame, POSE * other);
                    block += by_pose * w * by_other[row].transpose();
                }
            }
        }
    }

    fn motion(&self, observation: &Observation) -> Isometry3<f64> {
        self.poses[observation.frame] * self.poses[observation.source].inverse()
    }

    fn counts(&self, residual: &Vector2<f64>, depth: f64, position: &Vector2<f64>) -> bool {
        depth > NEAREST && residual.norm() < LONGEST_RESIDUAL && self.is_near(position)
    }

    /// Whether a place lies in the picture or not far outside.
    fn is_near(&self, place: &Vector2<f64>) -> bool {
        let within = |value: f64, middle: f64| value > -MARGIN && value < 2.0 * middle + MARGIN;
        within(place.x, self.camera.cx) && within(place.y, self.camera.cy)
    }

    /// Changes poses and depths; `false`, and nothing is changed, where the step is not finite.
    fn take(&mut self, step: &BundleStep, observed: &ObservedPatches) -> bool {
        if !step.poses.iter().chain(&step.depths).all(|value| value.is_finite()) {
            return false;
        }
        let free = self.poses.iter_mut().skip(self.first_free);
        for (pose, twist) in free.zip(step.poses.as_slice().as_chunks::<POSE>().0) {
            *pose = se3::exp(&Vector6::from(*twist)) * *pose;
            pose.rotation.renormalize();
        }
        for (&patch, change) in observed.patches.iter().zip(&step.depths) {
            let depth = &mut self.patches[patch].inverse_depth;
            *depth += change;
            if *depth > LARGEST_INVERSE_DEPTH {
                *depth = RESTARTED_INVERSE_DEPTH;
            }
            *depth = depth.max(SMALLEST_INVERSE_DEPTH);
        }
        true
    }

    /// The weighted squared residuals of what was found in or near the picture. An observation that does not
    /// count costs as much as the longest residual: nothing is gained by throwing observations out.
    ///
    /// # Panics
    /// When an observation names a frame or a patch that is not there.
    pub fn cost(&self) -> f64 {
        let cost = |observation: &Observation| {
            let seen = self.patches[observation.patch].project(&self.camera, &self.motion(observation));
            let residual = observation.target - seen.position;
            if self.counts(&residual, seen.depth, &seen.position) {
                observation.weight.dot(&residual.component_mul(&residual))
            } else {
                observation.weight.sum() * LONGEST_RESIDUAL * LONGEST_RESIDUAL / 2.0
            }
        };
        self.observations.iter().filter(|o| o.source != o.frame && self.is_near(&o.target)).map(cost).sum()
    }
}

impl NormalEquations {
    /// The poses' own system after the patches are eliminated: matrix and right-hand side. To the constant
    /// damping of the released system comes a `damping` relative to the diagonals, which it does not have.
    pub fn reduced(&self, damping: f64) -> (DMatrix<f64>, DVector<f64>) {
        let (mut matrix, mut right) = (self.poses.clone(), self.poses_right.clone());
        for i in 0..matrix.nrows() {
            matrix[(i, i)] *= 1.0 + damping;
        }
        let patches = self.coupling.iter().zip(&self.depths).zip(&self.depths_right);
        for ((frames, depth), depth_right) in patches {
            let scale = 1.0 / (depth * (1.0 + damping) + DEPTH_DAMPING);
            for (frame, by_pose) in frames {
                let scaled = by_pose * scale;
                let mut rows = right.fixed_rows_mut::<POSE>(POSE * frame);
                rows -= scaled * *depth_right;
                for (other, by_other) in frames {
                    let mut block = matrix.fixed_view_mut::<POSE, POSE>(POSE * frame, POSE * other);
                    block -= scaled * by_other.transpose();
                }
            }
        }
        for i in 0..matrix.nrows() {
            matrix[(i, i)] += POSE_DAMPING_SHARE * matrix[(i, i)] + POSE_DAMPING;
        }
        (matrix, right)
    }

    /// The step; `None` where the reduced system is not positive definite.
    pub fn solve(&self, damping: f64) -> Option<BundleStep> {
        let (matrix, right) = self.reduced(damping);
        let poses = Cholesky::new(matrix)?.solve(&right);
        let depth = |((frames, depth), right): ((&PatchCoupling, &f64), &f64)| {
            let taken: f64 =
                frames.iter().map(|(f, by_pose)| by_pose.dot(&poses.fixed_rows::<POSE>(POSE * f))).sum();
            (right - taken) / (depth * (1.0 + damping) + DEPTH_DAMPING)
        };
        let depths = self.coupling.iter().zip(&self.depths).zip(&self.depths_right).map(depth).collect();
        Some(BundleStep { poses, depths })
    }
}

fn add_coupling(frames: &mut PatchCoupling, frame: usize, by_pose: Vector6<f64>) {
    match frames.iter_mut().find(|(known, _)| *known == frame) {
        Some((_, sum)) => *sum += by_pose,
        None => frames.push((frame, by_pose)),
    }
}
