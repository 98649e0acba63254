//! The built-in room, whose camera path is known exactly.

use std::sync::Arc;

use anyhow::Result;
use handstream::event::KEYPOINTS;
use handstream::frame::{Frame, PictureSize};
use handstream::geometry::{CameraModel, CameraPath, CameraPose, Pixel};
use handstream::hand::HandModel;
use handstream::slam::{PixelBox, hand_boxes};
use handstream::source::Source;
use handstream::source::synthetic::{CameraStyle, SceneConfig, SceneTruth, SyntheticScene};
use serde_json::json;

use crate::follow::follow;
use crate::report::{Report, rounded};

/// Size of all pictures that are drawn here.
pub const SIZE: PictureSize = PictureSize { width: 640, height: 360 };
/// Frames of a run.
const FRAMES: u64 = 600;
/// Hands this much nearer than usual hide a third of the picture.
const NEARNESS: f64 = 0.6;
/// Rooms, hands and paths.
const SEEDS: [u64; 2] = [1, 2];
/// Coverage is measured at every so manieth frame.
const COVERAGE_STRIDE: usize = 20;

/// Frames of a scene, their truth and its camera.
pub struct Film {
    /// The pictures.
    pub frames: Vec<Frame>,
    /// What is true of each.
    pub truth: Vec<SceneTruth>,
    /// Intrinsics.
    pub camera: CameraModel,
}

impl Film {
    /// Draws a scene; `None` with a printed reason where this machine cannot.
    pub fn new(report: &Report, config: SceneConfig) -> Result<Option<Self>> {
        let mut scene = match SyntheticScene::new(config, Arc::new(HandModel::open())) {
            Ok(scene) => scene,
            Err(reason) => {
                report.skip(&reason.to_string());
                return Ok(None);
            }
        };
        let (mut frames, mut truth) = (Vec::new(), Vec::new());
        while let Some(frame) = scene.next_frame()? {
            truth.extend(scene.truth(frame.sequence));
            frames.push(frame);
        }
        Ok(Some(Self { frames, truth, camera: scene.camera().clone() }))
    }

    /// The true path.
    pub fn path(&self) -> CameraPath {
        let pose = |(frame, truth): (&Frame, &SceneTruth)| CameraPose {
            sequence: frame.sequence,
            timestamp: frame.timestamp,
            world_from_camera: truth.world_from_camera,
        };
        CameraPath { poses: self.frames.iter().zip(&self.truth).map(pose).collect(), scale_free: false }
    }

    /// What the hands of a frame hide, from where they truly are.
    pub fn hidden(&self, frame: usize) -> Vec<PixelBox> {
        let hands = self.truth.get(frame).into_iter().flat_map(|truth| &truth.hands);
        let boxes = hands.filter_map(|hand| {
            let mut keypoints = [Pixel::default(); KEYPOINTS];
            for (pixel, joint) in keypoints.iter_mut().zip(hand.joints_camera) {
                *pixel = self.camera.project(joint)?;
            }
            Some(hand_boxes(&keypoints))
        });
        boxes.flatten().collect()
    }
}

/// A carried camera, 20 seconds, two hands before it: hidden by boxes, left in, and not there.
pub fn room(report: &mut Report) -> Result<()> {
    for seed in SEEDS {
        let config = SceneConfig {
            size: SIZE,
            frames: FRAMES,
            seed,
            camera: CameraStyle::HandHeld,
            nearness: NEARNESS,
            ..SceneConfig::default()
        };
        let Some(film) = Film::new(report, config.clone())? else { return Ok(()) };
        let Some(empty) = Film::new(report, SceneConfig { hands: false, ..config })? else { return Ok(()) };
        report.row(&format!("seed {seed}, what hands hide"), coverage(&film, &empty));
        let truth = film.path();
        for (name, film, masked) in [
            ("hands hidden by boxes", &film, true),
            ("hands left in", &film, false),
            ("no hands", &empty, false),
        ] {
            let hidden = |k: usize| if masked { film.hidden(k) } else { Vec::new() };
            let frames = film.frames.iter().enumerate().map(|(k, frame)| Ok((frame.clone(), hidden(k))));
            let followed = follow(&film.camera, frames)?;
            report.row(&format!("seed {seed}, {name}"), followed.errors(&truth));
        }
    }
    Ok(())
}

/// Share of the picture that hands and sleeves cover, and that their boxes do.
fn coverage(film: &Film, empty: &Film) -> serde_json::Value {
    let (mut covered, mut boxed) = (Vec::new(), Vec::new());
    for (k, (with, without)) in film.frames.iter().zip(&empty.frames).enumerate().step_by(COVERAGE_STRIDE) {
        let pixels = with.pixels.as_chunks::<3>().0.iter().zip(without.pixels.as_chunks::<3>().0);
        covered.push(pixels.filter(|(a, b)| a != b).count());
        let boxes = film.hidden(k);
        let places =
            (0..SIZE.height).flat_map(|y| (0..SIZE.width).map(move |x| Pixel::new(x as f32, y as f32)));
        boxed.push(places.filter(|place| boxes.iter().any(|hidden| hidden.contains(*place))).count());
    }
    let share = |counts: &[usize]| {
        let part = |count: usize| rounded(count as f64 / (SIZE.width * SIZE.height) as f64);
        let mean = counts.iter().sum::<usize>() / counts.len().max(1);
        [counts.iter().copied().min().unwrap_or(0), mean, counts.iter().copied().max().unwrap_or(0)].map(part)
    };
    json!({ "covered_min_mean_max": share(&covered), "boxed_min_mean_max": share(&boxed) })
}
