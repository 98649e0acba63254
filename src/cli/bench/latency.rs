//! `handstream bench latency SOURCE`: from a picture's due time to its pose, as a camera would give it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use handstream::engine::{Delivery, FrontEndConfig, HandFrontEnd};
use handstream::event::RunInfo;
use handstream::hand::HandModel;
use handstream::source::{OpenOptions, open};
use serde_json::{Value, json};

use super::film::Film;
use super::machine;
use super::paced::{Pace, PacedRun, replay};
use super::statistics::{PARTS, Samples};
use crate::cli::intrinsics::IntrinsicsArgs;
use crate::cli::second_pass::SecondPassArgs;
use crate::cli::setup;

/// Milliseconds in a second.
const SECOND: f64 = 1e3;

#[derive(Args)]
pub struct LatencyArgs {
    /// A video or a folder of pictures.
    source: String,
    /// Frames a second at which it is replayed.
    #[arg(long, value_name = "FPS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1000))]
    fps: u32,
    /// Stop after N frames.
    #[arg(long, value_name = "N")]
    frames: Option<usize>,
    /// How often the film is replayed, with the background idle and busy in turn.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Latest time after the due time at which a pose still counts as in time, milliseconds; default: one frame.
    #[arg(long, value_name = "MS")]
    deadline: Option<f64>,
    /// Reads of the newest pose a second, for its age.
    #[arg(long, value_name = "HZ", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    read_rate: u32,
    /// Memory for pictures decoded ahead, megabytes; what does not fit is left out, and that is said.
    #[arg(long, value_name = "MB", default_value_t = 2048)]
    memory: usize,
    /// Write all numbers here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    intrinsics: IntrinsicsArgs,
    #[command(flatten)]
    second_pass: SecondPassArgs,
}

/// What the background does during a replay.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Background {
    /// Nothing.
    Idle,
    /// Odometry and the second pass.
    Busy,
}

impl LatencyArgs {
    /// Measures, prints the table, and writes the files asked for.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        let source = open(&self.source, &OpenOptions::default())?;
        let film =
            Film::decode(source, self.frames.unwrap_or(usize::MAX), self.memory.saturating_mul(1 << 20))?;
        if film.cut {
            println!(
                "only the first {} pictures fit into {} MB: give more with --memory",
                film.frames.len(),
                self.memory
            );
        }
        let mut idle = PacedRun::default();
        let mut busy = PacedRun::default();
        for _ in 0..self.rounds {
            idle.extend(self.replay(&film, Background::Idle)?);
            busy.extend(self.replay(&film, Background::Busy)?);
        }
        let deadline = self.deadline.unwrap_or(SECOND / f64::from(self.fps));
        let json = self.results(&film, &idle, &busy, deadline);
        print_table("background idle", &idle, deadline);
        print_table("background busy", &busy, deadline);
        if let Some(path) = &self.json {
            std::fs::write(path, format!("{json:#}\n"))
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(())
    }

    /// One replay with a fresh front end.
    fn replay(&self, film: &Film, background: Background) -> Result<PacedRun> {
        let fps = f64::from(self.fps);
        let model = Arc::new(HandModel::open());
        let camera = self.intrinsics.camera(&film.info)?;
        let run_info = RunInfo {
            source: film.info.name.clone(),
            size: film.info.size,
            fps,
            frame_count: Some(film.frames.len() as u64),
            camera: camera.clone(),
            hand_model: model.name().to_string(),
        };
        let second_pass = match background {
            Background::Idle => None,
            Background::Busy => {
                let delivery = Delivery::Newest { paced: true };
                self.second_pass.start(model.clone(), &camera, fps, delivery, false, None)?
            }
        };
        let models = setup::models()?;
        let mut front_end = HandFrontEnd::new(&models, model, camera, FrontEndConfig::default())?;
        let pace = Pace { fps, read_rate: f64::from(self.read_rate) };
        replay(film, run_info, &mut front_end, second_pass, pace)
    }

    fn results(&self, film: &Film, idle: &PacedRun, busy: &PacedRun, deadline: f64) -> Value {
        let mut results = busy.json(deadline);
        let p99 = |run: &PacedRun| run.samples("total").quantile(0.99);
        let more = json!({
            "what": "milliseconds from a frame's due time to its published hands; top level: background busy",
            "idle": idle.json(deadline),
            "busy_to_idle_p99": p99(busy) / p99(idle).max(f64::MIN_POSITIVE),
            "source": film.info.name,
            "picture": film.info.size.to_string(),
            "fps": self.fps,
            "rounds": self.rounds,
            "memory_bytes": machine::memory(),
            "machine": machine::describe(),
            "command": std::env::args().collect::<Vec<_>>().join(" "),
            "version": env!("CARGO_PKG_VERSION"),
        });
        if let (Value::Object(results), Value::Object(more)) = (&mut results, more) {
            results.extend(more);
        }
        results
    }
}

fn print_table(name: &str, run: &PacedRun, deadline: f64) {
    println!(
        "{name}: {} frames, {} dropped, {} later than {deadline:.1} ms, {} chunks refined",
        run.frames.len(),
        run.dropped,
        run.deadline_misses(deadline),
        run.refined
    );
    print!("  {:<12}", "ms");
    PARTS.iter().for_each(|(part, _)| print!(" {part:>8}"));
    println!();
    let rows = run.stages().into_iter().chain(["wait", "overhead", "total"]);
    let rows = rows.map(|name| (name, run.samples(name)));
    let ages: Samples = run.ages.iter().copied().collect();
    for (name, samples) in rows.chain([("age at read", ages)]) {
        print!("  {name:<12}");
        PARTS.iter().for_each(|(_, part)| print!(" {:>8.2}", samples.quantile(*part)));
        println!();
    }
}
