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
fn where_a_hands_key_points_lie_is_learned() {
    let exact = Noise { pixels: 0.0, depth: 0.0, angles: 0.0 };
    let mut scene = scene(60, exact, CameraKnowledge::Metric);
    // The points lie on the joints: up to a centimetre from where the tracker usually puts them.
    scene.chunk.meaning = KeypointMeaning::Tracker;
    let of = |config| error_mm(&refine(&scene, config).frames, &scene, |_, _| true);
    let mut held = RefineConfig::ours();
    held.observation.keypoint_offset = 0.0;
    let (learned, held) = (of(RefineConfig::ours()), of(held));
    assert!(learned < 0.7 * held, "{learned} mm beside {held} mm");
}

#[test]
fn without_noise_the_truth_stays() {
    let exact = Noise { pixels: 0.0, depth: 0.0, angles: 0.0 };
    let scene = scene(40, exact, CameraKnowledge::Metric);
    let after = error_mm(&refine(&scene, RefineConfig::ours()).frames, &scene, |_, _| true);
    assert!(after < 3.0, "{after} mm");
}

#[test]
fn a_standing_camera_is_the_world() {
    let scene = scene(60, USUAL, CameraKnowledge::Still);
    let refined = refine(&scene, RefineConfig::ours());
    assert_eq!(refined.world_scale, None);
    for hand in refined.frames.iter().flat_map(|frame| &frame.hands) {
        for (world, camera) in hand.joints_world.iter().zip(&hand.joints_camera) {
            assert!((world.0 - camera.0.cast::<f64>()).norm() < 1e-6);
        }
    }
}

#[test]
fn poses_and_joints_of_a_refined_hand_agree_in_both_spaces() {
    let scene = scene(20, USUAL, CameraKnowledge::ScaleFree);
    let model = HandModel::open();
    for frame in refine(&scene, RefineConfig::ours()).frames {
        for hand in &frame.hands {
            let camera = model.posed(&hand.pose_camera, hand.side).joints;
            let world = model.posed(&hand.pose_world, hand.side).joints;
            for k in 0..KEYPOINTS {
                assert!((camera[k].0 - hand.joints_camera[k].0).norm() < 1e-4);
                assert!((world[k].0.cast::<f64>() - hand.joints_world[k].0).norm() < 1e-4);
                let placed = frame.world_from_camera * nalgebra::Point3::from(camera[k].0.cast::<f64>());
                assert!((placed.coords - hand.joints_world[k].0).norm() < 1e-4);
            }
        }
    }
}

#[test]
fn a_gap_is_filled_close_to_the_truth_and_a_wrong_side_does_no_harm() {
    let mut scene = scene(128, USUAL, CameraKnowledge::Metric);
    for frame in &mut scene.chunk.frames[50..70] {
        frame.hands.retain(|hand| hand.side == Side::Left);
    }
    for frame in &mut scene.chunk.frames[90..94] {
        for hand in &mut frame.hands {
            hand.side = hand.side.other();
        }
    }
    let refined = refine(&scene, RefineConfig::ours());
    assert_eq!((refined.statistics.filled, refined.statistics.side_flips), (20, 8));
    let filled = |t: usize, side| side == Side::Right && (50..70).contains(&t);
    let error = error_mm(&refined.frames, &scene, filled);
    assert!(error < 25.0, "{error} mm inside the gap");
    let flipped = error_mm(&refined.frames, &scene, |t, _| (90..94).contains(&t));
    assert!(flipped < 15.0, "{flipped} mm where sides are wrong");
    let mut config = RefineConfig::ours();
    config.stages.infill = Infill::None;
    assert_eq!(refine(&scene, config).statistics.filled, 0);
}

#[test]
fn a_hand_thrown_elsewhere_for_a_few_frames_is_left_out() {
    let mut scene = scene(60, USUAL, CameraKnowledge::Metric);
    for frame in &mut scene.chunk.frames[30..34] {
        frame.hands[0].pose.translation.x += 0.5;
        frame.hands[0].pose.global_orient.x += 2.0;
        frame.hands[0].keypoints_px = frame.hands[0].keypoints_px.map(|p| Pixel::new(p.x + 300.0, p.y));
    }
    let refined = refine(&scene, RefineConfig::ours());
    assert_eq!(refined.statistics.outliers, 4);
    let error = error_mm(&refined.frames, &scene, |t, side| side == Side::Left && (30..34).contains(&t));
    assert!(error < 20.0, "{error} mm");
}

#[test]
fn runs_of_any_length_come_back_whole_and_without_a_jump() {
    for length in [0, 1, 7, 127, 129, 300] {
        let scene = scene(length, USUAL, CameraKnowledge::ScaleFree);
        let config = RefineConfig::ours();
        let chunk = &scene.chunk;
        let mut chunker =
            Chunker::new(chunk.fps, chunk.camera.clone(), chunk.knowledge, chunk.meaning, &config);
        let mut refiner = Refiner::new(Arc::new(HandModel::open()), config);
        let mut frames: Vec<RefinedFrame> = Vec::new();
        let mut seams = Vec::new();
        let chunks = chunk.frames.iter().cloned().map(Some).chain([None]);
        let mut next = |frame: Option<ChunkFrame>| match frame {
            Some(frame) => chunker.push(frame),
            None => chunker.finish(),
        };
        for chunk in chunks.filter_map(&mut next) {
            for frame in refiner.refine(&chunk, &Deadline::Never).frames {
                let at = frame.sequence as usize;
                match frames.get_mut(at) {
                    Some(old) => *old = frame,
                    None => frames.push(frame),
                }
            }
            seams.push(frames.len());
        }
        assert!(frames.iter().enumerate().all(|(t, frame)| frame.sequence == t as u64));
        assert_eq!(frames.len(), length);
        assert!(frames.iter().all(|frame| frame.hands.len() == 2));
        let step = |t: usize| {
            (frames[t].hands[0].joints_world[0].0 - frames[t - 1].hands[0].joints_world[0].0).norm()
        };
        let largest = (1..length).map(step).fold(0.0, f64::max);
        for seam in seams.into_iter().filter(|&seam| seam < length) {
            for t in seam.saturating_sub(17)..=seam {
                assert!(step(t.max(1)) <= 1.5 * largest);
            }
        }
    }
}

#[test]
fn without_time_the_provisional_hands_come_back_and_with_time_results_repeat() {
    let scene = scene(40, USUAL, CameraKnowledge::Metric);
    let late = Deadline::At(std::time::Instant::now());
    let refined = Refiner::new(Arc::new(HandModel::open()), RefineConfig::ours()).refine(&scene.chunk, &late);
    assert!(refined.statistics.out_of_time);
    let before = error_mm(&unrefined(&scene).frames, &scene, |_, _| true);
    assert!(error_mm(&refined.frames, &scene, |_, _| true) <= before + 0.1);
    let twice = [0, 1].map(|_| refine(&scene, RefineConfig::ours()));
    for (a, b) in twice[0].frames.iter().zip(&twice[1].frames) {
        assert_eq!(a.hands[0].joints_world, b.hands[0].joints_world);
    }
}

#[test]
fn numbers_that_are_none_do_no_harm() {
    let mut scene = scene(30, USUAL, CameraKnowledge::ScaleFree);
    let frames = &mut scene.chunk.frames;
    frames[3].hands[0].pose.translation.z = f32::NAN;
    frames[4].hands[0].keypoints_px[5].x = f32::INFINITY;
    frames[5].hands[0].confidence[7] = f32::NAN;
    frames[6].hands[0].score = f32::NAN;
    frames[7].world_from_camera.as_mut().unwrap().translation.vector.x = f64::NAN;
    frames[8].world_from_camera = None;
    frames[9].timestamp = frames[8].timestamp;
    frames[10].hands[1].pose.betas = [f32::INFINITY; 10];
    frames[11].hands[1].pose.translation.z = -1.0;
    let refined = refine(&scene, RefineConfig::ours());
    assert_eq!(refined.frames.len(), 30);
    let hands = refined.frames.iter().flat_map(|frame| &frame.hands);
    assert!(hands.flat_map(|hand| &hand.joints_world).all(|joint| joint.0.iter().all(|v| v.is_finite())));
    let error = error_mm(&refined.frames, &scene, |_, _| true);
    assert!(error < 40.0, "{error} mm");
}

#[test]
fn of_more_than_two_tracks_the_best_of_each_side_is_refined_and_the_rest_stays() {
    let mut scene = scene(30, USUAL, CameraKnowledge::Metric);
    for frame in &mut scene.chunk.frames[10..20] {
        let mut third = frame.hands[1].clone();
        third.track = TrackId(9);
        third.score = 0.5;
        frame.hands.push(third);
    }
    let refined = refine(&scene, RefineConfig::ours());
    let hands = &refined.frames[15].hands;
    assert_eq!(hands.len(), 3);
    let third = hands.iter().find(|hand| hand.track == TrackId(9)).unwrap();
    assert_eq!(third.origin, Origin::Untouched);
    assert_eq!(third.pose_camera, scene.chunk.frames[15].hands[2].pose);
    assert!(error_mm(&refined.frames, &scene, |t, _| t != 15 && !(10..20).contains(&t)) < 10.0);
}
