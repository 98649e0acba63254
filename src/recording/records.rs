//! What chunks hold, as JSON with every number exact.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use nalgebra::{Isometry3, Vector3};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::RecordingError;
use crate::event::{Event, FrameHands, Refinement, RunInfo, TrackedHand};
use crate::frame::PictureSize;
use crate::geometry::CameraModel;

/// Bytes at the begin and at the end of a file that tell it from another.
const SAMPLED: u64 = 1 << 20;

/// What a recording says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingHead {
    /// Version of the program that wrote it.
    pub program: String,
    /// Processor and its vector instructions: others round differently.
    pub machine: String,
    /// What the user typed after the program's name.
    pub arguments: Vec<String>,
    /// Name of the source.
    pub source: String,
    /// Columns and rows.
    pub size: [usize; 2],
    /// Nominal frame rate.
    pub fps: f64,
    /// fx, fy, cx, cy, k1, k2, p1, p2, k3.
    pub camera: [f64; 9],
    /// Whether nobody gave the intrinsics.
    pub camera_guessed: bool,
    /// Name of the hand model.
    pub hand_model: String,
    /// Where the pictures are.
    pub pictures: PicturesFrom,
    /// Whether the newest frame won, as with a camera.
    pub live: bool,
    /// Whether the run had been going on when the recording began: the front end then knew earlier frames.
    #[serde(default)]
    pub begun_later: bool,
}

/// Where the pictures of a recording are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PicturesFrom {
    /// In the recording.
    Here,
    /// In the video that was played.
    File(RecordedFile),
}

/// A file that a recording refers to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedFile {
    /// Where it was, absolute.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its length, its first and its last MiB.
    pub sample: String,
}

impl RecordedFile {
    /// What is told of the file at `path`.
    ///
    /// # Errors
    /// [`RecordingError::Unreadable`].
    pub fn of(path: &Path) -> Result<Self, RecordingError> {
        let read = || -> std::io::Result<Self> {
            let mut file = File::open(path)?;
            let bytes = file.metadata()?.len();
            let mut hasher = Sha256::new();
            hasher.update(bytes.to_le_bytes());
            let mut sample = Vec::new();
            (&mut file).take(SAMPLED).read_to_end(&mut sample)?;
            file.seek(SeekFrom::Start(bytes.saturating_sub(SAMPLED)))?;
            file.take(SAMPLED).read_to_end(&mut sample)?;
            hasher.update(&sample);
            let sample = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(Self { path: std::path::absolute(path)?, bytes, sample })
        };
        read().map_err(|cause| RecordingError::Unreadable { path: path.to_owned(), cause })
    }

    /// Whether the file is still what it was.
    ///
    /// # Errors
    /// [`RecordingError::Pictures`].
    pub fn check(&self) -> Result<(), RecordingError> {
        let path = self.path.clone();
        let what = match Self::of(&self.path) {
            Ok(found) if (found.bytes, &found.sample) == (self.bytes, &self.sample) => return Ok(()),
            Ok(_) => "is another file now",
            Err(_) => "cannot be read",
        };
        Err(RecordingError::Pictures { path, what: what.to_owned() })
    }
}

impl RecordingHead {
    /// The head of a run that `arguments` started, its pictures in `pictures`.
    pub fn new(run: &RunInfo, arguments: Vec<String>, pictures: PicturesFrom, live: bool) -> Self {
        let camera = &run.camera;
        let [k1, k2, p1, p2, k3] = camera.distortion;
        Self {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            machine: machine(),
            arguments,
            source: run.source.clone(),
            size: [run.size.width, run.size.height],
            fps: run.fps,
            camera: [camera.fx, camera.fy, camera.cx, camera.cy, k1, k2, p1, p2, k3],
            camera_guessed: camera.guessed,
            hand_model: run.hand_model.clone(),
            pictures,
            live,
            begun_later: false,
        }
    }

    /// Size of the pictures.
    pub fn picture_size(&self) -> PictureSize {
        let [width, height] = self.size;
        PictureSize { width, height }
    }

    /// The run as it was started.
    pub fn run_info(&self) -> RunInfo {
        let [fx, fy, cx, cy, distortion @ ..] = self.camera;
        let (size, guessed) = (self.picture_size(), self.camera_guessed);
        RunInfo {
            source: self.source.clone(),
            size,
            fps: self.fps,
            frame_count: None,
            camera: CameraModel { fx, fy, cx, cy, distortion, size, guessed },
            hand_model: self.hand_model.clone(),
        }
    }

    /// What makes this program's results differ from the recorded ones in the last digits, in words.
    pub fn differences(&self) -> Vec<String> {
        let (program, machine) = (env!("CARGO_PKG_VERSION"), machine());
        let told = |what: &str, then: &str, now: &str| {
            (then != now).then(|| format!("recorded {what} {then}, played {what} {now}"))
        };
        [told("with version", &self.program, program), told("on", &self.machine, &machine)]
            .into_iter()
            .flatten()
            .collect()
    }
}

fn machine() -> String {
    format!("{} {:?}", std::env::consts::ARCH, crate::net::Isa::best())
}

#[derive(Serialize)]
struct HandsRecord<'a> {
    frame: u64,
    t_ns: i64,
    world_from_camera: Option<[f64; 7]>,
    hands: Vec<HandRecord<'a>>,
}

#[derive(Serialize)]
struct HandRecord<'a> {
    track: u32,
    side: &'a str,
    score: f32,
    state: &'a str,
    box_px: [f32; 4],
    keypoints_px: Vec<[f32; 2]>,
    joints_camera: Vec<[f32; 3]>,
    global_orient: [f32; 3],
    hand_pose: Vec<[f32; 3]>,
    betas: [f32; 10],
    translation: [f32; 3],
}

/// The hands of a frame as they are stored: the same bytes mean the same hands, bit for bit.
pub fn hands_line(hands: &FrameHands) -> Vec<u8> {
    json(&hands_record(hands))
}

fn hands_record(hands: &FrameHands) -> HandsRecord<'_> {
    HandsRecord {
        frame: hands.sequence,
        t_ns: hands.timestamp.0,
        world_from_camera: hands.world_from_camera.as_ref().map(camera_pose),
        hands: hands.hands.iter().map(hand_record).collect(),
    }
}

fn hand_record(hand: &TrackedHand) -> HandRecord<'_> {
    let vector = |v: &Vector3<f32>| [v.x, v.y, v.z];
    HandRecord {
        track: hand.track.0,
        side: hand.side.name(),
        score: hand.score,
        state: hand.state.name(),
        box_px: hand.box_px,
        keypoints_px: hand.keypoints_px.iter().map(|pixel| [pixel.x, pixel.y]).collect(),
        joints_camera: hand.joints_camera.iter().map(|joint| vector(&joint.0)).collect(),
        global_orient: vector(&hand.pose.global_orient),
        hand_pose: hand.pose.hand_pose.iter().map(vector).collect(),
        betas: hand.pose.betas,
        translation: vector(&hand.pose.translation),
    }
}

fn camera_pose(pose: &Isometry3<f64>) -> [f64; 7] {
    let (p, q) = (pose.translation.vector, pose.rotation.coords);
    [p.x, p.y, p.z, q.x, q.y, q.z, q.w]
}

#[derive(Serialize)]
struct TimingRecord<'a> {
    frame: u64,
    total_ns: u128,
    stages_ns: Vec<(&'a str, u128)>,
}

/// How long a frame took, as it is stored.
pub(super) fn timing_line(hands: &FrameHands) -> Vec<u8> {
    json(&TimingRecord {
        frame: hands.sequence,
        total_ns: hands.total.as_nanos(),
        stages_ns: hands.stages.iter().map(|stage| (stage.stage, stage.took.as_nanos())).collect(),
    })
}

/// A pause among the events; others are not looked at.
#[derive(Deserialize)]
pub(super) struct PauseRecord {
    event: String,
    #[serde(default)]
    frame: u64,
    #[serde(default)]
    looks: u64,
}

impl PauseRecord {
    /// Number of the frame and looks, where the event is a pause.
    pub fn pause(self) -> Option<(u64, u64)> {
        (self.event == "paused").then_some((self.frame, self.looks))
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum EventRecord<'a> {
    Refined {
        revision: u64,
        settled: u64,
        world_scale: Option<f64>,
        age_ns: u128,
        frames: Vec<HandsRecord<'a>>,
    },
    Dropped {
        count: u64,
    },
    Warning {
        text: &'a str,
    },
    Trouble {
        text: String,
    },
    Paused {
        frame: u64,
        looks: u64,
    },
    Finished,
}

/// An event that is no frame, as it is stored; `None` where the head or the frames say it.
pub(super) fn event_line(event: &Event) -> Option<Vec<u8>> {
    let record = match event {
        Event::Started(_) | Event::Frame { .. } | Event::SecondPass(_) => return None,
        Event::Refined(refinement) => refined(refinement),
        Event::Dropped { count } => EventRecord::Dropped { count: *count },
        Event::Warning(text) => EventRecord::Warning { text },
        Event::Trouble(trouble) => EventRecord::Trouble { text: trouble.to_string() },
        Event::Paused { sequence, looks } => EventRecord::Paused { frame: *sequence, looks: *looks },
        Event::Finished => EventRecord::Finished,
    };
    Some(json(&record))
}

fn refined(refinement: &Refinement) -> EventRecord<'_> {
    EventRecord::Refined {
        revision: refinement.revision,
        settled: refinement.settled,
        world_scale: refinement.world_scale,
        age_ns: refinement.age.as_nanos(),
        frames: refinement.frames.iter().map(hands_record).collect(),
    }
}

pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    // Plain numbers and strings always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}
