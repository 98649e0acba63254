//! The one entrance: chunk in, refined chunk out.

use std::sync::Arc;

use nalgebra::Isometry3;

use super::belief::MotionPrior;
use super::chunk_solver::{ChunkSolver, Solved};
use super::config::{Infill, RefineConfig};
use super::data::{
    CameraKnowledge, Chunk, Deadline, ObservedHand, Origin, RefinedChunk, RefinedFrame, RefinedHand,
};
use super::output::{Label, Publisher, world_pose};
use super::scene::{CameraWay, sort_tracks};
use super::stitch::Carried;
use super::terms::biomechanics::BiomechanicalLimits;
use crate::event::TrackId;
use crate::fit::parameters::Posture;
use crate::geometry::WorldPoint;
use crate::hand::HandModel;

/// Refines the chunks of one run, in order; what one chunk learned (scale, shapes, where the world lies) the
/// next starts from.
pub struct Refiner {
    model: Arc<HandModel>,
    config: RefineConfig,
    limits: BiomechanicalLimits,
    prior: Option<Box<dyn MotionPrior>>,
    carried: Carried,
}

impl Refiner {
    /// A refiner of a new run.
    pub fn new(model: Arc<HandModel>, config: RefineConfig) -> Self {
        let limits = BiomechanicalLimits::own();
        Self { model, config, limits, prior: None, carried: Carried::default() }
    }

    /// The same with a motion prior beside the refinement's own terms.
    pub fn with_prior(self, prior: Box<dyn MotionPrior>) -> Self {
        Self { prior: Some(prior), ..self }
    }

    /// What it was told.
    pub fn config(&self) -> &RefineConfig {
        &self.config
    }

    /// Refines a chunk until it is good or `deadline` passes. Chunks come in the order of time; frames that
    /// the chunk before had too are recognised by their numbers.
    pub fn refine(&mut self, chunk: &Chunk, deadline: &Deadline) -> RefinedChunk {
        let anchor =
            chunk.frames.iter().enumerate().find_map(|(i, frame)| {
                Some((i, self.carried.frames.get(&frame.sequence)?.world_from_camera))
            });
        let sorted = sort_tracks(chunk);
        let way = CameraWay::new(chunk, anchor);
        let solver = ChunkSolver {
            model: &self.model,
            config: &self.config,
            limits: &self.limits,
            prior: self.prior.as_deref_mut().map(|prior| prior as &mut dyn MotionPrior),
            carried: &self.carried,
            deadline,
        };
        let solved = solver.solve(chunk, &sorted, way);
        let mut frames = self.frames(chunk, &solved);
        self.publish(chunk, &solved, &mut frames);
        for &(frame, hand) in &sorted.untouched {
            let refined = self.untouched(hand, &frames[frame].world_from_camera);
            frames[frame].hands.push(refined);
        }
        self.carried.blend(&mut frames, &self.model);
        self.carry(chunk, &solved, &frames);
        let mut statistics = solved.statistics;
        statistics.side_flips = sorted.side_flips;
        statistics.filled =
            frames.iter().flat_map(|f| &f.hands).filter(|h| h.origin == Origin::Filled).count();
        let scale_free = solved.way.scale_free();
        RefinedChunk {
            frames,
            world_scale: match chunk.knowledge {
                CameraKnowledge::Metric => Some(1.0),
                _ => scale_free.then_some(solved.estimate.scale),
            },
            world_scale_sigma: scale_free.then_some(solved.estimate.scale * solved.scale_sigma),
            statistics,
        }
    }

    fn frames(&self, chunk: &Chunk, solved: &Solved) -> Vec<RefinedFrame> {
        let frames = chunk.frames.iter().enumerate();
        let frames = frames.map(|(i, frame)| RefinedFrame {
            sequence: frame.sequence,
            timestamp: frame.timestamp,
            world_from_camera: solved.way.pose(i, solved.estimate.scale),
            hands: Vec::new(),
        });
        frames.collect()
    }

    /// Writes the solved hands into their frames.
    fn publish(&self, chunk: &Chunk, solved: &Solved, frames: &mut [RefinedFrame]) {
        let publisher = Publisher { model: &self.model, way: &solved.way, scale: solved.estimate.scale };
        for (hand, own) in solved.hands.iter().zip(&solved.estimate.hands) {
            let mut label: Option<(TrackId, f32)> = None;
            for (i, node) in hand.nodes.iter().enumerate() {
                let observed = node.observed.and_then(|at| chunk.frames[node.frame].hands.get(at));
                label = observed.map(|hand| (hand.track, hand.score)).or(label);
                let Some((track, score)) = label else { continue };
                let origin = if node.is_seen() { Origin::Observed } else { Origin::Filled };
                let posture = match self.config.stages.infill {
                    Infill::None if !node.is_seen() => continue,
                    Infill::Slerp if !node.is_seen() => &between_seen(hand, &own.postures, i),
                    _ => &own.postures[i],
                };
                let label = Label { track, score, origin };
                frames[node.frame].hands.push(publisher.hand(hand, own, i, posture, label));
            }
        }
    }

    /// A hand that took no part.
    fn untouched(&self, hand: &ObservedHand, camera: &Isometry3<f64>) -> RefinedHand {
        let joints_camera = self.model.posed(&hand.pose, hand.side).joints;
        RefinedHand {
            track: hand.track,
            side: hand.side,
            score: hand.score,
            origin: Origin::Untouched,
            pose_camera: hand.pose.clone(),
            pose_world: world_pose(&hand.pose, hand.side, camera, self.model.skeleton()),
            joints_camera,
            joints_world: joints_camera.map(|point| WorldPoint::of_camera(point, camera)),
        }
    }

    /// Keeps what the next chunk needs.
    fn carry(&mut self, chunk: &Chunk, solved: &Solved, frames: &[RefinedFrame]) {
        for (hand, own) in solved.hands.iter().zip(&solved.estimate.hands) {
            let new = hand.nodes.iter().filter(|node| {
                node.is_seen() && !self.carried.frames.contains_key(&chunk.frames[node.frame].sequence)
            });
            let new = new.count();
            self.carried.learn_shape(hand.side, &own.betas, new);
        }
        if solved.way.scale_free() {
            let drift = self.config.camera.scale_drift;
            self.carried.scale = Some((solved.estimate.scale, solved.scale_sigma.hypot(drift)));
        }
        self.carried.frames = frames.iter().map(|frame| (frame.sequence, frame.clone())).collect();
    }
}

/// The posture on the great circle between the seen nodes around node `i`.
fn between_seen(hand: &super::scene::HandChain, postures: &[Posture], i: usize) -> Posture {
    let before = (0..i).rev().find(|&k| hand.nodes[k].is_seen());
    let after = (i + 1..postures.len()).find(|&k| hand.nodes[k].is_seen());
    match (before, after) {
        (Some(before), Some(after)) => {
            let part = (i - before) as f64 / (after - before) as f64;
            postures[before].plus(&(postures[after].minus(&postures[before]) * part))
        }
        _ => postures[i].clone(),
    }
}
