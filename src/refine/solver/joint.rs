//! The terms of stage III: human limits, hands in each other, and what a motion prior expects.

use nalgebra::Matrix3;

use super::problem::{Estimate, HandEstimate, JointTerms, Problem};
use super::system::{HandSystem, OFFSET, SHAPE};
use crate::event::Side;
use crate::fit::normal::Columns;
use crate::fit::parameters::{FIRST_ANGLE, Step, StepMatrix, TRANSLATION};
use crate::geometry::rotation::axis_angle_from_matrix;
use crate::refine::FrameBelief;
use crate::refine::scene::{HandChain, HeldDepth};
use crate::refine::terms::biomechanics::{BiomechanicalLimits, Convention, violations};
use crate::refine::terms::{Costs, Term};

/// Excess below which a broken limit costs its square: the papers' sum of excesses has a kink at zero.
const SMOOTH_EXCESS: f64 = 0.02;
/// How well wrists are held at the depth that parts the hands, metres.
const DEPTH_SIGMA: f64 = 2e-3;

impl JointTerms {
    /// Adds the costs, and to `systems` (one a hand, or none) their second-order forms.
    pub fn costs(
        &self,
        problem: &Problem,
        estimate: &Estimate,
        costs: &mut Costs,
        systems: &mut [HandSystem],
    ) {
        let pose = &problem.config.pose;
        for (h, (hand, own)) in problem.hands.iter().zip(&estimate.hands).enumerate() {
            let mut system = systems.get_mut(h);
            if let Some(limits) = &self.limits {
                keep_limits(limits, hand, own, pose.biomechanics, costs, system.as_deref_mut());
            }
            if let Some(beliefs) = self.beliefs.get(h) {
                believe(beliefs, own, costs, system.as_deref_mut());
            }
            if let Some(depths) = self.depths.as_ref().and_then(|depths| depths.get(h)) {
                hold_depths(depths, own, costs, system);
            }
        }
    }
}

fn keep_limits(
    limits: &BiomechanicalLimits,
    hand: &HandChain,
    own: &HandEstimate,
    weight: f64,
    costs: &mut Costs,
    mut system: Option<&mut HandSystem>,
) {
    let bones = hand.at_joints.bones(&own.betas);
    for (node, posture) in own.postures.iter().enumerate() {
        let bent = hand.bend_joints(node, &bones, posture);
        for broken in violations(limits, &bent.joints, Side::Right, Convention::Canonical) {
            let weight = weight * broken.weight;
            let (excess, smooth) = (broken.excess, SMOOTH_EXCESS);
            let (value, slope) = match excess < smooth {
                true => (0.5 * excess * excess / smooth, excess / smooth),
                false => (excess - 0.5 * smooth, 1.0),
            };
            costs.add(Term::Biomechanics, weight * value);
            let Some(system) = system.as_deref_mut() else { continue };
            let mut row = Step::zeros();
            let mut shared = [0.0; OFFSET];
            for (k, by_joint) in broken.by_joints.iter().enumerate().filter(|(_, by)| by.norm_squared() > 0.0)
            {
                for (index, column) in Columns::of(&bent, k).iter() {
                    row[index] += by_joint.dot(column);
                }
                let by_shape = hand.at_joints.shape_derivative(&bent, k);
                for (sum, column) in shared[SHAPE..].iter_mut().zip(&by_shape) {
                    *sum += by_joint.dot(column);
                }
            }
            system.add_row(node, &row, &shared, weight * slope, weight * slope / excess);
        }
    }
}

fn believe(
    beliefs: &[Option<FrameBelief>],
    own: &HandEstimate,
    costs: &mut Costs,
    mut system: Option<&mut HandSystem>,
) {
    for (node, (belief, posture)) in beliefs.iter().zip(&own.postures).enumerate() {
        let Some(belief) = belief else { continue };
        let (mut gradient, mut hessian) = (Step::zeros(), StepMatrix::zeros());
        let angles = posture.angles.iter().zip(&belief.angles).zip(&belief.angle_information);
        for (i, ((angle, expected), information)) in angles.enumerate() {
            let away = angle - expected;
            costs.add(Term::Prior, 0.5 * information * away * away);
            gradient[FIRST_ANGLE + i] = information * away;
            hessian[(FIRST_ANGLE + i, FIRST_ANGLE + i)] = *information;
        }
        if let Some((expected, information)) = &belief.rotation {
            let away = axis_angle_from_matrix((posture.rotation * expected.inverse()).matrix());
            costs.add(Term::Prior, 0.5 * information * away.norm_squared());
            gradient.fixed_rows_mut::<3>(0).copy_from(&(away * *information));
            let block = Matrix3::identity() * *information;
            hessian.fixed_view_mut::<3, 3>(0, 0).copy_from(&block);
        }
        if let Some(system) = system.as_deref_mut() {
            system.add_posture(node, &gradient, &hessian);
        }
    }
}

fn hold_depths(
    depths: &[Option<HeldDepth>],
    own: &HandEstimate,
    costs: &mut Costs,
    mut system: Option<&mut HandSystem>,
) {
    let information = DEPTH_SIGMA.powi(-2);
    for (node, (held, posture)) in depths.iter().zip(&own.postures).enumerate() {
        let Some(HeldDepth { along, at }) = held else { continue };
        let away = along.dot(&posture.wrist) - at;
        costs.add(Term::Penetration, 0.5 * information * away * away);
        let Some(system) = system.as_deref_mut() else { continue };
        let (mut gradient, mut hessian) = (Step::zeros(), StepMatrix::zeros());
        gradient.fixed_rows_mut::<3>(TRANSLATION).copy_from(&(along * (information * away)));
        let block = along * along.transpose() * information;
        hessian.fixed_view_mut::<3, 3>(TRANSLATION, TRANSLATION).copy_from(&block);
        system.add_posture(node, &gradient, &hessian);
    }
}
