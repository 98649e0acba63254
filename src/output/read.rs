//! Reading `hands.jsonl` back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nalgebra::{Isometry3, Quaternion, UnitQuaternion, Vector3};
use serde::de::DeserializeOwned;

use super::record::{FORMAT, FrameRecord, HandRecord, Header, UNITS, VERSION};
use crate::event::{HandPose, Side};
use crate::frame::Timestamp;
use crate::hand::HandModel;
use crate::hand::joints::JointOrder;
use crate::metrics::{HandSample, HandSequence};

/// Finger joints whose axis-angle a line carries.
const FINGER_JOINTS: usize = 15;
/// How far the length of a quaternion may be from one.
const UNIT_TOLERANCE: f64 = 1e-3;

/// Why a file of hands cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refuses the file.
    #[error("cannot read {path} ({cause}): check the path")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// There is nothing in it.
    #[error("{0} is empty: a run that ends writes at least a header line")]
    Empty(PathBuf),
    /// A line is not what the format says.
    #[error("{path}, line {line}: {what}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A whole file in another form.
    #[error("{path} is no file of hands: {what}; give a hands.jsonl or a file of triangulated joints")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl ReadError {
    pub(super) fn line(path: &Path, line: usize, what: impl Into<String>) -> Self {
        Self::Line { path: path.to_path_buf(), line, what: what.into() }
    }

    pub(super) fn foreign(path: &Path, what: impl Into<String>) -> Self {
        Self::Foreign { path: path.to_path_buf(), what: what.into() }
    }
}

/// The hands of a file, side by side and by frame number.
#[derive(Clone, Debug, Default)]
pub struct HandsOverTime {
    /// The person's left hand.
    pub left: HandSequence,
    /// The person's right hand.
    pub right: HandSequence,
    /// Frames per second, where the file says.
    pub fps: Option<f64>,
    /// Capture time of every frame, with or without hands; empty where the file has no times.
    pub times: BTreeMap<u64, Timestamp>,
    /// Where the camera was, in metres of the world, by frame number; empty where the file does not say.
    pub world_from_camera: BTreeMap<u64, Isometry3<f64>>,
    /// Hand model of the meshes, where there are meshes.
    pub hand_model: Option<String>,
}

impl HandsOverTime {
    /// The hand of one side.
    pub fn side(&self, side: Side) -> &HandSequence {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    pub(super) fn side_mut(&mut self, side: Side) -> &mut HandSequence {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }

    /// The same hands under the frame numbers of `other`: each frame goes to the one nearest in time, at
    /// most half a frame away, and frames without such a neighbour are left out. `None` where one of the
    /// two has no times.
    pub fn renumbered_by_time(&self, other: &HandsOverTime) -> Option<HandsOverTime> {
        let reach = 0.5 / other.fps?.max(self.fps?);
        if self.times.is_empty() || other.times.is_empty() {
            return None;
        }
        let mut by_time: Vec<(Timestamp, u64)> = other.times.iter().map(|(&frame, &t)| (t, frame)).collect();
        by_time.sort_unstable();
        let distance = |a: Timestamp, b: Timestamp| a.since(b).max(b.since(a)).as_secs_f64();
        let renumber = |frame: &u64| {
            let t = *self.times.get(frame)?;
            let after = by_time.partition_point(|&(other, _)| other < t);
            let near = by_time[after.saturating_sub(1)..].iter().take(2);
            let &(other, number) = near.min_by(|a, b| distance(a.0, t).total_cmp(&distance(b.0, t)))?;
            (distance(other, t) <= reach).then_some(number)
        };
        let sequence = |hands: &HandSequence| {
            hands.iter().filter_map(|(frame, hand)| Some((renumber(frame)?, hand.clone()))).collect()
        };
        Some(HandsOverTime {
            left: sequence(&self.left),
            right: sequence(&self.right),
            fps: other.fps,
            times: other.times.clone(),
            world_from_camera: self
                .world_from_camera
                .iter()
                .filter_map(|(frame, pose)| Some((renumber(frame)?, *pose)))
                .collect(),
            hand_model: self.hand_model.clone(),
        })
    }
}

/// Reads a `hands.jsonl`. Of several hands of one side in a frame the best score is kept, as in
/// `hands.npz`. Where the file was made with `model`, the meshes are posed too.
///
/// # Errors
/// [`ReadError`].
pub fn read_hands(path: &Path, model: &HandModel) -> Result<HandsOverTime, ReadError> {
    let bytes = read(path)?;
    hands(path, &bytes, model)
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    let bytes =
        std::fs::read(path).map_err(|cause| ReadError::Unreadable { path: path.to_path_buf(), cause })?;
    if bytes.trim_ascii().is_empty() { Err(ReadError::Empty(path.to_path_buf())) } else { Ok(bytes) }
}

pub(super) fn hands(path: &Path, bytes: &[u8], model: &HandModel) -> Result<HandsOverTime, ReadError> {
    let mut lines = bytes.split(|&byte| byte == b'\n').enumerate();
    let header = lines.next().map_or(&b""[..], |(_, line)| line);
    let header = header_of(path, header)?;
    let model = (model.name() == header.hand_model).then_some(model);
    let mut over_time = HandsOverTime {
        fps: Some(header.fps),
        hand_model: model.map(|model| model.name().to_owned()),
        ..HandsOverTime::default()
    };
    for (number, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let wrong = |what: String| ReadError::line(path, number + 1, what);
        let record: FrameRecord = parse(line).map_err(wrong)?;
        let latest = over_time.times.last_key_value().map(|(&frame, _)| frame);
        if latest.is_some_and(|latest| latest >= record.frame) {
            return Err(wrong(format!("frame {} comes after frame {}", record.frame, latest.unwrap_or(0))));
        }
        over_time.times.insert(record.frame, Timestamp(record.t_ns));
        if let Some(numbers) = record.world_from_camera {
            over_time.world_from_camera.insert(record.frame, camera_pose(numbers).map_err(wrong)?);
        }
        let mut best = [None::<&HandRecord>; 2];
        for hand in &record.hands {
            let side = side_of(hand).map_err(wrong)?;
            let kept = &mut best[usize::from(side == Side::Right)];
            if kept.is_none_or(|kept| hand.score > kept.score) {
                *kept = Some(hand);
            }
        }
        for (hand, side) in best.into_iter().zip([Side::Left, Side::Right]) {
            let Some(hand) = hand else { continue };
            let sample = sample(hand, side, model).map_err(wrong)?;
            over_time.side_mut(side).insert(record.frame, sample);
        }
    }
    Ok(over_time)
}

pub(super) fn header_of(path: &Path, line: &[u8]) -> Result<Header, ReadError> {
    let any: serde_json::Value = parse(line).map_err(|what| ReadError::foreign(path, what))?;
    if any.get("format").and_then(|format| format.as_str()) != Some(FORMAT) {
        return Err(ReadError::foreign(
            path,
            format!("its first line does not say \"format\": \"{FORMAT}\""),
        ));
    }
    let version = any.get("version").and_then(serde_json::Value::as_u64);
    if version != Some(u64::from(VERSION)) {
        let version = version.map_or_else(|| "no version".to_owned(), |version| format!("version {version}"));
        let what = format!("the file has {version} of its format and this program reads version {VERSION}");
        return Err(ReadError::line(path, 1, what));
    }
    let header: Header = parse(line).map_err(|what| ReadError::line(path, 1, what))?;
    if JointOrder::from_name(&header.joint_order) != Some(JointOrder::OpenPose21) {
        let what = format!("joints in the order {} cannot be compared, only openpose21", header.joint_order);
        return Err(ReadError::line(path, 1, what));
    }
    if header.units != UNITS {
        let what = format!("lengths in {} cannot be compared, only metres (m)", header.units);
        return Err(ReadError::line(path, 1, what));
    }
    if header.fps.is_nan() || header.fps <= 0.0 {
        return Err(ReadError::line(path, 1, format!("{} is no frame rate", header.fps)));
    }
    Ok(header)
}

/// One JSON value; the error says in words what is wrong.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| {
        let holds = |word: &str| text.windows(word.len()).any(|part| part == word.as_bytes());
        // Writers put null, NaN or Infinity where a number was not finite.
        let not_finite = match error.is_data() {
            true => error.to_string().starts_with("invalid type: null, expected f"),
            false => holds("NaN") || holds("Infinity"),
        };
        match (not_finite, error.is_data()) {
            (true, _) => format!("a number is not finite ({error})"),
            (false, true) => format!("it is JSON of another form ({error})"),
            (false, false) => format!("it is not JSON ({error})"),
        }
    })
}

/// A pose from position and quaternion x y z w.
pub(super) fn camera_pose([x, y, z, qx, qy, qz, qw]: [f64; 7]) -> Result<Isometry3<f64>, String> {
    let quaternion = Quaternion::new(qw, qx, qy, qz);
    if (quaternion.norm() - 1.0).abs() > UNIT_TOLERANCE {
        return Err(format!(
            "world_from_camera turns by a quaternion of length {}, not 1",
            quaternion.norm()
        ));
    }
    let rotation = UnitQuaternion::from_quaternion(quaternion);
    Ok(Isometry3::from_parts(Vector3::new(x, y, z).into(), rotation))
}

pub(super) fn side_of(hand: &HandRecord) -> Result<Side, String> {
    Side::from_name(&hand.side).ok_or_else(|| format!("\"{}\" is no side: left or right", hand.side))
}

fn sample(hand: &HandRecord, side: Side, model: Option<&HandModel>) -> Result<HandSample, String> {
    let pose = hand_pose(hand)?;
    let vertices = model.map_or_else(Vec::new, |model| model.posed(&pose, side).vertices);
    Ok(HandSample {
        joints: hand.joints_camera.map(|joint| Some(Vector3::from(joint))),
        vertices: vertices.into_iter().map(|vertex| vertex.0.cast()).collect(),
        track: Some(hand.track),
    })
}

/// The parameters of a line's hand.
pub(super) fn hand_pose(hand: &HandRecord) -> Result<HandPose, String> {
    let (joints, []) = hand.hand_pose.as_chunks::<3>() else {
        return Err(format!("hand_pose has {} numbers, not 45", hand.hand_pose.len()));
    };
    let hand_pose = <[[f64; 3]; FINGER_JOINTS]>::try_from(joints)
        .map_err(|_| format!("hand_pose has {} numbers, not 45", hand.hand_pose.len()))?;
    let narrow = |vector: [f64; 3]| Vector3::from(vector).cast::<f32>();
    Ok(HandPose {
        global_orient: narrow(hand.global_orient),
        hand_pose: hand_pose.map(narrow),
        betas: hand.betas.map(|beta| beta as f32),
        translation: narrow(hand.translation),
    })
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
