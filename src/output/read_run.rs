//! Reading all of a `hands.jsonl` back: every hand of every frame.

use std::path::Path;
use std::time::Duration;

use super::read::{ReadError, camera_pose, hand_pose, header_of, parse, read, side_of};
use super::record::{FrameRecord, HandRecord, Header};
use crate::event::{FrameHands, PoseState, RunInfo, TrackId, TrackedHand};
use crate::frame::{PictureSize, Timestamp};
use crate::geometry::{CameraModel, CameraPoint, Pixel};

/// A run as it was stored.
#[derive(Clone, Debug)]
pub struct StoredRun {
    /// What its head says.
    pub info: RunInfo,
    /// Its frames, in order.
    pub frames: Vec<FrameHands>,
    /// Whether the key points are the hand model's own joints, not what a tracker saw.
    pub joints: bool,
    /// Whether it came in Dyn-HaMR's own form, whose left hands are mirrored.
    pub mirrored_left: bool,
}

/// Reads a `hands.jsonl`. Hands that an earlier second pass filled in are left out: nobody saw them.
///
/// # Errors
/// [`ReadError`] with the line and what is wrong with it.
pub fn read_run(path: &Path) -> Result<StoredRun, ReadError> {
    let bytes = read(path)?;
    let mut lines = bytes.split(|&byte| byte == b'\n').enumerate();
    let header = header_of(path, lines.next().map_or(&b""[..], |(_, line)| line))?;
    let mut frames = Vec::<FrameHands>::new();
    for (number, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let wrong = |what: String| ReadError::line(path, number + 1, what);
        let record: FrameRecord = parse(line).map_err(wrong)?;
        if let Some(last) = frames.last().filter(|last| last.sequence >= record.frame) {
            return Err(wrong(format!("frame {} comes after frame {}", record.frame, last.sequence)));
        }
        frames.push(frame(&record).map_err(wrong)?);
    }
    Ok(StoredRun { info: info(path, header), frames, joints: false, mirrored_left: false })
}

fn info(path: &Path, header: Header) -> RunInfo {
    let [width, height] = header.size;
    let size = PictureSize { width, height };
    let camera = header.camera;
    RunInfo {
        source: path.display().to_string(),
        size,
        fps: header.fps,
        frame_count: None,
        camera: CameraModel {
            fx: camera.fx,
            fy: camera.fy,
            cx: camera.cx,
            cy: camera.cy,
            distortion: camera.dist,
            size,
            guessed: camera.guessed,
        },
        hand_model: header.hand_model,
    }
}

fn frame(record: &FrameRecord) -> Result<FrameHands, String> {
    let seen = record.hands.iter().filter(|hand| hand.state != PoseState::Filled.name());
    Ok(FrameHands {
        sequence: record.frame,
        timestamp: Timestamp(record.t_ns),
        hands: seen.map(hand).collect::<Result<_, _>>()?,
        world_from_camera: record.world_from_camera.map(camera_pose).transpose()?,
        stages: Vec::new(),
        total: Duration::ZERO,
    })
}

fn hand(record: &HandRecord) -> Result<TrackedHand, String> {
    Ok(TrackedHand {
        track: TrackId(record.track),
        side: side_of(record)?,
        score: record.score as f32,
        state: PoseState::Provisional,
        box_px: record.box_px.map(|value| value as f32),
        keypoints_px: record.keypoints_px.map(|[x, y]| Pixel::new(x as f32, y as f32)),
        joints_camera: record.joints_camera.map(|[x, y, z]| CameraPoint::new(x as f32, y as f32, z as f32)),
        pose: hand_pose(record)?,
    })
}
