//! The whole fit on a hand of its own making: an own motion, projected, disturbed, and fitted back.

use std::sync::Arc;

use nalgebra::{Rotation3, Vector3};

use super::kinematics::{Betas, Chain, parent_of};
use super::parameters::Posture;
use super::{FitConfig, FittedHand, HandObservation, PoseBelief, TrackFitter};
use crate::event::{KEYPOINTS, Side};
use crate::frame::{PictureSize, Timestamp};
use crate::geometry::{CameraModel, CameraPoint, Pixel};
use crate::hand::HandModel;
use crate::hand::mirror::mirror_point;
use crate::metrics;

const FPS: f64 = 30.0;

/// A hand that waves, turns, comes closer and bends its fingers; `speed` 1 is unhurried.
struct Scene {
    model: Arc<HandModel>,
    camera: Arc<CameraModel>,
    chain: Chain,
    betas: Betas,
    side: Side,
    speed: f64,
    noise_px: f64,
}

type Joints = Vec<Vector3<f64>>;

impl Scene {
    fn new() -> Self {
        let model = Arc::new(HandModel::open());
        let chain = Chain::new(model.skeleton());
        let camera = Arc::new(CameraModel::pinhole(900.0, PictureSize::new(1280, 720)));
        let (side, speed, noise_px) = (Side::Right, 1.0, 0.0);
        Self { model, camera, chain, betas: Betas::zeros(), side, speed, noise_px }
    }

    fn posture(&self, frame: usize) -> Posture {
        let t = frame as f64 / FPS * self.speed;
        let facing =
            Rotation3::from_matrix_unchecked(nalgebra::Matrix3::new(0., 0., 1., 1., 0., 0., 0., 1., 0.));
        let turn =
            Rotation3::new(Vector3::new(0.4 * (1.3 * t).sin(), 0.6 * (0.9 * t).sin() + 0.2, 0.3 * t.sin()));
        let mut posture = Posture {
            rotation: turn * facing,
            wrist: Vector3::new(
                0.1 * (1.1 * t).sin(),
                0.08 + 0.05 * (1.7 * t).cos(),
                0.5 + 0.1 * (0.8 * t).sin(),
            ),
            angles: std::array::from_fn(|i| 0.45 + 0.35 * (1.5 * t + i as f64).sin()),
        };
        for abduction in [1, 5, 9, 13, 16, 17, 18] {
            posture.angles[abduction] *= 0.2;
        }
        posture.clamp(&self.chain.limits);
        posture
    }

    /// What the tracker sees of a frame, and the true joints.
    fn frame(&self, frame: usize) -> (HandObservation, Joints) {
        let posture = self.posture(frame);
        let bent = self.chain.bend(&self.chain.bones(&self.betas), &posture);
        let place = |p: Vector3<f64>| {
            let point = posture.wrist + p;
            if self.side == Side::Left { mirror_point(point) } else { point }
        };
        let points = bent.keypoints.map(place);
        let centre = points.iter().sum::<Vector3<f64>>() / KEYPOINTS as f64;
        let keypoints_px = std::array::from_fn(|k| {
            let seen = self.camera.project(CameraPoint(points[k].cast())).unwrap();
            let noise = |salt: usize| (hash(frame * 64 + k * 2 + salt) - 0.5) * 3.46 * self.noise_px;
            Pixel::new(seen.x + noise(0) as f32, seen.y + noise(1) as f32)
        });
        // The tracker's depth is flat and its size a guess.
        let landmarks_m = points.map(|p| {
            let l: Vector3<f64> = (p - centre) * 0.8;
            Vector3::new(l.x, l.y, 0.7 * l.z).cast()
        });
        let joints = bent.joints.map(place).to_vec();
        (HandObservation { keypoints_px, landmarks_m, score: 1.0, side: self.side }, joints)
    }

    /// What a network might say of a frame: the truth, turned by `turn` radians, `deeper` parts too deep.
    fn belief(&self, frame: usize, turn: f64, deeper: f64) -> PoseBelief {
        let posture = self.posture(frame);
        let before = self.posture(frame.saturating_sub(1));
        let fingers = self.model.skeleton().anatomy.rotations(&posture.angles);
        let error = Rotation3::from_axis_angle(&Vector3::y_axis(), turn);
        PoseBelief {
            rotations: std::array::from_fn(|j| match j {
                0 => error * posture.rotation,
                _ => Rotation3::from_matrix_unchecked(fingers[j - 1]),
            }),
            wrist: posture.wrist * (1.0 + deeper),
            depth_change: Some(posture.wrist.z - before.wrist.z),
        }
    }

    fn fitter(&self, config: FitConfig) -> TrackFitter {
        TrackFitter::new(self.model.clone(), self.camera.clone(), self.side, config)
    }

    /// Fits `frames` frames: fitted joints, true joints, and the last result.
    fn run(&self, frames: usize, config: FitConfig) -> (Vec<Joints>, Vec<Joints>, FittedHand) {
        let mut fitter = self.fitter(config);
        let (mut fitted, mut truth, mut last) = (Vec::new(), Vec::new(), None);
        for frame in 0..frames {
            let (observation, joints) = self.frame(frame);
            let hand = fitter.update(&observation, None, time(frame));
            fitted.push(joints_of(&hand));
            truth.push(joints);
            last = Some(hand);
        }
        (fitted, truth, last.unwrap())
    }
}

/// A fixed pseudo-random number in 0..1.
fn hash(n: usize) -> f64 {
    let mut x = (n as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (x >> 11) as f64 / (1_u64 << 53) as f64
}

fn time(frame: usize) -> Timestamp {
    Timestamp::from_seconds(frame as f64 / FPS)
}

fn joints_of(hand: &FittedHand) -> Joints {
    hand.joints_camera.iter().map(|joint| joint.0.cast()).collect()
}

fn assert_sound(hand: &FittedHand, model: &HandModel) {
    assert!(hand.joints_camera.iter().all(|joint| joint.0.iter().all(|v| v.is_finite())));
    assert!(hand.pose.betas.iter().all(|beta| beta.abs() <= 3.0 + 1e-6), "{:?}", hand.pose.betas);
    let anatomy = &model.skeleton().anatomy;
    let angles = anatomy.angles_from_hand_pose(&hand.pose.hand_pose);
    for (i, (angle, [low, high])) in angles.iter().zip(anatomy.limits()).enumerate() {
        assert!((low - 1e-4..=high + 1e-4).contains(angle), "angle {i}: {angle} outside {low}..{high}");
    }
}

#[test]
fn a_moving_hand_is_followed_within_millimetres() {
    let scene = Scene { noise_px: 1.0, ..Scene::new() };
    let (fitted, truth, hand) = scene.run(90, FitConfig::default());
    assert_sound(&hand, &scene.model);
    let measures = [
        ("PA", metrics::pa_mpjpe(&fitted, &truth).unwrap(), 4.0),
        ("RA", metrics::ra_mpjpe(&fitted, &truth).unwrap(), 9.0),
        ("GA", metrics::ga_mpjpe(&fitted, &truth).unwrap(), 10.0),
        ("ACC", metrics::acceleration_error(&fitted, &truth, None).unwrap(), 6.0),
        ("depth", metrics::root_depth_error(&fitted, &truth).unwrap(), 15.0),
    ];
    for (name, value, limit) in measures {
        assert!(value < limit, "{name} {value} mm, all: {measures:?}");
    }
}

#[test]
fn the_first_frame_is_right_from_a_cold_start() {
    let scene = Scene::new();
    for frame in (0..200).step_by(20) {
        let (observation, truth) = scene.frame(frame);
        let hand = scene.fitter(FitConfig::default()).update(&observation, None, time(frame));
        let error = metrics::ra_mpjpe(&[joints_of(&hand)], &[truth]).unwrap();
        assert!(error < 15.0, "frame {frame}: {error} mm");
    }
}

#[test]
fn fast_motion_does_not_lag() {
    let scene = Scene { speed: 5.0, ..Scene::new() };
    let (fitted, truth, _) = scene.run(60, FitConfig::default());
    let path = |s: &[Joints], k: usize| s.iter().map(|f| [f[k]]).collect::<Vec<_>>();
    let tip = (path(&fitted, 8), path(&truth, 8));
    let now = metrics::ga_mpjpe(&tip.0[10..], &tip.1[10..]).unwrap();
    let late = metrics::ga_mpjpe(&tip.0[10..], &tip.1[9..59]).unwrap();
    assert!(now < late, "closer to the frame before: {now} against {late} mm");
}

#[test]
fn a_still_hand_stays_still() {
    let scene = Scene { speed: 0.0, noise_px: 1.0, ..Scene::new() };
    let (fitted, _, _) = scene.run(60, FitConfig::default());
    let still = vec![fitted[0].clone(); 30];
    let jitter = metrics::acceleration_error(&fitted[30..], &still, None).unwrap();
    assert!(jitter < 2.5, "{jitter} mm per frame squared");
}

#[test]
fn joints_are_the_models_for_the_returned_pose() {
    for side in [Side::Right, Side::Left] {
        let betas = Betas::from_fn(|i, _| 0.5 - 0.2 * i as f64);
        let scene = Scene { side, betas, noise_px: 2.0, ..Scene::new() };
        let (fitted, _, hand) = scene.run(20, FitConfig::default());
        let posed = scene.model.posed(&hand.pose, side);
        for (joint, model) in fitted[19].iter().zip(posed.joints) {
            assert!((joint - model.0.cast::<f64>()).norm() < 1e-4, "{joint} {:?}", model.0);
        }
    }
}

#[test]
fn a_left_hand_is_the_mirror_image_of_a_right_hand() {
    let right = Scene { noise_px: 0.0, ..Scene::new() };
    let left = Scene { side: Side::Left, ..Scene::new() };
    let (right, _, _) = right.run(15, FitConfig::default());
    let (left, _, _) = left.run(15, FitConfig::default());
    for (right, left) in right[14].iter().zip(&left[14]) {
        assert!((mirror_point(*right) - left).norm() < 2e-3, "{right} {left}");
    }
}

#[test]
fn a_told_hand_length_sets_the_depth() {
    let betas = Betas::ith(0, 1.2);
    let scene = Scene { betas, ..Scene::new() };
    let length = scene.chain.hand_length(&betas).0 * 1e3;
    let mut config = FitConfig::default();
    let (guessed, truth, _) = scene.run(60, config.clone());
    config.shape.hand_length_mm = Some(length);
    let (told, _, _) = scene.run(60, config);
    let error = |fitted: &[Joints]| metrics::root_depth_error(&fitted[30..], &truth[30..]).unwrap();
    assert!(error(&told) < 12.0, "{} mm", error(&told));
    assert!(error(&guessed) > 20.0, "{} mm", error(&guessed));
}

#[test]
fn absurd_observations_neither_panic_nor_poison_the_track() {
    let scene = Scene::new();
    let (good, _) = scene.frame(0);
    let everywhere = |v: f32| HandObservation { keypoints_px: [Pixel::new(v, v); KEYPOINTS], ..good.clone() };
    let spoil = |k: usize, v: f32| {
        let mut spoiled = good.clone();
        spoiled.keypoints_px[k].x = v;
        spoiled
    };
    let random = HandObservation {
        keypoints_px: std::array::from_fn(|k| {
            Pixel::new(1280.0 * hash(k) as f32, 720.0 * hash(k + 99) as f32)
        }),
        ..good.clone()
    };
    let absurd = [
        everywhere(300.0),
        everywhere(f32::NAN),
        everywhere(f32::INFINITY),
        everywhere(1e9),
        spoil(0, f32::NAN),
        spoil(20, f32::NEG_INFINITY),
        random,
    ];
    for (i, absurd) in absurd.into_iter().enumerate() {
        let mut cold = scene.fitter(FitConfig::default());
        assert_sound(&cold.update(&absurd, None, time(0)), &scene.model);
        let mut fitter = scene.fitter(FitConfig::default());
        for frame in 0..10 {
            fitter.update(&scene.frame(frame).0, None, time(frame));
        }
        for frame in 10..13 {
            let hand = fitter.update(&absurd, None, time(frame));
            assert_sound(&hand, &scene.model);
            assert!(!hand.observed, "absurd observation {i} was believed");
        }
        let (observation, truth) = scene.frame(13);
        let hand = fitter.update(&observation, None, time(13));
        let error = metrics::ra_mpjpe(&[joints_of(&hand)], &[truth]).unwrap();
        assert!(error < 12.0, "after absurd observation {i}: {error} mm");
    }
}

#[test]
fn landmarks_may_be_missing_or_broken() {
    let scene = Scene::new();
    for landmark in [0.0, f32::NAN, 1e6] {
        let mut fitter = scene.fitter(FitConfig::default());
        for frame in 0..10 {
            let (mut observation, truth) = scene.frame(frame);
            observation.landmarks_m = [Vector3::repeat(landmark); KEYPOINTS];
            let hand = fitter.update(&observation, None, time(frame));
            assert_sound(&hand, &scene.model);
            let error = metrics::pa_mpjpe(&[joints_of(&hand)], &[truth]).unwrap();
            assert!(error < 20.0, "frame {frame}: {error} mm");
        }
    }
}

#[test]
fn a_track_survives_gaps_and_a_clock_that_stands_still() {
    let scene = Scene::new();
    let mut fitter = scene.fitter(FitConfig::default());
    for (frame, at) in [(0, 0), (1, 1), (2, 1), (3, 0), (200, 200), (201, 201)] {
        let (observation, truth) = scene.frame(frame);
        let hand = fitter.update(&observation, None, time(at));
        let error = metrics::ra_mpjpe(&[joints_of(&hand)], &[truth]).unwrap();
        assert!(error < 15.0, "frame {frame}: {error} mm");
    }
}

#[test]
fn angles_that_leave_their_limits_are_never_returned() {
    let scene = Scene { noise_px: 12.0, ..Scene::new() };
    let mut fitter = scene.fitter(FitConfig::default());
    for frame in 0..60 {
        let hand = fitter.update(&scene.frame(frame).0, None, time(frame));
        assert_sound(&hand, &scene.model);
    }
}

#[test]
fn a_network_says_which_side_of_the_hand_is_seen() {
    let scene = Scene::new();
    for frame in (0..200).step_by(20) {
        let (mut observation, truth) = scene.frame(frame);
        observation.landmarks_m = [Vector3::zeros(); KEYPOINTS];
        let belief = scene.belief(frame, 0.1, 0.05);
        let hand = scene.fitter(FitConfig::default()).update(&observation, Some(&belief), time(frame));
        let error = metrics::ra_mpjpe(&[joints_of(&hand)], &[truth]).unwrap();
        assert!(error < 10.0, "frame {frame}: {error} mm");
    }
}

#[test]
fn a_network_that_knows_the_change_of_depth_improves_the_path() {
    let scene = Scene { noise_px: 3.0, ..Scene::new() };
    let error = |believing: bool| {
        let mut fitter = scene.fitter(FitConfig::default());
        let (mut fitted, mut truth) = (Vec::new(), Vec::new());
        for frame in 0..60 {
            let (observation, joints) = scene.frame(frame);
            let belief = believing.then(|| scene.belief(frame, 0.1, 0.05));
            fitted.push(joints_of(&fitter.update(&observation, belief.as_ref(), time(frame))));
            truth.push(joints);
        }
        metrics::ga_mpjpe(&fitted, &truth).unwrap()
    };
    assert!(error(true) < 0.9 * error(false), "{} against {} mm", error(true), error(false));
}

#[test]
fn a_network_that_is_wrong_all_along_is_overruled() {
    let scene = Scene { noise_px: 1.0, ..Scene::new() };
    let mut fitter = scene.fitter(FitConfig::default());
    for frame in 0..60 {
        let (observation, truth) = scene.frame(frame);
        let belief = scene.belief(frame, 2.0, 0.3);
        let hand = fitter.update(&observation, Some(&belief), time(frame));
        assert_sound(&hand, &scene.model);
        let error = metrics::ra_mpjpe(&[joints_of(&hand)], &[truth]).unwrap();
        assert!(frame < 10 || error < 25.0, "frame {frame}: {error} mm");
    }
}

#[test]
fn what_comes_after_corrects_the_frames_before() {
    let scene = Scene { noise_px: 4.0, speed: 2.0, ..Scene::new() };
    let config = FitConfig { lag_frames: 5, ..FitConfig::default() };
    let mut fitter = scene.fitter(config);
    let (mut published, mut corrected, mut truth) = (Vec::new(), Vec::new(), Vec::new());
    for frame in 0..90 {
        let (observation, joints) = scene.frame(frame);
        published.push(joints_of(&fitter.update(&observation, None, time(frame))));
        truth.push(joints);
        let before = fitter.corrected();
        assert_eq!(before.len(), frame.min(5));
        if let (Some((t, hand)), true) = (before.first(), frame >= 5) {
            assert_eq!(*t, time(frame - 5));
            assert_sound(hand, &scene.model);
            corrected.push(joints_of(hand));
        }
    }
    let error = |fitted: &[Joints]| metrics::ga_mpjpe(&fitted[10..], &truth[10..fitted.len()]).unwrap();
    let (late, now) = (error(&corrected), error(&published[..corrected.len()]));
    assert!(late < 0.95 * now, "corrected {late} mm, published {now} mm");
}

#[test]
fn a_track_without_lag_has_nothing_to_correct() {
    let scene = Scene::new();
    let mut fitter = scene.fitter(FitConfig::default());
    for frame in 0..5 {
        fitter.update(&scene.frame(frame).0, None, time(frame));
    }
    assert!(fitter.corrected().is_empty());
}

#[test]
fn bones_keep_their_length_after_a_second() {
    let scene = Scene { noise_px: 3.0, betas: Betas::ith(1, 1.0), ..Scene::new() };
    let mut fitter = scene.fitter(FitConfig::default());
    let mut first: Option<Vec<f64>> = None;
    for frame in 0..120 {
        let hand = fitter.update(&scene.frame(frame).0, None, time(frame));
        if frame >= 30 {
            let joints = joints_of(&hand);
            let lengths: Vec<f64> =
                (1..KEYPOINTS).map(|k| (joints[k] - joints[parent_of(k)]).norm()).collect();
            for (length, at_first) in lengths.iter().zip(first.get_or_insert(lengths.clone())) {
                assert!((length / *at_first - 1.0).abs() < 0.005, "frame {frame}: {length} {at_first}");
            }
        }
    }
}

#[test]
fn the_same_observations_give_the_same_hands_bit_for_bit() {
    let scene = Scene { noise_px: 3.0, ..Scene::new() };
    let config = FitConfig { lag_frames: 4, ..FitConfig::default() };
    let run = || scene.run(30, config.clone()).0;
    assert_eq!(run(), run());
}

#[test]
fn a_hand_at_the_pictures_edge_and_one_seen_once_are_placed() {
    let scene = Scene::new();
    let (mut observation, _) = scene.frame(0);
    // The tracker guesses points outside the picture where the hand leaves it.
    for pixel in &mut observation.keypoints_px {
        pixel.x -= 600.0;
    }
    let mut fitter = scene.fitter(FitConfig::default());
    let hand = fitter.update(&observation, None, time(0));
    assert_sound(&hand, &scene.model);
    assert!(hand.observed && hand.joints_camera[0].0.z > 0.1);
    let (later, truth) = scene.frame(3000);
    let error = metrics::ra_mpjpe(&[joints_of(&fitter.update(&later, None, time(3000)))], &[truth]).unwrap();
    assert!(error < 15.0, "after a long gap: {error} mm");
}
