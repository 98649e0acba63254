//! Reading the arrays of Dyn-HaMR's results, ours and its own.
//!
//! In a file of ours (it has `timestamps_ns`) a left hand carries left-hand parameters. In Dyn-HaMR's own,
//! all parameters are a right hand's and the world of a left one is mirrored (x negated).

use std::path::Path;
use std::time::Duration;

use nalgebra::{Isometry3, Matrix3, Point3, Rotation3, UnitQuaternion, Vector3};

use super::read::{ReadError, read};
use super::read_run::StoredRun;
use crate::event::{FrameHands, HandPose, KEYPOINTS, PoseState, RunInfo, Side, TrackId, TrackedHand};
use crate::frame::{PictureSize, Timestamp};
use crate::geometry::rotation::{axis_angle_from_quaternion, quaternion_from_axis_angle};
use crate::geometry::{CameraModel, Pixel};
use crate::hand::mirror::mirror_pose;
use crate::hand::{HandModel, NamedArrays, read_arrays};

/// Arrays that are read.
const NAMES: [&str; 11] = [
    "trans",
    "root_orient",
    "pose_body",
    "latent_pose",
    "betas",
    "is_right",
    "cam_R",
    "cam_t",
    "intrins",
    "timestamps_ns",
    "valid",
];
/// Numbers of a finger pose.
const POSE: usize = 45;
/// Shape coefficients.
const BETAS: usize = 10;

/// Reads an `.npz` whose hands are parameters of `model`; a file without times runs at `fps` frames per second.
/// Key points are the projected joints: the file has no others.
///
/// # Errors
/// [`ReadError`] with what is wrong with the file.
pub fn read_hands_npz(path: &Path, model: &HandModel, fps: f64) -> Result<StoredRun, ReadError> {
    let foreign = |what: String| ReadError::foreign(path, what);
    let arrays = read_arrays(&read(path)?, &NAMES).map_err(|fault| foreign(fault.to_string()))?;
    Results::of(&arrays).map_err(foreign)?.run(path, model, fps).map_err(foreign)
}

/// The arrays by meaning, row-major.
struct Results<'a> {
    hands: usize,
    frames: usize,
    trans: &'a [f64],
    root: &'a [f64],
    pose: &'a [f64],
    betas: &'a [f64],
    is_right: &'a [f64],
    camera: Option<(&'a [f64], &'a [f64])>,
    intrinsics: &'a [f64],
    times: Option<&'a [f64]>,
    valid: Option<&'a [f64]>,
}

impl<'a> Results<'a> {
    fn of(arrays: &'a NamedArrays) -> Result<Self, String> {
        let array = |name: &str| arrays.get(name).ok_or_else(|| format!("it has no array {name}"));
        let shape = &array("trans")?.shape;
        let [hands, frames, 3] = shape[..] else {
            return Err(format!("trans has the shape {shape:?}, not hands x frames x 3"));
        };
        let filled = |name: &str, numbers: usize| {
            let array = array(name)?;
            match array.data.len() == numbers && array.data.iter().all(|number| number.is_finite()) {
                true => Ok(&array.data[..]),
                false => Err(format!(
                    "{name} has the shape {:?} or holds numbers that are not finite",
                    array.shape
                )),
            }
        };
        let maybe = |name: &str, numbers: usize| match arrays.contains_key(name) {
            true => filled(name, numbers).map(Some),
            false => Ok(None),
        };
        let all = hands * frames;
        let pose = if arrays.contains_key("pose_body") { "pose_body" } else { "latent_pose" };
        Ok(Self {
            hands,
            frames,
            trans: filled("trans", 3 * all)?,
            root: filled("root_orient", 3 * all)?,
            pose: filled(pose, POSE * all)?,
            betas: filled("betas", BETAS * hands)?,
            is_right: filled("is_right", all)?,
            camera: maybe("cam_R", 9 * all)?.zip(maybe("cam_t", 3 * all)?),
            intrinsics: filled("intrins", 4)?,
            times: maybe("timestamps_ns", frames)?,
            valid: maybe("valid", all)?,
        })
    }

    fn run(&self, path: &Path, model: &HandModel, fps: f64) -> Result<StoredRun, String> {
        let camera = self.camera_model()?;
        let frames = (0..self.frames).map(|frame| self.frame(frame, &camera, model, fps));
        let info = RunInfo {
            source: path.display().to_string(),
            size: camera.size,
            fps: self.fps().unwrap_or(fps),
            frame_count: Some(self.frames as u64),
            camera: camera.clone(),
            hand_model: model.name().to_owned(),
        };
        Ok(StoredRun { info, frames: frames.collect(), joints: true, mirrored_left: self.times.is_none() })
    }

    /// The file has no picture size; its middle is taken for the picture's.
    fn camera_model(&self) -> Result<CameraModel, String> {
        let [fx, fy, cx, cy] = self.intrinsics else { return Err("intrins has not 4 numbers".to_owned()) };
        if !(*fx > 0.0 && *fy > 0.0 && *cx > 0.0 && *cy > 0.0) {
            return Err("intrins are no camera's: fx, fy, cx and cy are positive".to_owned());
        }
        let side = |middle: f64| (2.0 * middle).round().clamp(1.0, f64::from(u16::MAX)) as usize;
        let size = PictureSize { width: side(*cx), height: side(*cy) };
        Ok(CameraModel { fx: *fx, fy: *fy, cx: *cx, cy: *cy, ..CameraModel::pinhole(*fx, size) })
    }

    /// Frames per second by the times, where there are any.
    fn fps(&self) -> Option<f64> {
        let times = self.times.filter(|times| times.len() > 1)?;
        let seconds = (times.last()? - times.first()?) * 1e-9;
        (seconds > 0.0).then(|| (times.len() - 1) as f64 / seconds)
    }

    fn frame(&self, frame: usize, camera: &CameraModel, model: &HandModel, fps: f64) -> FrameHands {
        let world_from_camera = self.camera.map(|(rotations, translations)| {
            let rotation = Matrix3::from_row_slice(&rotations[9 * frame..9 * frame + 9]);
            let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix(&rotation));
            Isometry3::from_parts(vector(translations, frame).into(), rotation).inverse()
        });
        let camera_from_world = world_from_camera.unwrap_or_else(Isometry3::identity).inverse();
        let hands = (0..self.hands).filter_map(|hand| {
            let at = hand * self.frames + frame;
            if self.valid.is_some_and(|valid| valid[at] == 0.0) {
                return None;
            }
            self.hand(hand, at, &camera_from_world, camera, model)
        });
        FrameHands {
            sequence: frame as u64,
            timestamp: match self.times {
                Some(times) => Timestamp(times[frame] as i64),
                None => Timestamp::from_seconds(frame as f64 / fps),
            },
            hands: hands.collect(),
            world_from_camera,
            stages: Vec::new(),
            total: Duration::ZERO,
        }
    }

    /// One hand; `None` where it is behind the camera or, as Dyn-HaMR writes frames outside a track, all zero.
    fn hand(
        &self,
        hand: usize,
        at: usize,
        camera_from_world: &Isometry3<f64>,
        camera: &CameraModel,
        model: &HandModel,
    ) -> Option<TrackedHand> {
        let (trans, root) = (vector(self.trans, at), vector(self.root, at));
        if trans == Vector3::zeros() && root == Vector3::zeros() {
            return None;
        }
        let side = if self.is_right[at] == 0.0 { Side::Left } else { Side::Right };
        let betas: [f32; BETAS] = std::array::from_fn(|k| self.betas[BETAS * hand + k] as f32);
        let pose = HandPose {
            global_orient: root.cast(),
            hand_pose: std::array::from_fn(|joint| vector(self.pose, 15 * at + joint).cast()),
            betas,
            translation: trans.cast(),
        };
        let own = self.times.is_some();
        let in_world = if side == Side::Left && !own { mirror_pose(&pose) } else { pose };
        // The hand turns about its wrist, so what moves is where the wrist goes.
        let wrist = model.posed(&in_world, side).joints[0].0.cast::<f64>();
        let moved = (camera_from_world * Point3::from(wrist)).coords - wrist;
        let turned = camera_from_world.rotation * quaternion_from_axis_angle(in_world.global_orient.cast());
        let pose = HandPose {
            global_orient: axis_angle_from_quaternion(&turned).cast(),
            translation: in_world.translation + moved.cast::<f32>(),
            ..in_world
        };
        let joints_camera = model.posed(&pose, side).joints;
        let mut keypoints_px = [Pixel::default(); KEYPOINTS];
        for (pixel, joint) in keypoints_px.iter_mut().zip(joints_camera) {
            *pixel = camera.project(joint)?;
        }
        let (xs, ys) = (keypoints_px.map(|p| p.x), keypoints_px.map(|p| p.y));
        let least = |of: [f32; KEYPOINTS]| of.into_iter().fold(f32::INFINITY, f32::min);
        let most = |of: [f32; KEYPOINTS]| of.into_iter().fold(f32::NEG_INFINITY, f32::max);
        Some(TrackedHand {
            track: TrackId(hand as u32),
            side,
            score: 1.0,
            state: PoseState::Provisional,
            box_px: [least(xs), least(ys), most(xs), most(ys)],
            keypoints_px,
            joints_camera,
            pose,
        })
    }
}

fn vector(numbers: &[f64], at: usize) -> Vector3<f64> {
    Vector3::from_column_slice(&numbers[3 * at..3 * at + 3])
}
