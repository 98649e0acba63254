//! `handstream bench` as a user meets it: the promised numbers are in the file, the page stands alone.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

#[path = "support/mod.rs"]
mod support;

/// Grey pictures, more than are played before counting begins.
const PICTURES: usize = 16;

fn grey_pictures(folder: &Path) {
    for number in 0..PICTURES {
        let picture = image::RgbImage::from_pixel(64, 48, image::Rgb([128, 128, 128]));
        picture.save(folder.join(format!("{number:02}.png"))).expect("a picture");
    }
}

fn bench(arguments: &[&str], folder: &Path) -> Output {
    let program = env!("CARGO_BIN_EXE_handstream");
    let command = ["bench"].iter().chain(arguments);
    Command::new(program).args(command).current_dir(folder).output().expect("the program starts")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("the file of numbers")).expect("JSON")
}

#[test]
fn latency_writes_every_promised_number_and_a_page() {
    if support::models().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).expect("a folder");
    grey_pictures(&pictures);
    let asked = ["latency", "pictures", "--fps", "30", "--json", "numbers.json", "--report", "page.html"];
    let done = bench(&asked, folder.path());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let numbers = json(&folder.path().join("numbers.json"));
    for run in [&numbers, &numbers["idle"]] {
        // The first ten frames are not counted, and a busy machine drops some.
        let counted = run["frames"].as_u64().expect("frames") + run["dropped"].as_u64().expect("dropped");
        assert!((1..=PICTURES as u64).contains(&counted), "{run}");
        assert!(run["deadline_misses"].is_u64());
        for stage in ["palm", "landmark", "network", "fit", "wait", "overhead", "total"] {
            for part in ["p50", "p90", "p95", "p99", "p999", "max"] {
                assert!(run["latency_ms"][stage][part].is_f64(), "{stage} {part}");
            }
        }
        assert!(run["latency_ms"]["total"]["max"].as_f64() >= run["latency_ms"]["palm"]["max"].as_f64());
    }
    let page = std::fs::read_to_string(folder.path().join("page.html")).expect("the page");
    assert!(page.starts_with("<!doctype html>") && page.contains("background busy"));
}

#[test]
fn throughput_answers_for_one_stream_and_for_many() {
    if support::models().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).expect("a folder");
    grey_pictures(&pictures);
    let done = bench(&["throughput", "pictures", "--seconds", "1", "--json", "numbers.json"], folder.path());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let numbers = json(&folder.path().join("numbers.json"));
    assert!(numbers["single_stream"]["latency_ms"]["p50"].as_f64() > Some(0.0));
    assert!(numbers["offline"]["frames_per_second"].as_f64() > Some(0.0));
}

#[test]
fn a_python_that_is_not_there_is_one_sentence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    grey_pictures(folder.path());
    let asked = ["latency", ".", "--vs", "mediapipe", "--python", "no-such-python"];
    let done = bench(&asked, folder.path());
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success() && said.contains("no-such-python cannot be started"), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("error:")).count(), 1, "{said}");
}
