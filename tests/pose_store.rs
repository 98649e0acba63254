//! The pose store's prediction on recorded hand motion.

use std::sync::Arc;
use std::time::Duration;

use handstream::engine::PoseStore;
use handstream::event::{Event, FrameHands, HandPose, PoseState, Side, TrackId, TrackedHand};
use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::geometry::Pixel;
use handstream::geometry::rotation::axis_angle_from_matrix;
use handstream::hand::HandModel;
use nalgebra::{Matrix3, Vector3};
use safetensors::SafeTensors;

#[path = "support/mod.rs"]
mod support;

const FPS: f64 = 30.0;

/// The recordings as poses at 30 frames a second.
fn recordings(bytes: &[u8]) -> Vec<Vec<HandPose>> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let numbers = |name: String| -> Vec<f32> {
        let data = file.tensor(&name).unwrap();
        data.data().as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect()
    };
    let names: Vec<_> = file.names().iter().filter_map(|name| name.strip_suffix(".rotations")).collect();
    let read = |name: &&str| {
        let (turns, places) =
            (numbers(format!("{name}.rotations")), numbers(format!("{name}.root_position")));
        let frames = turns.as_chunks::<144>().0.iter().zip(places.as_chunks::<3>().0);
        let pose = |(turns, place): (&[f32; 144], &[f32; 3])| {
            let joint = |k: usize| axis_angle_from_matrix(&Matrix3::from_row_slice(&turns[9 * k..9 * k + 9]));
            HandPose {
                global_orient: joint(0),
                hand_pose: std::array::from_fn(|k| joint(k + 1)),
                betas: [0.0; 10],
                translation: Vector3::from(*place),
            }
        };
        frames.map(pose).collect()
    };
    names.iter().map(read).collect()
}

fn publish(store: &PoseStore, number: usize, pose: &HandPose, model: &HandModel) {
    let (sequence, timestamp) = (number as u64, Timestamp::from_seconds(number as f64 / FPS));
    let hand = TrackedHand {
        track: TrackId(1),
        side: Side::Right,
        score: 1.0,
        state: PoseState::Provisional,
        box_px: [0.0; 4],
        keypoints_px: [Pixel::default(); 21],
        joints_camera: model.posed(pose, Side::Right).joints,
        pose: pose.clone(),
    };
    let hands = FrameHands {
        sequence,
        timestamp,
        hands: vec![hand],
        world_from_camera: None,
        stages: Vec::new(),
        total: Duration::ZERO,
    };
    let frame = Frame { pixels: Vec::new(), size: PictureSize::new(0, 0), timestamp, sequence };
    store.event(&Event::Frame { frame: Arc::new(frame), hands: Arc::new(hands) });
}

#[test]
fn prediction_beats_the_last_pose_held_on_recorded_motion() {
    let Some(path) = support::shared("motion/leap_recordings.safetensors") else { return };
    let model = HandModel::open();
    // Mean error of the joints over all recordings, millimetres, one and two frames ahead.
    for (frames, better) in [(1, 0.75), (2, 0.85)] {
        let (mut predicted, mut held, mut count) = (0.0, 0.0, 0.0);
        for poses in recordings(&std::fs::read(&path).unwrap()) {
            let store = PoseStore::default();
            let joints: Vec<_> = poses.iter().map(|pose| model.posed(pose, Side::Right).joints).collect();
            for (number, pose) in poses.iter().enumerate() {
                publish(&store, number, pose, &model);
                let Some(truth) = joints.get(number + frames) else { break };
                let then = Timestamp::from_seconds((number + frames) as f64 / FPS);
                let guess = store.pose_at(then).hands[0].joints(&model);
                let error = |of: &[handstream::geometry::CameraPoint; 21]| {
                    of.iter().zip(truth).map(|(a, b)| f64::from((a.0 - b.0).norm())).sum::<f64>() / 21.0
                };
                predicted += 1e3 * error(&guess);
                held += 1e3 * error(&joints[number]);
                count += 1.0;
            }
        }
        let (predicted, held) = (predicted / count, held / count);
        println!("{frames} frames ahead: {predicted:.2} mm predicted, {held:.2} mm held, {count} frames");
        assert!(predicted < better * held, "{predicted} beside {held} mm, {frames} frames ahead");
    }
}
