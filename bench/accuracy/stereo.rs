//! The calibrated stereo pair: its cameras, and the truth in each camera's space.

use std::path::Path;

use anyhow::{Context, Result};
use handstream::frame::PictureSize;
use handstream::geometry::CameraModel;
use handstream::hand::HandModel;
use handstream::metrics::HandSequence;
use handstream::output::read_truth;
use nalgebra::{Matrix3, Vector3};
use serde::Deserialize;

use super::recording::{Estimate, sample};

/// Weights of seven values in a row for the middle of the parabola that fits them best (Savitzky and
/// Golay 1964).
const PARABOLA: [f64; 7] =
    [-2.0 / 21.0, 3.0 / 21.0, 6.0 / 21.0, 7.0 / 21.0, 6.0 / 21.0, 3.0 / 21.0, -2.0 / 21.0];

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
struct Camera {
    #[serde(rename = "K")]
    k: [[f64; 3]; 3],
    dist_k1k2p1p2k3: [f64; 5],
    width: usize,
    height: usize,
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

/// Two cameras that look at the same hand.
pub struct StereoPair {
    /// The cameras, cam0 first.
    pub cameras: [CameraModel; 2],
    rotation: Matrix3<f64>,
    translation: Vector3<f64>,
    truth: HandSequence,
}

impl StereoPair {
    /// Reads calibration and triangulated joints from the folder `gt`.
    ///
    /// # Errors
    /// Where a file is missing or of another form.
    pub fn read(gt: &Path) -> Result<Self> {
        let path = gt.join("stereo_desk_reference.json");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let reference: Reference =
            serde_json::from_str(&text).with_context(|| format!("{} is not as expected", path.display()))?;
        let truth = read_truth(&gt.join("stereo_desk_a_triangulated.json"), &HandModel::open())?;
        Ok(Self {
            cameras: [&reference.cameras.cam0, &reference.cameras.cam1].map(Camera::model),
            rotation: Matrix3::from_fn(|i, j| reference.cam0_to_cam1.r[i][j]),
            translation: Vector3::from(reference.cam0_to_cam1.t) * reference.unit_cm_estimate.value / 100.0,
            truth: truth.right,
        })
    }

    /// True joints in the space of camera `view`.
    pub fn truth(&self, view: usize) -> HandSequence {
        let place = |point: Vector3<f64>| if view == 0 { point } else { self.to_cam1(point) };
        let frames = self.truth.iter();
        frames
            .map(|(&frame, hand)| (frame, sample(hand.joints.map(|joint| joint.map(place)), None)))
            .collect()
    }

    /// The truth with each joint put on the parabola through seven frames: nobody can follow the noise that
    /// this takes away, so its acceleration error is the least that a smooth estimate has.
    pub fn smoothed_truth(&self, view: usize) -> HandSequence {
        let truth = self.truth(view);
        let smooth = |frame: u64, k: usize| {
            let terms = (0..).zip(PARABOLA).map(|(step, weight)| {
                let near = truth.get(&(frame + step).checked_sub(PARABOLA.len() as u64 / 2)?)?;
                Some(near.joints[k]? * weight)
            });
            terms.sum::<Option<Vector3<f64>>>()
        };
        let frames = truth.keys();
        frames.map(|&frame| (frame, sample(std::array::from_fn(|k| smooth(frame, k)), None))).collect()
    }

    /// Median over frames of the mean distance of the two hands' joints, mm, and the frames that have both:
    /// each camera's hand found alone, brought together in the space of cam1.
    pub fn distance(&self, cam0: &[Option<Estimate>], cam1: &[Option<Estimate>]) -> Option<(f64, usize)> {
        let both = cam0.iter().zip(cam1).filter_map(|(a, b)| a.as_ref().zip(b.as_ref()));
        let mut distances: Vec<f64> = both
            .map(|(a, b)| {
                let joints = a.joints.iter().zip(&b.joints);
                joints.map(|(&a, b)| (self.to_cam1(a) - b).norm()).sum::<f64>() / a.joints.len() as f64
            })
            .collect();
        distances.sort_by(f64::total_cmp);
        distances.get(distances.len() / 2).map(|distance| (1000.0 * distance, distances.len()))
    }

    fn to_cam1(&self, point: Vector3<f64>) -> Vector3<f64> {
        self.rotation * point + self.translation
    }
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
