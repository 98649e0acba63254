//! Networks of the user's own.

use std::path::Path;
use std::process::Command;

use super::support;
use super::support::omni_release::OmniRelease;
use super::support::release::Release;
use super::{Scratch, assert_refused, handstream, lines, said};

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
