//! One scene: the plan of camera and hands, and what is seen of it.

use std::sync::Arc;

use anyhow::Result;
use handstream::event::{HandPose, KEYPOINTS, Side};
use handstream::fit::{FitConfig, HandObservation};
use handstream::frame::{PictureSize, Timestamp};
use handstream::geometry::{CameraModel, CameraPoint};
use handstream::hand::HandModel;
use handstream::hand::mirror::{mirror_axis_angle, mirror_matrix, mirror_point};
use handstream::metrics::{ClosedSurface, interpenetration_volume};
use handstream::refine::{CameraKnowledge, Chunk, ChunkFrame, KeypointMeaning};
use nalgebra::{Isometry3, Rotation3, UnitQuaternion, Vector3};

use super::clip::{Clip, joined};
use super::head::FPS;
use super::provisional::FrontEnd;
use super::random::Random;
use super::sightings::{Detector, Faults};
use super::smooth;

/// Sides in the order of [`Truth::hands`].
pub const SIDES: [Side; 2] = [Side::Left, Side::Right];
/// Picture and field of view of the camera.
const SIZE: PictureSize = PictureSize { width: 1280, height: 720 };
const FIELD_OF_VIEW: f64 = 84.0;
/// Where right wrists are before the body, metres: right, down, ahead.
const WRIST: [f64; 3] = [0.12, 0.2, 0.42];
/// Where working hands meet.
const MEETING: [f64; 3] = [0.0, 0.2, 0.42];
/// How far wrists wander about it, metres, and how fast; the part of it that working hands do not share.
const WANDER: [f64; 3] = [0.04, 0.04, 0.06];
const WANDER_APART: f64 = 0.12;
const WANDER_HERTZ: [f64; 2] = [0.12, 0.45];
/// How much of the steps hands take over from the head while walking: the bell of the body's path, seconds.
const BODY_SECONDS: [f64; 2] = [0.1, 0.3];
/// Bell of the path of a body that stands, seconds: what is faster is the head's own motion.
const STANDING_SECONDS: f64 = 1.5;
/// Standard deviations of size and of the other shape coefficients.
const SHAPE_SIGMA: [f64; 2] = [0.6, 1.0];
/// Standard deviation of each angle by which a hand is turned away from the recording, radians.
const TURN_SIGMA: f64 = 0.25;
/// Roll about the forearm that lets the palms face each other, radians.
const FACING: [f64; 2] = [0.9, 1.6];
/// One hand of working hands is nearer to the camera: least and greatest angle of their line, radians.
const BEHIND: [f64; 2] = [0.0, 1.3];
/// Distance from which hands are brought together until they touch, in such steps, metres.
const FARTHEST: f64 = 0.16;
const CLOSER: f64 = 0.005;
/// Frames between two looks for contact, and how far ahead and back hands make room for it.
const CONTACT_STRIDE: usize = 4;
const CONTACT_REACH: usize = 8;
/// Palms nearer than this in the picture, in parts of the nearer hand's extent, may hide each other.
const HIDING: f64 = 0.4;
const HIDING_CHANCE: f64 = 0.15;
/// Metres in a unit of the odometry.
const WORLD_SCALE: [f64; 2] = [0.5, 3.0];
/// Errors of the odometry: slow change of scale, turn and step each second, white noise (rad and m).
const SCALE_DRIFT: f64 = 0.01;
const TURN_DRIFT: f64 = 1.5e-3;
const STEP_DRIFT: f64 = 2e-3;
const TURN_NOISE: f64 = 2.5e-4;
const STEP_NOISE: f64 = 2.5e-4;

/// How the camera goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// The body walks and carries the hands along.
    Walking,
    /// The body stands; the head sways and looks about.
    Standing,
    /// The camera stands on a tripod.
    Still,
}

/// What a scene is.
#[derive(Clone, Debug)]
pub struct SceneConfig {
    /// Everything random follows from it.
    pub seed: u64,
    /// Frames.
    pub frames: usize,
    /// How the camera goes.
    pub course: Course,
    /// Whether both hands work close to each other.
    pub close: bool,
    /// How often whole frames go wrong.
    pub faults: Faults,
    /// Frames in which the right hand is hidden on purpose.
    pub hidden: Vec<std::ops::Range<usize>>,
}

/// Motion that scenes are made of.
pub struct Material {
    /// A head-worn camera, 30 poses a second, `world_from_camera`.
    pub head: Vec<Isometry3<f64>>,
    /// What hands do.
    pub clips: Vec<Clip>,
}

/// A hand as it is.
#[derive(Clone)]
pub struct TrueHand {
    /// Its pose in the world.
    pub pose: HandPose,
    /// Its joints in the world, metres, `openpose21`.
    pub joints: [Vector3<f64>; KEYPOINTS],
}

/// A frame as it is.
#[derive(Clone)]
pub struct Truth {
    /// Where the camera is, metres; the first camera is the world.
    pub world_from_camera: Isometry3<f64>,
    /// Left and right hand.
    pub hands: [TrueHand; 2],
}

/// A scene, seen.
pub struct WorldScene {
    /// What is true.
    pub truth: Vec<Truth>,
    /// What the 2D tracker says of the left and of the right hand of each frame.
    pub seen: Vec<[Option<HandObservation>; 2]>,
    /// What front end and odometry give.
    pub chunk: Chunk,
    /// True metres in a unit of the odometry.
    pub world_scale: f64,
    /// True shape of both hands.
    pub betas: [f32; 10],
}

impl WorldScene {
    /// Plans and watches a scene.
    ///
    /// # Errors
    /// Where the embedded network cannot be used.
    pub fn new(config: &SceneConfig, material: &Material, model: &Arc<HandModel>) -> Result<Self> {
        let mut random = Random::of(config.seed, 2);
        let (camera_path, body_path) = paths(config, material, &mut random);
        let betas: [f32; 10] =
            std::array::from_fn(|k| (SHAPE_SIGMA[k.min(1)] * random.normal().clamp(-2.0, 2.0)) as f32);
        let hands = plan_hands(config, material, &betas, model, &mut random);
        let world = camera_path[0].inverse();
        let truth: Vec<Truth> = (0..config.frames)
            .map(|frame| {
                let in_world = |side: usize| {
                    let pose =
                        placed(&hands[side][frame], SIDES[side], &(world * body_path[frame]), &betas, model);
                    let joints = model.posed(&pose, SIDES[side]).joints.map(|joint| joint.0.cast());
                    TrueHand { pose, joints }
                };
                Truth { world_from_camera: world * camera_path[frame], hands: [in_world(0), in_world(1)] }
            })
            .collect();
        let (odometry, world_scale) = odometry(config, &truth, &mut random);
        let camera = CameraModel::from_fov(FIELD_OF_VIEW, SIZE);
        let seen = watch(config, &truth, &camera);
        let frames = published(&seen, &odometry, &camera, model)?;
        let knowledge = match config.course {
            Course::Still => CameraKnowledge::Still,
            _ => CameraKnowledge::ScaleFree,
        };
        let chunk = Chunk { frames, fps: FPS, camera, knowledge, meaning: KeypointMeaning::Tracker };
        Ok(Self { truth, seen, chunk, world_scale, betas })
    }
}

/// The camera's and the body's path.
fn paths(
    config: &SceneConfig,
    material: &Material,
    random: &mut Random,
) -> (Vec<Isometry3<f64>>, Vec<Isometry3<f64>>) {
    let spare = material.head.len().saturating_sub(config.frames);
    let from = random.below(spare + 1);
    let mut head: Vec<Isometry3<f64>> =
        material.head.iter().copied().skip(from).take(config.frames).collect();
    if random.chance(0.5) {
        head.reverse();
    }
    let seconds = match config.course {
        Course::Walking => random.between(BODY_SECONDS[0], BODY_SECONDS[1]),
        _ => STANDING_SECONDS,
    };
    let body = body_of(&head, seconds * FPS);
    match config.course {
        Course::Walking => (head, body),
        Course::Standing => {
            let stands = body[0];
            let sways = head.iter().zip(&body).map(|(head, body)| stands * body.inverse() * head);
            (sways.collect(), vec![stands; config.frames])
        }
        Course::Still => (vec![head[0]; config.frames], vec![body[0]; config.frames]),
    }
}

/// Where the body is that carries the head: smoother, and upright.
fn body_of(head: &[Isometry3<f64>], sigma: f64) -> Vec<Isometry3<f64>> {
    let places: Vec<Vector3<f64>> = head.iter().map(|pose| pose.translation.vector).collect();
    let upright: Vec<UnitQuaternion<f64>> = head
        .iter()
        .map(|pose| {
            let ahead = pose.rotation * Vector3::z();
            UnitQuaternion::from_axis_angle(&Vector3::y_axis(), ahead.x.atan2(ahead.z))
        })
        .collect();
    // A body turns more slowly than it steps.
    let turns = smooth::rotations(&upright, sigma.max(0.4 * FPS));
    let places = smooth::vectors(&places, sigma);
    places.into_iter().zip(turns).map(|(place, turn)| Isometry3::from_parts(place.into(), turn)).collect()
}

/// One frame of a planned hand: free angles, rotation and wrist of a right hand before a body.
#[derive(Clone)]
struct Planned {
    angles: [f64; 21],
    rotation: UnitQuaternion<f64>,
    wrist: Vector3<f64>,
}

fn plan_hands(
    config: &SceneConfig,
    material: &Material,
    betas: &[f32; 10],
    model: &HandModel,
    random: &mut Random,
) -> [Vec<Planned>; 2] {
    let shared = Wander::new(random);
    let mut plan = |side: usize| {
        let motion = joined(&material.clips, config.frames, random);
        let mut turn = UnitQuaternion::from_scaled_axis(random.normal3() * TURN_SIGMA);
        if config.close {
            let roll = random.between(FACING[0], FACING[1]);
            turn = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), roll) * turn;
        }
        let own = Wander::new(random);
        let frames = (0..config.frames).map(|frame| {
            let place = match config.close {
                // Planned as a right hand, the left one wanders along in the mirror.
                true => {
                    let shared = shared.at(frame);
                    let shared = if SIDES[side] == Side::Left { mirror_point(shared) } else { shared };
                    Vector3::from(MEETING) + shared + own.at(frame) * WANDER_APART
                }
                false => Vector3::from(WRIST) + own.at(frame),
            };
            Planned {
                angles: motion.angles[frame],
                rotation: turn * motion.rotations[frame],
                wrist: place + turn * motion.wrists[frame],
            }
        });
        frames.collect::<Vec<_>>()
    };
    let mut hands = [plan(0), plan(1)];
    if !config.close {
        return hands;
    }
    let behind = random.between(BEHIND[0], BEHIND[1]);
    let apart = Vector3::new(behind.cos(), 0.0, behind.sin());
    for (frame, distance) in distances(&hands, apart, betas, model).into_iter().enumerate() {
        hands[0][frame].wrist += mirrored_back(apart) * distance;
        hands[1][frame].wrist += apart * distance;
    }
    hands
}

/// How far working hands must be apart in each frame so that they do not touch and yet stay next to each other
/// all the time.
fn distances(
    hands: &[Vec<Planned>; 2],
    apart: Vector3<f64>,
    betas: &[f32; 10],
    model: &HandModel,
) -> Vec<f64> {
    let frames = hands[0].len();
    let needed: Vec<f64> = (0..frames.div_ceil(CONTACT_STRIDE))
        .map(|look| {
            let poses = |distance: f64| {
                [0, 1].map(|side: usize| {
                    let mut hand = hands[side][look * CONTACT_STRIDE].clone();
                    hand.wrist += distance * if side == 0 { mirrored_back(apart) } else { apart };
                    placed(&hand, SIDES[side], &Isometry3::identity(), betas, model)
                })
            };
            // From outside: hands that have passed through each other do not touch either.
            let mut distance = FARTHEST;
            while distance > 0.0 && interpenetration(&poses(distance - CLOSER), model) == 0.0 {
                distance -= CLOSER;
            }
            distance
        })
        .collect();
    // The greatest distance of a stretch, so that its mean is never too small.
    let reach = |frame: usize| {
        let (first, last) = (frame.saturating_sub(CONTACT_REACH), frame + CONTACT_REACH);
        let looks = first / CONTACT_STRIDE..=(last / CONTACT_STRIDE).min(needed.len() - 1);
        [needed[looks].iter().copied().fold(0.0, f64::max)]
    };
    let widest: Vec<[f64; 1]> = (0..frames).map(reach).collect();
    smooth::rows(&widest, CONTACT_REACH as f64 / 2.0).into_iter().map(|[distance]| distance).collect()
}

/// A direction of the body for the left hand, which is planned as a right hand: away from the other hand is
/// outward in the mirror, and to the other side ahead.
fn mirrored_back(apart: Vector3<f64>) -> Vector3<f64> {
    Vector3::new(apart.x, -apart.y, -apart.z)
}

/// Volume that a left and a right hand have in common, cm^3.
pub fn interpenetration(poses: &[HandPose; 2], model: &HandModel) -> f64 {
    let bodies = [0, 1].map(|side| {
        let surface = ClosedSurface::new(model.faces(SIDES[side]), model.vertex_count());
        let vertices = model.posed(&poses[side], SIDES[side]).vertices;
        (surface, vertices.iter().map(|vertex| vertex.0.cast()).collect::<Vec<Vector3<f64>>>())
    });
    interpenetration_volume((&bodies[0].0, &bodies[0].1), (&bodies[1].0, &bodies[1].1))
}

/// The pose of a planned hand where `frame_from_body` leads.
fn placed(
    hand: &Planned,
    side: Side,
    frame_from_body: &Isometry3<f64>,
    betas: &[f32; 10],
    model: &HandModel,
) -> HandPose {
    let rest = model.skeleton().shaped_joints(&betas.map(f64::from))[0];
    let hand_pose = model.skeleton().anatomy.hand_pose(&hand.angles);
    let rotation = hand.rotation.to_rotation_matrix().into_inner();
    let (rest, wrist, rotation, hand_pose) = match side {
        Side::Right => (rest, hand.wrist, rotation, hand_pose),
        Side::Left => (
            mirror_point(rest),
            mirror_point(hand.wrist),
            mirror_matrix(&rotation),
            hand_pose.map(mirror_axis_angle),
        ),
    };
    let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(rotation));
    let wrist = frame_from_body * nalgebra::Point3::from(wrist);
    HandPose {
        global_orient: (frame_from_body.rotation * rotation).scaled_axis().cast(),
        hand_pose,
        betas: *betas,
        translation: (wrist.coords - rest).cast(),
    }
}

/// A wrist's slow way about its place.
struct Wander([[f64; 3]; 6]);

impl Wander {
    fn new(random: &mut Random) -> Self {
        Self(std::array::from_fn(|k| {
            let amplitude = WANDER[k % 3] * random.between(0.4, 1.0);
            let hertz = random.between(WANDER_HERTZ[0], WANDER_HERTZ[1]);
            [amplitude, hertz, random.between(0.0, std::f64::consts::TAU)]
        }))
    }

    fn at(&self, frame: usize) -> Vector3<f64> {
        let wave = |[amplitude, hertz, phase]: [f64; 3]| {
            amplitude * (std::f64::consts::TAU * hertz * frame as f64 / FPS + phase).sin()
        };
        Vector3::from_fn(|k, _| 0.6 * (wave(self.0[k]) + wave(self.0[k + 3])))
    }
}

/// The camera's path as odometry gives it, and the true metres in its unit.
fn odometry(config: &SceneConfig, truth: &[Truth], random: &mut Random) -> (Vec<Isometry3<f64>>, f64) {
    if config.course == Course::Still {
        return (vec![Isometry3::identity(); truth.len()], 1.0);
    }
    let scale = random.between(WORLD_SCALE[0], WORLD_SCALE[1]);
    let second = FPS.sqrt();
    let (mut drift, mut wrong) = (0.0, Isometry3::identity());
    let mut path = Vec::with_capacity(truth.len());
    let mut pose = Isometry3::identity();
    for (frame, now) in truth.iter().enumerate() {
        if frame > 0 {
            let mut step = truth[frame - 1].world_from_camera.inverse() * now.world_from_camera;
            drift += SCALE_DRIFT / second * random.normal();
            step.translation.vector *= 1.0 + drift;
            step.translation.vector += random.normal3() * STEP_DRIFT / second;
            step.rotation *= UnitQuaternion::from_scaled_axis(random.normal3() * TURN_DRIFT / second);
            pose *= step;
            wrong = Isometry3::from_parts(
                (random.normal3() * STEP_NOISE).into(),
                UnitQuaternion::from_scaled_axis(random.normal3() * TURN_NOISE),
            );
        }
        let mut given = pose * wrong;
        given.translation.vector /= scale;
        path.push(given);
    }
    (path, scale)
}

/// What the tracker makes of the scene.
fn watch(config: &SceneConfig, truth: &[Truth], camera: &CameraModel) -> Vec<[Option<HandObservation>; 2]> {
    let mut detectors = [0, 1].map(|side| {
        Detector::new(SIDES[side], config.faults.clone(), Random::of(config.seed, 10 + side as u64))
    });
    let mut hiding = Random::of(config.seed, 20);
    let frames = truth.iter().enumerate().map(|(number, truth)| {
        let joints = [0, 1].map(|side: usize| {
            truth.hands[side].joints.map(|joint| {
                let seen = truth.world_from_camera.inverse() * nalgebra::Point3::from(joint);
                CameraPoint(seen.coords.cast())
            })
        });
        let mut hidden = [false, config.hidden.iter().any(|range| range.contains(&number))];
        if let Some(behind) = hidden_by_the_other(&joints).filter(|_| hiding.chance(HIDING_CHANCE)) {
            hidden[behind] = true;
        }
        [0, 1].map(|side: usize| detectors[side].see(&joints[side], camera, hidden[side]))
    });
    frames.collect()
}

/// What the front end makes of what the tracker saw.
fn published(
    seen: &[[Option<HandObservation>; 2]],
    odometry: &[Isometry3<f64>],
    camera: &CameraModel,
    model: &Arc<HandModel>,
) -> Result<Vec<ChunkFrame>> {
    let mut front_end = FrontEnd::new(2, model.clone(), Arc::new(camera.clone()), FitConfig::default())?;
    let frames = seen.iter().zip(odometry).enumerate().map(|(number, (seen, pose))| {
        let timestamp = Timestamp::from_seconds(number as f64 / FPS);
        ChunkFrame {
            sequence: number as u64,
            timestamp,
            world_from_camera: Some(*pose),
            hands: front_end.publish(seen, timestamp),
        }
    });
    Ok(frames.collect())
}

/// The hand whose palm lies behind the other's.
fn hidden_by_the_other(joints: &[[CameraPoint; KEYPOINTS]; 2]) -> Option<usize> {
    let palm = |side: usize| joints[side][9].0.cast::<f64>();
    let (a, b) = (palm(0), palm(1));
    let nearer = usize::from(b.z < a.z);
    let length = (joints[nearer][9].0 - joints[nearer][0].0).norm() as f64 * 2.0;
    let apart = (a.xy() / a.z - b.xy() / b.z).norm() * palm(nearer).z;
    (apart < HIDING * length && a.z > 0.0 && b.z > 0.0).then_some(1 - nearer)
}
