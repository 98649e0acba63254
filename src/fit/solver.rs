//! Levenberg-Marquardt within the joint limits.

use super::parameters::{ANGLES, FIRST_ANGLE, Posture, Step, StepMatrix};
use super::residuals::Problem;

/// First damping, relative to the Hessian's diagonal.
const FIRST_DAMPING: f64 = 1e-3;
/// Damping at which the solver gives up: steps this short change nothing.
const LAST_DAMPING: f64 = 1e8;
/// Factors on the damping after a refused and an accepted step.
const HARDER: f64 = 8.0;
const SOFTER: f64 = 0.2;
/// Relative decrease of the cost that ends the search.
const ENOUGH: f64 = 1e-3;

/// Where the search ended.
#[derive(Clone, Debug)]
pub(super) struct Solution {
    pub posture: Posture,
    pub cost: f64,
}

/// Minimises `problem` from `start` in at most `iterations` linearisations.
///
/// Marquardt's damping `(H + lambda diag H) step = -g`; angles at a limit that the gradient presses on
/// are held (projected Newton), others are clamped after the step. A step is taken only when the true
/// robust cost falls.
pub(super) fn minimise(problem: &Problem, start: Posture, iterations: usize) -> Solution {
    let limits = &problem.chain.limits;
    let mut posture = start;
    posture.clamp(limits);
    let mut cost = problem.cost(&posture);
    let mut damping = FIRST_DAMPING;
    for _ in 0..iterations {
        let normal = problem.linearise(&posture);
        let held = held_angles(&posture, &normal.gradient, limits);
        let before = cost;
        while damping < LAST_DAMPING {
            let Some(step) = damped_step(&normal.hessian, &normal.gradient, &held, damping) else {
                damping *= HARDER;
                continue;
            };
            let mut candidate = posture.plus(&step);
            candidate.clamp(limits);
            let candidate_cost = problem.cost(&candidate);
            if candidate_cost < cost && candidate.is_finite() {
                (posture, cost) = (candidate, candidate_cost);
                damping = (damping * SOFTER).max(f64::EPSILON);
                break;
            }
            damping *= HARDER;
        }
        if before - cost <= ENOUGH * before {
            break;
        }
    }
    Solution { posture, cost }
}

/// Angles at a limit that would leave it.
pub(crate) fn held_angles(posture: &Posture, gradient: &Step, limits: &[[f64; 2]; ANGLES]) -> [bool; ANGLES] {
    std::array::from_fn(|i| {
        let (angle, pull) = (posture.angles[i], gradient[FIRST_ANGLE + i]);
        (angle <= limits[i][0] && pull > 0.0) || (angle >= limits[i][1] && pull < 0.0)
    })
}

fn damped_step(hessian: &StepMatrix, gradient: &Step, held: &[bool; ANGLES], damping: f64) -> Option<Step> {
    let mut system = *hessian;
    let mut right = -gradient;
    for (i, held) in held.iter().enumerate() {
        if *held {
            let at = FIRST_ANGLE + i;
            system.row_mut(at).fill(0.0);
            system.column_mut(at).fill(0.0);
            system[(at, at)] = 1.0;
            right[at] = 0.0;
        }
    }
    for i in 0..right.len() {
        system[(i, i)] += damping * system[(i, i)] + f64::EPSILON;
    }
    Some(system.cholesky()?.solve(&right))
}
