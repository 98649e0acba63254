//! The one entrance: chunk in, refined chunk out.

use std::sync::Arc;

use nalgebra::Isometry3;

use super::config::RefineConfig;
use super::data::{CameraKnowledge, Chunk, Deadline, Origin, RefinedChunk, RefinedFrame, RefinedHand};
use super::output::world_pose;
use crate::geometry::WorldPoint;
use crate::hand::HandModel;

/// Refines the chunks of one run, in order; what one chunk learned (scale, shapes, the hands' ends) the
/// next starts from.
pub struct Refiner {
    model: Arc<HandModel>,
    config: RefineConfig,
}

impl Refiner {
    /// A refiner of a new run.
    pub fn new(model: Arc<HandModel>, config: RefineConfig) -> Self {
        Self { model, config }
    }

    /// What it was told.
    pub fn config(&self) -> &RefineConfig {
        &self.config
    }

    /// Refines a chunk until it is good or `deadline` passes. Chunks come in the order of time.
    pub fn refine(&mut self, chunk: &Chunk, deadline: &Deadline) -> RefinedChunk {
        let _ = deadline;
        let mut camera = Isometry3::identity();
        let frames = chunk.frames.iter().map(|frame| {
            if chunk.knowledge != CameraKnowledge::Still {
                camera = frame.world_from_camera.unwrap_or(camera);
            }
            let hands = frame.hands.iter().map(|hand| {
                let joints_camera = self.model.posed(&hand.pose, hand.side).joints;
                RefinedHand {
                    track: hand.track,
                    side: hand.side,
                    score: hand.score,
                    origin: Origin::Untouched,
                    pose_camera: hand.pose.clone(),
                    pose_world: world_pose(&hand.pose, hand.side, &camera, self.model.skeleton()),
                    joints_camera,
                    joints_world: joints_camera.map(|point| WorldPoint::of_camera(point, &camera)),
                }
            });
            RefinedFrame {
                sequence: frame.sequence,
                timestamp: frame.timestamp,
                world_from_camera: camera,
                hands: hands.collect(),
            }
        });
        RefinedChunk { frames: frames.collect(), world_scale: None, ..RefinedChunk::default() }
    }
}
