//! A camera that turns on the spot: over a sharp still, where every point moves by one homography, and in
//! the built-in room.

use anyhow::{Context, Result};
use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::geometry::CameraModel;
use handstream::slam::OdometryState;
use handstream::source::synthetic::{CameraStyle, SceneConfig};
use handstream::source::{OpenOptions, open};
use nalgebra::{Isometry3, UnitQuaternion, Vector3};
use serde_json::{Value, json};

use crate::clips::shared;
use crate::follow::{Followed, follow};
use crate::report::{Report, rounded};
use crate::scenes::{Film, SIZE};

/// Sharp pictures with texture.
const STILLS: [&str; 3] =
    ["hamer_test3_crossed_fingers.jpg", "desk_writing_top_view.jpg", "hamer_test1_two_women_signing.jpg"];
/// Field of view that the stills are said to have, degrees across.
const STILL_FOV: f64 = 65.0;
/// The virtual camera sees this part of the still's width and height.
const PART: f64 = 0.6;
const FRAMES: u64 = 300;
const FPS: f64 = 30.0;

/// Both kinds.
pub fn turn(report: &mut Report) -> Result<()> {
    for still in STILLS {
        over_still(report, still)?;
    }
    let config = SceneConfig {
        size: SIZE,
        frames: FRAMES,
        camera: CameraStyle::Turning,
        hands: false,
        ..SceneConfig::default()
    };
    let Some(film) = Film::new(report, config)? else { return Ok(()) };
    let followed = follow(&film.camera, film.frames.iter().map(|frame| Ok((frame.clone(), Vec::new()))))?;
    let truth: Vec<_> = film.truth.iter().map(|truth| truth.world_from_camera).collect();
    report.row("built-in room", against(&followed, &truth));
    Ok(())
}

fn over_still(report: &mut Report, name: &str) -> Result<()> {
    let Some(path) = shared(report, &format!("footage/stills/{name}")) else { return Ok(()) };
    let mut source =
        open(path.to_str().context("the path of the still is not UTF-8")?, &OpenOptions::default())?;
    let still = source.next_frame()?.context("the still holds no picture")?;
    let wide = CameraModel::from_fov(STILL_FOV, still.size);
    let part = |side: usize| (side as f64 * PART) as usize;
    let camera =
        CameraModel::pinhole(wide.fx, PictureSize::new(part(still.size.width), part(still.size.height)));
    let turns: Vec<_> = (0..FRAMES).map(turned).collect();
    let frames = turns.iter().enumerate().map(|(k, turn)| {
        let timestamp = Timestamp::from_seconds(k as f64 / FPS);
        let pixels = seen(&still, &wide, &camera, turn);
        Ok((Frame { pixels, size: camera.size, timestamp, sequence: k as u64 }, Vec::new()))
    });
    let followed = follow(&camera, frames)?;
    let truth: Vec<_> =
        turns.iter().map(|&turn| Isometry3::from_parts(Vector3::zeros().into(), turn)).collect();
    report.row(name, against(&followed, &truth));
    Ok(())
}

/// Where the virtual camera looks: within what the still shows, from straight ahead on.
fn turned(frame: u64) -> UnitQuaternion<f64> {
    let t = frame as f64 / FPS;
    UnitQuaternion::from_euler_angles(0.10 * (1.1 * t).sin(), 0.13 * (0.7 * t).sin(), 0.05 * (0.9 * t).sin())
}

/// What a camera inside a larger picture sees, interpolated between pixels; black beyond its edges.
fn seen(still: &Frame, wide: &CameraModel, camera: &CameraModel, turn: &UnitQuaternion<f64>) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(camera.size.rgb_bytes());
    for y in 0..camera.size.height {
        for x in 0..camera.size.width {
            let (x, y) = (x as f64, y as f64);
            let ray = turn * Vector3::new((x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1.0);
            let (u, v) = (wide.fx * ray.x / ray.z + wide.cx, wide.fy * ray.y / ray.z + wide.cy);
            pixels.extend((0..3).map(|channel| sample(still, u, v, channel)));
        }
    }
    pixels
}

fn sample(picture: &Frame, u: f64, v: f64, channel: usize) -> u8 {
    let (column, row) = (u.floor(), v.floor());
    let at = |dx: f64, dy: f64| {
        let (x, y) = (column + dx, row + dy);
        let inside = x >= 0.0 && y >= 0.0 && x < picture.size.width as f64 && y < picture.size.height as f64;
        let index = (y.max(0.0) as usize * picture.size.width + x.max(0.0) as usize) * 3 + channel;
        if inside { f64::from(picture.pixels[index]) } else { 0.0 }
    };
    let (a, b) = (u - column, v - row);
    let top = at(0.0, 0.0) * (1.0 - a) + at(1.0, 0.0) * a;
    let bottom = at(0.0, 1.0) * (1.0 - a) + at(1.0, 1.0) * a;
    (top * (1.0 - b) + bottom * b).round() as u8
}

/// Rotation error of every pose against the truth, and how far the camera is said to have gone.
fn against(followed: &Followed, truth: &[Isometry3<f64>]) -> Value {
    let (mut worst, mut squares, mut way) = (0.0_f64, 0.0, 0.0_f64);
    for pose in &followed.causal.poses {
        let Some(truth) = truth.get(pose.sequence as usize) else { continue };
        let degrees = pose.world_from_camera.rotation.angle_to(&truth.rotation).to_degrees();
        worst = worst.max(degrees);
        squares += degrees * degrees;
        way = way.max(pose.world_from_camera.translation.vector.norm());
    }
    let poses = followed.causal.poses.len();
    let tracking = followed.states.get(OdometryState::Tracking.name()).copied().unwrap_or(0);
    json!({
        "frames": followed.frames(),
        "poses": poses,
        "rotation_rmse": rounded((squares / poses.max(1) as f64).sqrt()),
        "rotation_max": rounded(worst),
        "frames_with_false_translation": tracking,
        "largest_way_percent_of_depth": followed.in_depths(way).map(|depths| rounded(100.0 * depths)),
        "states": followed.states,
    })
}
