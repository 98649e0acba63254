//! Whole-frame latency of the front end, decoding excluded: one JSON line with every frame's time.
//!
//! `cargo bench --bench whole_frame -- CLIP [FRAMES]`; `bench/whole_frame.py` runs it side by side with
//! MediaPipe's own Python package.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use handstream::engine::{FrontEnd, FrontEndConfig, HandFrontEnd};
use handstream::frame::Frame;
use handstream::geometry::CameraModel;
use handstream::hand::HandModel;
use handstream::home::ModelFiles;
use handstream::source::{OpenOptions, Source, open};

/// Frames decoded before they are timed: few enough to fit in memory, many enough that decoding
/// and timing do not disturb each other.
const BATCH: usize = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let Some(clip) = arguments.first() else {
        // Cargo also runs every bench without arguments.
        println!("skipped: usage: cargo bench --bench whole_frame -- CLIP [FRAMES]");
        return ExitCode::SUCCESS;
    };
    let limit = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
    match time_clip(clip, limit) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn time_clip(clip: &str, limit: usize) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let mut source = open(clip, &OpenOptions::default())?;
    let size = source.info().size;
    let mut front_end = HandFrontEnd::new(
        &ModelFiles::locate()?,
        Arc::new(HandModel::open()),
        CameraModel::guess(size),
        FrontEndConfig::default(),
    )?;
    let mut milliseconds = Vec::new();
    let mut hands_found = 0;
    loop {
        let frames = decode(&mut *source, BATCH.min(limit - milliseconds.len()))?;
        if frames.is_empty() {
            break;
        }
        for frame in &frames {
            let start = Instant::now();
            hands_found += front_end.process(frame).hands.len();
            milliseconds.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(serde_json::json!({ "clip": clip, "hands": hands_found, "ms": milliseconds }))
}

fn decode(source: &mut dyn Source, count: usize) -> Result<Vec<Frame>, Box<dyn std::error::Error>> {
    let mut frames = Vec::with_capacity(count);
    while frames.len() < count {
        match source.next_frame()? {
            Some(frame) => frames.push(frame),
            None => break,
        }
    }
    Ok(frames)
}
