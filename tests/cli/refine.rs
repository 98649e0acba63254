//! The second pass over stored hands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use handstream::event::{Event, FrameHands, HandPose, PoseState, RunInfo, Side, TrackId, TrackedHand};
use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::geometry::CameraModel;
use handstream::hand::HandModel;
use handstream::output::RunFiles;
use nalgebra::{Isometry3, Vector3};

use super::{Scratch, assert_refused, handstream, lines, said};

/// A `hands.jsonl` and a `hands.npz` of two hands that sway before a camera that moves along x, as the engine
/// writes them; the right hand is not seen in frames 20..25. The camera's poses are in metres.
fn swaying_hands(folder: &Path) {
    let model = HandModel::open();
    let size = PictureSize::new(640, 480);
    let camera = CameraModel::pinhole(500.0, size);
    let mut files = RunFiles::create(folder, false).expect("a folder to write to");
    let info = RunInfo {
        source: "made up".into(),
        size,
        fps: 30.0,
        frame_count: None,
        camera: camera.clone(),
        hand_model: model.name().into(),
    };
    files.event(&Event::Started(Arc::new(info))).expect("a header");
    for sequence in 0..40 {
        let time = sequence as f64 / 30.0;
        let sway = 0.03 * (4.0 * time).sin() as f32;
        let hand = |side: Side| {
            let x = if side == Side::Left { -0.12 } else { 0.12 };
            let pose = HandPose {
                global_orient: Vector3::new(0.2, 0.1 + sway, 1.4),
                hand_pose: [Vector3::zeros(); 15],
                betas: [0.0; 10],
                translation: Vector3::new(x + sway, 0.02, 0.5 - sway),
            };
            let joints_camera = model.posed(&pose, side).joints;
            TrackedHand {
                track: TrackId(u32::from(side == Side::Right)),
                side,
                score: 0.9,
                state: PoseState::Provisional,
                box_px: [0.0; 4],
                keypoints_px: joints_camera.map(|joint| camera.project(joint).expect("before the camera")),
                joints_camera,
                pose,
            }
        };
        let seen = [Side::Left, Side::Right].into_iter();
        let seen = seen.filter(|&side| side == Side::Left || !(20..25).contains(&sequence));
        let timestamp = Timestamp::from_seconds(time);
        let hands = FrameHands {
            sequence,
            timestamp,
            hands: seen.map(hand).collect(),
            world_from_camera: Some(Isometry3::translation(0.3 * time, 0.0, 0.0)),
            stages: Vec::new(),
            total: Duration::ZERO,
        };
        let frame = Frame { pixels: Vec::new(), size, timestamp, sequence };
        files.event(&Event::Frame { frame: Arc::new(frame), hands: Arc::new(hands) }).expect("a line");
    }
    files.finish().expect("files");
}

#[test]
fn stored_hands_are_refined_into_the_world_and_gaps_are_filled() {
    let scratch = Scratch::new();
    let (found, out) = (scratch.path("found"), scratch.path("refined"));
    swaying_hands(&found);
    for file in ["hands.jsonl", "hands.npz"] {
        let done = handstream(&[&"refine", &found.join(file), &"--out", &out]);
        assert!(done.status.success(), "{}", said(&done));
        let (before, after) = (lines(&found.join("hands.jsonl")), lines(&out.join("hands.jsonl")));
        assert_eq!(before.len(), after.len());
        for (line, old) in after.iter().zip(&before).skip(1) {
            assert_eq!(line["frame"], old["frame"]);
            assert!(line["world_from_camera"].is_array());
            let hands = line["hands"].as_array().expect("hands");
            assert_eq!(hands.len(), 2, "{file}, frame {}", line["frame"]);
            let gap = (20..25).contains(&line["frame"].as_u64().expect("a number"));
            for hand in hands {
                let filled = gap && hand["side"] == "right";
                assert_eq!(hand["state"], if filled { "filled" } else { "refined" }, "{file}");
                let old = old["hands"].as_array().expect("hands");
                let Some(old) = old.iter().find(|old| old["side"] == hand["side"]) else { continue };
                let wrist = |hand: &serde_json::Value| -> Vector3<f64> {
                    let wrist: [f64; 3] =
                        serde_json::from_value(hand["joints_world"][0].clone()).expect("a wrist");
                    wrist.into()
                };
                let moved = (wrist(hand) - wrist(old)).norm();
                assert!(moved < 0.03, "{file}: the {} wrist moved by {moved} m", hand["side"]);
            }
        }
    }
}

#[test]
fn hands_that_cannot_be_refined_are_refused() {
    let scratch = Scratch::new();
    let letter = scratch.file("letter.npz", b"Dear reader");
    assert_refused(&handstream(&[&"refine", &letter]), &["letter.npz", "no npz archive"]);
    let found = scratch.path("found");
    swaying_hands(&found);
    let hands = found.join("hands.jsonl");
    let path = scratch.file("late.tum", b"100 0 0 0 0 0 0 1\n101 0 0 0 0 0 0 1\n");
    let late = handstream(&[&"refine", &hands, &"--camera-path", &path, &"--out", &scratch.path("out")]);
    assert_refused(&late, &["late.tum", "--camera-path-start"]);
    let other = std::fs::read_to_string(&hands).expect("hands").replace("open_hand", "mano");
    let other = scratch.file("other.jsonl", other.as_bytes());
    assert_refused(&handstream(&[&"refine", &other]), &["other.jsonl", "--hand-model"]);
    let unnamed = handstream(&[&"refine", &hands, &"--motion-prior", &"hmp"]);
    assert_refused(&unnamed, &["--hmp", "hmp_model.zip"]);
    let empty = scratch.path("no-hmp");
    std::fs::create_dir(&empty).unwrap();
    let absent = handstream(&[&"refine", &hands, &"--motion-prior", &"hmp", &"--hmp", &empty]);
    assert_refused(&absent, &["no-hmp", "local_encoder.pth"]);
}
