//! The truth of the scene as a front end without any error would tell it.

use std::time::Duration;

use super::SceneTruth;
use crate::event::{FrameHands, PoseState, TrackId, TrackedHand};
use crate::geometry::CameraModel;

impl SceneTruth {
    /// The hands of frame `sequence` as they are seen through `camera`, that of the scene; they took no time. Key points
    /// behind the camera lie in the corner.
    pub fn seen(&self, sequence: u64, camera: &CameraModel) -> FrameHands {
        let hands = self.hands.iter().enumerate().map(|(track, hand)| {
            let keypoints_px = hand.joints_camera.map(|joint| camera.project(joint).unwrap_or_default());
            let (x, y) = (keypoints_px.map(|at| at.x), keypoints_px.map(|at| at.y));
            let [left, top] = [x, y].map(|all| all.into_iter().fold(f32::INFINITY, f32::min));
            let [right, bottom] = [x, y].map(|all| all.into_iter().fold(f32::NEG_INFINITY, f32::max));
            TrackedHand {
                track: TrackId(track as u32),
                side: hand.side,
                score: 1.0,
                state: PoseState::Provisional,
                box_px: [left, top, right, bottom],
                keypoints_px,
                joints_camera: hand.joints_camera,
                pose: hand.pose_camera.clone(),
            }
        });
        FrameHands {
            sequence,
            timestamp: self.timestamp,
            hands: hands.collect(),
            world_from_camera: None,
            stages: Vec::new(),
            total: Duration::ZERO,
        }
    }
}
