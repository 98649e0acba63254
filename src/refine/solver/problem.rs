//! The cost of an estimate, and its normal equations.

use nalgebra::Vector3;

use super::system::{HandSystem, OFFSET, SCALE, SHAPE, SharedColumns};
use crate::event::KEYPOINTS;
use crate::fit::kinematics::{Bent, Betas, Bones, Offsets, SHAPES};
use crate::fit::normal::Columns;
use crate::fit::parameters::{FIRST_ANGLE, Posture, Step, StepMatrix};
use crate::fit::prior::{add_anatomy, anatomy_cost};
use crate::refine::FrameBelief;
use crate::refine::config::RefineConfig;
use crate::refine::scene::{CameraWay, HandChain, HeldDepths, Node, Sight, View};
use crate::refine::terms::biomechanics::BiomechanicalLimits;
use crate::refine::terms::motion::Link;
use crate::refine::terms::reprojection::keypoint;
use crate::refine::terms::smoothness::joint_velocity;
use crate::refine::terms::{Costs, Term, provisional};

/// What is fitted.
#[derive(Clone, Debug)]
pub(in crate::refine) struct Estimate {
    /// One entry a hand of the problem.
    pub hands: Vec<HandEstimate>,
    /// Metres in a unit of the odometry.
    pub scale: f64,
}

/// One hand's part.
#[derive(Clone, Debug)]
pub(in crate::refine) struct HandEstimate {
    /// In the world (mirrored for a left hand), one for each node.
    pub postures: Vec<Posture>,
    pub betas: Betas,
    /// Where this hand's key points lie along their bones.
    pub offsets: Offsets,
}

/// What is known of the scale before the chunk is seen: mean of its logarithm and information.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::refine) struct ScalePrior {
    pub logarithm: f64,
    pub information: f64,
}

/// What stage III adds.
#[derive(Clone, Debug, Default)]
pub(in crate::refine) struct JointTerms {
    /// Human limits, where they are kept.
    pub limits: Option<BiomechanicalLimits>,
    /// Where the wrists of the left and of the right hand are held in depth, so that these are not in each other.
    pub depths: Option<HeldDepths>,
    /// What a motion prior expects of each node of each hand.
    pub beliefs: Vec<Vec<Option<FrameBelief>>>,
}

/// One chunk's least-squares problem.
pub(in crate::refine) struct Problem<'a> {
    pub hands: &'a [HandChain],
    pub way: &'a CameraWay,
    pub config: &'a RefineConfig,
    pub scale_prior: ScalePrior,
    pub joint: Option<&'a JointTerms>,
}

impl Problem<'_> {
    /// Whether shapes and key points' offsets are unknowns: stage III leaves them as stage II found them.
    pub fn shape_free(&self) -> bool {
        let shape = &self.config.shape;
        self.joint.is_none() && (shape.squared_betas > 0.0 || shape.provisional > 0.0)
    }

    /// The cost of an estimate, term by term.
    pub fn costs(&self, estimate: &Estimate) -> Costs {
        let mut costs = Costs::default();
        let (scale, _, _) = self.scale_terms(estimate.scale);
        costs.add(Term::Scale, scale);
        for (hand, own) in self.hands.iter().zip(&estimate.hands) {
            self.visit(hand, own, estimate.scale, &mut costs, None);
        }
        if let Some(joint) = self.joint {
            joint.costs(self, estimate, &mut costs, &mut []);
        }
        costs
    }

    /// Normal equations of every hand, with the cost.
    pub fn linearise(&self, estimate: &Estimate) -> (Vec<HandSystem>, Costs) {
        let mut costs = Costs::default();
        let (scale, _, _) = self.scale_terms(estimate.scale);
        costs.add(Term::Scale, scale);
        let systems = self.hands.iter().zip(&estimate.hands).map(|(hand, own)| {
            let mut system = HandSystem::zeros(hand.nodes.len());
            self.visit(hand, own, estimate.scale, &mut costs, Some(&mut system));
            system
        });
        let mut systems: Vec<_> = systems.collect();
        if let Some(joint) = self.joint {
            joint.costs(self, estimate, &mut costs, &mut systems);
        }
        (systems, costs)
    }

    /// Value, gradient and Hessian in the logarithm of the scale of what was known before.
    pub fn scale_terms(&self, scale: f64) -> (f64, f64, f64) {
        let ScalePrior { logarithm, information } = self.scale_prior;
        let away = scale.ln() - logarithm;
        (0.5 * information * away * away, information * away, information)
    }

    fn visit(
        &self,
        hand: &HandChain,
        own: &HandEstimate,
        scale: f64,
        costs: &mut Costs,
        mut system: Option<&mut HandSystem>,
    ) {
        let bones = hand.chain.bones_seen(&own.betas, &own.offsets);
        let views: Vec<View> =
            hand.nodes.iter().map(|node| self.way.view(node.frame, scale, hand.mirrored())).collect();
        let velocity = self.config.motion.joint_velocity > 0.0;
        let mut before: Option<Frame> = None;
        for (i, node) in hand.nodes.iter().enumerate() {
            let frame = Frame::new(hand, i, &bones, &own.postures[i]);
            if velocity && let (Some(before), Some(_)) = (&before, node.since) {
                self.velocity(i, before, &frame, costs, system.as_deref_mut());
            }
            if let Some(sight) = &node.sight {
                self.reprojection(i, sight, &frame, &views[i], costs, system.as_deref_mut());
            }
            before = Some(frame);
        }
        if let Some(system) = system.as_deref_mut() {
            system.complete();
        }
        for (i, node) in hand.nodes.iter().enumerate() {
            self.posture_terms(i, node, &own.postures[i], &views[i], costs, system.as_deref_mut());
        }
        self.motion(hand, &own.postures, scale, costs, system.as_deref_mut());
        self.offsets(hand, &own.offsets, costs, system.as_deref_mut());
        self.shape(hand, &own.betas, costs, system);
    }

    fn reprojection(
        &self,
        node: usize,
        sight: &Sight,
        frame: &Frame,
        view: &View,
        costs: &mut Costs,
        mut system: Option<&mut HandSystem>,
    ) {
        let config = &self.config.observation;
        for k in (0..KEYPOINTS).filter(|&k| sight.weights[k] > 0.0) {
            let world = frame.wrist + frame.bent.keypoints[k];
            let form = keypoint(
                &view.camera_point(&world),
                &sight.rays[k],
                &(sight.scale * sight.sharpness[k]),
                config.reprojection * sight.weights[k],
                config.reprojection_scale,
            );
            costs.add(Term::Reprojection, form.value);
            if let Some(system) = system.as_deref_mut() {
                let mut shared = frame.by_shape(k);
                shared[SCALE] = -view.centre_by_scale;
                let columns = Columns::of(&frame.bent, k);
                let offset = Some((k, frame.by_offset(k)));
                system.add_point(node, &columns, &shared, offset, &form.turned_back(&view.rotation));
            }
        }
    }

    fn velocity(
        &self,
        node: usize,
        before: &Frame,
        frame: &Frame,
        costs: &mut Costs,
        mut system: Option<&mut HandSystem>,
    ) {
        let weight = self.config.motion.joint_velocity;
        for k in 0..KEYPOINTS {
            let earlier = before.wrist + before.bent.keypoints[k];
            let (value, pull) = joint_velocity(&earlier, &(frame.wrist + frame.bent.keypoints[k]), weight);
            costs.add(Term::JointVelocity, value);
            if let Some(system) = system.as_deref_mut() {
                system.add_difference(
                    node,
                    (&Columns::of(&before.bent, k), &before.by_shape(k)),
                    (&Columns::of(&frame.bent, k), &frame.by_shape(k)),
                    &pull,
                    weight,
                );
            }
        }
    }

    /// Provisional pose, anatomy and squared angles.
    fn posture_terms(
        &self,
        i: usize,
        node: &Node,
        posture: &Posture,
        view: &View,
        costs: &mut Costs,
        mut system: Option<&mut HandSystem>,
    ) {
        if let Some(believed) = &node.provisional {
            let form = provisional::form(posture, believed, view, node.lasts, &self.config.observation);
            costs.add(Term::Provisional, form.value);
            if let Some(system) = system.as_deref_mut() {
                system.add_posture(i, &form.gradient, &form.hessian);
                system.add_wrist_scale(i, &form.along.0, &form.along.1, &view.centre_by_scale);
            }
        }
        let pose = &self.config.pose;
        let (mut gradient, mut hessian) = (Step::zeros(), StepMatrix::zeros());
        if let Some(anatomy) = &pose.anatomy {
            let weight = (node.lasts / anatomy.memory_seconds).min(1.0);
            match system {
                Some(_) => {
                    let cost = add_anatomy(&posture.angles, anatomy, weight, &mut gradient, &mut hessian);
                    costs.add(Term::Anatomy, cost);
                }
                None => costs.add(Term::Anatomy, weight * anatomy_cost(&posture.angles, anatomy)),
            }
        }
        if pose.squared_angles > 0.0 {
            for (k, angle) in posture.angles.iter().enumerate() {
                costs.add(Term::SquaredAngles, pose.squared_angles * angle * angle);
                gradient[FIRST_ANGLE + k] += 2.0 * pose.squared_angles * angle;
                hessian[(FIRST_ANGLE + k, FIRST_ANGLE + k)] += 2.0 * pose.squared_angles;
            }
        }
        if let Some(system) = system {
            system.add_posture(i, &gradient, &hessian);
        }
    }

    fn motion(
        &self,
        hand: &HandChain,
        postures: &[Posture],
        scale: f64,
        costs: &mut Costs,
        mut system: Option<&mut HandSystem>,
    ) {
        let body = |node: &Node| self.way.body(node.frame, scale, hand.mirrored());
        let body: Vec<_> = hand.nodes.iter().map(body).collect();
        for (i, node) in hand.nodes.iter().enumerate() {
            let Some(since) = node.since else { continue };
            let form =
                Link::new(since, hand.nodes[i - 1].since).form(postures, &body, i, &self.config.motion);
            costs.add(Term::Motion, form.value);
            if let Some(system) = system.as_deref_mut() {
                form.add(&mut system.banded, &mut system.gradient);
                system.add_link_scale(&form);
            }
        }
    }

    /// How far this hand's key points are from their usual places; where these are held, their own
    /// information keeps the system definite.
    fn offsets(
        &self,
        hand: &HandChain,
        offsets: &Offsets,
        costs: &mut Costs,
        system: Option<&mut HandSystem>,
    ) {
        let information = hand.offset_information;
        let away = offsets - hand.offsets;
        costs.add(Term::Shape, 0.5 * information * away.norm_squared());
        if let Some(system) = system {
            for k in 0..KEYPOINTS {
                system.shared_gradient[OFFSET + k] += information * away[k];
                system.shared[(OFFSET + k, OFFSET + k)] += information;
            }
        }
    }

    fn shape(&self, hand: &HandChain, betas: &Betas, costs: &mut Costs, system: Option<&mut HandSystem>) {
        let config = &self.config.shape;
        let squared = config.squared_betas * hand.nodes.len() as f64;
        let away = betas - hand.betas;
        costs.add(
            Term::Shape,
            squared * betas.norm_squared() + 0.5 * config.provisional * away.norm_squared(),
        );
        if let Some(system) = system {
            for b in 0..SHAPES {
                system.shared_gradient[SHAPE + b] += 2.0 * squared * betas[b] + config.provisional * away[b];
                system.shared[(SHAPE + b, SHAPE + b)] += 2.0 * squared + config.provisional;
            }
        }
    }
}

/// A bent hand with how its shape moves it.
struct Frame<'a> {
    hand: &'a HandChain,
    bent: Bent,
    wrist: Vector3<f64>,
}

impl<'a> Frame<'a> {
    fn new(hand: &'a HandChain, i: usize, bones: &Bones, posture: &Posture) -> Self {
        Self { hand, bent: hand.bend(i, bones, posture), wrist: posture.wrist }
    }

    /// How key point `k` moves with the shared unknowns; the scale does not move it.
    fn by_shape(&self, k: usize) -> SharedColumns {
        let mut shared = SharedColumns::default();
        shared[SHAPE..].copy_from_slice(&self.hand.chain.shape_derivative(&self.bent, k));
        shared
    }

    /// How key point `k` moves with its own offset.
    fn by_offset(&self, k: usize) -> Vector3<f64> {
        self.hand.chain.offset_derivative(&self.bent, k)
    }
}
