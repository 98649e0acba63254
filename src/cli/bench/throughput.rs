//! `handstream bench throughput SOURCE`: frames as fast as they go.
//!
//! The two scenarios are MLPerf's: *single stream* asks for the next frame when the one before is answered and
//! tells the latency; *offline* gives all frames at once and tells how many are answered in a second, here with
//! as many independent streams as there are cores.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use handstream::engine::{FrontEnd, FrontEndConfig, HandFrontEnd};
use handstream::frame::{Frame, Timestamp};
use handstream::hand::HandModel;
use handstream::source::{OpenOptions, open};
use serde_json::{Value, json};

use super::film::Film;
use super::machine;
use super::statistics::{PARTS, Samples};
use crate::cli::intrinsics::IntrinsicsArgs;
use crate::cli::setup;

/// Frames that every front end sees before the clock starts.
const WARM_UP: usize = 10;

#[derive(Args)]
pub struct ThroughputArgs {
    /// A video or a folder of pictures.
    source: String,
    /// Stop after N frames of it.
    #[arg(long, value_name = "N")]
    frames: Option<usize>,
    /// How long each scenario lasts; the film is played again as often as needed.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Streams side by side in the offline scenario; default: one for each core.
    #[arg(long, value_name = "N")]
    streams: Option<usize>,
    /// Memory for pictures decoded ahead, megabytes.
    #[arg(long, value_name = "MB", default_value_t = 1024)]
    memory: usize,
    /// Write all numbers here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    intrinsics: IntrinsicsArgs,
}

impl ThroughputArgs {
    /// Measures, prints, and writes the file asked for.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        let source = open(&self.source, &OpenOptions::default())?;
        let film =
            Film::decode(source, self.frames.unwrap_or(usize::MAX), self.memory.saturating_mul(1 << 20))?;
        let lasts = Duration::from_secs(self.seconds);
        let single = answer_times(&film, &mut self.front_end(&film)?, lasts);
        let samples: Samples = single.iter().copied().collect();
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let streams = self.streams.unwrap_or(cores).max(1);
        let rate = self.offline(&film, streams, lasts)?;
        print!("single stream: {} frames; ms", single.len());
        PARTS.iter().for_each(|(name, part)| print!("  {name} {:.2}", samples.quantile(*part)));
        println!();
        println!("offline: {rate:.1} frames/s with {streams} streams side by side");
        if let Some(path) = &self.json {
            let json = self.results(&film, single.len(), &samples, streams, rate);
            std::fs::write(path, format!("{json:#}\n"))
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(())
    }

    fn front_end(&self, film: &Film) -> Result<HandFrontEnd> {
        let camera = self.intrinsics.camera(&film.info)?;
        let model = Arc::new(HandModel::open());
        Ok(HandFrontEnd::new(&setup::models()?, model, camera, FrontEndConfig::default())?)
    }

    /// Frames a second of all streams together.
    fn offline(&self, film: &Film, streams: usize, lasts: Duration) -> Result<f64> {
        let mut front_ends = (0..streams).map(|_| self.front_end(film)).collect::<Result<Vec<_>>>()?;
        let start = Instant::now();
        let answered = thread::scope(|scope| {
            let streams: Vec<_> = front_ends
                .iter_mut()
                .map(|front_end| scope.spawn(move || answer_times(film, front_end, lasts).len()))
                .collect();
            streams.into_iter().map(|stream| stream.join().ok()).sum::<Option<usize>>()
        });
        let answered = answered.ok_or_else(|| anyhow!("a stream stopped on an internal error"))?;
        Ok((answered + WARM_UP * streams) as f64 / start.elapsed().as_secs_f64())
    }

    fn results(&self, film: &Film, frames: usize, single: &Samples, streams: usize, rate: f64) -> Value {
        json!({
            "what": "single stream: milliseconds from a frame to its hands, the next follows at once; offline: frames a second of all streams",
            "source": film.info.name,
            "picture": film.info.size.to_string(),
            "single_stream": {"frames": frames, "latency_ms": single.json()},
            "offline": {"streams": streams, "frames_per_second": (rate * 100.0).round() / 100.0},
            "memory_bytes": machine::memory(),
            "machine": machine::describe(),
            "command": machine::command(),
            "version": env!("CARGO_PKG_VERSION"),
        })
    }
}

/// Milliseconds of each answer, the next frame following at once, for as long as it lasts.
fn answer_times(film: &Film, front_end: &mut dyn FrontEnd, lasts: Duration) -> Vec<f64> {
    let mut times = Vec::new();
    let start = Instant::now();
    for number in 0.. {
        let shown = &film.frames[number % film.frames.len()];
        // The film's end is followed by its beginning: to the tracker that is one stream.
        let timestamp = Timestamp::from_seconds(number as f64 / film.info.fps);
        let frame =
            Frame { pixels: shown.pixels.clone(), size: shown.size, timestamp, sequence: number as u64 };
        let begin = Instant::now();
        front_end.process(&frame);
        if number >= WARM_UP {
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        if start.elapsed() >= lasts {
            break;
        }
    }
    times
}
