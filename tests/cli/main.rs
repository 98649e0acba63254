//! The program as a user meets it: results of a run, and one clear sentence for every mistake.

mod checkpoints;
mod eval;
mod files;
mod refine;
mod refused;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "../support/mod.rs"]
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

/// A path along a bend, ten poses a second, in TUM lines or in rows of matrices.
fn path_file(poses: std::ops::Range<u32>, scale: f64, times: bool) -> String {
    let line = |k: u32| {
        let t = f64::from(k) * 0.1;
        let [x, y, z] = [t, t.sin(), (2.0 * t).cos()].map(|v| v * scale);
        if times { format!("{t:.3} {x} {y} {z} 0 0 0 1") } else { format!("1 0 0 {x} 0 1 0 {y} 0 0 1 {z}") }
    };
    poses.map(line).collect::<Vec<_>>().join("\n")
}
