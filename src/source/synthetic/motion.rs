//! How the two hands and the camera of the synthetic scene move: known exactly, at any time.

use std::f64::consts::{PI, TAU};

use nalgebra::{Isometry3, Matrix3, Rotation3, Translation3, UnitQuaternion, Vector3};

use super::keyframes::{Key, Keyframes};
use crate::event::{HandPose, Side};
use crate::geometry::rotation::axis_angle_from_matrix;
use crate::hand::HandModel;
use crate::hand::anatomy::FREE_ANGLES;
use crate::hand::mirror::{mirror_matrix, mirror_point};
use crate::random::Random;

/// The right hand seen from behind, fingers up: takes the model's rest pose (fingers -x, palm -y,
/// thumb +z) to the frame of the body (x right, y down, z forward). Columns are the model's axes.
const FINGERS_UP: Matrix3<f64> = Matrix3::new(0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0);

/// Where wrists go, for the right hand, in the frame of the body: least and greatest x, y, z, metres.
const REACH: [[f64; 2]; 3] = [[0.10, 0.21], [0.06, 0.145], [0.42, 0.62]];

/// Wrists while the hands pass each other: one near, one far, side by side no longer.
const PASSING_NEAR: [f64; 3] = [0.035, 0.125, 0.40];
const PASSING_FAR: [f64; 3] = [0.07, 0.03, 0.60];

/// Once in so many seconds the hands pass each other; which one is near alternates.
const PASSING_EVERY: f64 = 5.0;

/// Closing of thumb, index, middle, ring and little finger, 0 open .. 1 closed; spread of the fingers.
const GESTURES: [([f64; 5], f64); 8] = [
    ([0.0, 0.0, 0.0, 0.0, 0.0], 0.9),
    ([0.25, 0.2, 0.22, 0.26, 0.3], 0.2),
    ([0.6, 0.48, 0.3, 0.22, 0.15], 0.4),
    ([0.6, 0.04, 0.75, 0.8, 0.8], 0.1),
    ([0.65, 0.03, 0.05, 0.8, 0.85], 0.7),
    ([0.1, 0.05, 0.05, 0.08, 0.1], 0.3),
    ([0.45, 0.55, 0.55, 0.58, 0.6], 0.1),
    ([0.7, 0.05, 0.04, 0.06, 0.65], 0.5),
];

/// One hand's motion. The left hand is planned as a right hand in the mirror.
pub(super) struct HandMotion {
    side: Side,
    betas: [f32; 10],
    /// The right hand's wrist in rest, which a pose turns about.
    rest_wrist: Vector3<f64>,
    limits: [[f64; 2]; FREE_ANGLES],
    reach: Keyframes<3>,
    /// Turn about the forearm, tilt of the fingers away from the viewer, lean to the side; radians.
    turn: Keyframes<3>,
    fingers: Keyframes<FREE_ANGLES>,
    /// Phases of the small sway that no living hand is without.
    sway: [f64; 3],
    /// Factor on the wrist's place.
    nearness: f64,
}

impl HandMotion {
    /// Plans `seconds` of motion at `nearness` times the ordinary distance.
    pub fn new(side: Side, seed: u64, seconds: f64, nearness: f64, model: &HandModel) -> Self {
        let mut random = Random::of(seed, 1 + side as u64);
        let betas: [f32; 10] = std::array::from_fn(|_| random.between(-0.8, 0.8) as f32);
        let limits = model.skeleton().anatomy.limits();
        Self {
            side,
            betas,
            rest_wrist: model.skeleton().shaped_joints(&betas.map(f64::from))[0],
            limits,
            reach: reaches(side, &mut random, seconds),
            turn: turns(side, &mut random, seconds),
            fingers: gestures(&mut random, seconds, &limits),
            sway: std::array::from_fn(|_| random.between(0.0, TAU)),
            nearness,
        }
    }

    /// The pose at `time` seconds in the frame that `frame_from_body` leads to.
    pub fn pose(&self, time: f64, frame_from_body: &Isometry3<f64>, model: &HandModel) -> HandPose {
        let [reach_x, reach_y, reach_z] = self.reach.at(time);
        let sway = |axis: usize, pace: f64| 0.005 * (TAU * pace * time + self.sway[axis]).sin();
        let wrist = Vector3::new(reach_x + sway(0, 0.43), reach_y + sway(1, 0.61), reach_z + sway(2, 0.37));
        let wrist = wrist * self.nearness;
        let [about_forearm, tilt, lean] = self.turn.at(time);
        let rotation = Rotation3::from_axis_angle(&Vector3::z_axis(), lean)
            * Rotation3::from_axis_angle(&Vector3::x_axis(), tilt)
            * Rotation3::from_matrix_unchecked(FINGERS_UP)
            * Rotation3::from_axis_angle(&Vector3::x_axis(), about_forearm);
        let (wrist, rotation) = match self.side {
            Side::Right => (wrist, rotation.into_inner()),
            Side::Left => (mirror_point(wrist), mirror_matrix(&rotation.into_inner())),
        };
        let rotation = frame_from_body.rotation.to_rotation_matrix().into_inner() * rotation;
        let wrist = frame_from_body.transform_point(&wrist.into()).coords;
        let mut angles = self.fingers.at(time);
        for (angle, [low, high]) in angles.iter_mut().zip(self.limits) {
            *angle = angle.clamp(low, high);
        }
        let hand_pose = model.skeleton().anatomy.hand_pose(&angles);
        let (rest_wrist, hand_pose) = match self.side {
            Side::Right => (self.rest_wrist, hand_pose),
            Side::Left => {
                (mirror_point(self.rest_wrist), hand_pose.map(crate::hand::mirror::mirror_axis_angle))
            }
        };
        HandPose {
            global_orient: axis_angle_from_matrix(&rotation).cast(),
            hand_pose,
            betas: self.betas,
            translation: (wrist - rest_wrist).cast(),
        }
    }
}

/// Steps of the wrist from place to place, with the hands passing each other now and then.
fn reaches(side: Side, random: &mut Random, seconds: f64) -> Keyframes<3> {
    let mut keys = vec![Key { time: 0.0, hold: 0.1, values: REACH.map(|[low, high]| (low + high) / 2.0) }];
    let mut time = 0.0;
    let mut passing = 0.5 * PASSING_EVERY;
    while time < seconds {
        let step = random.between(0.6, 1.1);
        let hold = random.between(0.0, 0.15);
        if time + step + hold < passing {
            time += step;
            keys.push(Key { time, hold, values: REACH.map(|[low, high]| random.between(low, high)) });
            time += hold;
        } else {
            // Both hands arrive together, whatever they did before.
            let round = (passing / PASSING_EVERY) as u64;
            let near = round.is_multiple_of(2) == (side == Side::Right);
            time = passing.max(time + 0.4);
            keys.push(Key { time, hold: 0.05, values: if near { PASSING_NEAR } else { PASSING_FAR } });
            time += 0.05;
            passing += PASSING_EVERY;
        }
    }
    Keyframes::new(keys)
}

/// Turns of the hand: mostly seen from behind, now and then with the palm to the viewer.
fn turns(side: Side, random: &mut Random, seconds: f64) -> Keyframes<3> {
    let degrees = |low: f64, high: f64, random: &mut Random| random.between(low, high).to_radians();
    let mut keys = vec![Key { time: 0.0, hold: 0.2, values: [0.0, 0.0, -0.15] }];
    let mut time = 0.2;
    let mut since_palm = if side == Side::Left { 1 } else { 0 };
    while time < seconds {
        time += random.between(0.7, 1.3);
        since_palm += 1;
        // The hand turns about the forearm so that the thumb goes outward.
        let palm = since_palm == 4;
        let about_forearm = degrees(-30.0, 30.0, random) - if palm { PI } else { 0.0 };
        if palm {
            since_palm = 0;
            time += 0.25;
        }
        let hold = random.between(0.05, 0.3);
        let values = [about_forearm, degrees(-10.0, 30.0, random), degrees(-28.0, 8.0, random)];
        keys.push(Key { time, hold, values });
        time += hold;
    }
    Keyframes::new(keys)
}

/// One gesture after another, never the same twice.
fn gestures(random: &mut Random, seconds: f64, limits: &[[f64; 2]; FREE_ANGLES]) -> Keyframes<FREE_ANGLES> {
    let mut keys = Vec::new();
    let mut time = 0.0;
    let mut last = 0;
    while keys.is_empty() || time < seconds {
        let hold = random.between(0.1, 0.35);
        keys.push(Key { time, hold, values: gesture_angles(GESTURES[last], random, limits) });
        time += hold + random.between(0.45, 0.9);
        last = (last + 1 + random.below(GESTURES.len() - 1)) % GESTURES.len();
    }
    Keyframes::new(keys)
}

/// The free angles of a gesture in the order of [`crate::hand::anatomy::FREE`], each finger a little
/// off.
fn gesture_angles(
    ([thumb, index, middle, ring, little], spread): ([f64; 5], f64),
    random: &mut Random,
    limits: &[[f64; 2]; FREE_ANGLES],
) -> [f64; FREE_ANGLES] {
    /// Bend of base, middle and last joint of a closed finger, degrees.
    const CLOSED: [f64; 3] = [78.0, 92.0, 50.0];
    let mut angles = [0.0; FREE_ANGLES];
    // Fingers as they come in `FREE`, with the direction in which each spreads.
    let fingers = [(index, -1.0), (middle, -0.2), (little, 1.0), (ring, 0.4)];
    for (finger, (closing, outward)) in fingers.into_iter().enumerate() {
        let closing = (closing + random.between(-0.05, 0.05)).max(0.0);
        let at = 4 * finger;
        angles[at] = (CLOSED[0] * closing).to_radians();
        angles[at + 1] = (9.0 * outward * spread * (1.0 - closing) + random.between(-2.0, 2.0)).to_radians();
        angles[at + 2] = (CLOSED[1] * closing).to_radians();
        angles[at + 3] = (CLOSED[2] * closing).to_radians();
    }
    let thumb = thumb + random.between(-0.05, 0.05);
    angles[16] = (-5.0 + 35.0 * thumb).to_radians();
    angles[17] = (20.0 * thumb - 8.0 * spread).to_radians();
    angles[18] = (8.0 * thumb).to_radians();
    angles[19] = (40.0 * thumb).to_radians();
    angles[20] = (45.0 * thumb).to_radians();
    std::array::from_fn(|i| angles[i].clamp(limits[i][0], limits[i][1]))
}

/// How the camera of a scene moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CameraStyle {
    /// Slowly to and fro around one place, by a hand's breadth.
    #[default]
    Swaying,
    /// Carried in a hand: to and fro by half a metre with wide turns, and the tremor of an arm.
    HandHeld,
    /// On a stand.
    Still,
    /// On a stand, turning.
    Turning,
}

/// Ways in x, y, z (metres) and turns about them (radians), and the pace of each in turns a second.
struct Waves {
    amplitudes: [f64; 6],
    slowest: f64,
    fastest: f64,
}

const SWAY: Waves = Waves { amplitudes: [0.11, 0.05, 0.07, 0.05, 0.085, 0.02], slowest: 0.1, fastest: 0.2 };
const CARRY: Waves = Waves { amplitudes: [0.42, 0.13, 0.28, 0.13, 0.24, 0.06], slowest: 0.07, fastest: 0.14 };
const TREMOR: Waves =
    Waves { amplitudes: [0.0015, 0.0015, 0.001, 0.002, 0.002, 0.0015], slowest: 1.5, fastest: 4.0 };
const TURN: Waves = Waves { amplitudes: [0.0, 0.0, 0.0, 0.12, 0.35, 0.08], slowest: 0.07, fastest: 0.14 };

impl CameraStyle {
    fn waves(self) -> &'static [Waves] {
        match self {
            CameraStyle::Swaying => &[SWAY],
            CameraStyle::HandHeld => &[CARRY, TREMOR],
            CameraStyle::Still => &[],
            CameraStyle::Turning => &[TURN],
        }
    }

    /// How much of the camera's own motion the body goes along with.
    fn body_follows(self) -> f64 {
        match self {
            CameraStyle::Swaying => 0.8,
            // Who carries the camera walks with it.
            CameraStyle::HandHeld | CameraStyle::Turning | CameraStyle::Still => 0.95,
        }
    }
}

/// The camera's path, at the world's origin when the time is zero.
pub(super) struct CameraMotion {
    /// Amplitudes and paces, with some chance in the paces.
    waves: Vec<[(f64, f64); 6]>,
    body_follows: f64,
}

impl CameraMotion {
    pub fn new(style: CameraStyle, seed: u64) -> Self {
        let mut random = Random::of(seed, 0);
        let mut paced =
            |waves: &Waves| waves.amplitudes.map(|a| (a, random.between(waves.slowest, waves.fastest)));
        Self { waves: style.waves().iter().map(&mut paced).collect(), body_follows: style.body_follows() }
    }

    /// The camera's pose at `time` seconds, `world_from_camera`.
    pub fn world_from_camera(&self, time: f64) -> Isometry3<f64> {
        self.part_of_way(time, 1.0)
    }

    /// The pose of the body that carries the hands, `world_from_body`: it follows the camera.
    pub fn world_from_body(&self, time: f64) -> Isometry3<f64> {
        self.part_of_way(time, self.body_follows)
    }

    fn part_of_way(&self, time: f64, part: f64) -> Isometry3<f64> {
        let wave = |axis: usize| {
            let swing = |wave: &[(f64, f64); 6]| part * wave[axis].0 * (TAU * wave[axis].1 * time).sin();
            self.waves.iter().map(swing).sum()
        };
        let [x, y, z, about_x, about_y, about_z]: [f64; 6] = std::array::from_fn(wave);
        Isometry3::from_parts(
            Translation3::new(x, y, z),
            UnitQuaternion::from_euler_angles(about_x, about_y, about_z),
        )
    }
}
