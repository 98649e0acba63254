//! `hands.npz`: the arrays Dyn-HaMR's tools read, with capture times and a validity mask.
//!
//! Row 0 is the left hand, row 1 the right; with several hands of one side in a frame the one with
//! the best score is kept (all of them are in `hands.jsonl`). `cam_R`, `cam_t` map the world, which
//! is the first camera, to the camera; they stay at rest while no odometry runs.

use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::npy::npy;
use crate::event::{FrameHands, RunInfo, Side, TrackedHand};
use crate::files::{PartFile, WriteError};

const SIDES: [Side; 2] = [Side::Left, Side::Right];
/// Numbers in `hand_pose`: 15 joints in axis-angle.
const POSE: usize = 45;

/// One hand of one frame, as the arrays hold it.
#[derive(Clone)]
struct Row {
    track: i64,
    trans: [f32; 3],
    root_orient: [f32; 3],
    pose_body: [f32; POSE],
}

impl Row {
    const EMPTY: Row = Row { track: -1, trans: [0.0; 3], root_orient: [0.0; 3], pose_body: [0.0; POSE] };

    fn of(hand: &TrackedHand) -> Self {
        let mut pose_body = [0.0; POSE];
        for (target, joint) in pose_body.chunks_exact_mut(3).zip(&hand.pose.hand_pose) {
            target.copy_from_slice(joint.as_slice());
        }
        Self {
            track: i64::from(hand.track.0),
            trans: hand.pose.translation.into(),
            root_orient: hand.pose.global_orient.into(),
            pose_body,
        }
    }
}

/// Collects the frames and writes the arrays at the end.
pub struct NpzWriter {
    path: PathBuf,
    intrinsics: [f64; 4],
    timestamps_ns: Vec<i64>,
    rows: [Vec<Row>; 2],
    betas: [[f32; 10]; 2],
}

impl NpzWriter {
    /// Collects for the file that will be `path`.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            intrinsics: [0.0; 4],
            timestamps_ns: Vec::new(),
            rows: [Vec::new(), Vec::new()],
            betas: [[0.0; 10]; 2],
        }
    }

    /// Notes the run's intrinsics.
    pub fn started(&mut self, run: &RunInfo) {
        self.intrinsics = [run.camera.fx, run.camera.fy, run.camera.cx, run.camera.cy];
    }

    /// Notes one frame's hands.
    pub fn frame(&mut self, hands: &FrameHands) {
        self.timestamps_ns.push(hands.timestamp.0);
        for (row, side) in SIDES.into_iter().enumerate() {
            let best = hands
                .hands
                .iter()
                .filter(|hand| hand.side == side)
                .max_by(|a, b| a.score.total_cmp(&b.score));
            if let Some(hand) = best {
                // One shape a hand: the latest, which has seen most.
                self.betas[row] = hand.pose.betas;
            }
            self.rows[row].push(best.map_or(Row::EMPTY, Row::of));
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`WriteError`], for example when the disk is full.
    pub fn finish(self) -> Result<(), WriteError> {
        let archive = self.archive().map_err(|cause| WriteError::new(&self.path, cause))?;
        let mut file = PartFile::create(&self.path)?;
        file.write(&archive)?;
        file.commit()
    }

    fn archive(&self) -> io::Result<Vec<u8>> {
        let frames = self.timestamps_ns.len();
        let rows = || self.rows.iter().flatten();
        let identity: [f32; 9] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let flat3 = |of: fn(&Row) -> [f32; 3]| rows().flat_map(of).collect::<Vec<f32>>();
        let pose: Vec<f32> = rows().flat_map(|row| row.pose_body).collect();
        let valid: Vec<u8> = rows().map(|row| u8::from(row.track >= 0)).collect();
        let tracks: Vec<i64> = rows().map(|row| row.track).collect();
        let is_right: Vec<f32> =
            [0.0, 1.0].into_iter().flat_map(|side| std::iter::repeat_n(side, frames)).collect();
        let arrays = [
            ("trans", npy(&flat3(|row| row.trans), &[2, frames, 3])),
            ("root_orient", npy(&flat3(|row| row.root_orient), &[2, frames, 3])),
            ("pose_body", npy(&pose, &[2, frames, 15, 3])),
            ("latent_pose", npy(&pose, &[2, frames, 15, 3])),
            ("betas", npy(&self.betas.concat(), &[2, 10])),
            ("is_right", npy(&is_right, &[2, frames])),
            ("world_scale", npy(&[1.0f32], &[1, 1])),
            ("cam_R", npy(&identity.repeat(2 * frames), &[2, frames, 3, 3])),
            ("cam_t", npy(&vec![0.0f32; 2 * frames * 3], &[2, frames, 3])),
            ("intrins", npy(&self.intrinsics, &[4])),
            ("timestamps_ns", npy(&self.timestamps_ns, &[frames])),
            ("valid", npy(&valid, &[2, frames])),
            ("track", npy(&tracks, &[2, frames])),
        ];
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, bytes) in arrays {
            zip.start_file(format!("{name}.npy"), options).map_err(io::Error::other)?;
            zip.write_all(&bytes)?;
        }
        Ok(zip.finish().map_err(io::Error::other)?.into_inner())
    }
}
