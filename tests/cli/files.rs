//! What a run leaves behind.

use super::support;
use super::{Scratch, assert_refused, grey_pictures, handstream, lines, path_file, said};

#[test]
fn every_frame_has_a_line_also_without_hands() {
    let scratch = Scratch::new();
    let (Some(film), Some(_)) = (scratch.grey_film(), support::models()) else { return };
    let out = scratch.path("out");
    let done = handstream(&[&"track", &film, &"--out", &out, &"--fov", &"60"]);
    assert!(done.status.success(), "{}", said(&done));

    let lines = lines(&out.join("hands.jsonl"));
    let header = &lines[0];
    assert_eq!(header["format"], "handstream.hands");
    assert_eq!(header["joint_order"], "openpose21");
    assert_eq!(header["size"], serde_json::json!([64, 48]));
    assert_eq!(header["camera"]["guessed"], false);
    assert_eq!(lines.len(), 1 + 10);
    for (number, line) in lines[1..].iter().enumerate() {
        assert_eq!(line["frame"], number);
        assert_eq!(line["t_ns"], number as i64 * 40_000_000);
        assert_eq!(line["hands"], serde_json::json!([]));
    }

    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["frames"], 10);
    assert_eq!(summary["dropped"], 0);
    assert_eq!(summary["hands_per_frame"], serde_json::json!([10, 0, 0]));
    assert!(summary["latency_ms"]["total"]["p99"].as_f64().unwrap() > 0.0);

    let archive = std::fs::File::open(out.join("hands.npz")).unwrap();
    let archive = zip::ZipArchive::new(archive).unwrap();
    for key in ["trans", "root_orient", "pose_body", "betas", "is_right", "intrins", "timestamps_ns", "valid"]
    {
        assert!(archive.index_for_name(&format!("{key}.npy")).is_some(), "{key} is missing");
    }
    let left: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "no half-written file stays behind: {left:?}");
}

#[test]
fn a_known_camera_path_places_every_frame_in_the_world() {
    let scratch = Scratch::new();
    let (Some(film), Some(_)) = (scratch.grey_film(), support::models()) else { return };
    let known = scratch.file("known.tum", b"0.1 1 2 3 0 0 0 1\n0.2 1 2 3.5 0 0 0 1\n");
    let out = scratch.path("out");
    let run = |start: &str| {
        handstream(&[
            &"track",
            &film,
            &"--out",
            &out,
            &"--fov",
            &"60",
            &"--camera-path",
            &known,
            &"--camera-path-start",
            &start,
        ])
    };
    let done = run("0");
    assert!(done.status.success(), "{}", said(&done));
    let lines = lines(&out.join("hands.jsonl"));
    let poses: Vec<_> = lines[1..].iter().map(|line| line.get("world_from_camera")).collect();
    // 25 frames a second: of the ten, those from 0.12 s to 0.2 s. The first of them is the world.
    let placed: Vec<bool> = poses.iter().map(Option::is_some).collect();
    assert_eq!(placed, (0..10).map(|number| (3..=5).contains(&number)).collect::<Vec<_>>());
    let moved = poses[5].and_then(|pose| pose[2].as_f64()).expect("a number");
    assert!((moved - 0.4).abs() < 1e-6, "{moved}");

    let elsewhere = run("1000");
    assert!(elsewhere.status.success() && said(&elsewhere).contains("--camera-path-start"));
}

#[test]
fn the_same_film_gives_the_same_result_twice() {
    let scratch = Scratch::new();
    let Some(clip) = support::shared("footage/video/ego_kitchen_cut_two_hands.mp4") else { return };
    if support::models().is_none() {
        return;
    }
    let results = ["first", "second"].map(|name| {
        let out = scratch.path(name);
        let done = handstream(&[&"track", &clip, &"--out", &out, &"--frames", &"40"]);
        assert!(done.status.success(), "{}", said(&done));
        std::fs::read(out.join("hands.jsonl")).unwrap()
    });
    assert!(results[0] == results[1], "offline runs are deterministic");
    assert_eq!(results[0].iter().filter(|&&byte| byte == b'\n').count(), 1 + 40);
    assert!(results[0].windows(8).any(|word| word == b"\"track\":"), "and this one holds hands");
}

#[test]
fn a_known_camera_path_is_written_for_the_frames_it_covers() {
    let scratch = Scratch::new();
    let pictures = grey_pictures(&scratch, 8);
    let known = scratch.file("known.tum", path_file(2..50, 1.0, true).as_bytes());
    let out = scratch.path("path.tum");
    let run = |more: &[&dyn AsRef<std::ffi::OsStr>]| {
        let common: [&dyn AsRef<std::ffi::OsStr>; 8] =
            [&"odometry", &pictures, &"--fov", &"60", &"--fps", &"10", &"--out", &out];
        handstream(&[&common[..], more].concat())
    };
    let done = run(&[&"--camera-path", &known]);
    assert!(done.status.success(), "{}", said(&done));
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(told.contains("8, 6 with a pose") && told.contains("lost 2"), "{told}");
    let eval = handstream(&[&"eval", &"--pred", &out, &"--truth", &known, &"--json"]);
    let report: serde_json::Value = serde_json::from_slice(&eval.stdout).expect("JSON");
    assert_eq!(report["poses"], 6);
    assert!(report["se3"]["ate"]["rmse"].as_f64().expect("an error") < 1e-9);

    let elsewhere = run(&[&"--camera-path", &known, &"--camera-path-start", &"1000"]);
    assert_refused(&elsewhere, &["known.tum", "--camera-path-start"]);
    assert_refused(&run(&[&"--camera-path", &scratch.file("bad.csv", b"1,2,3")]), &["bad.csv", "line 1"]);
}
