//! The program as a user meets it: results of a run, and one clear sentence for every mistake.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "support/mod.rs"]
mod support;

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
