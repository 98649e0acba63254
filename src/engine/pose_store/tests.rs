use std::f64::consts::TAU;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use super::*;
use crate::event::{FrameHands, Refinement, TrackedHand};
use crate::frame::{Frame, PictureSize};
use crate::geometry::Pixel;
use crate::geometry::rotation::{geodesic_angle, matrix_from_axis_angle};

const FPS: f64 = 30.0;

/// A hand that sways and whose joints all turn, at `seconds`.
fn pose(seconds: f64) -> HandPose {
    let wave = |hertz: f64, phase: f64| (TAU * hertz * seconds + phase).sin() as f32;
    HandPose {
        global_orient: Vector3::new(1.4 + 0.3 * wave(0.8, 0.0), 0.4 * wave(0.6, 1.0), 0.1),
        hand_pose: std::array::from_fn(|k| Vector3::new(0.1, 0.0, 0.6 + 0.5 * wave(0.7, k as f64))),
        betas: [0.3; 10],
        translation: Vector3::new(0.1 * wave(0.9, 0.0), 0.05 * wave(1.1, 2.0), 0.5 + 0.05 * wave(0.5, 0.0)),
    }
}

fn frame(sequence: u64, hands: &[(u32, HandPose)], state: PoseState) -> FrameHands {
    let hand = |(track, pose): &(u32, HandPose)| TrackedHand {
        track: TrackId(*track),
        side: Side::Right,
        score: 0.9,
        state,
        box_px: [0.0; 4],
        keypoints_px: [Pixel::default(); KEYPOINTS],
        joints_camera: [CameraPoint::default(); KEYPOINTS],
        pose: pose.clone(),
    };
    FrameHands {
        sequence,
        timestamp: Timestamp::from_seconds(sequence as f64 / FPS),
        hands: hands.iter().map(hand).collect(),
        world_from_camera: Some(Isometry3::translation(sequence as f64, 0.0, 0.0)),
        stages: Vec::new(),
        total: Duration::ZERO,
    }
}

fn publish(store: &PoseStore, hands: FrameHands) {
    let (timestamp, sequence) = (hands.timestamp, hands.sequence);
    let frame = Frame { pixels: Vec::new(), size: PictureSize::new(0, 0), timestamp, sequence };
    store.event(&Event::Frame { frame: Arc::new(frame), hands: Arc::new(hands) });
}

/// A store with `frames` frames of the swaying hand.
fn swaying(frames: u64) -> PoseStore {
    let store = PoseStore::default();
    for sequence in 0..frames {
        publish(&store, frame(sequence, &[(1, pose(sequence as f64 / FPS))], PoseState::Provisional));
    }
    store
}

fn at(store: &PoseStore, seconds: f64) -> HandAt {
    store.pose_at(Timestamp::from_seconds(seconds)).hands.into_iter().next().expect("a hand")
}

/// Largest angle between joints, radians, and distance, metres.
fn difference(a: &HandPose, b: &HandPose) -> (f32, f32) {
    let joints = |pose: &HandPose| {
        std::iter::once(pose.global_orient)
            .chain(pose.hand_pose)
            .map(matrix_from_axis_angle)
            .collect::<Vec<_>>()
    };
    let angle = joints(a).iter().zip(&joints(b)).map(|(a, b)| geodesic_angle(a, b)).fold(0.0, f32::max);
    (angle, (a.translation - b.translation).norm())
}

#[test]
fn between_frames_a_known_motion_is_met_within_what_its_acceleration_allows() {
    let store = swaying(60);
    for k in 0..500 {
        let seconds = 0.1 + k as f64 * 0.0036;
        let hand = at(&store, seconds);
        let (angle, distance) = difference(&hand.pose, &pose(seconds));
        // A chord misses an arc by (2 pi f)^2 amplitude / (8 fps^2) at most.
        assert!(angle < 2.5e-3 && distance < 6e-4, "{angle} rad, {distance} m at {seconds}");
        assert_eq!(hand.age, Duration::ZERO);
    }
    let seen = at(&store, 10.0 / FPS);
    assert_eq!((seen.basis, seen.pose), (PoseBasis::Observed, pose(10.0 / FPS)));
    let camera = store.pose_at(Timestamp::from_seconds(10.25 / FPS)).world_from_camera;
    assert!((camera.expect("a camera").translation.x - 10.25).abs() < 1e-6);
}

#[test]
fn ahead_of_the_last_frame_hands_are_predicted_then_stale_then_gone() {
    let store = swaying(60);
    let last = 59.0 / FPS;
    let (mut predicted, mut held) = (0.0, 0.0);
    for ahead in [0.016, 0.033, 0.05] {
        let hand = at(&store, last + ahead);
        assert_eq!(hand.basis, PoseBasis::Predicted);
        assert!((hand.age.as_secs_f64() - ahead).abs() < 1e-6);
        predicted += difference(&hand.pose, &pose(last + ahead)).1;
        held += difference(&pose(last), &pose(last + ahead)).1;
    }
    assert!(predicted < 0.5 * held, "{predicted} beside {held} m");
    let [early, late] = [0.2, 0.4].map(|ahead| at(&store, last + ahead));
    assert_eq!((early.basis, late.basis), (PoseBasis::Stale, PoseBasis::Stale));
    assert_eq!(early.pose, late.pose, "a stale hand stands still");
    assert!(store.pose_at(Timestamp::from_seconds(last + 0.6)).hands.is_empty());
    assert!(store.pose_at(Timestamp::from_seconds(-0.1)).hands.is_empty());
}

#[test]
fn refined_frames_replace_provisional_ones_and_a_higher_revision_counts() {
    let store = swaying(20);
    let still = pose(0.0);
    let refine = |revision, frames: std::ops::Range<u64>, state| {
        let refined = frames.map(|sequence| frame(sequence, &[(1, still.clone())], state)).collect();
        store.event(&Event::Refined(Arc::new(Refinement {
            revision,
            frames: refined,
            settled: 0,
            world_scale: None,
            age: Duration::ZERO,
            took: Duration::ZERO,
        })));
    };
    refine(2, 5..10, PoseState::Refined);
    refine(1, 8..12, PoseState::Filled);
    let look = |frame: f64| {
        let hand = at(&store, frame / FPS);
        (hand.state, hand.revision)
    };
    assert_eq!(look(4.0), (PoseState::Provisional, 0));
    assert_eq!(look(4.5), (PoseState::Provisional, 0), "as little final as the less final of two");
    assert_eq!(look(9.0), (PoseState::Refined, 2));
    assert_eq!(look(9.5), (PoseState::Filled, 1));
    assert_eq!(at(&store, 6.5 / FPS).pose, still);
}

#[test]
fn a_hand_that_has_left_is_predicted_until_the_next_frame_and_no_longer() {
    let store = swaying(3);
    publish(&store, frame(3, &[(2, pose(0.0))], PoseState::Provisional));
    assert_eq!(at(&store, 2.5 / FPS).basis, PoseBasis::Predicted);
    assert_eq!(at(&store, 3.5 / FPS).track, TrackId(2));
}

#[test]
fn frames_out_of_order_are_left_out_and_old_ones_make_room() {
    let store = PoseStore::new(PoseStoreConfig { capacity: 8, ..PoseStoreConfig::default() });
    for sequence in [0, 1, 1, 0].into_iter().chain(2..40) {
        publish(&store, frame(sequence, &[(sequence as u32, pose(0.0))], PoseState::Provisional));
    }
    assert_eq!(store.newest(), Some(Timestamp::from_seconds(39.0 / FPS)));
    assert!(
        store.pose_at(Timestamp::from_seconds(20.0 / FPS)).hands.is_empty(),
        "its slot is another frame's"
    );
    assert_eq!(at(&store, 33.0 / FPS).track, TrackId(33));
}

/// A pose of which every number is `value`.
fn uniform(value: f32) -> HandPose {
    let all = Vector3::repeat(value);
    HandPose { global_orient: all, hand_pose: [all; 15], betas: [value; 10], translation: all }
}

#[test]
fn readers_never_see_half_a_pose_under_a_writer_at_full_speed() {
    let store = Arc::new(PoseStore::new(PoseStoreConfig { capacity: 4, ..PoseStoreConfig::default() }));
    let (stop, start) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(3)));
    let reader = || {
        let (store, stop, start) = (store.clone(), stop.clone(), start.clone());
        thread::spawn(move || {
            start.wait();
            let mut seen = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                let Some(newest) = store.newest() else { continue };
                // The very moment of a frame: its numbers come as they were written.
                for hand in
                    store.pose_at(newest).hands.iter().filter(|hand| hand.basis == PoseBasis::Observed)
                {
                    let value = hand.pose.translation.x;
                    assert_eq!(hand.pose, uniform(value), "half of another frame");
                    assert_eq!(hand.track.0 % 1024, (value * 1024.0) as u32, "a frame with another's hand");
                    seen += 1;
                }
            }
            seen
        })
    };
    let readers = [reader(), reader()];
    start.wait();
    for sequence in 0..200_000_u64 {
        let value = (sequence % 1024) as f32 / 1024.0;
        let hands = [(sequence as u32, uniform(value)), (sequence as u32 + 1024, uniform(value))];
        publish(&store, frame(sequence, &hands, PoseState::Provisional));
    }
    stop.store(true, Ordering::Relaxed);
    let seen: Vec<u64> = readers.into_iter().map(|reader| reader.join().expect("no reader fails")).collect();
    assert!(seen.iter().all(|&seen| seen > 1000), "{seen:?}");
}
