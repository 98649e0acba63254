//! The tables, and the file that keeps them.

use std::path::Path;

use anyhow::{Context, Result};
use handstream::metrics::{MEASURES, MatchedHand};
use serde::Serialize;

use super::methods::Outcome;
use super::recording::{Estimate, Recording};
use super::steadiness::bone_change_percent;

/// How to run this program, written beside its numbers.
const COMMAND: &str = "cargo bench --bench accuracy";
/// Where the numbers go.
const RESULTS: &str = "bench/results/accuracy.json";
/// The measures of the table, by their key in [`MEASURES`].
const SHOWN: [&str; 6] = ["pa_mpjpe", "ra_mpjpe", "ga_mpjpe", "fa_mpjpe", "acc", "root_depth_percent"];

/// One method on one set with known truth.
#[derive(Serialize)]
pub struct AccuracyRow {
    set: String,
    method: String,
    frames: usize,
    /// The measures [`SHOWN`], mean over the set's sequences weighted by their frames.
    measures: serde_json::Map<String, serde_json::Value>,
    /// Largest change of a bone's length within a track after its first second.
    bone_change_percent: Option<f64>,
    /// Wall time of one hand, without detection; `None` for the whole engine.
    ms_p50: Option<f64>,
    ms_p99: Option<f64>,
}

/// One number of one method where no truth is needed.
#[derive(Serialize)]
pub struct SteadinessRow {
    method: String,
    /// Frames, or stretches of frames, over which the median goes.
    count: usize,
    millimetres: f64,
}

impl SteadinessRow {
    /// A median of `millimetres` over `count` frames or stretches.
    pub fn new(method: &str, millimetres: f64, count: usize) -> Self {
        Self { method: method.to_owned(), count, millimetres: rounded(millimetres) }
    }
}

/// All tables.
#[derive(Serialize)]
pub struct Report {
    command: &'static str,
    hand_model: String,
    pub accuracy: Vec<AccuracyRow>,
    /// Median distance of the hands that two cameras see.
    pub two_cameras: Vec<SteadinessRow>,
    /// Shaking of a hand at rest: root mean square over 15 frames.
    pub jitter: Vec<SteadinessRow>,
    /// The same about each joint's straight line over the 15 frames.
    pub jitter_about_drift: Vec<SteadinessRow>,
}

impl Report {
    /// Empty tables.
    pub fn new(hand_model: &str) -> Self {
        Self {
            command: COMMAND,
            hand_model: hand_model.to_owned(),
            accuracy: Vec::new(),
            two_cameras: Vec::new(),
            jitter: Vec::new(),
            jitter_about_drift: Vec::new(),
        }
    }

    /// Prints the tables and writes the file.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn finish(&self) -> Result<()> {
        print!("{:10} {:36} {:>6} ", "", "", "frames");
        println!(
            "{:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>8} {:>7} {:>7}",
            "PA", "RA", "GA", "FA", "ACC", "depth", "bones", "ms p50", "ms p99"
        );
        for row in &self.accuracy {
            print!("{:10} {:36} {:6} ", row.set, row.method, row.frames);
            for key in SHOWN {
                let unit = if key.ends_with("percent") { "%" } else { "" };
                let value = row.measures.get(key).and_then(serde_json::Value::as_f64);
                print!("{:>6} ", value.map_or("-".to_owned(), |value| format!("{value:.1}{unit}")));
            }
            let bones = row.bone_change_percent.map_or("-".to_owned(), |change| format!("{change:.2}%"));
            let [p50, p99] =
                [row.ms_p50, row.ms_p99].map(|ms| ms.map_or("-".to_owned(), |ms| format!("{ms:.2}")));
            println!("{bones:>8} {p50:>7} {p99:>7}");
        }
        println!("PA RA GA FA in mm, ACC in mm/frame^2\n");
        let tables = [
            ("two cameras, median distance", &self.two_cameras),
            ("jitter of a hand held still", &self.jitter),
            ("the same about its drift", &self.jitter_about_drift),
        ];
        for (title, rows) in tables {
            for row in rows {
                println!("{title:30} {:36} {:8.2} mm", row.method, row.millimetres);
            }
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RESULTS);
        std::fs::create_dir_all(path.parent().context("results have a folder")?)?;
        std::fs::write(&path, serde_json::to_string_pretty(self)? + "\n")?;
        Ok(())
    }
}

/// Three decimals: more would only make noise between runs.
pub fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

impl AccuracyRow {
    /// A method's outcomes on all recordings of a set.
    pub fn of(set: &str, method: &str, recordings: &[&Recording], outcomes: &[Outcome]) -> Self {
        let estimates: Vec<&[Option<Estimate>]> = outcomes.iter().map(|o| o.estimates.as_slice()).collect();
        let mut times: Vec<f64> = outcomes.iter().flat_map(|outcome| outcome.milliseconds.clone()).collect();
        times.sort_by(f64::total_cmp);
        let percentile = |percent: usize| times.get(times.len() * percent / 100).copied().map(rounded);
        Self {
            ms_p50: percentile(50),
            ms_p99: percentile(99),
            ..Self::of_estimates(set, method, recordings, &estimates)
        }
    }

    /// Estimates of which no times are known.
    pub fn of_estimates(
        set: &str,
        method: &str,
        recordings: &[&Recording],
        estimates: &[&[Option<Estimate>]],
    ) -> Self {
        let both = || recordings.iter().zip(estimates);
        let matched: Vec<MatchedHand> = both().map(|(recording, e)| recording.matched(e)).collect();
        let changes = both().filter_map(|(recording, e)| bone_change_percent(e, recording.fps));
        let bone_change_percent = changes.reduce(f64::max).map(rounded);
        Self { bone_change_percent, ..Self::of_matched(set, method, &matched) }
    }

    /// Hands that are already beside the true ones.
    pub fn of_matched(set: &str, method: &str, matched: &[MatchedHand]) -> Self {
        let shown = MEASURES.iter().filter(|measure| SHOWN.contains(&measure.key)).map(|measure| {
            let values =
                matched.iter().filter_map(|hand| Some((measure.of(hand).ok()?, hand.frames() as f64)));
            let (sum, frames) =
                values.fold((0.0, 0.0), |(sum, all), (value, frames)| (sum + value * frames, all + frames));
            (measure.key.to_owned(), serde_json::json!((frames > 0.0).then_some(rounded(sum / frames))))
        });
        Self {
            set: set.to_owned(),
            method: method.to_owned(),
            frames: matched.iter().map(MatchedHand::frames).sum(),
            measures: shown.collect(),
            bone_change_percent: None,
            ms_p50: None,
            ms_p99: None,
        }
    }
}
