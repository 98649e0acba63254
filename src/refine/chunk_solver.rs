//! The stages of one chunk.

use std::time::Instant;

use super::belief::{FrameBelief, MotionFrame, MotionPrior};
use super::config::{Infill, RefineConfig};
use super::data::{Chunk, Deadline, RefineStatistics, StageStatistics};
use super::scene::{
    CameraWay, HandChain, HandScale, HeldDepths, Meshes, Sorted, camera_postures, hand_scale, learn_noise,
    part, remove_outliers, world_postures,
};
use super::solver::{Estimate, HandEstimate, JointTerms, Outcome, Problem, ScalePrior, minimise};
use super::stitch::Carried;
use super::terms::biomechanics::BiomechanicalLimits;
use crate::fit::parameters::Posture;
use crate::hand::HandModel;

/// Relative standard deviation of a scale of which nothing is known.
const UNKNOWN_SIGMA: f64 = 1.0;
/// Information on the logarithm of the scale that holds it through a stage (see [`super::scene::HandScale`]).
const HELD: f64 = 1e8;

/// A chunk whose hands are placed.
pub(super) struct Solved {
    pub way: CameraWay,
    pub hands: Vec<HandChain>,
    pub estimate: Estimate,
    /// Relative standard deviation of the scale.
    pub scale_sigma: f64,
    pub statistics: RefineStatistics,
}

/// What the stages work with.
pub(super) struct ChunkSolver<'a> {
    pub model: &'a HandModel,
    pub config: &'a RefineConfig,
    pub limits: &'a BiomechanicalLimits,
    pub prior: Option<&'a mut dyn MotionPrior>,
    pub carried: &'a Carried,
    pub deadline: &'a Deadline,
}

impl ChunkSolver<'_> {
    /// Runs all stages that the configuration asks for.
    pub fn solve(mut self, chunk: &Chunk, sorted: &Sorted, way: CameraWay) -> Solved {
        let mut solved = self.begin(chunk, sorted, way);
        if solved.hands.is_empty() {
            return solved;
        }
        if self.config.stages.world {
            let started = Instant::now();
            let outcome = self.minimise(&solved, None, self.config.solver.world_iterations);
            solved.take("world", outcome, started);
            if self.config.observation.learn_noise {
                self.world_again(&mut solved);
            }
            self.scale_again(&mut solved);
        }
        if self.config.stages.joint {
            self.joint(chunk, &mut solved);
        }
        solved
    }

    /// Stage I: hands, a first scale, postures to begin with.
    fn begin(&mut self, chunk: &Chunk, sorted: &Sorted, mut way: CameraWay) -> Solved {
        let started = Instant::now();
        let chains = sorted.hands.iter().filter_map(|track| {
            let agreed = |own: &_, seen| self.carried.agreed_shape(track.side, own, seen);
            HandChain::new(track, chunk, self.model, self.config, agreed)
        });
        let mut hands: Vec<HandChain> = chains.collect();
        let seen: Vec<Vec<Option<Posture>>> = hands
            .iter()
            .map(|hand| hand.nodes.iter().map(|node| node.provisional.clone()).collect())
            .collect();
        let (scale, scale_sigma) = self.agreed_scale(hand_scale(&hands, &seen, &way), &mut way);
        let mut statistics = RefineStatistics::default();
        for hand in &mut hands {
            statistics.outliers += remove_outliers(hand, &way, scale);
        }
        hands.retain(|hand| hand.nodes.iter().any(|node| node.provisional.is_some()));
        let start = hands.iter().map(|hand| HandEstimate {
            postures: world_postures(hand, &way, scale),
            betas: hand.betas,
            offsets: hand.offsets,
        });
        let mut estimate = Estimate { hands: start.collect(), scale };
        if let (Infill::Prior, Some(prior)) = (self.config.stages.infill, self.prior.as_deref_mut()) {
            for (hand, own) in hands.iter().zip(&mut estimate.hands) {
                for stretch in stretches(hand) {
                    let mut motion = motion(chunk, hand, &own.postures, stretch.clone());
                    prior.fill(&mut motion);
                    for (posture, frame) in own.postures[stretch].iter_mut().zip(motion) {
                        take_filled(posture, frame, hand);
                    }
                }
            }
        }
        let took = started.elapsed();
        statistics.stages.push(StageStatistics { stage: "infill", took, ..StageStatistics::default() });
        Solved { way, hands, estimate, scale_sigma, statistics }
    }

    /// What the hands of this chunk and those before say of the scale, and its relative standard deviation;
    /// tells `way` how the body goes.
    fn agreed_scale(&self, found: Option<HandScale>, way: &mut CameraWay) -> (f64, f64) {
        if !way.scale_free() {
            return (1.0, 0.0);
        }
        way.carry(way.smoothed(found.and_then(|found| found.body)));
        match (found, self.carried.scale) {
            (None, None) => (1.0, UNKNOWN_SIGMA),
            (Some(found), None) => (found.scale, found.sigma),
            (None, Some((scale, sigma))) => (scale, sigma),
            (Some(found), Some((scale, sigma))) => {
                let weights = [found.sigma.powi(-2), sigma.powi(-2)];
                let sum = weights[0] + weights[1];
                let mean = (found.scale.ln() * weights[0] + scale.ln() * weights[1]) / sum;
                (mean.exp(), sum.powf(-0.5))
            }
        }
    }

    /// Stage II once more, with what its first result says of the key points' noise.
    fn world_again(&self, solved: &mut Solved) {
        if solved.statistics.out_of_time {
            return;
        }
        let started = Instant::now();
        for (hand, own) in solved.hands.iter_mut().zip(&solved.estimate.hands) {
            learn_noise(hand, own, &solved.way, solved.estimate.scale);
        }
        let outcome = self.minimise(solved, None, self.config.solver.again_iterations);
        solved.take("world again", outcome, started);
    }

    /// Finds the scale again from the refined hands, and moves them along with the camera.
    fn scale_again(&self, solved: &mut Solved) {
        let before = solved.estimate.scale;
        let Solved { way, hands, estimate, .. } = solved;
        let pairs = || hands.iter().zip(&estimate.hands);
        let seen: Vec<_> =
            pairs().map(|(hand, own)| camera_postures(hand, way, before, &own.postures)).collect();
        let (scale, sigma) = self.agreed_scale(hand_scale(hands, &seen, way), way);
        for (hand, own) in hands.iter().zip(&mut estimate.hands) {
            for (node, posture) in hand.nodes.iter().zip(&mut own.postures) {
                let place = |scale| way.view(node.frame, scale, hand.mirrored()).centre;
                posture.wrist += place(scale) - place(before);
            }
        }
        estimate.scale = scale;
        solved.scale_sigma = sigma;
    }

    /// Stage III: both hands with human limits, without being in each other, as the prior expects.
    fn joint(&mut self, chunk: &Chunk, solved: &mut Solved) {
        let started = Instant::now();
        let (stages, pose) = (self.config.stages, self.config.pose.clone());
        if solved.statistics.out_of_time {
            return;
        }
        let terms = JointTerms {
            limits: (stages.biomechanics && pose.biomechanics > 0.0).then(|| self.limits.clone()),
            beliefs: if stages.prior { self.beliefs(chunk, solved) } else { Vec::new() },
            depths: if stages.penetration { self.parted(solved) } else { None },
        };
        let outcome = self.minimise(solved, Some(&terms), self.config.solver.joint_iterations);
        solved.take("joint", outcome, started);
    }

    /// Where the wrists must be in depth so that the hands are not in each other.
    fn parted(&self, solved: &Solved) -> Option<HeldDepths> {
        let ([left, right], [own_left, own_right]) = (&solved.hands[..], &solved.estimate.hands[..]) else {
            return None;
        };
        let pair = [(left, own_left), (right, own_right)];
        part(&Meshes::new(self.model), pair, &solved.way, solved.estimate.scale)
    }

    fn beliefs(&mut self, chunk: &Chunk, solved: &Solved) -> Vec<Vec<Option<FrameBelief>>> {
        let Some(prior) = self.prior.as_deref_mut() else { return Vec::new() };
        let mut of = |hand: &HandChain, own: &HandEstimate| {
            let stretches = stretches(hand).into_iter();
            stretches.flat_map(|s| prior.believe(&motion(chunk, hand, &own.postures, s))).collect()
        };
        solved.hands.iter().zip(&solved.estimate.hands).map(|(hand, own)| of(hand, own)).collect()
    }

    fn minimise(&self, solved: &Solved, joint: Option<&JointTerms>, iterations: usize) -> Outcome {
        let scale_prior = ScalePrior { logarithm: solved.estimate.scale.ln(), information: HELD };
        let problem =
            Problem { hands: &solved.hands, way: &solved.way, config: self.config, scale_prior, joint };
        minimise(&problem, solved.estimate.clone(), iterations, self.deadline)
    }
}

impl Solved {
    /// Takes over what a stage found.
    fn take(&mut self, stage: &'static str, outcome: Outcome, started: Instant) {
        self.statistics.out_of_time |= outcome.out_of_time;
        self.estimate = outcome.estimate;
        self.statistics.stages.push(StageStatistics {
            stage,
            took: started.elapsed(),
            iterations: outcome.iterations,
            costs: outcome.before.compared(&outcome.after),
        });
    }
}

/// The stretches of a hand, as ranges of its nodes.
fn stretches(hand: &HandChain) -> Vec<std::ops::Range<usize>> {
    let starts = hand.nodes.iter().enumerate().filter(|(_, node)| node.since.is_none()).map(|(i, _)| i);
    let starts: Vec<usize> = starts.chain([hand.nodes.len()]).collect();
    starts.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

fn motion(
    chunk: &Chunk,
    hand: &HandChain,
    postures: &[Posture],
    stretch: std::ops::Range<usize>,
) -> Vec<MotionFrame> {
    let frame = |i: usize| MotionFrame {
        seconds: chunk.frames[hand.nodes[i].frame].timestamp.seconds(),
        rotation: postures[i].rotation,
        wrist: postures[i].wrist,
        angles: postures[i].angles,
        seen: hand.nodes[i].is_seen(),
    };
    stretch.map(frame).collect()
}

/// Takes over what a prior filled in; a broken one is left alone.
fn take_filled(posture: &mut Posture, frame: MotionFrame, hand: &HandChain) {
    let mut filled = Posture { rotation: frame.rotation, wrist: frame.wrist, angles: frame.angles };
    filled.clamp(&hand.chain.limits);
    if !frame.seen && filled.is_finite() {
        *posture = filled;
    }
}
