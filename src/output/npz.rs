//! `hands.npz`: the arrays Dyn-HaMR's tools read, with capture times and a validity mask.
//!
//! Row 0 is the left hand, row 1 the right; with several hands of one side in a frame the one with
//! the best score is kept (all of them are in `hands.jsonl`). `trans` and `root_orient` are in the world,
//! which `cam_R`, `cam_t` map to the camera. In a run without camera path both are one and the same; in a
//! run with one, frames whose pose is not known are not valid.

use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

use nalgebra::Isometry3;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::npy::npy;
use crate::event::{FrameHands, HandPose, RunInfo, Side, TrackedHand};
use crate::files::{PartFile, WriteError};
use crate::geometry::rotation::{axis_angle_from_quaternion, quaternion_from_axis_angle};
use crate::hand::mirror::mirror_pose;

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

    fn of(hand: &TrackedHand, world_from_camera: &Isometry3<f64>, mirrored_left: bool) -> Self {
        let world_from_camera = world_from_camera.cast::<f32>();
        let orient = world_from_camera.rotation * quaternion_from_axis_angle(hand.pose.global_orient);
        // The hand turns about its wrist, so what moves is where the wrist goes.
        let wrist = hand.joints_camera[0].0;
        let moved = world_from_camera.transform_point(&wrist.into()).coords - wrist;
        let in_world = HandPose {
            translation: hand.pose.translation + moved,
            global_orient: axis_angle_from_quaternion(&orient),
            ..hand.pose.clone()
        };
        let pose = match mirrored_left && hand.side == Side::Left {
            true => mirror_pose(&in_world),
            false => in_world,
        };
        let mut pose_body = [0.0; POSE];
        for (target, joint) in pose_body.chunks_exact_mut(3).zip(&pose.hand_pose) {
            target.copy_from_slice(joint.as_slice());
        }
        Self {
            track: i64::from(hand.track.0),
            trans: pose.translation.into(),
            root_orient: pose.global_orient.into(),
            pose_body,
        }
    }
}

/// Collects the frames and writes the arrays at the end.
pub struct NpzWriter {
    path: PathBuf,
    mirrored_left: bool,
    intrinsics: [f64; 4],
    timestamps_ns: Vec<i64>,
    world_from_camera: Vec<Option<Isometry3<f64>>>,
    rows: [Vec<Row>; 2],
    betas: [[f32; 10]; 2],
}

impl NpzWriter {
    /// Collects for the file that will be `path`.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            mirrored_left: false,
            intrinsics: [0.0; 4],
            timestamps_ns: Vec::new(),
            world_from_camera: Vec::new(),
            rows: [Vec::new(), Vec::new()],
            betas: [[0.0; 10]; 2],
        }
    }

    /// Writes left hands as Dyn-HaMR does: parameters of a right hand in a mirrored world (x negated). Such a
    /// file has no times, by which it is told from ours.
    pub fn mirror_left(&mut self) {
        self.mirrored_left = true;
    }

    /// Notes the run's intrinsics.
    pub fn started(&mut self, run: &RunInfo) {
        self.intrinsics = [run.camera.fx, run.camera.fy, run.camera.cx, run.camera.cy];
    }

    /// Notes one frame's hands.
    pub fn frame(&mut self, hands: &FrameHands) {
        self.timestamps_ns.push(hands.timestamp.0);
        self.world_from_camera.push(hands.world_from_camera);
        let world_from_camera = hands.world_from_camera.unwrap_or_else(Isometry3::identity);
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
            self.rows[row]
                .push(best.map_or(Row::EMPTY, |hand| Row::of(hand, &world_from_camera, self.mirrored_left)));
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
        let cameras = || {
            let poses = self.world_from_camera.iter().cycle().take(2 * frames);
            poses.map(|pose| pose.unwrap_or_else(Isometry3::identity).inverse().cast::<f32>())
        };
        // Row by row; nalgebra keeps columns together.
        let cam_r: Vec<f32> = cameras()
            .flat_map(|pose| <[[f32; 3]; 3]>::from(pose.rotation.inverse().to_rotation_matrix().into_inner()))
            .flatten()
            .collect();
        let cam_t: Vec<f32> = cameras().flat_map(|pose| <[f32; 3]>::from(pose.translation.vector)).collect();
        let path_known = self.world_from_camera.iter().any(Option::is_some);
        let placed = self.world_from_camera.iter().map(|pose| !path_known || pose.is_some());
        let flat3 = |of: fn(&Row) -> [f32; 3]| rows().flat_map(of).collect::<Vec<f32>>();
        let pose: Vec<f32> = rows().flat_map(|row| row.pose_body).collect();
        let valid: Vec<u8> =
            rows().zip(placed.cycle()).map(|(row, placed)| u8::from(row.track >= 0 && placed)).collect();
        let tracks: Vec<i64> = rows().map(|row| row.track).collect();
        let is_right: Vec<f32> =
            [0.0, 1.0].into_iter().flat_map(|side| std::iter::repeat_n(side, frames)).collect();
        let times = npy(&self.timestamps_ns, &[frames]);
        let arrays = [
            ("trans", npy(&flat3(|row| row.trans), &[2, frames, 3])),
            ("root_orient", npy(&flat3(|row| row.root_orient), &[2, frames, 3])),
            ("pose_body", npy(&pose, &[2, frames, 15, 3])),
            ("latent_pose", npy(&pose, &[2, frames, 15, 3])),
            ("betas", npy(&self.betas.concat(), &[2, 10])),
            ("is_right", npy(&is_right, &[2, frames])),
            ("world_scale", npy(&[1.0f32], &[1, 1])),
            ("cam_R", npy(&cam_r, &[2, frames, 3, 3])),
            ("cam_t", npy(&cam_t, &[2, frames, 3])),
            ("intrins", npy(&self.intrinsics, &[4])),
            ("valid", npy(&valid, &[2, frames])),
            ("track", npy(&tracks, &[2, frames])),
        ];
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        let times = (!self.mirrored_left).then_some(("timestamps_ns", times));
        for (name, bytes) in arrays.into_iter().chain(times) {
            zip.start_file(format!("{name}.npy"), options).map_err(io::Error::other)?;
            zip.write_all(&bytes)?;
        }
        Ok(zip.finish().map_err(io::Error::other)?.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Vector3;

    use super::*;
    use crate::event::{KEYPOINTS, PoseState, TrackId};
    use crate::geometry::Pixel;
    use crate::hand::HandModel;

    #[test]
    fn the_arrays_pose_the_hand_where_it_was_in_the_world() {
        let model = HandModel::open();
        let world_from_camera = Isometry3::new(Vector3::new(0.4, -1.2, 2.0), Vector3::new(0.3, 1.1, -0.7));
        for side in SIDES {
            let pose = HandPose {
                global_orient: Vector3::new(0.3, 0.2, 1.2),
                hand_pose: [Vector3::new(0.1, -0.2, 0.3); 15],
                betas: [0.5; 10],
                translation: Vector3::new(-0.1, 0.05, 0.6),
            };
            let joints_camera = model.posed(&pose, side).joints;
            let hand = TrackedHand {
                track: TrackId(1),
                side,
                score: 1.0,
                state: PoseState::Provisional,
                box_px: [0.0; 4],
                keypoints_px: [Pixel::default(); KEYPOINTS],
                joints_camera,
                pose: pose.clone(),
            };
            let row = Row::of(&hand, &world_from_camera, false);
            let in_world =
                HandPose { global_orient: row.root_orient.into(), translation: row.trans.into(), ..pose };
            for (posed, seen) in model.posed(&in_world, side).joints.iter().zip(&joints_camera) {
                let expected = world_from_camera.cast::<f32>().transform_point(&seen.0.into()).coords;
                assert!((posed.0 - expected).norm() < 1e-5, "{side:?} {posed:?} {expected}");
            }
        }
    }
}
