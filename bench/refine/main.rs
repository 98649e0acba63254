//! The refinement on worlds that are known, and on real clips.
//!
//! `cargo bench --bench refine [-- SET...]` with the sets `scenes` (20 scenes of 128 frames, hands at work in
//! one place: before and after), `walking` (the same, carried along by a walking body), `ablations` (the scenes
//! without each part), `bursts` (a hand that is hidden for a while), `stereo` and `still` (real clips from stands;
//! they need the networks of `handstream setup`), `speed` (time of a chunk), `seams` (a run of ten chunks) and
//! `long` (ten minutes). Recorded motion and clips lie below `$HANDSTREAM_SHARED` (default
//! `../shared`). Prints rows and writes them to `bench/results/refine.json`, set by set.

mod bursts;
#[allow(dead_code, reason = "shared with bench/accuracy, which uses all of it")]
#[path = "../accuracy/clips.rs"]
mod clips;
mod measure;
mod real;
#[allow(dead_code, reason = "shared with bench/accuracy, which uses all of it")]
#[path = "../accuracy/recording.rs"]
mod recording;
#[path = "../report.rs"]
mod report;
mod runs;
#[allow(dead_code, unused_imports, reason = "shared with bench/accuracy")]
mod scene;
mod scenes;
#[allow(dead_code, reason = "shared with bench/accuracy, which uses all of it")]
#[path = "../accuracy/stereo.rs"]
mod stereo;

use anyhow::Result;
use report::Runs;

/// Units of the numbers.
const UNITS: &str = "millimetres; acc in mm/frame^2 at 30 frames a second; jerk in 10 m/s^3; rte in percent; pen in cm^3; times in milliseconds";

/// Names of the sets and what runs them.
const SETS: [(&str, Runs); 9] = [
    ("scenes", scenes::scenes),
    ("walking", scenes::walking),
    ("ablations", scenes::ablations),
    ("bursts", bursts::bursts),
    ("stereo", real::stereo),
    ("still", real::still),
    ("speed", runs::speed),
    ("seams", runs::seams),
    ("long", runs::long),
];

fn main() -> Result<()> {
    report::run("refine", UNITS, &SETS)
}
