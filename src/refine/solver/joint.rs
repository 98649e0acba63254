//! The terms of stage III: human limits, hands in each other, and what a motion prior expects.

use nalgebra::Matrix3;

use super::problem::{Estimate, HandEstimate, JointTerms, Problem};
use super::system::{HandSystem, SHAPE, SHARED, SharedColumns};
use crate::event::Side;
use crate::fit::kinematics::Bent;
use crate::fit::normal::Columns;
use crate::fit::parameters::{FIRST_ANGLE, Posture, Step, StepMatrix};
use crate::geometry::rotation::axis_angle_from_matrix;
use crate::refine::FrameBelief;
use crate::refine::scene::{Attached, HandChain, HeldContacts, to_world};
use crate::refine::terms::biomechanics::{BiomechanicalLimits, Convention, violations};
use crate::refine::terms::{Costs, PointForm, Term};

/// Excess below which a broken limit costs its square: the papers' sum of excesses has a kink at zero.
const SMOOTH_EXCESS: f64 = 0.02;
/// Centimetres in a metre.
const CM: f64 = 100.0;
/// How far outside a surface a vertex must come, centimetres: surfaces are flat between vertices only.
const MARGIN_CM: f64 = 0.1;

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
                believe(beliefs, own, costs, system);
            }
        }
        if let ([left, right, ..], false) = (problem.hands, self.contacts.is_empty()) {
            let own = [&estimate.hands[0], &estimate.hands[1]];
            let contact = Contacts { hands: [left, right], own, weight: pose.penetration };
            contact.add(&self.contacts, costs, systems);
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
            let mut shared = [0.0; SHARED];
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

/// Two hands that must not be in each other.
struct Contacts<'a> {
    hands: [&'a HandChain; 2],
    own: [&'a HandEstimate; 2],
    weight: f64,
}

impl Contacts<'_> {
    /// Each contact costs `weight c^2`, where `c` is what its vertex still lacks, along the way out, to a margin
    /// outside the surface, in centimetres. The hands are not coupled in the normal equations:
    /// `(a - b)^2 <= 2 (a - m)^2 + 2 (b - m)^2` with `m` in the middle bounds it from above.
    fn add(&self, contacts: &HeldContacts, costs: &mut Costs, systems: &mut [HandSystem]) {
        let bones = [0, 1].map(|h| self.hands[h].at_joints.bones(&self.own[h].betas));
        let mut bent: Option<([usize; 2], [Bent; 2])> = None;
        for contact in contacts.values() {
            let [left, right] = contact.nodes;
            let postures: [&Posture; 2] = [&self.own[0].postures[left], &self.own[1].postures[right]];
            // Contacts of a frame follow each other.
            let fresh =
                || [0, 1].map(|h| self.hands[h].bend_joints(contact.nodes[h], &bones[h], postures[h]));
            let bent = match &mut bent {
                Some((nodes, bent)) if *nodes == contact.nodes => bent,
                other => &mut other.insert((contact.nodes, fresh())).1,
            };
            let points = [0, 1].map(|h| {
                let attached = &contact.points[h];
                bent[h].of_bone(attached.bone, &attached.place)
            });
            let places = [0, 1].map(|h| to_world(postures[h].wrist + points[h], h));
            let surface = contact.surface;
            let Attached { bone, place } = contact.points[surface];
            let outward = bent[surface].of_bone(bone, &(place + contact.outward)) - points[surface];
            let outward = to_world(outward, surface);
            let outside = (places[1 - surface] - places[surface]).dot(&outward) * CM;
            let lacks = MARGIN_CM - outside;
            if lacks <= 0.0 {
                continue;
            }
            costs.add(Term::Penetration, self.weight * lacks * lacks);
            for h in [0, 1] {
                let Some(system) = systems.get_mut(h) else { continue };
                let way = to_world(if h == surface { outward } else { -outward }, h);
                let pull = way * (2.0 * self.weight * CM * lacks);
                let information = way * way.transpose() * (4.0 * self.weight * CM * CM);
                let form = PointForm { value: 0.0, gradient: pull, information };
                let columns = Columns::of_attached(&bent[h], contact.points[h].bone, &points[h]);
                system.add_complete_point(contact.nodes[h], &columns, &SharedColumns::default(), &form);
            }
        }
    }
}
