//! Rows on the screen and in `bench/results/refine.json`.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/results/refine.json");

/// Rows by set; sets that did not run keep the rows of the file.
pub struct Report {
    sets: Map<String, Value>,
    set: String,
}

impl Report {
    /// Starts from the file of the last run.
    pub fn open() -> Result<Self> {
        let old =
            if Path::new(FILE).exists() { std::fs::read_to_string(FILE).context(FILE)? } else { "{}".into() };
        let old: Value = serde_json::from_str(&old).context(FILE)?;
        let sets = old.get("sets").and_then(Value::as_object).cloned().unwrap_or_default();
        Ok(Self { sets, set: String::new() })
    }

    /// Rows that follow belong to `set`, whose old ones go.
    pub fn begin(&mut self, set: &str) {
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
        println!("{name:<40} {}", words.join("  "));
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
        println!("skipped: {reason}");
    }

    /// Writes the file.
    pub fn finish(self) -> Result<()> {
        let ran: Vec<&str> = self.sets.keys().map(String::as_str).collect();
        let report = json!({
            "command": format!("cargo bench --bench refine -- {}", ran.join(" ")),
            "units": "millimetres; acc in mm/frame^2 at 30 frames a second; jerk in 10 m/s^3; rte in percent; pen in cm^3; times in milliseconds",
            "sets": self.sets,
        });
        std::fs::write(FILE, serde_json::to_string_pretty(&report)? + "\n").context(FILE)
    }
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
