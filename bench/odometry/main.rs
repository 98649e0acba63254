//! Odometry on every kind of camera motion: errors, states, time and memory.
//!
//! `cargo bench --bench odometry [-- SET...]` with the sets `hololens` (a real path with truth, five starts),
//! `room` (the built-in room with a carried camera and two hands), `still` (real clips from a stand), `turn`
//! (a camera that turns on the spot), `kitchen` (head camera, no truth) and `speed` (5,000 frames). Real
//! pictures lie below `$HANDSTREAM_SHARED` (default `../shared`); masks on them need the networks of
//! `handstream setup`. Prints rows and writes them to `bench/results/odometry.json`, set by set.

mod clips;
mod follow;
mod report;
mod scenes;
mod speed;
mod turn;

use anyhow::{Result, ensure};
use report::Report;

/// What runs a set.
type Runs = fn(&mut Report) -> Result<()>;

/// Names of the sets and what runs them.
const SETS: [(&str, Runs); 6] = [
    ("hololens", clips::hololens),
    ("room", scenes::room),
    ("still", clips::still),
    ("turn", turn::turn),
    ("kitchen", clips::kitchen),
    ("speed", speed::speed),
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
