use std::sync::Arc;
use std::time::Duration;

use super::super::read_truth;
use super::*;
use crate::event::{FrameHands, KEYPOINTS, PoseState, TrackId, TrackedHand};
use crate::geometry::Pixel;
use crate::output::{FinalFrame, JsonlWriter};

fn header() -> String {
    let header = serde_json::json!({
        "format": FORMAT, "version": VERSION, "joint_order": "openpose21", "units": "m", "size": [640, 480],
        "fps": 30.0, "hand_model": "open_hand",
        "camera": {"fx": 500.0, "fy": 500.0, "cx": 320.0, "cy": 240.0, "dist": [0.0, 0.0, 0.0, 0.0, 0.0],
                   "guessed": false},
    });
    header.to_string()
}

fn hand(side: &str, track: u32, score: f64, x: f64) -> serde_json::Value {
    serde_json::json!({
        "track": track, "side": side, "score": score, "state": "provisional", "box_px": [0.0, 0.0, 9.0, 9.0],
        "keypoints_px": vec![[1.0, 2.0]; KEYPOINTS], "joints_camera": vec![[x, 0.0, 0.5]; KEYPOINTS],
        "global_orient": [0.0, 0.0, 0.0], "hand_pose": vec![0.0; 45], "betas": vec![0.0; 10],
        "translation": [x, 0.0, 0.5],
    })
}

fn line(frame: u64, hands: &[serde_json::Value]) -> String {
    serde_json::json!({"frame": frame, "t_ns": frame * 33_000_000, "hands": hands}).to_string()
}

fn read_text(text: &str) -> Result<HandsOverTime, ReadError> {
    hands(Path::new("hands.jsonl"), text.as_bytes(), &HandModel::open())
}

fn refusal(text: &str) -> String {
    read_text(text).expect_err("should be refused").to_string()
}

#[test]
fn hands_come_back_by_side_and_frame_with_the_best_score() {
    let hands = [hand("left", 1, 0.9, -0.1), hand("left", 7, 0.6, 0.3), hand("right", 2, 0.8, 0.2)];
    let read = read_text(&[header(), line(3, &hands), line(5, &[])].join("\n")).unwrap();
    assert_eq!(read.left[&3].track, Some(1));
    assert_eq!(read.left[&3].joints[4], Some(Vector3::new(-0.1, 0.0, 0.5)));
    assert_eq!(read.right[&3].vertices.len(), HandModel::open().vertex_count());
    assert_eq!(read.times.keys().collect::<Vec<_>>(), [&3, &5]);
}

#[test]
fn what_the_writer_writes_the_reader_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hands.jsonl");
    let mut writer = JsonlWriter::create(&path).unwrap();
    let camera = crate::geometry::CameraModel::guess(crate::frame::PictureSize::new(64, 48));
    let run = crate::event::RunInfo {
        source: "film".to_owned(),
        size: camera.size,
        fps: 25.0,
        frame_count: None,
        camera,
        hand_model: "open_hand".to_owned(),
    };
    let model = HandModel::open();
    let pose = HandPose {
        global_orient: Vector3::new(0.3, 0.2, 1.2),
        hand_pose: [Vector3::zeros(); FINGER_JOINTS],
        betas: [0.0; 10],
        translation: Vector3::new(-0.1, 0.05, 0.6),
    };
    let joints_camera = model.posed(&pose, Side::Left).joints;
    let hand = TrackedHand {
        track: TrackId(4),
        side: Side::Left,
        score: 1.0,
        state: PoseState::Provisional,
        box_px: [0.0; 4],
        keypoints_px: [Pixel::default(); KEYPOINTS],
        joints_camera,
        pose,
    };
    let mut frame = FrameHands {
        sequence: 0,
        timestamp: Timestamp(0),
        hands: vec![hand],
        world_from_camera: None,
        stages: Vec::new(),
        total: Duration::ZERO,
    };
    let world_from_camera = Isometry3::new(Vector3::new(0.4, -1.2, 2.0), Vector3::new(0.3, 1.1, -0.7));
    writer.started(&run).unwrap();
    let mut write = |frame: &FrameHands| {
        let hands = Arc::new(frame.clone());
        writer.frame(&FinalFrame { hands, world_scale: None }).unwrap();
    };
    write(&frame);
    (frame.sequence, frame.world_from_camera) = (1, Some(world_from_camera));
    write(&frame);
    writer.finish().unwrap();

    let read = read_hands(&path, &model).unwrap();
    assert_eq!(read.fps, Some(25.0));
    assert_eq!(read.left.len(), 2);
    let off = read.world_from_camera[&1].to_homogeneous() - world_from_camera.to_homogeneous();
    assert!(read.world_from_camera.len() == 1 && off.amax() < 1e-6);
    let lines: Vec<serde_json::Value> = std::fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines[1].get("world_from_camera").is_none() && lines[1]["hands"][0].get("joints_world").is_none()
    );
    let tip: [f64; 3] = serde_json::from_value(lines[2]["hands"][0]["joints_world"][8].clone()).unwrap();
    let expected = world_from_camera * nalgebra::Point3::from(joints_camera[8].0.cast::<f64>());
    assert!((Vector3::from(tip) - expected.coords).norm() < 2e-6);
}

#[test]
fn every_broken_file_is_refused_in_a_sentence_that_names_the_reason() {
    let good = line(0, &[hand("left", 1, 0.9, 0.0)]);
    let in_line = |changed: String| format!("{}\n{good}\n{changed}\n", header());
    for (text, words) in [
        ("dear reader".to_owned(), "is not JSON"),
        ("{\"format\": \"else\"}".to_owned(), "handstream.hands"),
        (header().replace("\"version\":1", "\"version\":9"), "version 9"),
        (header().replace("openpose21", "mano16"), "mano16"),
        (header().replace("\"units\":\"m\"", "\"units\":\"mm\""), "metres"),
        (header().replace("\"fps\":30.0", "\"fps\":0.0"), "frame rate"),
        (in_line("{".to_owned()), "line 3: it is not JSON"),
        (in_line(line(0, &[])), "frame 0 comes after frame 0"),
        (in_line(line(1, &[hand("upper", 1, 0.9, 0.0)])), "\"upper\" is no side"),
        (in_line(line(1, &[hand("left", 1, 0.9, 0.123)]).replace("0.123", "NaN")), "not finite"),
        (in_line(line(1, &[hand("left", 1, 0.9, f64::NAN)])), "not finite"),
        (in_line(line(1, &[]).replace("\"hands\"", "\"fingers\"")), "another form"),
        (
            in_line(line(1, &[]).replace("\"t_ns\"", "\"world_from_camera\":[0,0,0,0,0,0,2],\"t_ns\"")),
            "length 2",
        ),
    ] {
        let said = refusal(&text);
        assert!(said.contains(words), "no “{words}” in: {said}");
        assert!(said.contains("hands.jsonl"), "{said}");
    }
    let mut short = hand("left", 1, 0.9, 0.0);
    short["hand_pose"] = serde_json::json!([0.0, 0.0, 0.0]);
    assert!(refusal(&in_line(line(1, &[short]))).contains("hand_pose has 3 numbers"));
}

#[test]
fn files_that_are_missing_or_empty_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.jsonl");
    std::fs::write(&empty, "\n").unwrap();
    for path in [empty, folder.path().join("missing.jsonl")] {
        let said = read_truth(&path, &HandModel::open()).expect_err("should be refused").to_string();
        assert!(said.contains(path.to_str().unwrap()), "{said}");
    }
}

#[test]
fn triangulated_joints_are_read_where_they_are_usable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth.json");
    let mut errors = vec![1.0; KEYPOINTS];
    errors[3] = 6.5;
    let frame = serde_json::json!({"joints_cam0_m": vec![[0.1, 0.2, 0.7]; KEYPOINTS], "reproj_px": errors});
    let file = serde_json::json!({"frames": [null, frame]});
    std::fs::write(&path, serde_json::to_string_pretty(&file).unwrap()).unwrap();
    let truth = read_truth(&path, &HandModel::open()).unwrap();
    assert_eq!(truth.right.keys().collect::<Vec<_>>(), [&1]);
    assert_eq!((truth.right[&1].joints[3], truth.left.len()), (None, 0));
    assert_eq!(truth.right[&1].joints[4], Some(Vector3::new(0.1, 0.2, 0.7)));

    std::fs::write(&path, r#"{"frames": [{"joints_cam0_m": [[1, 2]]}]}"#).unwrap();
    let said = read_truth(&path, &HandModel::open()).expect_err("should be refused").to_string();
    assert!(said.contains("another form"), "{said}");
}

#[test]
fn frames_meet_by_time_where_their_numbers_differ() {
    let rows = |offset: u64, shift_ns: u64| {
        let row = |frame: u64| {
            serde_json::json!({"frame": frame + offset, "t_ns": frame * 33_333_333 + shift_ns,
                               "hands": [hand("right", 1, 0.9, frame as f64)]})
            .to_string()
        };
        let lines: Vec<String> = std::iter::once(header()).chain((0..4).map(row)).collect();
        read_text(&lines.join("\n")).unwrap()
    };
    let (early, late) = (rows(0, 0), rows(100, 5_000_000));
    let moved = late.renumbered_by_time(&early).unwrap();
    assert_eq!(moved.right.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(moved.right[&2].joints[0].unwrap().x, 2.0);
    assert!(rows(0, 40_000_000).renumbered_by_time(&early).unwrap().right.len() < 4);
    assert!(late.renumbered_by_time(&HandsOverTime::default()).is_none());
}
