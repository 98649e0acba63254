//! Sets of rows: run by name, shown on the screen, kept in a file of `bench/results` set by set.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

/// Width of a row's name on the screen.
const NAME_WIDTH: usize = 40;

/// What runs a set.
pub type Runs = fn(&mut Report) -> Result<()>;

/// Runs the sets that the command line names, all where it names none, and writes `bench/results/BENCH.json`; sets
/// that do not run keep their rows there.
pub fn run(bench: &'static str, units: &str, sets: &[(&str, Runs)]) -> Result<()> {
    // Cargo passes flags of its own.
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let names: Vec<&str> = sets.iter().map(|(name, _)| *name).collect();
    for name in &asked {
        ensure!(names.contains(&name.as_str()), "{name} is no set: give any of {}", names.join(", "));
    }
    let mut report = Report::open(bench)?;
    for (name, run) in sets {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            report.begin(name);
            run(&mut report)?;
        }
    }
    report.finish(units)
}

/// Rows by set.
pub struct Report {
    bench: &'static str,
    sets: Map<String, Value>,
    set: String,
}

impl Report {
    /// Starts from the file of the last run.
    fn open(bench: &'static str) -> Result<Self> {
        let file = file(bench);
        let old = if file.exists() { std::fs::read_to_string(&file) } else { Ok("{}".into()) };
        let old = old.with_context(|| file.display().to_string())?;
        let old: Value = serde_json::from_str(&old).with_context(|| file.display().to_string())?;
        let sets = old.get("sets").and_then(Value::as_object).cloned().unwrap_or_default();
        Ok(Self { bench, sets, set: String::new() })
    }

    /// Rows that follow belong to `set`, whose old ones go.
    fn begin(&mut self, set: &str) {
        println!("## {set}");
        self.set = set.to_owned();
        self.sets.insert(self.set.clone(), json!({}));
    }

    /// One row: its name and its values.
    pub fn row(&mut self, name: &str, values: Value) {
        let words: Vec<String> = values
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| match value.as_f64() {
                Some(number) => format!("{key} {}", rounded(number)),
                None => format!("{key} {value}"),
            })
            .collect();
        println!("{name:<NAME_WIDTH$} {}", words.join("  "));
        if let Some(Value::Object(rows)) = self.sets.get_mut(&self.set) {
            rows.insert(name.to_owned(), values);
        }
    }

    /// A line for the screen alone.
    pub fn say(&self, words: &str) {
        println!("{words}");
    }

    /// Says why rows are missing.
    pub fn skip(&self, reason: &str) {
        self.say(&format!("skipped: {reason}"));
    }

    /// Writes the file.
    fn finish(self, units: &str) -> Result<()> {
        let ran: Vec<&str> = self.sets.keys().map(String::as_str).collect();
        let report = json!({
            "command": format!("cargo bench --bench {} -- {}", self.bench, ran.join(" ")),
            "units": units,
            "sets": self.sets,
        });
        let file = file(self.bench);
        std::fs::write(&file, serde_json::to_string_pretty(&report)? + "\n")
            .with_context(|| file.display().to_string())
    }
}

fn file(bench: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/results")).join(format!("{bench}.json"))
}

/// Four digits.
pub fn rounded(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    let digits = 10_f64.powf(3.0 - number.abs().log10().floor());
    (number * digits).round() / digits
}

/// The middle value; for an even number the upper of the two.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
