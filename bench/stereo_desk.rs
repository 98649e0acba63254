//! Accuracy of the fit in millimetres on a calibrated stereo pair, each camera by itself.
//!
//! `cargo bench --bench stereo_desk`: the whole front end on the clip of one camera, and the fit alone on
//! key points that MediaPipe's own package found in it, against the joints triangulated from both cameras.
//! Reads `$HANDSTREAM_SHARED` (default `../shared`) and the models of `handstream setup`, prints a table
//! and writes `bench/results/stereo_desk.json`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use handstream::engine::{FrontEnd, FrontEndConfig, HandFrontEnd};
use handstream::event::{KEYPOINTS, Side};
use handstream::fit::{FitConfig, HandObservation, TrackFitter};
use handstream::frame::{PictureSize, Timestamp};
use handstream::geometry::{CameraModel, CameraPoint, Pixel};
use handstream::hand::HandModel;
use handstream::home::ModelFiles;
use handstream::metrics;
use handstream::source::{OpenOptions, open};
use nalgebra::{Matrix3, Vector3};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// How to run this program, written beside its numbers.
const COMMAND: &str = "cargo bench --bench stereo_desk";
/// Where the numbers go.
const RESULTS: &str = "bench/results/stereo_desk.json";
/// A triangulated joint counts where its reprojection error is smaller (pixels).
const USABLE_REPROJECTION_PX: f64 = 6.0;
/// A frame counts where at least this many joints are usable.
const LEAST_JOINTS: usize = 12;
/// Frame rate of the clips.
const FPS: f64 = 30.0;

type Joints = [Option<Vector3<f64>>; KEYPOINTS];

#[derive(Deserialize)]
struct Reference {
    cameras: Cameras,
    cam0_to_cam1: Pose,
    unit_cm_estimate: Unit,
}

#[derive(Deserialize)]
struct Cameras {
    cam0: Camera,
    cam1: Camera,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pose {
    r: [[f64; 3]; 3],
    t: [f64; 3],
}

#[derive(Deserialize)]
struct Unit {
    value: f64,
}

#[derive(Deserialize)]
struct Camera {
    #[serde(rename = "K")]
    k: [[f64; 3]; 3],
    dist_k1k2p1p2k3: [f64; 5],
    width: usize,
    height: usize,
}

#[derive(Deserialize)]
struct Truth {
    frames: Vec<Option<TruthFrame>>,
}

#[derive(Deserialize)]
struct TruthFrame {
    joints_cam0_m: [[f64; 3]; KEYPOINTS],
    reproj_px: [f64; KEYPOINTS],
}

#[derive(Deserialize)]
struct Track {
    frames: Vec<Vec<TrackHand>>,
}

#[derive(Deserialize)]
struct TrackHand {
    score: f32,
    px: [[f32; 3]; KEYPOINTS],
    world_m: [[f32; 3]; KEYPOINTS],
}

/// One line of the table; millimetres, mm per frame squared, per cent.
#[derive(Serialize)]
struct Row {
    camera: &'static str,
    method: &'static str,
    frames: usize,
    pa: f64,
    ra: f64,
    ga: f64,
    fa: f64,
    acc: f64,
    root_depth_percent: f64,
}

#[derive(Serialize)]
struct Report {
    command: &'static str,
    hand_model: String,
    update_ms_p50: f64,
    update_ms_p90: f64,
    rows: Vec<Row>,
}

fn main() -> Result<()> {
    let shared = std::env::var_os("HANDSTREAM_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    if !shared.join("footage/gt").exists() {
        println!("skipped: no {} (set HANDSTREAM_SHARED to the shared test material)", shared.display());
        return Ok(());
    }
    let reference: Reference = read(&shared.join("footage/gt/stereo_desk_reference.json"))?;
    let truth: Truth = read(&shared.join("footage/gt/stereo_desk_a_triangulated.json"))?;
    let to_cam1 = (
        Matrix3::from_fn(|i, j| reference.cam0_to_cam1.r[i][j]),
        Vector3::from(reference.cam0_to_cam1.t) * reference.unit_cm_estimate.value / 100.0,
    );
    let views = [
        ("cam0", &reference.cameras.cam0, (Matrix3::identity(), Vector3::zeros())),
        ("cam1", &reference.cameras.cam1, to_cam1),
    ];
    let model = Arc::new(HandModel::open());
    let (mut rows, mut times) = (Vec::new(), Vec::new());
    for (name, camera, (rotation, translation)) in views {
        let camera = Arc::new(camera.model());
        let track: Track = read(&shared.join(format!("fixtures/mediapipe/stereo_desk_{name}_a.track.json")))?;
        let observations: Vec<_> = track.frames.iter().map(|hands| hands.first().map(observation)).collect();
        let truth: Vec<Joints> = truth.frames.iter().map(|f| usable(f, &rotation, &translation)).collect();

        let placed: Vec<_> = observations.iter().map(|o| o.as_ref().map(|o| placed(o, &camera))).collect();
        rows.push(measure(name, "landmarks in metres, placed by the key points", &placed, &truth)?);
        let fitted = fit(&model, &camera, &observations, &mut times);
        rows.push(measure(name, "fit of MediaPipe's key points", &fitted, &truth)?);
        let clip = shared.join(format!("footage/video/stereo_desk_{name}_a.mp4"));
        rows.push(measure(name, "whole front end on the clip", &front_end(&clip, &model, &camera)?, &truth)?);
    }
    times.sort_by(f64::total_cmp);
    let percentile = |p: usize| times.get(times.len() * p / 100).copied().unwrap_or(f64::NAN);
    let report = Report {
        command: COMMAND,
        hand_model: model.name().to_owned(),
        update_ms_p50: percentile(50),
        update_ms_p90: percentile(90),
        rows,
    };
    print_table(&report);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RESULTS);
    std::fs::create_dir_all(path.parent().context("results have a folder")?)?;
    std::fs::write(&path, serde_json::to_string_pretty(&report)? + "\n")?;
    Ok(())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not as expected", path.display()))
}

impl Camera {
    fn model(&self) -> CameraModel {
        CameraModel {
            fx: self.k[0][0],
            fy: self.k[1][1],
            cx: self.k[0][2],
            cy: self.k[1][2],
            distortion: self.dist_k1k2p1p2k3,
            size: PictureSize::new(self.width, self.height),
            guessed: false,
        }
    }
}

fn observation(hand: &TrackHand) -> HandObservation {
    HandObservation {
        keypoints_px: hand.px.map(|[x, y, _]| Pixel::new(x, y)),
        landmarks_m: hand.world_m.map(Vector3::from),
        score: hand.score,
        side: Side::Right,
    }
}

/// The frame's usable joints in the view's camera space.
fn usable(frame: &Option<TruthFrame>, rotation: &Matrix3<f64>, translation: &Vector3<f64>) -> Joints {
    std::array::from_fn(|k| {
        let frame = frame.as_ref().filter(|frame| frame.reproj_px[k] < USABLE_REPROJECTION_PX)?;
        Some(rotation * Vector3::from(frame.joints_cam0_m[k]) + translation)
    })
}

/// The whole track through the fit, frame by frame.
fn fit(
    model: &Arc<HandModel>,
    camera: &Arc<CameraModel>,
    observations: &[Option<HandObservation>],
    times: &mut Vec<f64>,
) -> Vec<Option<[Vector3<f64>; KEYPOINTS]>> {
    let mut fitter = TrackFitter::new(model.clone(), camera.clone(), Side::Right, FitConfig::default());
    let frames = observations.iter().enumerate();
    let fitted = frames.map(|(i, observation)| {
        let start = Instant::now();
        let hand = fitter.update(observation.as_ref()?, None, Timestamp::from_seconds(i as f64 / FPS));
        times.push(start.elapsed().as_secs_f64() * 1e3);
        Some(hand.joints_camera.map(|CameraPoint(joint)| joint.cast()))
    });
    fitted.collect()
}

/// The clip through the whole front end; the best hand of each frame.
fn front_end(
    clip: &Path,
    model: &Arc<HandModel>,
    camera: &CameraModel,
) -> Result<Vec<Option<[Vector3<f64>; KEYPOINTS]>>> {
    let config = FrontEndConfig::default();
    let mut front_end = HandFrontEnd::new(&ModelFiles::locate()?, model.clone(), camera.clone(), config)?;
    let clip = clip.to_str().context("the clip's path is no text")?;
    let mut source = open(clip, &OpenOptions::default())?;
    let mut hands = Vec::new();
    while let Some(frame) = source.next_frame()? {
        let (found, _) = front_end.process(&frame);
        let best = found.into_iter().max_by(|a, b| a.score.total_cmp(&b.score));
        hands.push(best.map(|hand| hand.joints_camera.map(|CameraPoint(joint)| joint.cast())));
    }
    Ok(hands)
}

/// What the tracker alone gives: its landmarks in metres, moved to where the key points are (linear
/// least squares of `x + t_x = u (z + t_z)` over all points; the landmarks' orientation is kept).
fn placed(observation: &HandObservation, camera: &CameraModel) -> [Vector3<f64>; KEYPOINTS] {
    let landmarks: [Vector3<f64>; KEYPOINTS] = observation.landmarks_m.map(|l| l.cast());
    let (mut system, mut right) = (Matrix3::zeros(), Vector3::zeros());
    for (point, &pixel) in landmarks.iter().zip(&observation.keypoints_px) {
        let ray = camera.ray(pixel);
        for (axis, u) in [ray.x, ray.y].into_iter().enumerate() {
            let mut row = Vector3::new(0.0, 0.0, -u);
            row[axis] = 1.0;
            system += row * row.transpose();
            right += row * (u * point.z - point[axis]);
        }
    }
    let translation = system.cholesky().map_or_else(Vector3::zeros, |c| c.solve(&right));
    landmarks.map(|landmark| landmark + translation)
}

/// All measures over the frames and joints that both have.
fn measure(
    camera: &'static str,
    method: &'static str,
    estimate: &[Option<[Vector3<f64>; KEYPOINTS]>],
    truth: &[Joints],
) -> Result<Row> {
    let (mut estimated, mut true_joints) = (Vec::new(), Vec::new());
    let (mut rooted, mut true_rooted) = (Vec::new(), Vec::new());
    let mut depth_errors = Vec::new();
    for (estimate, truth) in estimate.iter().zip(truth) {
        let Some(estimate) = estimate else { continue };
        let pairs = estimate.iter().zip(truth).filter_map(|(e, t)| Some((*e, (*t)?)));
        let (e, t): (Vec<_>, Vec<_>) = pairs.unzip();
        if e.len() < LEAST_JOINTS {
            continue;
        }
        if let Some(root) = truth[0] {
            depth_errors.push((estimate[0].z - root.z).abs() / root.z);
            rooted.push(e.clone());
            true_rooted.push(t.clone());
        }
        estimated.push(e);
        true_joints.push(t);
    }
    Ok(Row {
        camera,
        method,
        frames: estimated.len(),
        pa: metrics::pa_mpjpe(&estimated, &true_joints)?,
        ra: metrics::ra_mpjpe(&rooted, &true_rooted)?,
        ga: metrics::ga_mpjpe(&estimated, &true_joints)?,
        fa: metrics::fa_mpjpe(&estimated, &true_joints)?,
        acc: acceleration(estimate, truth)?,
        root_depth_percent: 100.0 * depth_errors.iter().sum::<f64>() / depth_errors.len() as f64,
    })
}

/// Mean acceleration error of all joints, each over its own runs of three usable frames.
fn acceleration(estimate: &[Option<[Vector3<f64>; KEYPOINTS]>], truth: &[Joints]) -> Result<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for k in 0..KEYPOINTS {
        let pairs: Vec<_> = estimate.iter().zip(truth).map(|(e, t)| Some((e.as_ref()?[k], t[k]?))).collect();
        let visible: Vec<bool> = pairs.iter().map(Option::is_some).collect();
        let runs = visible.windows(3).filter(|run| run.iter().all(|&seen| seen)).count();
        if runs == 0 {
            continue;
        }
        let points: Vec<_> = pairs.iter().map(|pair| pair.unwrap_or_default()).collect();
        let (estimate, truth): (Vec<_>, Vec<_>) = points.into_iter().map(|(e, t)| ([e], [t])).unzip();
        sum += metrics::acceleration_error(&estimate, &truth, Some(&visible))? * runs as f64;
        count += runs;
    }
    Ok(sum / count as f64)
}

fn print_table(report: &Report) {
    println!(
        "{:4} {:46} {:>6} {:>5} {:>5} {:>6} {:>6} {:>5} {:>6}",
        "", "", "frames", "PA", "RA", "GA", "FA", "ACC", "depth"
    );
    for row in &report.rows {
        println!(
            "{:4} {:46} {:6} {:5.1} {:5.1} {:6.1} {:6.1} {:5.1} {:5.1}%",
            row.camera,
            row.method,
            row.frames,
            row.pa,
            row.ra,
            row.ga,
            row.fa,
            row.acc,
            row.root_depth_percent
        );
    }
    println!(
        "mm; ACC mm/frame^2; update p50 {:.3} ms, p90 {:.3} ms",
        report.update_ms_p50, report.update_ms_p90
    );
}
