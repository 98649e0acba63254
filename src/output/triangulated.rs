//! Truth from other sources: joints that were triangulated from several cameras.

use std::path::Path;

use nalgebra::Vector3;
use serde::Deserialize;

use super::read::{HandsOverTime, ReadError, hands, parse, read};
use crate::event::{KEYPOINTS, Side};
use crate::hand::HandModel;
use crate::metrics::HandSample;

/// A triangulated joint counts where its reprojection error is smaller, pixels.
const USABLE_REPROJECTION_PX: f64 = 6.0;

#[derive(Deserialize)]
struct Triangulated {
    /// One entry a frame of the clip from its first, `null` where there is no hand.
    frames: Vec<Option<TriangulatedFrame>>,
    /// Side of the hand; right where nothing is said.
    side: Option<String>,
    fps: Option<f64>,
}

#[derive(Deserialize)]
struct TriangulatedFrame {
    joints_cam0_m: [[f64; 3]; KEYPOINTS],
    reproj_px: [f64; KEYPOINTS],
}

/// Reads a truth: another `hands.jsonl`, or a JSON file of one hand's triangulated joints (`frames`, each
/// `null` or `joints_cam0_m` and `reproj_px`; docs/formats.md).
///
/// # Errors
/// [`ReadError`].
pub fn read_truth(path: &Path, model: &HandModel) -> Result<HandsOverTime, ReadError> {
    let bytes = read(path)?;
    // Only a whole file of one JSON object can be the second form; lines of JSON are no single value.
    let whole: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(&bytes).ok();
    if whole.is_some_and(|object| object.contains_key("frames")) {
        return triangulated(path, &bytes);
    }
    hands(path, &bytes, model)
}

fn triangulated(path: &Path, bytes: &[u8]) -> Result<HandsOverTime, ReadError> {
    let file: Triangulated = parse(bytes).map_err(|what| ReadError::foreign(path, what))?;
    let side = match &file.side {
        Some(name) => Side::from_name(name)
            .ok_or_else(|| ReadError::foreign(path, format!("\"{name}\" is no side: left or right")))?,
        None => Side::Right,
    };
    let mut over_time = HandsOverTime { fps: file.fps, ..HandsOverTime::default() };
    let frames = (0..).zip(&file.frames).filter_map(|(number, frame)| Some((number, frame.as_ref()?)));
    let joints = |frame: &TriangulatedFrame| {
        std::array::from_fn(|k| {
            let usable = frame.reproj_px[k] < USABLE_REPROJECTION_PX;
            usable.then(|| Vector3::from(frame.joints_cam0_m[k]))
        })
    };
    over_time.side_mut(side).extend(frames.map(|(number, frame)| {
        (number, HandSample { joints: joints(frame), vertices: Vec::new(), track: None })
    }));
    Ok(over_time)
}
