//! Held-out sequences: `bench/data/*.safetensors`, described in `bench/data/README.md`.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use half::f16;
use handstream::event::TrackId;
use handstream::fit::HandObservation;
use handstream::frame::PictureSize;
use handstream::geometry::{CameraModel, Pixel};
use nalgebra::{Rotation3, Vector2, Vector3};
use safetensors::{Dtype, SafeTensors};

use super::recording::{HOLDOUT_SIDE, Recording, SeenHand2d, sample};

/// Width of the pictures that the rays are put into, pixels; only the fit's least noise depends on it.
const WIDTH: f64 = 1280.0;

/// Reads the sequences of a file.
///
/// # Errors
/// Where the file is not laid out as its README says.
pub fn read(path: &Path) -> Result<Vec<Recording>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = SafeTensors::deserialize(&bytes).with_context(|| format!("{} is damaged", path.display()))?;
    let (_, header) = SafeTensors::read_metadata(&bytes)?;
    let fps = header.metadata().as_ref().and_then(|metadata| metadata.get("fps"));
    let fps: f64 = fps.context("the file does not say fps")?.parse().context("fps is no number")?;

    let rays = numbers(&file, "rays")?;
    let [sequences, length, 21, 2] = *file.tensor("rays")?.shape() else {
        anyhow::bail!("rays are not sequences x frames x 21 x 2");
    };
    let points = sequences * length * 21;
    let confidence = numbers(&file, "conf")?;
    let landmarks = numbers(&file, "landmarks").unwrap_or_default();
    let has_landmarks = numbers(&file, "has_landmarks").unwrap_or_default();
    let joints = numbers(&file, "joints")?;
    let half_fov = numbers(&file, "half_fov")?;
    ensure!(
        confidence.len() == points && joints.len() == 3 * points && half_fov.len() == 2 * sequences,
        "{}: tensors differ in size",
        path.display()
    );
    let chunk = |values: &[f64], of: usize, s: usize, t: usize| -> Vec<f64> {
        values.chunks_exact(of).nth(s * length + t).unwrap_or_default().to_vec()
    };
    let recording = |s: usize| {
        let camera = camera(half_fov[2 * s], half_fov[2 * s + 1]);
        let frame = |t: usize| {
            let has = has_landmarks.get(s).is_some_and(|&has| has > 0.0);
            let landmarks = if has { chunk(&landmarks, 63, s, t) } else { Vec::new() };
            seen(&camera, &chunk(&rays, 42, s, t), &chunk(&confidence, 21, s, t), &landmarks)
        };
        let truth = |t: usize| {
            let joints = chunk(&joints, 63, s, t);
            let joint = |k: usize| Some(Vector3::new(joints[3 * k], joints[3 * k + 1], joints[3 * k + 2]));
            (t as u64, sample(std::array::from_fn(joint), None))
        };
        Recording {
            fps,
            frames: (0..length).map(|t| vec![frame(t)]).collect(),
            truth: (0..length).map(truth).collect(),
            camera: Arc::new(camera),
        }
    };
    Ok((0..sequences).map(recording).collect())
}

/// A pinhole with these tangents of half the field of view.
fn camera(half_width: f64, half_height: f64) -> CameraModel {
    let focal = WIDTH / 2.0 / half_width;
    let height = 2.0 * focal * half_height;
    CameraModel::pinhole(focal, PictureSize::new(WIDTH as usize, height.round() as usize))
}

fn seen(camera: &CameraModel, rays: &[f64], confidence: &[f64], landmarks: &[f64]) -> SeenHand2d {
    let ray = |k: usize| Vector2::new(rays[2 * k], rays[2 * k + 1]);
    let centre = (0..21).map(ray).sum::<Vector2<f64>>() / 21.0;
    // The file's landmarks are in camera axes; a tracker's are in the axes of its crop.
    let crop_from_camera = Rotation3::rotation_between(&Vector3::z(), &centre.push(1.0))
        .map_or_else(Rotation3::identity, |turn| turn.inverse());
    let landmark = |k: usize| match landmarks.get(3 * k..3 * k + 3) {
        Some(of) => (crop_from_camera * Vector3::new(of[0], of[1], of[2])).cast(),
        None => Vector3::zeros(),
    };
    let confidence: [f32; 21] = std::array::from_fn(|k| confidence[k] as f32);
    SeenHand2d {
        track: TrackId(0),
        observation: HandObservation {
            keypoints_px: std::array::from_fn(|k| {
                let ray = ray(k);
                Pixel::new((camera.fx * ray.x + camera.cx) as f32, (camera.fy * ray.y + camera.cy) as f32)
            }),
            landmarks_m: std::array::from_fn(landmark),
            score: confidence.iter().sum::<f32>() / 21.0,
            side: HOLDOUT_SIDE,
        },
        confidence: Some(confidence),
    }
}

fn numbers(file: &SafeTensors, name: &str) -> Result<Vec<f64>> {
    let tensor = file.tensor(name).with_context(|| format!("no tensor {name}"))?;
    let data = tensor.data();
    Ok(match tensor.dtype() {
        Dtype::F16 => data.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f64()).collect(),
        Dtype::F32 => data.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect(),
        Dtype::U8 | Dtype::BOOL => data.iter().map(|&b| f64::from(b)).collect(),
        other => anyhow::bail!("{name} holds {other:?}, which these sets do not use"),
    })
}
