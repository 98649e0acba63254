//! Results measured against a truth.

use super::{Scratch, assert_refused, handstream, path_file, said};

/// A `hands.jsonl` of one right hand whose joints move; `shift` metres beside the truth.
fn hands_file(frames: std::ops::Range<u64>, shift: f64) -> String {
    let header = serde_json::json!({
        "format": "handstream.hands", "version": 1, "joint_order": "openpose21", "units": "m",
        "size": [640, 480], "fps": 30.0, "hand_model": "open_hand",
        "camera": {"fx": 500.0, "fy": 500.0, "cx": 320.0, "cy": 240.0, "dist": [0.0, 0.0, 0.0, 0.0, 0.0],
                   "guessed": false},
    });
    let line = |frame: u64| {
        let joint = |k: usize| {
            let (k, t) = (k as f64, frame as f64);
            [0.01 * k + shift, 0.05 * (1.3 * k).sin(), 0.5 + 0.002 * t + 0.02 * (0.7 * k).cos()]
        };
        let hand = serde_json::json!({
            "track": 0, "side": "right", "score": 0.9, "state": "provisional", "box_px": [0.0, 0.0, 9.0, 9.0],
            "keypoints_px": vec![[1.0, 2.0]; 21], "joints_camera": (0..21).map(joint).collect::<Vec<_>>(),
            "global_orient": [0.0, 0.0, 0.0], "hand_pose": vec![0.0; 45], "betas": vec![0.0; 10],
            "translation": [shift, 0.0, 0.5],
        });
        serde_json::json!({"frame": frame, "t_ns": frame * 33_333_333, "hands": [hand]}).to_string()
    };
    let lines: Vec<String> = std::iter::once(header.to_string()).chain(frames.map(line)).collect();
    lines.join("\n") + "\n"
}

#[test]
fn eval_measures_a_run_against_a_truth() {
    let scratch = Scratch::new();
    let truth = scratch.file("truth.jsonl", hands_file(0..20, 0.0).as_bytes());
    let pred = scratch.file("hands.jsonl", hands_file(10..25, 0.004).as_bytes());
    let table = handstream(&[&"eval", &"--pred", &pred, &"--truth", &truth]);
    assert!(table.status.success(), "{}", said(&table));
    assert!(String::from_utf8_lossy(&table.stdout).contains("PA-MPJPE"));

    let done = handstream(&[&"eval", &"--pred", &pred, &"--truth", &truth, &"--json", &"--by", &"time"]);
    assert!(done.status.success(), "{}", said(&done));
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    for hand in ["right", "overall"] {
        let hand = &report["hands"][hand];
        let measure = |key: &str| hand["measures"][key].as_f64().expect(key);
        assert_eq!(
            (&hand["frames"], &hand["truth_frames"]),
            (&serde_json::json!(10), &serde_json::json!(20))
        );
        assert!((measure("mpjpe") - 4.0).abs() < 1e-6);
        for zero in ["ra_mpjpe", "pa_mpjpe", "g_mpjpe", "ga_mpjpe", "fa_mpjpe", "acc", "mpvpe", "root_depth"]
        {
            assert!(measure(zero) < 1e-3, "{zero} is {}", measure(zero));
        }
        assert!((measure("pa_f5") - 1.0).abs() < 1e-9);
    }
    assert!(report["hands"].get("left").is_none() && report["between"]["mrrpe"]["value"].is_null());
}

#[test]
fn files_that_cannot_be_compared_are_refused() {
    let scratch = Scratch::new();
    let good = scratch.file("good.jsonl", hands_file(0..5, 0.0).as_bytes());
    let later = scratch.file("later.jsonl", hands_file(50..55, 0.0).as_bytes());
    let letter = scratch.file("letter.txt", b"Dear reader, no hands today.");
    let newer = hands_file(0..5, 0.0).replacen("\"version\":1", "\"version\":2", 1);
    let newer = scratch.file("newer.jsonl", newer.as_bytes());
    let broken = scratch.file("broken.jsonl", hands_file(0..5, 0.0).replacen("0.9", "NaN", 1).as_bytes());
    let untimed = scratch.file("truth.json", br#"{"frames": []}"#);
    let missing = scratch.path("missing.jsonl");
    for (pred, truth, by, words) in [
        (&missing, &good, "frame", ["missing.jsonl", "check the path"]),
        (&good, &letter, "frame", ["letter.txt", "not JSON"]),
        (&newer, &good, "frame", ["newer.jsonl", "version 2"]),
        (&broken, &good, "frame", ["broken.jsonl", "not finite"]),
        (&later, &good, "frame", ["later.jsonl", "in common"]),
        (&good, &untimed, "time", ["capture times", "--by frame"]),
    ] {
        let done = handstream(&[&"eval", &"--pred", pred, &"--truth", truth, &"--by", &by]);
        assert_refused(&done, &words);
    }
}

#[test]
fn eval_measures_a_camera_path_against_a_truth() {
    let scratch = Scratch::new();
    let truth = scratch.file("poses.txt", path_file(0..50, 1.0, false).as_bytes());
    let pred = scratch.file("path.tum", path_file(10..50, 0.5, true).as_bytes());
    let done = handstream(&[&"eval", &"--pred", &pred, &"--truth", &truth, &"--fps", &"10", &"--json"]);
    assert!(done.status.success(), "{}", said(&done));
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let value = |pointer: &str| report.pointer(pointer).and_then(serde_json::Value::as_f64).expect(pointer);
    assert_eq!(value("/tracked"), 0.8);
    assert!((value("/sim3/scale") - 2.0).abs() < 1e-9 && value("/sim3/ate/rmse") < 1e-9);
    assert!(value("/se3/ate_percent") > 5.0 && value("/sim3/rpe_1_m/rmse") < 1e-9);

    let table = handstream(&[&"eval", &"--pred", &pred, &"--truth", &truth, &"--fps", &"10"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("ATE"), "{}", said(&table));
    let unplaced = handstream(&[&"eval", &"--pred", &pred, &"--truth", &truth]);
    assert_refused(&unplaced, &["poses.txt", "--fps"]);
    let apart = scratch.file("late.tum", path_file(900..950, 1.0, true).as_bytes());
    let apart = handstream(&[&"eval", &"--pred", &apart, &"--truth", &truth, &"--fps", &"10"]);
    assert_refused(&apart, &["late.tum", "no time in common"]);
}
