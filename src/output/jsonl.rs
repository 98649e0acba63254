//! `hands.jsonl`: a header line, then one line a frame, also where there are no hands.

use std::path::Path;

use nalgebra::{Isometry3, Point3, Vector3};
use serde::Serialize;

use super::held::FinalFrame;
use super::record::{CameraRecord, FORMAT, FrameRecord, HandRecord, Header, UNITS, VERSION};
use crate::event::{RunInfo, TrackedHand};
use crate::files::{PartFile, WriteError};
use crate::hand::joints::JointOrder;

/// Writes the lines as the frames come.
pub struct JsonlWriter {
    file: PartFile,
}

impl JsonlWriter {
    /// Starts the file that will be `path`.
    ///
    /// # Errors
    /// [`WriteError`] when the folder cannot be written to.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        Ok(Self { file: PartFile::create(path)? })
    }

    /// Writes the header line.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn started(&mut self, run: &RunInfo) -> Result<(), WriteError> {
        let camera = &run.camera;
        self.line(&Header {
            format: FORMAT.into(),
            version: VERSION,
            joint_order: JointOrder::OpenPose21.name().into(),
            units: UNITS.into(),
            size: [run.size.width, run.size.height],
            fps: run.fps,
            camera: CameraRecord {
                fx: camera.fx,
                fy: camera.fy,
                cx: camera.cx,
                cy: camera.cy,
                dist: camera.distortion,
                guessed: camera.guessed,
            },
            hand_model: run.hand_model.clone(),
        })
    }

    /// Writes one frame's line.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn frame(&mut self, frame: &FinalFrame) -> Result<(), WriteError> {
        let hands = &frame.hands;
        self.line(&FrameRecord {
            frame: hands.sequence,
            t_ns: hands.timestamp.0,
            world_from_camera: hands.world_from_camera.as_ref().map(camera_pose),
            world_scale: frame.world_scale,
            hands: hands.hands.iter().map(|one| hand(one, hands.world_from_camera.as_ref())).collect(),
        })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn finish(self) -> Result<(), WriteError> {
        self.file.commit()
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), WriteError> {
        // Plain numbers and strings always serialise; a failure here could only be an I/O error.
        let mut text = serde_json::to_vec(value).unwrap_or_default();
        text.push(b'\n');
        self.file.write(&text)
    }
}

fn hand(hand: &TrackedHand, world_from_camera: Option<&Isometry3<f64>>) -> HandRecord {
    let in_world = |pose: &Isometry3<f64>| {
        hand.joints_camera.map(|p| fine(&(pose * Point3::from(p.0.cast::<f64>())).coords))
    };
    HandRecord {
        track: hand.track.0,
        side: hand.side.name().into(),
        score: rounded(hand.score, 1e4),
        state: hand.state.name().into(),
        box_px: hand.box_px.map(pixels),
        keypoints_px: hand.keypoints_px.map(|p| [pixels(p.x), pixels(p.y)]),
        joints_camera: hand.joints_camera.map(|p| metres(&p.0)),
        joints_world: world_from_camera.map(in_world),
        global_orient: metres(&hand.pose.global_orient),
        hand_pose: hand.pose.hand_pose.iter().flat_map(metres).collect(),
        betas: hand.pose.betas.map(|beta| rounded(beta, 1e6)),
        translation: metres(&hand.pose.translation),
    }
}

fn camera_pose(pose: &Isometry3<f64>) -> [f64; 7] {
    let [x, y, z] = fine(&pose.translation.vector);
    let [qx, qy, qz, qw] = <[f64; 4]>::from(pose.rotation.coords).map(|q| (q * 1e9).round() / 1e9);
    [x, y, z, qx, qy, qz, qw]
}

/// A thousandth of a pixel is far below what the networks see.
fn pixels(value: f32) -> f64 {
    rounded(value, 1e3)
}

/// A micrometre (or microradian) is far below what the networks see.
fn metres(value: &Vector3<f32>) -> [f64; 3] {
    fine(&value.cast())
}

fn fine(value: &Vector3<f64>) -> [f64; 3] {
    [value.x, value.y, value.z].map(|v| (v * 1e6).round() / 1e6)
}

fn rounded(value: f32, steps: f64) -> f64 {
    (f64::from(value) * steps).round() / steps
}
