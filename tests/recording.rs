//! Recordings: what a killed program leaves behind, what damage costs, and the same hands when they are played.
#![cfg(feature = "render")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use handstream::recording::{Entry, RecordingReader};

#[path = "support/mod.rs"]
mod support;

fn handstream(arguments: &[&str], path: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handstream"));
    command.args(arguments).arg(path).output().expect("the program starts")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Frames and hands that can be read, and what is said of damage.
fn read(path: &Path) -> (usize, usize, Option<String>) {
    let mut reader = RecordingReader::open(path).unwrap();
    let (mut frames, mut hands) = (0, 0);
    while let Some(entry) = reader.next_entry() {
        frames += usize::from(matches!(entry, Entry::Frame(_)));
        hands += usize::from(matches!(entry, Entry::Hands(_)));
    }
    (frames, hands, reader.damage().map(str::to_owned))
}

/// The built-in scene, recorded; `None` with a printed reason where models or a driver are missing.
fn recorded(folder: &Path, frames: &str) -> Option<PathBuf> {
    support::models()?;
    let (path, out) = (folder.join("run.hsr"), folder.join("out"));
    let out = out.to_str()?;
    let done = handstream(
        &["track", "synthetic", "--no-refine", "--frames", frames, "--out", out, "--record"],
        &path,
    );
    if said(&done).contains("Vulkan") {
        println!("skipped: {}", said(&done));
        return None;
    }
    assert!(done.status.success() && said(&done).contains("recorded"), "{}", said(&done));
    Some(path)
}

#[test]
fn a_recording_played_gives_the_same_hands_bit_for_bit_and_damage_costs_only_what_follows() {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = recorded(folder.path(), "30") else { return };
    assert_eq!(read(&path), (30, 30, None));
    let out = folder.path().join("replay");
    let replay = ["replay", "--out", out.to_str().unwrap()];
    let played = handstream(&replay, &path);
    assert!(
        played.status.success() && said(&played).contains("30 frames: the same hands"),
        "{}",
        said(&played)
    );
    let hands = |folder: &Path| std::fs::read_to_string(folder.join("hands.jsonl")).unwrap();
    assert_eq!(hands(&out), hands(&folder.path().join("out")));

    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let played = handstream(&replay, &path);
    let said = said(&played);
    assert!(
        played.status.success() && said.contains("are cut off") && said.contains("the same hands"),
        "{said}"
    );
}

#[test]
fn a_video_is_not_copied_and_another_in_its_place_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mp4");
    let drawn = |colour: &str| {
        Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-f", "lavfi", "-i", &format!("color={colour}:s=320x240:d=1:r=25")])
            .arg(&film)
            .status()
            .is_ok_and(|status| status.success())
    };
    if support::models().is_none() || !drawn("gray") {
        println!("skipped: no models or no ffmpeg");
        return;
    }
    let path = folder.path().join("run.hsr");
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    let done = handstream(&["track", film.to_str().unwrap(), "--out", out, "--record"], &path);
    assert!(done.status.success(), "{}", said(&done));
    assert!(std::fs::metadata(&path).unwrap().len() < 20_000, "the pictures were copied");
    let played = handstream(&["replay", "--out", out], &path);
    assert!(played.status.success() && said(&played).contains("25 frames: the same"), "{}", said(&played));
    assert!(drawn("blue"));
    let played = handstream(&["replay", "--out", out], &path);
    assert!(!played.status.success() && said(&played).contains("another file now"), "{}", said(&played));
}

#[test]
fn a_program_that_is_killed_leaves_all_its_complete_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.hsr");
    // Whether this machine can draw and has the models.
    if recorded(folder.path(), "2").is_none() {
        return;
    }
    std::fs::remove_file(&path).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_handstream"))
        .args(["live", "demo", "--headless", "--record"])
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let length = || std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
    while length() < 3_000_000 && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // SIGKILL: the program cannot close anything.
    program.kill().unwrap();
    program.wait().unwrap();
    let (frames, hands, damage) = read(&path);
    println!("{frames} frames in {} bytes: {damage:?}", length());
    assert!(frames >= 3 && hands + 1 >= frames, "{frames} frames, {hands} with hands");
    assert!(damage.is_some(), "that it was not closed is told");
    let out = folder.path().join("replay");
    let played = handstream(&["replay", "--out", out.to_str().unwrap()], &path);
    assert!(played.status.success() && said(&played).contains("the same hands"), "{}", said(&played));
}
