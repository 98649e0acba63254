//! `hands.jsonl`: a header line, then one line a frame, also where there are no hands.

use std::path::Path;

use nalgebra::Vector3;
use serde::Serialize;

use crate::event::{FrameHands, RunInfo, TrackedHand};
use crate::files::{PartFile, WriteError};

/// Version of the line format; a reader checks it.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Header<'a> {
    format: &'static str,
    version: u32,
    joint_order: &'static str,
    units: &'static str,
    size: [usize; 2],
    fps: f64,
    camera: Camera,
    hand_model: &'a str,
}

#[derive(Serialize)]
struct Camera {
    fx: f64,
    fy: f64,
    cx: f64,
    cy: f64,
    dist: [f64; 5],
    guessed: bool,
}

#[derive(Serialize)]
struct Line {
    frame: u64,
    t_ns: i64,
    hands: Vec<Hand>,
}

#[derive(Serialize)]
struct Hand {
    track: u32,
    side: &'static str,
    score: f64,
    state: &'static str,
    box_px: [f64; 4],
    keypoints_px: Vec<[f64; 2]>,
    joints_camera: Vec<[f64; 3]>,
    global_orient: [f64; 3],
    hand_pose: Vec<f64>,
    betas: Vec<f64>,
    translation: [f64; 3],
}

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
            format: "handstream.hands",
            version: VERSION,
            joint_order: "openpose21",
            units: "m",
            size: [run.size.width, run.size.height],
            fps: run.fps,
            camera: Camera {
                fx: camera.fx,
                fy: camera.fy,
                cx: camera.cx,
                cy: camera.cy,
                dist: camera.distortion,
                guessed: camera.guessed,
            },
            hand_model: &run.hand_model,
        })
    }

    /// Writes one frame's line.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn frame(&mut self, hands: &FrameHands) -> Result<(), WriteError> {
        self.line(&Line {
            frame: hands.sequence,
            t_ns: hands.timestamp.0,
            hands: hands.hands.iter().map(hand).collect(),
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

fn hand(hand: &TrackedHand) -> Hand {
    Hand {
        track: hand.track.0,
        side: hand.side.name(),
        score: rounded(hand.score, 1e4),
        state: hand.state.name(),
        box_px: hand.box_px.map(pixels),
        keypoints_px: hand.keypoints_px.iter().map(|p| [pixels(p.x), pixels(p.y)]).collect(),
        joints_camera: hand.joints_camera.iter().map(|p| metres(&p.0)).collect(),
        global_orient: metres(&hand.pose.global_orient),
        hand_pose: hand.pose.hand_pose.iter().flat_map(metres).collect(),
        betas: hand.pose.betas.iter().map(|&b| rounded(b, 1e6)).collect(),
        translation: metres(&hand.pose.translation),
    }
}

/// A thousandth of a pixel is far below what the networks see.
fn pixels(value: f32) -> f64 {
    rounded(value, 1e3)
}

/// A micrometre (or microradian) is far below what the networks see.
fn metres(value: &Vector3<f32>) -> [f64; 3] {
    [value.x, value.y, value.z].map(|v| rounded(v, 1e6))
}

fn rounded(value: f32, steps: f64) -> f64 {
    (value as f64 * steps).round() / steps
}
