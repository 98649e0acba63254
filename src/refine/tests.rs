//! What the refinement does to made-up scenes whose truth is known.

use std::f64::consts::TAU;
use std::sync::Arc;

use nalgebra::{Isometry3, Rotation3, Translation3, UnitQuaternion, Vector3};

use super::*;
use crate::event::{HandPose, KEYPOINTS, Side, TrackId};
use crate::fit::kinematics::{Betas, Chain};
use crate::fit::parameters::{Posture, Step};
use crate::frame::{PictureSize, Timestamp};
use crate::geometry::{CameraModel, CameraPoint, Pixel};
use crate::hand::HandModel;
use crate::hand::mirror::{mirror_point, mirror_pose};
use crate::random::Random;

/// Metres in a unit of the made-up odometry.
pub(super) const TRUE_SCALE: f64 = 2.5;

/// A scene with its truth.
pub(super) struct Scene {
    pub chunk: Chunk,
    /// World joints of the left and right hand in every frame.
    pub truth: Vec<[[Vector3<f64>; KEYPOINTS]; 2]>,
}

/// How wrong the front end is.
#[derive(Clone, Copy)]
pub(super) struct Noise {
    pub pixels: f64,
    pub depth: f64,
    pub angles: f64,
}

pub(super) const USUAL: Noise = Noise { pixels: 2.0, depth: 0.04, angles: 0.15 };

/// Two hands that wave, bend and turn before a camera that sways.
pub(super) fn scene(frames: usize, noise: Noise, knowledge: CameraKnowledge) -> Scene {
    let model = HandModel::open();
    let chain = Chain::new(model.skeleton()).with_keypoints_at_joints();
    let bones = chain.bones(&Betas::zeros());
    let camera = CameraModel::pinhole(600.0, PictureSize::new(640, 480));
    let mut random = Random::new(7);
    let mut truth = Vec::new();
    let mut chunk_frames = Vec::new();
    for t in 0..frames {
        let seconds = t as f64 / 30.0;
        let world_from_camera = match knowledge {
            CameraKnowledge::Still => Isometry3::identity(),
            _ => sway(seconds),
        };
        let mut joints = [[Vector3::zeros(); KEYPOINTS]; 2];
        let mut hands = Vec::new();
        for (side, joints) in [Side::Left, Side::Right].into_iter().zip(&mut joints) {
            let place = |point: Vector3<f64>| if side == Side::Left { mirror_point(point) } else { point };
            let posture = waved(seconds, side);
            let bent = chain.bend(&bones, &posture);
            *joints = bent.joints.map(|joint| place(joint + posture.wrist));
            let inverse = world_from_camera.inverse();
            let seen = joints.map(|joint| {
                let point = (inverse * nalgebra::Point3::from(joint)).coords;
                let pixel = camera.project(CameraPoint(point.cast())).unwrap();
                let mut shake = || (random.signed() * noise.pixels * 1.7) as f32;
                Pixel::new(pixel.x + shake(), pixel.y + shake())
            });
            // The front end's error: a part that stays for a while, so that averaging does not remove it.
            let slow = (t / 6) as f64 + if side == Side::Left { 0.5 } else { 0.0 };
            let wrong = posture.plus(&Step::from_fn(|i, _| match i {
                3..6 => 0.0,
                _ => noise.angles * (0.7 * random.signed() + 0.7 * (slow * (1.3 + i as f64)).sin()),
            }));
            let (rotation, wrist) = to_camera(&wrong, &inverse, side);
            let nearer = 1.0 + noise.depth * ((slow * 2.1).sin() + 0.5 * random.signed());
            let pose = HandPose {
                global_orient: rotation.scaled_axis().cast(),
                hand_pose: model.skeleton().anatomy.hand_pose(&wrong.angles),
                betas: [0.0; 10],
                translation: (wrist * nearer - chain.rest_wrist(&Betas::zeros())).cast(),
            };
            hands.push(ObservedHand {
                track: TrackId(side as u32),
                side,
                score: 0.9,
                keypoints_px: seen,
                confidence: [1.0; KEYPOINTS],
                pose: if side == Side::Left { mirror_pose(&pose) } else { pose },
            });
        }
        truth.push(joints);
        let mut odometry = world_from_camera;
        if knowledge == CameraKnowledge::ScaleFree {
            odometry.translation.vector /= TRUE_SCALE;
        }
        chunk_frames.push(ChunkFrame {
            sequence: t as u64,
            timestamp: Timestamp::from_seconds(seconds),
            world_from_camera: (knowledge != CameraKnowledge::Still).then_some(odometry),
            hands,
        });
    }
    let chunk =
        Chunk { frames: chunk_frames, fps: 30.0, camera, knowledge, meaning: KeypointMeaning::Joints };
    Scene { chunk, truth }
}

fn sway(seconds: f64) -> Isometry3<f64> {
    let place = Vector3::new(
        0.12 * (TAU * 0.45 * seconds).sin(),
        0.04 * (TAU * 0.8 * seconds).sin(),
        0.08 * (1.0 - (TAU * 0.35 * seconds).cos()),
    );
    let turn = Vector3::new(0.1 * (2.0 * seconds).sin(), 0.15 * (1.5 * seconds).sin(), 0.02 * seconds.sin());
    Isometry3::from_parts(Translation3::from(place), UnitQuaternion::from_scaled_axis(turn))
}

/// In the world, mirrored for a left hand.
fn waved(seconds: f64, side: Side) -> Posture {
    let late = if side == Side::Left { 0.8 } else { 0.0 };
    let s = seconds + late;
    Posture {
        rotation: Rotation3::new(Vector3::new(0.3 * (2.1 * s).sin(), 1.2, 1.2 + 0.4 * (1.3 * s).sin())),
        wrist: Vector3::new(
            0.1 + 0.05 * (2.0 * s).sin(),
            0.06 * (1.1 * s).cos(),
            0.5 + 0.05 * (0.9 * s).sin(),
        ),
        angles: std::array::from_fn(|i| match i {
            1 | 5 | 9 | 13 => 0.0,
            16..=18 => 0.1,
            _ => 0.5 + 0.35 * (1.7 * s + 0.4 * i as f64).sin(),
        }),
    }
}

fn to_camera(
    posture: &Posture,
    camera_from_world: &Isometry3<f64>,
    side: Side,
) -> (Rotation3<f64>, Vector3<f64>) {
    use crate::hand::mirror::mirror_matrix;
    let turn = camera_from_world.rotation.to_rotation_matrix().into_inner();
    let shift = camera_from_world.translation.vector;
    let (turn, shift) = match side {
        Side::Left => (mirror_matrix(&turn), mirror_point(shift)),
        Side::Right => (turn, shift),
    };
    (Rotation3::from_matrix_unchecked(turn) * posture.rotation, turn * posture.wrist + shift)
}

/// Mean distance of the world joints from the truth, millimetres, where `which` holds for frame and side.
pub(super) fn error_mm(refined: &[RefinedFrame], scene: &Scene, which: impl Fn(usize, Side) -> bool) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for frame in refined {
        let t = frame.sequence as usize;
        for hand in frame.hands.iter().filter(|hand| which(t, hand.side)) {
            for (joint, truth) in hand.joints_world.iter().zip(&scene.truth[t][hand.side as usize]) {
                sum += (joint.0 - truth).norm();
                count += 1;
            }
        }
    }
    1e3 * sum / count as f64
}

pub(super) fn refine(scene: &Scene, config: RefineConfig) -> RefinedChunk {
    Refiner::new(Arc::new(HandModel::open()), config).refine(&scene.chunk, &Deadline::Never)
}

/// The front end's own hands in the world, placed with the true scale.
fn unrefined(scene: &Scene) -> RefinedChunk {
    let mut config = RefineConfig::ours();
    config.stages.world = false;
    config.stages.joint = false;
    let mut metric = scene.chunk.clone();
    if metric.knowledge == CameraKnowledge::ScaleFree {
        metric.knowledge = CameraKnowledge::Metric;
        for frame in &mut metric.frames {
            if let Some(pose) = &mut frame.world_from_camera {
                pose.translation.vector *= TRUE_SCALE;
            }
        }
    }
    Refiner::new(Arc::new(HandModel::open()), config).refine(&metric, &Deadline::Never)
}

#[test]
fn a_swaying_camera_is_scaled_and_hands_come_closer_to_the_truth() {
    let scene = scene(128, USUAL, CameraKnowledge::ScaleFree);
    let before = error_mm(&unrefined(&scene).frames, &scene, |_, _| true);
    let refined = refine(&scene, RefineConfig::ours());
    let after = error_mm(&refined.frames, &scene, |_, _| true);
    let scale = refined.world_scale.unwrap();
    println!("{before} -> {after} mm, scale {scale} +- {:?}", refined.world_scale_sigma);
    println!("{:#?}", refined.statistics);
    assert!((scale / TRUE_SCALE - 1.0).abs() < 0.03, "scale {scale}");
    assert!(after < 0.5 * before, "{before} mm became {after} mm");
}

#[test]
fn without_noise_the_truth_stays() {
    let exact = Noise { pixels: 0.0, depth: 0.0, angles: 0.0 };
    let scene = scene(40, exact, CameraKnowledge::Metric);
    let after = error_mm(&refine(&scene, RefineConfig::ours()).frames, &scene, |_, _| true);
    assert!(after < 3.0, "{after} mm");
}
