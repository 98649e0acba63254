//! Odometry on every kind of camera motion: errors, states, time and memory.
//!
//! `cargo bench --bench odometry [-- SET...]` with the sets `hololens` (a real path with truth, five starts),
//! `room` (the built-in room with a carried camera and two hands), `still` (real clips from a stand), `turn`
//! (a camera that turns on the spot), `kitchen` (head camera, no truth) and `speed` (5,000 frames). Real
//! pictures lie below `$HANDSTREAM_SHARED` (default `../shared`); masks on them need the networks of
//! `handstream setup`. Prints rows and writes them to `bench/results/odometry.json`, set by set.

mod clips;
mod follow;
#[path = "../report.rs"]
mod report;
mod scenes;
mod speed;
mod turn;

use anyhow::Result;
use report::Runs;

/// Units of the numbers.
const UNITS: &str =
    "degrees, milliseconds, percent of the true path's length; depths: in medians of the scene's depth";

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
    report::run("odometry", UNITS, &SETS)
}
