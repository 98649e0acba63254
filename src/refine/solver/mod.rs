//! Levenberg-Marquardt over all postures of both hands, their shapes and the camera's scale.

mod arrow;
mod joint;
mod problem;
mod system;
#[cfg(test)]
mod tests;

pub(super) use problem::{Estimate, HandEstimate, JointTerms, Problem, ScalePrior};

use super::data::Deadline;
use super::terms::Costs;
use crate::fit::parameters::{ANGLES, FIRST_ANGLE, Posture};
use crate::fit::solver::held_angles;
use arrow::ArrowStep;

/// First damping, relative to the diagonal.
const FIRST_DAMPING: f64 = 1e-4;
/// Damping at which the solver gives up: steps this short change nothing.
const LAST_DAMPING: f64 = 1e8;
/// Factors on the damping after a refused and an accepted step.
const HARDER: f64 = 10.0;
const SOFTER: f64 = 0.1;
/// Least factor by which a step may shrink the scale.
const LEAST_SHRINKING: f64 = 0.1;

/// Where the search ended.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub estimate: Estimate,
    pub before: Costs,
    pub after: Costs,
    /// Linearisations.
    pub iterations: usize,
    pub out_of_time: bool,
}

/// Minimises `problem` from `start` in at most `iterations` linearisations.
///
/// Marquardt's damping; angles at a limit that the gradient presses on are held (projected Newton), others
/// are clamped after the step. A step is taken only when the true robust cost falls, so the estimate is the
/// best so far whenever the deadline passes.
pub(super) fn minimise(
    problem: &Problem,
    start: Estimate,
    iterations: usize,
    deadline: &Deadline,
) -> Outcome {
    let before = problem.costs(&start);
    let mut outcome = Outcome { estimate: start, before, after: before, iterations: 0, out_of_time: false };
    let mut damping = FIRST_DAMPING;
    while outcome.iterations < iterations {
        let (mut systems, _) = problem.linearise(&outcome.estimate);
        outcome.iterations += 1;
        for ((system, hand), own) in systems.iter_mut().zip(problem.hands).zip(&outcome.estimate.hands) {
            for (node, posture) in own.postures.iter().enumerate() {
                let held = held_angles(posture, &system.gradient[node], &hand.chain.limits);
                for angle in (0..ANGLES).filter(|&angle| held[angle]) {
                    system.hold(node, FIRST_ANGLE + angle);
                }
            }
        }
        let (_, gradient, information) = problem.scale_terms(outcome.estimate.scale);
        let total = outcome.after.total();
        let mut improved = false;
        while damping < LAST_DAMPING {
            if deadline.passed() {
                outcome.out_of_time = true;
                return outcome;
            }
            let step = arrow::solve(systems.clone(), (gradient, information), problem.shape_free(), damping);
            let Some(step) = step else {
                damping *= HARDER;
                continue;
            };
            let candidate = moved(problem, &outcome.estimate, &step);
            let costs = problem.costs(&candidate);
            let shrinks = 1.0 + step.scale < LEAST_SHRINKING;
            if costs.total() < total && !shrinks && is_finite(&candidate) {
                (outcome.estimate, outcome.after) = (candidate, costs);
                damping = (damping * SOFTER).max(f64::EPSILON);
                improved = true;
                break;
            }
            damping *= HARDER;
        }
        if !improved || total - outcome.after.total() <= problem.config.solver.enough * total {
            break;
        }
    }
    outcome
}

/// The estimate after a step, within the limits.
fn moved(problem: &Problem, estimate: &Estimate, step: &ArrowStep) -> Estimate {
    let limit = problem.config.shape.limit;
    let hands = problem.hands.iter().zip(&estimate.hands).zip(&step.hands);
    let hands = hands.map(|((hand, own), change)| {
        let postures = own.postures.iter().zip(&change.postures).map(|(posture, step)| {
            let mut moved = posture.plus(step);
            moved.clamp(&hand.chain.limits);
            moved
        });
        let within = |b: usize| {
            let limit = limit.max(own.betas[b].abs());
            (own.betas[b] + change.betas[b]).clamp(-limit, limit)
        };
        HandEstimate {
            postures: postures.collect(),
            betas: own.betas.map_with_location(|b, _, _| within(b)),
            offsets: own.offsets + change.offsets,
        }
    });
    Estimate {
        hands: hands.collect(),
        // Linear, so that hands and camera move by the same way however large the step is.
        scale: estimate.scale * (1.0 + step.scale),
    }
}

fn is_finite(estimate: &Estimate) -> bool {
    let hands = estimate.hands.iter();
    let seen_at = || estimate.hands.iter().flat_map(|hand| hand.betas.iter().chain(hand.offsets.iter()));
    estimate.scale.is_finite()
        && estimate.scale > 0.0
        && hands.flat_map(|hand| &hand.postures).all(Posture::is_finite)
        && seen_at().all(|v| v.is_finite())
}
