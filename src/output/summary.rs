//! `summary.json`: how many frames, how many hands, and how long each stage took.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::event::{Event, FrameHands, Refinement};
use crate::files::{PartFile, WriteError};

/// Longest latency a histogram tells apart, nanoseconds (a minute).
const LONGEST_NS: u64 = 60_000_000_000;
/// Significant decimal digits of a recorded latency.
const DIGITS: u8 = 3;
/// Counts told apart in `hands_per_frame`: none, one, two or more.
const HAND_COUNTS: usize = 3;

/// Latencies of one stage over a run.
#[derive(Clone)]
struct Latency {
    name: &'static str,
    histogram: Histogram<u64>,
}

/// Percentiles of a latency, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentiles {
    /// Median.
    pub p50: f64,
    /// 95 of 100 frames are at least as fast.
    pub p95: f64,
    /// 99 of 100 frames are at least as fast.
    pub p99: f64,
    /// The slowest frame.
    pub max: f64,
}

/// What the second pass did.
#[derive(Clone)]
struct Refined {
    chunks: u64,
    /// Time of each chunk.
    took: Latency,
    /// Age of each chunk's newest frame when it was done.
    age: Latency,
    world_scale: Option<f64>,
}

/// Collects the figures of a run from its events.
#[derive(Clone, Default)]
pub struct Summary {
    frames: u64,
    dropped: u64,
    warnings: Vec<String>,
    hands_per_frame: [u64; HAND_COUNTS],
    stages: Vec<Latency>,
    total: Option<Latency>,
    refinement: Option<Refined>,
    started: Option<Instant>,
    elapsed: Duration,
}

impl Summary {
    /// Takes one event of the run.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Frame { hands, .. } => self.frame(hands),
            Event::Refined(refinement) => self.refined(refinement),
            Event::Dropped { count } => self.dropped += count,
            Event::Warning(sentence) => self.warnings.push(sentence.clone()),
            Event::Trouble(trouble) => self.warnings.push(trouble.to_string()),
            Event::Started(_) => self.started = Some(Instant::now()),
            Event::SecondPass(_) | Event::Paused { .. } | Event::Finished => {}
        }
    }

    /// Frames that went through the front end.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Frames a live source delivered while the front end was busy.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Frames with no hand, one hand, two or more hands.
    pub fn hands_per_frame(&self) -> [u64; HAND_COUNTS] {
        self.hands_per_frame
    }

    /// Frames a second of the whole run, reading and writing included.
    pub fn fps(&self) -> f64 {
        if self.elapsed.is_zero() { 0.0 } else { self.frames as f64 / self.elapsed.as_secs_f64() }
    }

    /// Percentiles of every stage in the order they ran, `total` last.
    pub fn latencies(&self) -> impl Iterator<Item = (&'static str, Percentiles)> {
        self.stages.iter().chain(&self.total).map(|latency| (latency.name, latency.percentiles()))
    }

    /// Writes `summary.json`.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        let latencies: Map<String, Value> = self
            .latencies()
            .map(|(name, p)| {
                let value = json!({"p50": p.p50, "p95": p.p95, "p99": p.p99, "max": p.max});
                (name.to_string(), value)
            })
            .collect();
        let refined = self.refinement.as_ref().map(|refined| {
            let (took, age) = (refined.took.percentiles(), refined.age.percentiles());
            json!({
                "chunks": refined.chunks,
                "chunk_ms": {"p50": took.p50, "max": took.max},
                "age_ms": {"p50": age.p50, "max": age.max},
                "world_scale": refined.world_scale,
            })
        });
        let summary = json!({
            "frames": self.frames,
            "dropped": self.dropped,
            "hands_per_frame": self.hands_per_frame,
            "fps": (self.fps() * 100.0).round() / 100.0,
            "latency_ms": latencies,
            "refined": refined,
            "warnings": self.warnings,
        });
        let mut file = PartFile::create(path)?;
        file.write(format!("{summary:#}\n").as_bytes())?;
        file.commit()
    }

    fn refined(&mut self, refinement: &Refinement) {
        let refined = self.refinement.get_or_insert_with(|| Refined {
            chunks: 0,
            took: Latency::new("chunk"),
            age: Latency::new("age"),
            world_scale: None,
        });
        refined.chunks += 1;
        refined.took.record(refinement.took);
        refined.age.record(refinement.age);
        refined.world_scale = refinement.world_scale.or(refined.world_scale);
    }

    fn frame(&mut self, hands: &FrameHands) {
        self.frames += 1;
        self.hands_per_frame[hands.hands.len().min(HAND_COUNTS - 1)] += 1;
        for stage in &hands.stages {
            let known = self.stages.iter().position(|latency| latency.name == stage.stage);
            let index = known.unwrap_or_else(|| {
                self.stages.push(Latency::new(stage.stage));
                self.stages.len() - 1
            });
            self.stages[index].record(stage.took);
        }
        self.total.get_or_insert_with(|| Latency::new("total")).record(hands.total);
        self.elapsed = self.started.map_or(Duration::ZERO, |started| started.elapsed());
    }
}

impl Latency {
    fn new(name: &'static str) -> Self {
        let histogram = Histogram::new_with_max(LONGEST_NS, DIGITS).expect("constants are in range");
        Self { name, histogram }
    }

    fn record(&mut self, took: Duration) {
        self.histogram.saturating_record(took.as_nanos().min(LONGEST_NS as u128) as u64);
    }

    fn percentiles(&self) -> Percentiles {
        let ms = |ns: u64| (ns as f64 / 1e3).round() / 1e3;
        let at = |quantile| ms(self.histogram.value_at_quantile(quantile));
        Percentiles { p50: at(0.50), p95: at(0.95), p99: at(0.99), max: ms(self.histogram.max()) }
    }
}

/// The table a person reads.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [none, one, two] = self.hands_per_frame;
        writeln!(
            f,
            "{} frames ({} dropped), hands in view: none {none}, one {one}, two or more {two}; {:.1} frames/s",
            self.frames,
            self.dropped,
            self.fps(),
        )?;
        writeln!(f, "  {:<12} {:>8} {:>8} {:>8} {:>8}", "ms", "p50", "p95", "p99", "max")?;
        for (name, p) in self.latencies() {
            writeln!(f, "  {name:<12} {:>8.2} {:>8.2} {:>8.2} {:>8.2}", p.p50, p.p95, p.p99, p.max)?;
        }
        if let Some(refined) = &self.refinement {
            let took = refined.took.percentiles();
            write!(
                f,
                "refined {} chunks in {:.0} ms each (slowest {:.0})",
                refined.chunks, took.p50, took.max
            )?;
            match refined.world_scale {
                Some(scale) => writeln!(f, "; {scale:.3} m in a unit of the camera's path")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}
