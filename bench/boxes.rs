//! Crops that follow hands frame by frame beside HaPTIC's smoothing of the whole video:
//! `cargo bench --bench boxes`, results in `bench/results/boxes.json`.
//!
//! Both get the hands of the project's own 2D tracker on shared clips. Lengths are in sides of the hand's box.
//! Shaking is the root mean square distance from the parabola through nine frames. Lag is the time shift that
//! explains the difference from the reference best: for centres the parabola through the seen ones, which
//! looks ahead, for sizes the released smoothing.

#[path = "../tests/support/released_boxes.rs"]
mod released_boxes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use handstream::detect::{HandTracker, TrackerConfig};
use handstream::frame::{PictureSize, Timestamp};
use handstream::haptic::full::{CropRule, HandBox, SteadyConfig, SteadySquare};
use handstream::home::ModelFiles;
use handstream::jobs::InOrder;
use handstream::source::{OpenOptions, open};
use nalgebra::Vector2;
use serde_json::{Value, json};

const CLIPS: [&str; 2] = ["webcam_one_hand_office", "webcam_two_hands_tutting_a"];
/// HaPTIC's unit of a box's size, pixels.
const SIZE_UNIT: f64 = 400.0 / 3.0;
/// HaPTIC's crop in longer sides of the hand's box.
const CROP_SIDES: f64 = 3.0;
/// Least length of a track that is looked at, frames.
const LEAST_FRAMES: usize = 60;
/// Frames to both sides of a parabola's middle, and its weights there (Savitzky and Golay 1964, nine points).
const REACH: usize = 4;
const PARABOLA: [f64; 2 * REACH + 1] = [-21.0, 14.0, 39.0, 54.0, 59.0, 54.0, 39.0, 14.0, -21.0];
const PARABOLA_SUM: f64 = 231.0;

/// One track without a gap.
struct Track {
    size: PictureSize,
    times: Vec<Timestamp>,
    boxes: Vec<HandBox>,
}

fn main() -> Result<()> {
    let shared = std::env::var_os("HANDSTREAM_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let mut results = serde_json::Map::new();
    for clip in CLIPS {
        let path = shared.join(format!("footage/video/{clip}.mp4"));
        for (number, track) in tracks(&path)?.iter().enumerate() {
            results.insert(format!("{clip}, track {number}"), compare(track));
        }
    }
    let report = json!({
        "command": "cargo bench --bench boxes",
        "what": "crops' centres in sides of the hand's box, logarithms of their sides; lag in frames",
        "results": results,
    });
    let text = serde_json::to_string_pretty(&report)?;
    println!("{text}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/results/boxes.json");
    std::fs::write(path, text + "\n").context(path)
}

/// The longest unbroken stretch of every track of a clip.
fn tracks(path: &Path) -> Result<Vec<Track>> {
    let models = ModelFiles::locate()?;
    let (palm, landmark) = (std::fs::read(&models.palm)?, std::fs::read(&models.landmark)?);
    let mut tracker = HandTracker::new(&palm, &landmark, TrackerConfig::default())?;
    let mut source = open(path.to_str().context("the clip's path is not UTF-8")?, &OpenOptions::default())?;
    let mut stretches: BTreeMap<u32, Vec<(u64, Track)>> = BTreeMap::new();
    while let Some(frame) = source.next_frame()? {
        for hand in tracker.process(&frame, &InOrder).hands {
            let Some(found) = HandBox::around(&hand.keypoints_px) else { continue };
            let own = stretches.entry(hand.track.0).or_default();
            let begin = || Track { size: frame.size, times: Vec::new(), boxes: Vec::new() };
            if own.last().is_none_or(|(last, _)| last + 1 != frame.sequence) {
                own.push((frame.sequence, begin()));
            }
            if let Some((last, track)) = own.last_mut() {
                *last = frame.sequence;
                track.times.push(frame.timestamp);
                track.boxes.push(found);
            }
        }
    }
    let longest = |own: Vec<(u64, Track)>| own.into_iter().map(|(_, t)| t).max_by_key(|t| t.boxes.len());
    let tracks = stretches.into_values().filter_map(longest);
    Ok(tracks.filter(|track| track.boxes.len() >= LEAST_FRAMES).collect())
}

fn compare(track: &Track) -> Value {
    let mut sides: Vec<f64> = track.boxes.iter().map(|b| b.size.max()).collect();
    let seen = Paths {
        centres: track.boxes.iter().map(|b| [b.centre.x, b.centre.y]).collect(),
        sizes: sides.iter().map(|side| [side.ln(), 0.0]).collect(),
    };
    let sizes: Vec<[f64; 2]> =
        track.boxes.iter().map(|b| [b.size.x / SIZE_UNIT, b.size.y / SIZE_UNIT]).collect();
    let (centres, sizes) = released_boxes::smoothed(&seen.centres, &sizes);
    let sizes = sizes.iter().map(|[w, h]| [(w.max(*h) * SIZE_UNIT).ln(), 0.0]).collect();
    let released = Paths { centres, sizes };
    let ours = steady(track);
    let moved = seen.centres.as_flattened().iter().zip(released.centres.as_flattened());
    let moved = moved.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    sides.sort_by(f64::total_cmp);
    let unit = sides[sides.len() / 2];
    let ahead = parabola(&seen.centres);
    let row = |paths: &Paths| {
        json!({
            "centre_shake": rounded(rms(&paths.centres, &parabola(&paths.centres)) / unit),
            "centre_lag": rounded(lag(&paths.centres, &ahead)),
            "size_shake": rounded(rms(&paths.sizes, &parabola(&paths.sizes))),
            "size_lag": rounded(lag(&paths.sizes, &released.sizes)),
            "size_off_released": rounded(rms(&paths.sizes, &released.sizes)),
        })
    };
    json!({
        "frames": track.boxes.len(),
        "released_moves_centres_px": rounded(moved),
        "seen": row(&seen),
        "released, looks ahead": row(&released),
        "steady": row(&ours),
    })
}

/// A track's centres in pixels and logarithms of its hand's longer side (and zeros).
struct Paths {
    centres: Vec<[f64; 2]>,
    sizes: Vec<[f64; 2]>,
}

fn steady(track: &Track) -> Paths {
    let (mut filter, config) = (SteadySquare::default(), SteadyConfig::default());
    let (mut centres, mut sizes) = (Vec::new(), Vec::new());
    for (found, &time) in track.boxes.iter().zip(&track.times) {
        let square = CropRule::Haptic.square(found, track.size);
        let square = square.map(|seen| filter.update(seen, time, track.size, &config));
        let centre = square.map_or(found.centre, |square| square.centre());
        let side = square.map_or(found.size.max(), |square| square.side() / CROP_SIDES);
        centres.push([centre.x, centre.y]);
        sizes.push([side.ln(), 0.0]);
    }
    Paths { centres, sizes }
}

/// Each value's place on the parabola through its neighbours; ends as they are.
fn parabola(path: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut smooth = path.to_vec();
    for (middle, window) in smooth[REACH..].iter_mut().zip(path.windows(PARABOLA.len())) {
        let sum =
            |k: usize| window.iter().zip(PARABOLA).map(|(value, weight)| value[k] * weight).sum::<f64>();
        *middle = [sum(0) / PARABOLA_SUM, sum(1) / PARABOLA_SUM];
    }
    smooth
}

fn rms(a: &[[f64; 2]], b: &[[f64; 2]]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| (vector(a) - vector(b)).norm_squared()).sum();
    (squares / a.len() as f64).sqrt()
}

/// Frames by which `path` is behind `reference`: least squares of the difference on the reference's speed.
fn lag(path: &[[f64; 2]], reference: &[[f64; 2]]) -> f64 {
    let (mut along, mut speeds) = (0.0, 0.0);
    for (window, path) in reference.windows(3).zip(&path[1..]) {
        let speed = (vector(&window[2]) - vector(&window[0])) / 2.0;
        along -= (vector(path) - vector(&window[1])).dot(&speed);
        speeds += speed.norm_squared();
    }
    along / speeds
}

fn vector(pair: &[f64; 2]) -> Vector2<f64> {
    Vector2::from(*pair)
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
