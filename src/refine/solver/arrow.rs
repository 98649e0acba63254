//! The step of a system that is banded in time for each hand and has a border that all share ("arrow" form,
//! Schur complement; Triggs et al. 2000, "Bundle Adjustment: A Modern Synthesis", section 6.1).

use nalgebra::{Const, DMatrix, DVector, SMatrix};

use super::system::{HandSystem, OFFSET, SCALE, SHAPE, SHARED};
use crate::event::KEYPOINTS;
use crate::fit::kinematics::{Betas, Offsets, SHAPES};
use crate::fit::parameters::{Step, UNKNOWNS};

/// Right-hand sides of a hand: its gradient, then its border.
const SIDES: usize = 1 + SHARED;

/// A step of everything.
#[derive(Clone, Debug)]
pub(super) struct ArrowStep {
    /// Of the logarithm of the scale.
    pub scale: f64,
    /// Of each hand.
    pub hands: Vec<HandStep>,
}

/// A step of one hand.
#[derive(Clone, Debug)]
pub(super) struct HandStep {
    pub betas: Betas,
    pub offsets: Offsets,
    pub postures: Vec<Step>,
}

/// Solves the damped system; `None` where it is not positive definite. `scale_prior` is the gradient and
/// Hessian of what else is known of the scale; `shared_free` says whether scale and shapes
/// move at all.
pub(super) fn solve(
    mut systems: Vec<HandSystem>,
    scale_prior: (f64, f64),
    shared_free: bool,
    damping: f64,
) -> Option<ArrowStep> {
    for system in &mut systems {
        for node in 0..system.gradient.len() {
            let diagonal = system.banded.diagonal_mut(node);
            for k in 0..UNKNOWNS {
                diagonal[(k, k)] += damping * diagonal[(k, k)] + f64::EPSILON;
            }
        }
    }
    if !shared_free {
        return solve_postures(systems);
    }
    let unknowns = 1 + (SHARED - 1) * systems.len();
    let mut matrix = DMatrix::<f64>::zeros(unknowns, unknowns);
    let mut right = DVector::<f64>::zeros(unknowns);
    matrix[(0, 0)] += scale_prior.1;
    right[0] -= scale_prior.0;
    // Where a hand's shared unknown stands in the border.
    let place = |hand: usize, shared: usize| if shared == SCALE { 0 } else { shared + (SHARED - 1) * hand };
    let mut solved = Vec::with_capacity(systems.len());
    for (h, system) in systems.into_iter().enumerate() {
        let sides: Vec<SMatrix<f64, UNKNOWNS, SIDES>> = system
            .gradient
            .iter()
            .zip(&system.mixed)
            .map(|(gradient, mixed)| {
                let mut side = SMatrix::<f64, UNKNOWNS, SIDES>::zeros();
                side.set_column(0, &-gradient);
                side.fixed_view_mut::<UNKNOWNS, SHARED>(0, 1).copy_from(mixed);
                side
            })
            .collect();
        let solution = system.banded.factorise()?.solve(&sides)?;
        let mut reduced = system.shared;
        let mut reduced_right = -system.shared_gradient;
        for (mixed, solution) in system.mixed.iter().zip(&solution) {
            let product = mixed.tr_mul(solution);
            reduced_right -= product.column(0);
            reduced -= product.fixed_view::<SHARED, SHARED>(0, 1);
        }
        for a in 0..SHARED {
            right[place(h, a)] += reduced_right[a];
            for b in 0..SHARED {
                matrix[(place(h, a), place(h, b))] += reduced[(a, b)];
            }
        }
        solved.push(solution);
    }
    for i in 0..unknowns {
        matrix[(i, i)] += damping * matrix[(i, i)] + f64::EPSILON;
    }
    let shared = matrix.cholesky()?.solve(&right);
    let hands = solved.into_iter().enumerate().map(|(h, solution)| {
        let own = SMatrix::<f64, SHARED, 1>::from_fn(|a, _| shared[place(h, a)]);
        let steps = solution.iter().map(|s| s.column(0) - s.fixed_view::<UNKNOWNS, SHARED>(0, 1) * own);
        HandStep {
            betas: own.generic_view((SHAPE, 0), (Const::<SHAPES>, Const::<1>)).into_owned(),
            offsets: own.generic_view((OFFSET, 0), (Const::<KEYPOINTS>, Const::<1>)).into_owned(),
            postures: steps.collect(),
        }
    });
    Some(ArrowStep { scale: shared[0], hands: hands.collect() })
}

/// The step of the postures alone.
fn solve_postures(systems: Vec<HandSystem>) -> Option<ArrowStep> {
    let hands = systems.into_iter().map(|system| {
        let right: Vec<Step> = system.gradient.iter().map(|gradient| -gradient).collect();
        let postures = system.banded.solve(&right)?;
        Some(HandStep { betas: Betas::zeros(), offsets: Offsets::zeros(), postures })
    });
    Some(ArrowStep { scale: 0.0, hands: hands.collect::<Option<_>>()? })
}
