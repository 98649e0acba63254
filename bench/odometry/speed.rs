//! Time and memory of the embedded back end over 5,000 frames.

use anyhow::{Context, Result};
use handstream::engine::BackgroundThread;
use handstream::frame::{Frame, Timestamp};
use handstream::slam::{WORKING_SIDE, WorkingSize};
use handstream::source::synthetic::{CameraStyle, SceneConfig};
use serde_json::json;

use crate::follow::{Followed, points};
use crate::report::{Report, rounded};
use crate::scenes::{Film, SIZE};

/// Frames drawn; they are played to and fro, so that the camera moves on without a jump.
const DRAWN: u64 = 500;
const PLAYED: usize = 5000;
const FPS: f64 = 30.0;
/// Memory is read after this many frames and at the end.
const SETTLED: usize = 1000;

/// With the bundle adjustment behind the frames, as for a camera, and in order, as for a file.
pub fn speed(report: &mut Report) -> Result<()> {
    let config =
        SceneConfig { size: SIZE, frames: DRAWN, camera: CameraStyle::HandHeld, ..SceneConfig::default() };
    let Some(film) = Film::new(report, config)? else { return Ok(()) };
    play(report, &film, true)?;
    play(report, &film, false)
}

fn play(report: &mut Report, film: &Film, behind: bool) -> Result<()> {
    let before = resident_megabytes();
    // What this process holds beyond the film.
    let held = || Some(rounded(resident_megabytes()? - before?));
    let working = WorkingSize::new(&film.camera, WORKING_SIDE);
    let mut odometry = points(working.camera())?;
    if behind {
        odometry.adjust_behind(Box::new(BackgroundThread::spawn("bundle-adjustment")?));
    }
    let mut followed = Followed::default();
    let mut settled = None;
    for k in 0..PLAYED {
        let lap = film.frames.len();
        let number = if (k / lap).is_multiple_of(2) { k % lap } else { lap - 1 - k % lap };
        let drawn = film.frames.get(number).context("no frame was drawn")?;
        let timestamp = Timestamp::from_seconds(k as f64 / FPS);
        let frame = Frame { pixels: drawn.pixels.clone(), size: drawn.size, timestamp, sequence: k as u64 };
        followed.step(&mut odometry, &working, &frame, &film.hidden(number));
        if k == SETTLED {
            settled = held();
        }
    }
    let values = json!({
        "p50_ms": followed.percentile(0.5),
        "p95_ms": followed.percentile(0.95),
        "p99_ms": followed.percentile(0.99),
        "max_ms": followed.percentile(1.0),
        "memory_mb_after_1000": settled,
        "memory_mb_after_5000": held(),
        "states": followed.states,
    });
    let adjusted = if behind { "adjusted behind" } else { "adjusted in order" };
    report.row(&format!("640x360, hands hidden, {adjusted}"), values);
    Ok(())
}

/// Resident memory of this process as Linux tells it.
fn resident_megabytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(rounded(kilobytes / 1024.0))
}
