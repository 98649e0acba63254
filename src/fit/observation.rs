//! What the 2D tracker says of one hand in one frame, and its form inside the fit.

use nalgebra::{Rotation3, Vector2, Vector3};

use super::belief::BelievedPosture;
use super::config::ObservationConfig;
use super::kinematics::parent_of;
use crate::event::{KEYPOINTS, Side};
use crate::geometry::{CameraModel, Pixel};
use crate::hand::mirror::{mirror_point, mirror_ray};

/// Key points spread over less than this many pixels show no hand.
const MIN_EXTENT_PX: f64 = 6.0;
/// Key points further outside than this many picture sizes are not believed.
const MAX_OUTSIDE: f64 = 4.0;
/// Landmarks spread over less than this (metres) say nothing.
const MIN_LANDMARK_EXTENT: f64 = 0.01;
/// Landmarks spread over more than this (metres) are no hand's.
const MAX_LANDMARK_EXTENT: f64 = 1.0;

/// One hand of one frame as the 2D tracker sees it.
#[derive(Clone, Debug)]
pub struct HandObservation {
    /// Key points in the full picture, `openpose21`.
    pub keypoints_px: [Pixel; KEYPOINTS],
    /// The tracker's landmarks in metres: camera axes, origin at the hand's own centre,
    /// `openpose21`. All zero where the tracker has none.
    pub landmarks_m: [Vector3<f32>; KEYPOINTS],
    /// Probability that a hand is there, 0..1.
    pub score: f32,
    /// Left or right hand of the person.
    pub side: Side,
}

/// An observation prepared for the fit: undistorted, in right-hand space, with its noise.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    /// Undistorted rays (x/z, y/z) of the key points.
    pub rays: [Vector2<f64>; KEYPOINTS],
    /// Standard deviation of a ray's component.
    pub ray_sigma: f64,
    /// Focal length in pixels, to speak of rays in pixels.
    pub focal: f64,
    /// Landmarks in metres, turned from the crop's viewing ray to the camera's axes.
    pub landmarks: Option<[Vector3<f64>; KEYPOINTS]>,
    /// What a network says of the hand.
    pub(super) belief: Option<BelievedPosture>,
}

impl Evidence {
    /// Prepares `observation` of a track of the `side` hand; `None` where it cannot be a hand (not finite, all points in one place,
    /// far outside the picture).
    pub fn new(
        observation: &HandObservation,
        camera: &CameraModel,
        side: Side,
        config: &ObservationConfig,
    ) -> Option<Self> {
        let extent_px = extent_px(&observation.keypoints_px, camera)?;
        let left = side == Side::Left;
        let mut rays = [Vector2::zeros(); KEYPOINTS];
        for (ray, &pixel) in rays.iter_mut().zip(&observation.keypoints_px) {
            let seen = camera.ray(pixel);
            *ray = if left { mirror_ray(seen) } else { seen };
        }
        let centre = rays.iter().sum::<Vector2<f64>>() / KEYPOINTS as f64;
        let landmarks = observation.landmarks_m.map(|l| if left { mirror_point(l.cast()) } else { l.cast() });
        let sigma_px = (config.keypoint_sigma * extent_px).max(config.min_keypoint_sigma_px);
        let focal = camera.focal();
        Some(Self {
            rays,
            ray_sigma: sigma_px / focal,
            focal,
            landmarks: usable(&landmarks).then(|| {
                let turn = camera_from_ray(centre);
                landmarks.map(|l| turn * l)
            }),
            belief: None,
        })
    }
}

/// Sum of the lengths of the landmarks' bones, metres.
pub(super) fn total_length(landmarks: &[Vector3<f64>; KEYPOINTS]) -> f64 {
    (1..KEYPOINTS).map(|k| (landmarks[k] - landmarks[parent_of(k)]).norm()).sum()
}

/// Diagonal of the key points' box in pixels, `None` for points that cannot be a hand.
fn extent_px(keypoints: &[Pixel; KEYPOINTS], camera: &CameraModel) -> Option<f64> {
    let reach = MAX_OUTSIDE * camera.size.width.max(camera.size.height) as f64;
    let (mut low, mut high) = (Vector2::repeat(f64::INFINITY), Vector2::repeat(f64::NEG_INFINITY));
    for pixel in keypoints {
        let p = Vector2::new(f64::from(pixel.x), f64::from(pixel.y));
        if !p.iter().all(|v| v.abs() < reach) {
            return None;
        }
        low = low.inf(&p);
        high = high.sup(&p);
    }
    let extent = (high - low).norm();
    (extent >= MIN_EXTENT_PX).then_some(extent)
}

fn usable(landmarks: &[Vector3<f64>; KEYPOINTS]) -> bool {
    let extent = landmarks
        .iter()
        .map(|l| (l - landmarks[0]).norm())
        .fold(0.0, |a: f64, b| if b.is_nan() { f64::INFINITY } else { a.max(b) });
    (MIN_LANDMARK_EXTENT..MAX_LANDMARK_EXTENT).contains(&extent)
}

/// The shortest rotation from the optical axis to the ray `(x, y, 1)`.
///
/// The tracker sees a crop as if it lay on the optical axis, so its "depth" runs along the ray.
fn camera_from_ray(ray: Vector2<f64>) -> Rotation3<f64> {
    Rotation3::rotation_between(&Vector3::z(), &Vector3::new(ray.x, ray.y, 1.0))
        .unwrap_or_else(Rotation3::identity)
}
