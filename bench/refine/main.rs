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
mod report;
mod runs;
mod scene;
mod scenes;
#[allow(dead_code, reason = "shared with bench/accuracy, which uses all of it")]
#[path = "../accuracy/stereo.rs"]
mod stereo;

use anyhow::{Result, ensure};
use report::Report;

/// What runs a set.
type Runs = fn(&mut Report) -> Result<()>;

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
    // Cargo passes flags of its own.
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let names = SETS.map(|(name, _)| name);
    for name in &asked {
        ensure!(names.contains(&name.as_str()), "{name} is no set: give any of {}", names.join(", "));
    }
    let mut report = Report::open()?;
    for (name, run) in SETS {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            report.begin(name);
            run(&mut report)?;
        }
    }
    report.finish()
}
