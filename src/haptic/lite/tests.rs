//! Behaviour of the whole on a stream.

use std::sync::LazyLock;

use nalgebra::{Matrix3, Rotation3, Vector2, Vector3};

use super::network::WEIGHTS;
use super::tokens::half_fov;
use super::*;
use crate::event::{KEYPOINTS, Side, TrackId};
use crate::fit::HandObservation;
use crate::frame::{PictureSize, Timestamp};
use crate::geometry::{CameraModel, CameraPoint, Pixel};
use crate::hand::HandModel;
use crate::hand::mirror::mirror_point;
use crate::haptic::{HandInput, StreamConfig, WINDOW};
use crate::jobs::InOrder;

const LEFT: TrackId = TrackId(4);
const RIGHT: TrackId = TrackId(9);

static CAMERA: LazyLock<CameraModel> = LazyLock::new(|| CameraModel {
    cx: 320.0,
    cy: 240.0,
    ..CameraModel::pinhole(600.0, PictureSize::new(640, 480))
});
static MODEL: LazyLock<HandModel> = LazyLock::new(HandModel::open);

fn at(frame: usize) -> Timestamp {
    Timestamp::from_seconds(frame as f64 / 30.0)
}

/// A hand that turns and moves, a little to the right of the picture's middle for a right hand.
fn seen(side: Side, frame: usize) -> HandObservation {
    let t = frame as f64;
    let mut rotations = [Matrix3::identity(); 16];
    for (j, rotation) in rotations.iter_mut().enumerate() {
        let bend = Vector3::new(0.3, -0.2 + 0.02 * t, 0.4 + 0.01 * t * j as f64);
        *rotation = *Rotation3::new(bend * if j == 0 { 1.0 } else { 0.3 }).matrix();
    }
    let translation = Vector3::new(0.18 + 0.003 * t, 0.01 * (t * 0.7).sin(), 0.5 + 0.004 * t);
    let mut joints = MODEL.skeleton().pose(&rotations, &[0.0; 10], translation);
    if side == Side::Left {
        joints = joints.map(mirror_point);
    }
    let middle = joints.iter().sum::<Vector3<f64>>() / KEYPOINTS as f64;
    HandObservation {
        keypoints_px: joints.map(|joint| CAMERA.project(CameraPoint(joint.cast())).unwrap()),
        landmarks_m: joints.map(|joint| (joint - middle).cast()),
        score: 0.9,
        side,
    }
}

fn input(track: TrackId, observation: HandObservation) -> HandInput {
    HandInput { track, observation }
}

/// The usual two hands.
fn both(frame: usize) -> [HandInput; 2] {
    [input(RIGHT, seen(Side::Right, frame)), input(LEFT, seen(Side::Left, 2 * frame))]
}

fn lite() -> LiteHaptic {
    LiteHaptic::new(LiteConfig::default()).unwrap()
}

/// The right hand alone in one frame.
fn update(lite: &mut LiteHaptic, frame: usize) -> LiteHand {
    lite.update(&[input(RIGHT, seen(Side::Right, frame))], &CAMERA, at(frame), &InOrder).remove(0).unwrap()
}

/// The network on the right hand's `frames` from scratch: pose, shape, weak depth and last change.
fn from_scratch(frames: &[usize]) -> (Vec<Rotation3<f64>>, [f64; 10], f64, Option<f64>) {
    let newest = at(*frames.last().unwrap());
    let token = |&frame: &usize| {
        let hand = SeenHand::new(&seen(Side::Right, frame), &CAMERA).unwrap();
        let token = FrameToken::new(&hand, None, half_fov(&CAMERA)).unwrap();
        (token, newest.since(at(frame)).as_secs_f64())
    };
    let tokens: Vec<_> = frames.iter().map(token).collect();
    let (mut batch, mut memory) = (Batch::default(), NetworkMemory::default());
    batch.push(tokens.iter().map(|(token, age)| (token, *age)));
    let network = LiteNetwork::from_bytes(WEIGHTS).unwrap();
    let estimate = network.run(&batch, &mut memory).next().unwrap();
    let last = estimate.len() - 1;
    let change = (last > 0).then(|| estimate.depth_change(last) - estimate.depth_change(last - 1));
    (estimate.rotations(last).to_vec(), estimate.betas(), estimate.weak_depth(last), change)
}

fn assert_from_scratch(hand: &LiteHand, frames: &[usize]) {
    let (rotations, betas, weak, change) = from_scratch(frames);
    assert_eq!(hand.rotations.as_slice(), rotations, "{frames:?}");
    assert_eq!((hand.betas, hand.weak2full_depth), (betas, weak), "{frames:?}");
    assert_eq!(hand.depth_change, change, "{frames:?}");
}

#[test]
fn every_frame_of_a_stream_equals_its_window_computed_from_scratch() {
    let mut lite = lite();
    for frame in 0..12 {
        let hand = update(&mut lite, frame);
        let window: Vec<usize> = ((frame + 1).saturating_sub(WINDOW)..=frame).collect();
        assert_from_scratch(&hand, &window);
    }
}

#[test]
fn a_hand_seen_for_one_frame_has_its_weak_depth_and_no_change() {
    let hand = update(&mut lite(), 0);
    assert_eq!(hand.depth, hand.weak2full_depth);
    assert_eq!(hand.depth_change, None);
    assert!((hand.wrist() - hand.joints(MODEL.skeleton())[0]).norm() < 1e-9);
}

#[test]
fn skipped_frames_show_in_the_ages_and_leave_the_window_standing() {
    let mut lite = lite();
    let seen = [0, 1, 2, 6, 7, 15];
    let hands: Vec<LiteHand> = seen.map(|frame| update(&mut lite, frame)).to_vec();
    assert_from_scratch(&hands[5], &seen);
}

#[test]
fn a_long_gap_starts_the_track_afresh() {
    let mut lite = lite();
    for frame in 0..9 {
        update(&mut lite, frame);
    }
    let back = update(&mut lite, 8 + 16);
    assert_from_scratch(&back, &[24]);
    assert_eq!(back.depth, back.weak2full_depth);
    // A minute without a hand leaves nothing behind.
    lite.update(&[], &CAMERA, Timestamp::from_seconds(60.0), &InOrder);
    assert_from_scratch(&update(&mut lite, 2000), &[2000]);
}

#[test]
fn a_forgotten_track_and_one_that_changes_sides_begin_anew() {
    let mut lite = lite();
    update(&mut lite, 0);
    lite.forget(RIGHT);
    assert_from_scratch(&update(&mut lite, 1), &[1]);
    lite.update(&[input(RIGHT, seen(Side::Left, 2))], &CAMERA, at(2), &InOrder);
    assert_from_scratch(&update(&mut lite, 3), &[3]);
}

#[test]
fn the_order_of_hands_in_a_frame_changes_nothing_to_the_bit() {
    let (mut lite, mut swapped) = (lite(), lite());
    for frame in 0..12 {
        let hands = both(frame);
        let turned: Vec<HandInput> = hands.iter().rev().cloned().collect();
        let mut other =
            swapped.update(if frame % 3 == 0 { &turned } else { &hands }, &CAMERA, at(frame), &InOrder);
        if frame % 3 == 0 {
            other.reverse();
        }
        assert_eq!(lite.update(&hands, &CAMERA, at(frame), &InOrder), other);
    }
}

#[test]
fn a_track_knows_of_the_other_hand_no_more_than_its_box() {
    let (mut lite, mut changed) = (lite(), lite());
    let mut differs = false;
    for frame in 0..10 {
        let hands = both(frame);
        let mut other = hands.clone();
        let pixels = &mut other[1].observation.keypoints_px;
        // The points inside the box trade places.
        pixels.reverse();
        let (ours, theirs) = (
            lite.update(&hands, &CAMERA, at(frame), &InOrder),
            changed.update(&other, &CAMERA, at(frame), &InOrder),
        );
        assert_eq!(ours[0], theirs[0]);
        differs |= ours[1] != theirs[1];
    }
    assert!(differs);
    let alone = update(&mut self::lite(), 0);
    let beside = self::lite().update(&both(0), &CAMERA, at(0), &InOrder).remove(0);
    assert_ne!(Some(alone), beside, "the other hand's box is part of the context");
}

#[test]
fn a_mirrored_scene_gives_the_mirrored_hands() {
    let (mut lite, mut mirror) = (lite(), lite());
    for frame in 0..10 {
        let hands = both(frame);
        let mirrored = hands.clone().map(|mut hand| {
            let observation = &mut hand.observation;
            observation.side = observation.side.other();
            observation.keypoints_px = observation.keypoints_px.map(|p| Pixel::new(640.0 - p.x, p.y));
            observation.landmarks_m = observation.landmarks_m.map(mirror_point);
            hand
        });
        let ours = lite.update(&hands, &CAMERA, at(frame), &InOrder);
        let theirs = mirror.update(&mirrored, &CAMERA, at(frame), &InOrder);
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
            let turn = |(a, b): (&Rotation3<f64>, &Rotation3<f64>)| a.angle_to(b);
            let turn = ours.rotations.iter().zip(&theirs.rotations).map(turn).fold(0.0, f64::max);
            assert!(turn < 1e-3 && (ours.wrist() - theirs.wrist()).norm() < 1e-4, "{turn}");
        }
    }
}

#[test]
fn what_cannot_be_a_hand_is_refused_and_its_track_goes_on_as_if_nothing_was_seen() {
    let mut spoilt = Vec::new();
    for value in [f32::NAN, f32::INFINITY, 1e9] {
        let mut observation = seen(Side::Right, 3);
        observation.keypoints_px[5].x = value;
        spoilt.push(observation);
    }
    let mut point = seen(Side::Right, 3);
    point.keypoints_px = [point.keypoints_px[0]; KEYPOINTS];
    let doubtful = HandObservation { score: f32::NAN, ..seen(Side::Right, 3) };
    let nothing = HandObservation { score: 0.0, ..seen(Side::Right, 3) };
    for observation in spoilt.into_iter().chain([point, doubtful, nothing]) {
        let mut lite = lite();
        for frame in 0..3 {
            update(&mut lite, frame);
        }
        assert_eq!(lite.update(&[input(RIGHT, observation)], &CAMERA, at(3), &InOrder), [None]);
        assert_from_scratch(&update(&mut lite, 4), &[0, 1, 2, 4]);
    }
}

#[test]
fn landmarks_that_are_not_finite_are_left_out() {
    let mut observation = seen(Side::Right, 0);
    observation.landmarks_m[3].y = f32::NAN;
    let without = HandObservation { landmarks_m: [Vector3::zeros(); KEYPOINTS], ..observation.clone() };
    let hands =
        [observation, without].map(|o| lite().update(&[input(RIGHT, o)], &CAMERA, at(0), &InOrder).remove(0));
    assert!(hands[0].is_some());
    assert_eq!(hands[0], hands[1]);
}

#[test]
fn a_second_hand_under_the_same_track_is_refused() {
    let hands = [input(RIGHT, seen(Side::Right, 0)), input(RIGHT, seen(Side::Right, 1))];
    let answers = lite().update(&hands, &CAMERA, at(0), &InOrder);
    assert!(answers[0].is_some() && answers[1].is_none());
}

#[test]
fn with_a_stride_the_change_of_depth_is_still_since_the_frame_before() {
    let stream = StreamConfig { stride: 4, ..StreamConfig::default() };
    let mut lite = LiteHaptic::new(LiteConfig { stream, ..LiteConfig::default() }).unwrap();
    let mut since_kept = 0.0;
    for frame in 0..30 {
        let hand = update(&mut lite, frame);
        let kept = (0..frame).step_by(4).chain([frame]).collect::<Vec<_>>();
        let window = &kept[kept.len().saturating_sub(WINDOW)..];
        let (rotations, .., change) = from_scratch(window);
        assert_eq!(hand.rotations.as_slice(), rotations, "{window:?}");
        assert_eq!(hand.depth_change, change.map(|change| change - since_kept), "{window:?}");
        since_kept = if frame % 4 == 0 { 0.0 } else { change.unwrap() };
    }
}

#[test]
fn the_other_hand_is_the_persons_other_hand_before_any_stranger() {
    let stranger = TrackId(77);
    let two = both(0);
    let large = HandObservation {
        keypoints_px: seen(Side::Right, 0)
            .keypoints_px
            .map(|p| Pixel::new(2.0 * p.x - 320.0, 2.0 * p.y - 240.0)),
        ..seen(Side::Right, 0)
    };
    let three = [two[0].clone(), input(stranger, large), two[1].clone()];
    assert_eq!(
        lite().update(&two, &CAMERA, at(0), &InOrder)[0],
        lite().update(&three, &CAMERA, at(0), &InOrder)[0]
    );
}

#[test]
fn damaged_weights_and_senseless_settings_are_refused_with_a_sentence() {
    let refusal =
        |bytes: &[u8]| LiteHaptic::with_weights(bytes, LiteConfig::default()).err().map(|e| e.to_string());
    let sentence = refusal(&WEIGHTS[..WEIGHTS.len() / 2]).unwrap();
    assert!(sentence.starts_with("the weights of the lite window transformer are unusable: it is damaged"));
    let mut other_network = WEIGHTS.to_vec();
    let name = b"blocks.3.view.q.bias";
    let place = other_network.windows(name.len()).position(|bytes| bytes == name).unwrap();
    other_network[place] = b'x';
    let sentence = refusal(&other_network).unwrap();
    assert!(sentence.contains("it has no tensor blocks.3.view.q.bias"), "{sentence}");
    let config =
        LiteConfig { stream: StreamConfig { stride: 0, ..StreamConfig::default() }, ..LiteConfig::default() };
    let sentence = LiteHaptic::new(config).err().unwrap().to_string();
    assert_eq!(sentence, "the window's stride must be at least 1 frame");
}

#[test]
fn a_box_leaves_out_points_that_were_not_seen() {
    let mut hand = SeenHand::new(&seen(Side::Right, 0), &CAMERA).unwrap();
    let whole = hand.hand_box().unwrap();
    hand.rays[20] = Vector2::new(3.0, 3.0);
    hand.confidence[20] = 0.0;
    assert!(hand.hand_box().unwrap().side <= whole.side);
    hand.confidence = [0.0; KEYPOINTS];
    assert_eq!(hand.hand_box(), None);
}
