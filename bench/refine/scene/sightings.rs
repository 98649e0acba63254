//! What the 2D tracker makes of a hand: the errors that `weights/recipes/lite/detector.py` models after real
//! clips, and those of a whole frame: misses, occlusions, wild hands, wrong sides.

use handstream::event::{KEYPOINTS, Side};
use handstream::fit::HandObservation;
use handstream::geometry::{CameraModel, CameraPoint, Pixel};
use nalgebra::{UnitQuaternion, Vector2, Vector3};

use super::head::FPS;
use super::random::Random;

/// Millimetres that a key point lies beyond the model's joint (`src/fit/landmarks.rs`).
const BEYOND_JOINT_MM: [f64; KEYPOINTS] = [
    10.4, -5.0, 9.7, 2.3, -4.1, 0.6, 4.8, 5.2, -2.5, 3.4, 2.6, 0.6, -4.1, 4.4, 4.9, 3.3, -4.2, 5.0, 5.6, 8.9,
    4.4,
];
/// Deviation of a sequence from it, standard deviation, millimetres.
const BIAS_SIGMA_MM: f64 = 3.0;
/// Standard deviation of a point's noise as a share of the hand's extent, and its spread between points.
const NOISE: [f64; 2] = [0.004, 0.018];
const NOISE_SPREAD: f64 = 0.35;
/// Share of the noise that is slow, and that is white; how much of the slow part the next frame keeps.
const SHARE: f64 = 0.7;
const KEPT: f64 = 0.8;
/// Chance and size of a wild point.
const WILD_POINT: f64 = 0.006;
const WILD_POINT_SIZE: f64 = 0.2;
/// Chance in a second that a group of fingers begins to be hidden, its noise, and its longest time, frames.
const HIDDEN_A_SECOND: f64 = 0.35;
const HIDDEN_NOISE: [f64; 2] = [0.03, 0.1];
const HIDDEN_FRAMES: [usize; 2] = [2, 16];
/// Landmarks: lasting turn (rad), lasting and slow error of a point (m), stretch in depth.
const LANDMARK_TURN: f64 = 0.2;
const LANDMARK_LASTING: f64 = 0.008;
const LANDMARK_SLOW: f64 = 0.005;
const LANDMARK_STRETCH: f64 = 0.1;

/// How often whole frames go wrong.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Chance that a single frame has no hand.
    pub miss: f64,
    /// Chance in a second that the hand is hidden for a while, and the frames that lasts.
    pub bursts_a_second: f64,
    /// Shortest and longest burst, frames.
    pub burst_frames: [usize; 2],
    /// Chance of a frame whose hand is somewhere else.
    pub wild_hand: f64,
    /// Chance in a second that the side is wrong for a while.
    pub flips_a_second: f64,
    /// Frames that a wrong side lasts.
    pub flip_frames: [usize; 2],
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            miss: 0.015,
            bursts_a_second: 0.25,
            burst_frames: [4, 24],
            wild_hand: 0.006,
            flips_a_second: 0.08,
            flip_frames: [1, 6],
        }
    }
}

impl Faults {
    /// A tracker that loses nothing.
    pub fn none() -> Self {
        Self { miss: 0.0, bursts_a_second: 0.0, wild_hand: 0.0, flips_a_second: 0.0, ..Self::default() }
    }
}

/// Points that get hidden together: four fingers one by one, the thumb, all tips, the outer fingers.
fn hidden_group(group: usize, point: usize) -> bool {
    match group {
        0..4 => (4 * group + 6..4 * group + 9).contains(&point),
        4 => (2..5).contains(&point),
        5 => point > 0 && point.is_multiple_of(4) || point % 4 == 3,
        _ => point >= 9,
    }
}

/// Looks at one hand of a scene, frame by frame.
pub struct Detector {
    random: Random,
    faults: Faults,
    side: Side,
    bias: [f64; KEYPOINTS],
    sigma: [f64; KEYPOINTS],
    slow: [Vector2<f64>; KEYPOINTS],
    hidden: Option<(usize, usize, f64)>,
    landmark_turn: UnitQuaternion<f64>,
    landmark_lasting: [Vector3<f64>; KEYPOINTS],
    landmark_slow: [Vector3<f64>; KEYPOINTS],
    stretch: f64,
    unseen_for: usize,
    flipped_for: usize,
}

impl Detector {
    /// Looks at the `side` hand.
    pub fn new(side: Side, faults: Faults, mut random: Random) -> Self {
        let bias = BEYOND_JOINT_MM.map(|mm| 1e-3 * (mm + BIAS_SIGMA_MM * random.normal()));
        let level = random.between(NOISE[0], NOISE[1]);
        let sigma = std::array::from_fn(|_| level * (NOISE_SPREAD * random.normal()).exp());
        let share = random.fraction();
        Self {
            side,
            bias,
            sigma,
            slow: [Vector2::zeros(); KEYPOINTS],
            hidden: None,
            landmark_turn: UnitQuaternion::from_scaled_axis(random.normal3() * LANDMARK_TURN * share),
            landmark_lasting: std::array::from_fn(|_| random.normal3() * LANDMARK_LASTING * share),
            landmark_slow: [Vector3::zeros(); KEYPOINTS],
            stretch: (LANDMARK_STRETCH * random.normal()).exp(),
            unseen_for: 0,
            flipped_for: 0,
            faults,
            random,
        }
    }

    /// What the tracker says of true joints in camera space; `None` where it sees no hand.
    pub fn see(
        &mut self,
        joints: &[CameraPoint; KEYPOINTS],
        camera: &CameraModel,
        hidden_now: bool,
    ) -> Option<HandObservation> {
        let frames =
            |random: &mut Random, range: [usize; 2]| range[0] + random.below(range[1] - range[0] + 1);
        if self.unseen_for > 0 {
            self.unseen_for -= 1;
        } else if self.random.chance(self.faults.bursts_a_second / FPS) {
            self.unseen_for = frames(&mut self.random, self.faults.burst_frames);
        }
        if self.flipped_for > 0 {
            self.flipped_for -= 1;
        } else if self.random.chance(self.faults.flips_a_second / FPS) {
            self.flipped_for = frames(&mut self.random, self.faults.flip_frames);
        }
        self.hidden = match self.hidden {
            Some((group, left, noise)) => (left > 0).then(|| (group, left - 1, noise)),
            None if self.random.chance(HIDDEN_A_SECOND / FPS) => {
                let noise = self.random.between(HIDDEN_NOISE[0], HIDDEN_NOISE[1]);
                Some((self.random.below(7), frames(&mut self.random, HIDDEN_FRAMES), noise))
            }
            None => None,
        };
        let missed = self.random.chance(self.faults.miss);
        let observation = self.observation(joints, camera);
        observation.filter(|_| !(missed || hidden_now || self.unseen_for > 0))
    }

    fn observation(
        &mut self,
        joints: &[CameraPoint; KEYPOINTS],
        camera: &CameraModel,
    ) -> Option<HandObservation> {
        let points = self.points(joints);
        let pixels: Vec<Pixel> =
            points.iter().map(|point| camera.project(CameraPoint(point.cast()))).collect::<Option<_>>()?;
        let inside = |pixel: &&Pixel| {
            (0.0..camera.size.width as f32).contains(&pixel.x)
                && (0.0..camera.size.height as f32).contains(&pixel.y)
        };
        let seen = pixels.iter().filter(inside).count();
        let exact: Vec<Vector2<f64>> =
            pixels.iter().map(|pixel| Vector2::new(f64::from(pixel.x), f64::from(pixel.y))).collect();
        let low = exact.iter().copied().reduce(|a, b| a.inf(&b))?;
        let high = exact.iter().copied().reduce(|a, b| a.sup(&b))?;
        let extent = (high - low).max();
        let wild = self.random.chance(self.faults.wild_hand);
        let shift = if wild { self.random.normal2() * 0.6 * extent } else { Vector2::zeros() };
        let keypoints_px = std::array::from_fn(|k| {
            let mut sigma = self.sigma[k];
            if let Some((_, _, noise)) = self.hidden.filter(|hidden| hidden_group(hidden.0, k)) {
                sigma += noise;
            }
            self.slow[k] = self.slow[k] * KEPT + self.random.normal2() * (1.0 - KEPT * KEPT).sqrt();
            let mut error = (self.slow[k] + self.random.normal2()) * SHARE * sigma;
            if self.random.chance(WILD_POINT) {
                error += self.random.normal2() * WILD_POINT_SIZE;
            }
            let place = exact[k] + error * extent + shift;
            Pixel::new(place.x as f32, place.y as f32)
        });
        let landmarks_m = self.landmarks(&points);
        let side = if self.flipped_for > 0 { self.side.other() } else { self.side };
        let score = self.random.between(0.8, 1.0) as f32;
        // A tracker keeps a hand whose middle is in the picture.
        (seen > KEYPOINTS / 2).then_some(HandObservation { keypoints_px, landmarks_m, score, side })
    }

    /// Where the detector's points lie on the hand.
    fn points(&self, joints: &[CameraPoint; KEYPOINTS]) -> [Vector3<f64>; KEYPOINTS] {
        let joint = |k: usize| joints[k].0.cast::<f64>();
        std::array::from_fn(|k| {
            let parent = if k % 4 == 1 { 0 } else { k.saturating_sub(1) };
            let along = if k == 0 { joint(9) - joint(0) } else { joint(k) - joint(parent) };
            joint(k) + along.normalize() * self.bias[k]
        })
    }

    fn landmarks(&mut self, points: &[Vector3<f64>; KEYPOINTS]) -> [Vector3<f32>; KEYPOINTS] {
        let centre = points.iter().sum::<Vector3<f64>>() / KEYPOINTS as f64;
        // The tracker sees its crop as if it lay on the optical axis.
        let ray_from_camera = UnitQuaternion::rotation_between(&centre, &Vector3::z()).unwrap_or_default();
        std::array::from_fn(|k| {
            let slow = &mut self.landmark_slow[k];
            *slow = *slow * KEPT + self.random.normal3() * (1.0 - KEPT * KEPT).sqrt();
            let mut point =
                ray_from_camera * self.landmark_turn * (points[k] - centre) + self.landmark_lasting[k];
            point.z *= self.stretch;
            (point + *slow * LANDMARK_SLOW).cast()
        })
    }
}
