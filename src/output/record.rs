//! The lines of `hands.jsonl`, as the writer writes and the reader reads them.

use serde::{Deserialize, Serialize};

use crate::event::KEYPOINTS;

/// Name of the format in the header.
pub(super) const FORMAT: &str = "handstream.hands";
/// Version of the line format; the reader checks it.
pub(super) const VERSION: u32 = 1;
/// Unit of every length.
pub(super) const UNITS: &str = "m";

#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub format: String,
    pub version: u32,
    pub joint_order: String,
    pub units: String,
    pub size: [usize; 2],
    pub fps: f64,
    pub camera: CameraRecord,
    pub hand_model: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CameraRecord {
    pub fx: f64,
    pub fy: f64,
    pub cx: f64,
    pub cy: f64,
    pub dist: [f64; 5],
    pub guessed: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FrameRecord {
    pub frame: u64,
    pub t_ns: i64,
    /// Position, then quaternion x y z w; absent where the camera's place is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world_from_camera: Option<[f64; 7]>,
    /// Metres in a unit of the odometry's path; absent where it is not known or there is no such path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world_scale: Option<f64>,
    pub hands: Vec<HandRecord>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct HandRecord {
    pub track: u32,
    pub side: String,
    pub score: f64,
    pub state: String,
    pub box_px: [f64; 4],
    pub keypoints_px: [[f64; 2]; KEYPOINTS],
    pub joints_camera: [[f64; 3]; KEYPOINTS],
    /// Absent where the camera's place is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joints_world: Option<[[f64; 3]; KEYPOINTS]>,
    pub global_orient: [f64; 3],
    pub hand_pose: Vec<f64>,
    pub betas: [f64; 10],
    pub translation: [f64; 3],
}
