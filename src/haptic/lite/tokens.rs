//! One frame of one hand as the network reads it.

use nalgebra::{Vector2, Vector3};

use crate::event::{KEYPOINTS, Side};
use crate::fit::{Evidence, HandObservation, ObservationConfig};
use crate::geometry::CameraModel;
use crate::hand::mirror::mirror_ray;

/// Numbers of a frame's token.
pub(super) const TOKEN: usize = 5 * KEYPOINTS + KEYPOINTS + 1 + 7;
/// Numbers of a frame's context.
pub(super) const CONTEXT: usize = 14;

/// Side of the box in sides of the key points' own box.
const BOX_MARGIN: f64 = 1.3;
/// Side of a usual box in normalised coordinates.
const USUAL_SIDE: f64 = 0.25;
/// Factor that brings centres in units of the box to the size of the other numbers.
const CENTRE_SCALE: f64 = 0.2;

/// One hand of one frame in right-hand space.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenHand {
    /// Undistorted normalised camera coordinates (x/z, y/z) of the key points, `openpose21`.
    pub rays: [Vector2<f64>; KEYPOINTS],
    /// How far each key point is believed, 0..1; 0 for a point that was not seen.
    pub confidence: [f32; KEYPOINTS],
    /// The tracker's landmarks in camera axes, any origin and scale.
    pub landmarks: Option<[Vector3<f64>; KEYPOINTS]>,
}

impl SeenHand {
    /// `observation` through `camera`; `None` where it cannot be a hand (not finite, all points in one
    /// place, far outside the picture).
    pub fn new(observation: &HandObservation, camera: &CameraModel) -> Option<Self> {
        let evidence = Evidence::new(observation, camera, observation.side, &ObservationConfig::default())?;
        let score = Some(observation.score).filter(|score| score.is_finite())?;
        Some(Self {
            rays: evidence.rays,
            confidence: [score.clamp(0.0, 1.0); KEYPOINTS],
            landmarks: evidence.landmarks,
        })
    }

    /// The square around the seen key points; `None` where they have no extent or are not finite.
    pub fn hand_box(&self) -> Option<HandBox> {
        let (mut low, mut high) = (Vector2::repeat(f64::INFINITY), Vector2::repeat(f64::NEG_INFINITY));
        for (ray, &confidence) in self.rays.iter().zip(&self.confidence) {
            if !(0.0..=1.0).contains(&confidence) || !ray.iter().all(|v| v.is_finite()) {
                return None;
            }
            if confidence > 0.0 {
                low = low.inf(ray);
                high = high.sup(ray);
            }
        }
        let side = BOX_MARGIN * (high - low).max();
        (side.is_finite() && side > 0.0).then(|| HandBox { centre: (low + high) / 2.0, side })
    }
}

/// A square in normalised camera coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HandBox {
    /// Its centre.
    pub centre: Vector2<f64>,
    /// Its side.
    pub side: f64,
}

impl HandBox {
    /// The box seen from the `side` hand's space; its own inverse.
    pub(super) fn mirrored_for(self, side: Side) -> Self {
        match side {
            Side::Left => Self { centre: mirror_ray(self.centre), ..self },
            Side::Right => self,
        }
    }

    /// Centre, logarithm of the side in usual sides, side.
    fn numbers(&self) -> [f64; 4] {
        [self.centre.x, self.centre.y, (self.side / USUAL_SIDE).ln(), self.side]
    }
}

/// What the network reads of one frame, but for its place in the window.
#[derive(Clone, Debug)]
pub struct FrameToken {
    /// The token; its last number, the age, is left open.
    token: [f32; TOKEN],
    /// The context before the age: own box, other hand, camera.
    context: [f32; CONTEXT - 3],
    /// The hand's box.
    pub(super) hand_box: HandBox,
}

/// Where a frame lies in its window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Seconds before the newest frame.
    pub age: f64,
    /// Seconds since the frame before, 0 for the first.
    pub gap: f64,
    /// Frames of the window in parts of the longest.
    pub filled: f64,
}

impl FrameToken {
    /// The frame's numbers: the hand, the `other` hand's box in the same right-hand space, and the
    /// tangents of half the camera's field of view. `None` for a hand without a box.
    pub fn new(seen: &SeenHand, other: Option<HandBox>, half_fov: Vector2<f64>) -> Option<Self> {
        let hand_box = seen.hand_box()?;
        let mut token = [0.0_f32; TOKEN];
        let (points, rest) = token.split_at_mut(2 * KEYPOINTS);
        let (confidence, rest) = rest.split_at_mut(KEYPOINTS);
        let (landmarks, rest) = rest.split_at_mut(3 * KEYPOINTS);
        for (k, point) in points.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            if seen.confidence[k] > 0.0 {
                let place = (seen.rays[k] - hand_box.centre) / hand_box.side * 2.0;
                *point = [place.x as f32, place.y as f32];
            }
        }
        confidence.copy_from_slice(&seen.confidence);
        if let Some(normal) = seen.landmarks.as_ref().and_then(normalised) {
            for (numbers, landmark) in landmarks.as_chunks_mut::<3>().0.iter_mut().zip(normal) {
                *numbers = landmark.cast::<f32>().into();
            }
            rest[0] = 1.0;
        }
        let box_numbers = hand_box.numbers();
        let relative = hand_box.centre / hand_box.side * CENTRE_SCALE;
        fill(&mut rest[1..], box_numbers.into_iter().chain([relative.x, relative.y]));

        let mut context = [0.0; CONTEXT - 3];
        let other = other.map_or([0.0; 5], |other| {
            let [x, y, log, side] = other.numbers();
            [1.0, x, y, log, side]
        });
        fill(&mut context, box_numbers.into_iter().chain(other).chain([half_fov.x, half_fov.y]));
        let finite = token.iter().chain(&context).all(|v| v.is_finite());
        finite.then_some(Self { token, context, hand_box })
    }

    /// Appends the frame's token and context for its place in the window.
    pub(super) fn write(&self, moment: Moment, tokens: &mut Vec<f32>, context: &mut Vec<f32>) {
        tokens.extend_from_slice(&self.token[..TOKEN - 1]);
        tokens.push(moment.age as f32);
        context.extend_from_slice(&self.context);
        context.extend([moment.age as f32, moment.gap as f32, moment.filled as f32]);
    }
}

/// Tangents of half the field of view of `camera`.
pub(super) fn half_fov(camera: &CameraModel) -> Vector2<f64> {
    let size = camera.size;
    Vector2::new(size.width as f64 / 2.0 / camera.fx, size.height as f64 / 2.0 / camera.fy)
}

/// Landmarks about their mean, of root mean square radius 1; `None` where they have no extent.
fn normalised(landmarks: &[Vector3<f64>; KEYPOINTS]) -> Option<[Vector3<f64>; KEYPOINTS]> {
    let mean = landmarks.iter().sum::<Vector3<f64>>() / KEYPOINTS as f64;
    let centred = landmarks.map(|landmark| landmark - mean);
    let radius = (centred.iter().map(Vector3::norm_squared).sum::<f64>() / KEYPOINTS as f64).sqrt();
    (radius.is_finite() && radius > 0.0).then(|| centred.map(|landmark| landmark / radius))
}

fn fill(places: &mut [f32], numbers: impl Iterator<Item = f64>) {
    for (place, number) in places.iter_mut().zip(numbers) {
        *place = number as f32;
    }
}
