//! How a head-worn camera moves: recorded with smart glasses, or made up from a seed.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nalgebra::{Isometry3, Matrix3, Quaternion, Rotation3, Translation3, UnitQuaternion, Vector3};

use super::random::Random;

/// Frames per second of every path here.
pub const FPS: f64 = 30.0;
/// How far the camera looks down from the head's own direction, radians: to the hands.
pub const LOOKS_DOWN: f64 = 0.42;
/// Columns of a recording: time in microseconds, position, quaternion x y z w.
const COLUMNS: [usize; 8] = [1, 3, 4, 5, 6, 7, 8, 9];
/// The glasses' left camera in a camera that looks straight ahead: it is mounted with x down and turned
/// outward by 45 degrees. Columns are the axes of that straight camera.
const DEVICE_FROM_HEAD: Matrix3<f64> =
    Matrix3::new(0.0, 1.0, 0.0, -FRAC_1_SQRT_2, 0.0, -FRAC_1_SQRT_2, -FRAC_1_SQRT_2, 0.0, FRAC_1_SQRT_2);
/// The recording's world (z up) in ours (y down).
const WORLD_FROM_RECORDING: Matrix3<f64> = Matrix3::new(1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0);

/// Reads a recording of device poses (about 1 kHz) as camera poses, 30 a second, `world_from_camera`.
///
/// # Errors
/// Where the file is missing or of another form.
pub fn recorded(path: &Path) -> Result<Vec<Isometry3<f64>>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut samples = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |column: usize| fields.get(column).and_then(|field| field.parse::<f64>().ok());
        let numbers: Option<Vec<f64>> = COLUMNS.into_iter().map(number).collect();
        let numbers = numbers.with_context(|| format!("{} is not as expected: {line}", path.display()))?;
        let [micros, x, y, z, qx, qy, qz, qw] = numbers[..] else { unreachable!("eight columns") };
        let rotation = UnitQuaternion::from_quaternion(Quaternion::new(qw, qx, qy, qz));
        samples.push((micros * 1e-6, Isometry3::from_parts(Translation3::new(x, y, z), rotation)));
    }
    ensure!(samples.len() > 1, "{} holds no motion", path.display());
    let (start, end) = (samples[0].0, samples[samples.len() - 1].0);
    let turn = |matrix| UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(matrix));
    let world = Isometry3::from_parts(Translation3::identity(), turn(WORLD_FROM_RECORDING));
    let mount = UnitQuaternion::from_axis_angle(&Vector3::x_axis(), -LOOKS_DOWN);
    let camera = Isometry3::from_parts(Translation3::identity(), turn(DEVICE_FROM_HEAD) * mount);
    let frames = ((end - start) * FPS) as usize;
    let pose = |frame: usize| {
        let time = start + frame as f64 / FPS;
        let after = samples.partition_point(|sample| sample.0 < time).clamp(1, samples.len() - 1);
        let (before, after) = (&samples[after - 1], &samples[after]);
        let part = ((time - before.0) / (after.0 - before.0)).clamp(0.0, 1.0);
        world * before.1.lerp_slerp(&after.1, part) * camera
    };
    Ok((0..frames).map(pose).collect())
}

/// A walking head that is made up: strolling along a winding way, with steps, nods and looks to the sides.
pub fn made_up(seed: u64, frames: usize) -> Vec<Isometry3<f64>> {
    let mut random = Random::of(seed, 1);
    let mut phase = || random.between(0.0, TAU);
    let phases: [f64; 8] = std::array::from_fn(|_| phase());
    let wave =
        |amplitude: f64, hertz: f64, k: usize, time: f64| amplitude * (TAU * hertz * time + phases[k]).sin();
    let (mut place, mut path) = (Vector3::zeros(), Vec::with_capacity(frames));
    for frame in 0..frames {
        let time = frame as f64 / FPS;
        let heading = wave(0.8, 0.05, 0, time) + wave(0.3, 0.21, 1, time);
        let speed = 0.7 + wave(0.25, 0.13, 2, time);
        place += Vector3::new(heading.sin(), 0.0, heading.cos()) * speed / FPS;
        let step = Vector3::new(wave(0.012, 0.95, 3, time), wave(0.02, 1.9, 4, time), 0.0);
        let turn = UnitQuaternion::from_axis_angle(&Vector3::y_axis(), heading + wave(0.12, 0.4, 5, time))
            * UnitQuaternion::from_axis_angle(&Vector3::x_axis(), wave(0.03, 1.9, 6, time) - LOOKS_DOWN)
            * UnitQuaternion::from_axis_angle(&Vector3::z_axis(), wave(0.02, 0.95, 7, time));
        path.push(Isometry3::from_parts((place + step).into(), turn));
    }
    path
}
