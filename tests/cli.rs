//! The program as a user meets it: results of a run, and one clear sentence for every mistake.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use handstream::event::{Event, FrameHands, HandPose, PoseState, RunInfo, Side, TrackId, TrackedHand};
use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::geometry::CameraModel;
use handstream::hand::HandModel;
use handstream::output::RunFiles;
use nalgebra::{Isometry3, Vector3};

#[path = "support/mod.rs"]
mod support;

use support::omni_release::OmniRelease;
use support::release::Release;

/// A folder of this test's own, removed at the end.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file in the temporary folder");
        path
    }

    /// A film of ten plain grey pictures, or `None` without ffmpeg.
    fn grey_film(&self) -> Option<PathBuf> {
        let path = self.path("grey.mp4");
        let done = Command::new("ffmpeg")
            .args(["-loglevel", "error", "-f", "lavfi", "-i", "color=gray:s=64x48:r=25:d=0.4", "-y"])
            .arg(&path)
            .status();
        if done.is_ok_and(|status| status.success()) {
            return Some(path);
        }
        println!("skipped: no working ffmpeg on this machine");
        None
    }
}

fn handstream(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handstream"));
    arguments.iter().for_each(|argument| {
        command.arg(argument);
    });
    command.output().expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The program failed and said one sentence that contains all of `words`.
fn assert_refused(output: &Output, words: &[&str]) {
    let said = said(output);
    assert!(!output.status.success(), "should fail, said: {said}");
    for word in words {
        assert!(said.contains(word), "no “{word}” in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    let errors = said.lines().filter(|line| line.starts_with("error:")).count();
    assert_eq!(errors, 1, "one sentence, not: {said}");
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).expect("hands.jsonl");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

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
fn a_checkpoint_in_the_releases_layout_drives_a_whole_run() {
    let Some(clip) = support::shared("footage/video/webcam_one_hand_office.mp4") else { return };
    if support::models().is_none() {
        return;
    }
    let scratch = Scratch::new();
    for (name, release) in [("haptic", Release::small()), ("hamer", Release::small_hamer())] {
        let checkpoint = release.install(&scratch.path(name));
        let results = ["once", "twice"].map(|run| {
            let out = scratch.path(&format!("{name}_{run}"));
            let done = handstream(&[
                &"track",
                &clip,
                &"--frames",
                &"30",
                &"--profile",
                &"haptic",
                &"--checkpoint",
                &checkpoint,
                &"--out",
                &out,
            ]);
            assert!(done.status.success(), "{}", said(&done));
            std::fs::read(out.join("hands.jsonl")).expect("a result")
        });
        assert!(results[0] == results[1], "{name} gave two results");
        let rows = lines(&scratch.path(&format!("{name}_once")).join("hands.jsonl"));
        let hands: Vec<_> = rows.iter().filter_map(|row| row["hands"].as_array()).flatten().collect();
        assert!(hands.len() >= 25, "{name}: {} hands in 30 frames", hands.len());
        for hand in hands {
            let joints = hand["joints_camera"].as_array().expect("joints");
            assert_eq!(joints.len(), 21);
            let numbers = joints.iter().flat_map(|joint| joint.as_array().expect("three numbers"));
            assert!(numbers.map(|number| number.as_f64().expect("a number")).all(f64::is_finite));
        }
    }
}

/// Joints of all hands in a file, one list a frame.
fn joints(file: &Path) -> Vec<Vec<f64>> {
    let rows = lines(file);
    let frames = rows.iter().filter_map(|row| row["hands"].as_array());
    let numbers = |hands: &Vec<serde_json::Value>| {
        let joints = hands.iter().flat_map(|hand| hand["joints_camera"].as_array().expect("joints"));
        let numbers = joints.flat_map(|joint| joint.as_array().expect("three numbers"));
        numbers.map(|number| number.as_f64().expect("a number")).collect()
    };
    frames.map(numbers).collect()
}

#[test]
fn omnihands_in_the_releases_layout_drives_a_whole_run_at_once_and_half_a_window_later() {
    let Some(clip) = support::shared("footage/video/webcam_two_hands_tutting_a.mp4") else { return };
    if support::models().is_none() {
        return;
    }
    let scratch = Scratch::new();
    let checkpoint = OmniRelease::small().install(&scratch.path("omnihands"), "Demo_Video.pth");
    let run = |name: &str, more: &[&str]| {
        let out = scratch.path(name);
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![
            &"track",
            &clip,
            &"--frames",
            &"30",
            &"--no-refine",
            &"--profile",
            &"omnihands",
            &"--checkpoint",
            &checkpoint,
            &"--gap",
            &"3",
            &"--out",
            &out,
        ];
        arguments.extend(more.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
        let done = handstream(&arguments);
        assert!(done.status.success(), "{}", said(&done));
        out.join("hands.jsonl")
    };
    let newest = run("newest", &[]);
    let again = run("again", &[]);
    assert!(std::fs::read(&newest).unwrap() == std::fs::read(again).unwrap(), "two results");
    let (newest, centre) = (joints(&newest), joints(&run("centre", &["--lag", "centre"])));
    assert_eq!((newest.len(), centre.len()), (30, 30), "every frame is told, also the held-back ones");
    let hands: usize = newest.iter().map(|frame| frame.len() / 63).sum();
    assert!(hands >= 50, "{hands} hands in 30 frames");
    assert!(newest.iter().chain(&centre).flatten().all(|number| number.is_finite()));
    for (frame, (newest, centre)) in newest.iter().zip(&centre).enumerate() {
        assert_eq!(newest.len(), centre.len(), "frame {frame}: the same hands");
        assert!(newest.is_empty() || newest != centre, "frame {frame}: what follows makes no difference");
    }
    let image = checkpoint.with_file_name("Demo_Image.pth");
    std::fs::copy(&checkpoint, &image).unwrap();
    let out = scratch.path("single");
    let single = handstream(&[
        &"track",
        &clip,
        &"--frames",
        &"5",
        &"--profile",
        &"omnihands",
        &"--checkpoint",
        &image,
        &"--out",
        &out,
    ]);
    assert!(single.status.success(), "{}", said(&single));
    assert_eq!(joints(&out.join("hands.jsonl")).len(), 5);
}

#[test]
fn profiles_without_their_checkpoint_say_how_to_name_one() {
    let home = Scratch::new();
    let Some(film) = home.grey_film() else { return };
    for profile in ["haptic", "omnihands"] {
        let done = Command::new(env!("CARGO_BIN_EXE_handstream"))
            .env("HANDSTREAM_HOME", home.path("empty"))
            .args(["track", "--profile", profile, "--out"])
            .args([home.path("out"), film.clone()])
            .output()
            .expect("the program starts");
        assert_refused(&done, &[&format!("handstream setup --{profile}"), "--checkpoint"]);
    }
    if support::models().is_none() {
        return;
    }
    let hamer = Release::small_hamer().install(&home.path("hamer"));
    let wrong = handstream(&[
        &"track",
        &film,
        &"--profile",
        &"omnihands",
        &"--checkpoint",
        &hamer,
        &"--out",
        &home.path("out"),
    ]);
    assert_refused(&wrong, &["hamer.ckpt", "none of OmniHands", "Demo_Video.pth"]);
}

#[test]
fn a_card_that_is_not_there_or_not_wanted_is_one_sentence() {
    let scratch = Scratch::new();
    let pictures = grey_pictures(&scratch, 2);
    let out = scratch.path("out");
    let lite = handstream(&[&"track", &pictures, &"--out", &out, &"--device", &"cuda"]);
    assert_refused(&lite, &["--device cuda", "--profile haptic"]);
    assert_refused(&handstream(&[&"gpu", &"compile", &"--arch", &"sm_75"]), &["sm_75", "too old"]);
    let info = handstream(&[&"gpu", &"info"]);
    let said = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(info.status.success() && said.contains("compiler  ") && said.contains("card      "), "{said}");
}

#[test]
fn a_source_that_is_not_there_is_refused_and_nothing_is_written() {
    let scratch = Scratch::new();
    let out = scratch.path("out");
    let done = handstream(&[&"track", &scratch.path("missing.mp4"), &"--out", &out]);
    assert_refused(&done, &["missing.mp4"]);
    assert!(!out.exists());
}

#[test]
fn a_file_that_is_no_film_is_refused_by_name() {
    let scratch = Scratch::new();
    for (name, content) in [("empty.mp4", &b""[..]), ("letter.mp4", b"Dear reader, this is no film.")] {
        let file = scratch.file(name, content);
        assert_refused(&handstream(&[&"track", &file, &"--out", &scratch.path("out")]), &[name]);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    let scratch = Scratch::new();
    let (Some(film), Some(_)) = (scratch.grey_film(), support::models()) else { return };
    let blocker = scratch.file("blocker", b"a file, no folder");
    let done = handstream(&[&"track", &film, &"--out", &blocker.join("out")]);
    assert_refused(&done, &["cannot write", "blocker"]);
}

#[test]
fn intrinsics_of_another_size_are_refused_not_scaled() {
    let scratch = Scratch::new();
    let Some(film) = scratch.grey_film() else { return };
    let yaml = "%YAML:1.0\nimage_width: 640\nimage_height: 480\ncamera_matrix: !!opencv-matrix\n   rows: 3\n   \
                cols: 3\n   dt: d\n   data: [ 500., 0., 320., 0., 500., 240., 0., 0., 1. ]\n";
    let file = scratch.file("camera.yaml", yaml.as_bytes());
    let done = handstream(&[&"track", &film, &"--camera-file", &file, &"--out", &scratch.path("out")]);
    assert_refused(&done, &["640", "64x48"]);
}

#[test]
fn a_hand_model_that_is_none_is_refused() {
    let scratch = Scratch::new();
    let Some(film) = scratch.grey_film() else { return };
    let model = scratch.file("MANO_RIGHT.pkl", b"\x80\x04not a hand");
    let done = handstream(&[&"track", &film, &"--hand-model", &model, &"--out", &scratch.path("out")]);
    assert_refused(&done, &["MANO_RIGHT.pkl"]);
}

#[test]
fn flags_out_of_range_are_refused() {
    for flags in [["--max-hands", "0"], ["--hand-length", "12"], ["--size", "wide"], ["--format", "bmp"]] {
        let done = handstream(&[&"track", &"film.mp4", &flags[0], &flags[1]]);
        assert!(!done.status.success());
        assert!(said(&done).contains(flags[1]), "{}", said(&done));
    }
}

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

/// A path along a bend, ten poses a second, in TUM lines or in rows of matrices.
fn path_file(poses: std::ops::Range<u32>, scale: f64, times: bool) -> String {
    let line = |k: u32| {
        let t = f64::from(k) * 0.1;
        let [x, y, z] = [t, t.sin(), (2.0 * t).cos()].map(|v| v * scale);
        if times { format!("{t:.3} {x} {y} {z} 0 0 0 1") } else { format!("1 0 0 {x} 0 1 0 {y} 0 0 1 {z}") }
    };
    poses.map(line).collect::<Vec<_>>().join("\n")
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

/// A folder of plain grey pictures.
fn grey_pictures(scratch: &Scratch, count: usize) -> PathBuf {
    let folder = scratch.path("pictures");
    std::fs::create_dir(&folder).expect("a folder");
    for number in 0..count {
        let picture = image::RgbImage::from_pixel(64, 48, image::Rgb([128; 3]));
        picture.save(folder.join(format!("{number}.png"))).expect("a picture");
    }
    folder
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

#[test]
fn cameras_are_listed_or_their_absence_is_one_sentence() {
    let done = handstream(&[&"cameras"]);
    let listed = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && said(&done).is_empty(), "{}", said(&done));
    assert!(listed.starts_with("camera ") || listed.starts_with("no camera was found"), "{listed}");
}
