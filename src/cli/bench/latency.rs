//! `handstream bench latency SOURCE`: from a picture's due time to its pose, as a camera would give it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use handstream::detect::Search;
use handstream::engine::{Delivery, FrontEndConfig, HandFrontEnd, Recorded, Recorder, Watchdog};
use handstream::hand::HandModel;
use handstream::recording::{PicturesFrom, RecordingHead};
use handstream::source::{OpenOptions, Source, open};
use serde_json::{Value, json};

use super::film::Film;
use super::machine;
use super::mediapipe::{Answer, MediaPipe};
use super::paced::{FrameTimes, Pace, PacedRun, TOTAL, WARM_UP, replay};
use super::report::{self, Heading, Plotted};
use super::statistics::{PARTS, Samples};
use crate::cli::intrinsics::IntrinsicsArgs;
use crate::cli::pipeline::Pipeline;
use crate::cli::record::typed;
use crate::cli::second_pass::SecondPassArgs;
use crate::cli::setup;

/// Milliseconds in a second.
const SECOND: f64 = 1e3;
/// Names of the two ways to replay.
const IDLE: &str = "background idle";
const BUSY: &str = "background busy";
const RECORDED: &str = "background busy, recorded";
/// Hands that both programs follow at most.
const MOST_HANDS: usize = 2;

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
    /// When the picture is searched for hands not followed yet.
    #[arg(long, value_enum, default_value_t)]
    search: SearchName,
    /// Also replay with the background busy while the run is recorded here with its pictures, as a camera's is.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Also replay the same pictures to another program, in turns with ours.
    #[arg(long, value_enum)]
    vs: Option<Rival>,
    /// The Python that has it; default: that of HANDSTREAM_PYTHON, else python3.
    #[arg(long, value_name = "PATH", requires = "vs")]
    python: Option<PathBuf>,
    /// Write all numbers here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with plots here.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    #[command(flatten)]
    intrinsics: IntrinsicsArgs,
    #[command(flatten)]
    second_pass: SecondPassArgs,
}

/// [`Search`], as a user types it.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum SearchName {
    /// Before the frame's hands are published, as offline.
    WithFrame,
    /// Behind the publication, as `live` does.
    #[default]
    Behind,
}

impl From<SearchName> for Search {
    fn from(name: SearchName) -> Self {
        match name {
            SearchName::WithFrame => Search::WithFrame,
            SearchName::Behind => Search::Behind,
        }
    }
}

/// What we are compared with.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rival {
    /// MediaPipe's own Python package: only the time of its calls counts, not its waiting.
    Mediapipe,
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
        let mut rival = match self.vs {
            Some(Rival::Mediapipe) => Some(MediaPipe::start(self.python.as_deref(), &film, MOST_HANDS)?),
            None => None,
        };
        let mut measured = Measured::default();
        for _ in 0..self.rounds {
            measured.idle.extend(self.replay(&film, Background::Idle, None)?);
            measured.busy.extend(self.replay(&film, Background::Busy, None)?);
            if let Some(path) = &self.record {
                measured.recorded.extend(self.replay(&film, Background::Busy, Some(path))?);
            }
            if let Some(rival) = &mut rival {
                measured.mediapipe.extend(rival.replay(f64::from(self.fps))?);
            }
        }
        measured.version = rival.map(|rival| rival.version.clone());
        self.tell(&film, measured)
    }

    /// Prints the tables and writes the files.
    fn tell(&self, film: &Film, measured: Measured) -> Result<()> {
        let deadline = self.deadline.unwrap_or(SECOND / f64::from(self.fps));
        let json = self.results(film, &measured, deadline);
        print_table(IDLE, &measured.idle, deadline);
        print_table(BUSY, &measured.busy, deadline);
        if let Some(Recorded { frames, missing, bytes }) = measured.recorded.recorded {
            print_table(RECORDED, &measured.recorded, deadline);
            let rate = bytes as f64 / measured.recorded.wall.max(f64::MIN_POSITIVE) / 1e6;
            println!("  {frames} frames recorded, {missing} missing, {rate:.1} MB/s");
        }
        if let Some(version) = &measured.version {
            let times: Samples = measured.mediapipe.iter().map(|answer| answer.took).collect();
            print!("  {:<12}", "mediapipe");
            PARTS.iter().for_each(|(_, part)| print!(" {:>8.2}", times.quantile(*part)));
            println!("  ({version}, its calls alone)");
        }
        if let Some(path) = &self.json {
            std::fs::write(path, format!("{json:#}\n"))
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        match &self.report {
            Some(path) => report::write(path, &self.heading(film, deadline), &measured.plotted()),
            None => Ok(()),
        }
    }

    fn heading(&self, film: &Film, deadline: f64) -> Heading {
        let machine = machine::describe();
        let name = Path::new(&film.info.name).file_name();
        Heading {
            source: name.map_or_else(|| film.info.name.clone(), |name| name.to_string_lossy().into_owned()),
            picture: film.info.size.to_string(),
            fps: f64::from(self.fps),
            deadline,
            machine: format!(
                "{}, {} cores",
                machine["processor"].as_str().unwrap_or("unknown processor"),
                machine["cores"]
            ),
            command: machine::command(),
        }
    }

    /// One replay with a fresh front end, recorded to the file that is given.
    fn replay(&self, film: &Film, background: Background, record: Option<&PathBuf>) -> Result<PacedRun> {
        let fps = f64::from(self.fps);
        let model = Arc::new(HandModel::open());
        let camera = self.intrinsics.camera(&film.info)?;
        let run_info = Pipeline::run_info(film.at(fps).info(), &camera, &model, None);
        let delivery = Delivery::Newest { paced: true };
        let second_pass = match background {
            Background::Idle => None,
            Background::Busy => {
                let watchdog = Watchdog::default();
                self.second_pass.start(&model, &run_info, delivery, false, None, &watchdog)?
            }
        };
        let head = RecordingHead::new(&run_info, typed(), PicturesFrom::Here, true);
        let recorder = record.map(|path| Recorder::start(path, &head, delivery)).transpose()?;
        let models = setup::models()?;
        let mut config = FrontEndConfig::default();
        config.tracker.search = self.search.into();
        config.tracker.max_hands = MOST_HANDS;
        let front_end = HandFrontEnd::new(&models, model, camera, config)?;
        let abreast = self.search == SearchName::WithFrame;
        let pace = Pace { fps, read_rate: f64::from(self.read_rate), abreast };
        replay(film, run_info, Box::new(front_end), second_pass, recorder, pace)
    }

    fn results(&self, film: &Film, measured: &Measured, deadline: f64) -> Value {
        let Measured { idle, busy, recorded, mediapipe, version } = measured;
        let mut results = busy.json(deadline);
        let total = |run: &PacedRun, part| run.samples(TOTAL).quantile(part);
        let rival = version.as_ref().map(|version| {
            let times: Samples = mediapipe.iter().map(|answer| answer.took).collect();
            let ratio = |run, part| rounded(total(run, part) / times.quantile(part).max(f64::MIN_POSITIVE));
            json!({
                "what": "the time of its calls alone; ours from the due time on",
                "version": version,
                "frames": mediapipe.len(),
                "hands": mediapipe.iter().map(|answer| answer.hands).sum::<usize>(),
                "latency_ms": times.json(),
                "ours_idle_to_it": {"p50": ratio(idle, 0.5), "p99": ratio(idle, 0.99)},
                "ours_busy_to_it": {"p50": ratio(busy, 0.5), "p99": ratio(busy, 0.99)},
            })
        });
        let memory = machine::memory().map(|[now, peak]| {
            let pictures = film.frames.len() * film.info.size.rgb_bytes();
            json!({"now": now, "peak": peak, "of_it_decoded_pictures": pictures})
        });
        let busy_to_idle = total(busy, 0.99) / total(idle, 0.99).max(f64::MIN_POSITIVE);
        let more = json!({
            "what": "milliseconds from a frame's due time to its published hands; top level: background busy",
            "warm_up_frames": WARM_UP,
            "idle": idle.json(deadline),
            "busy_to_idle_p99": rounded(busy_to_idle),
            "recorded": recorded.recorded.map(|_| recorded.json(deadline)),
            "mediapipe": rival,
            "source": film.info.name,
            "picture": film.info.size.to_string(),
            "fps": self.fps,
            "rounds": self.rounds,
            "memory_bytes": memory,
            "machine": machine::describe(),
            "command": machine::command(),
            "version": env!("CARGO_PKG_VERSION"),
        });
        if let (Value::Object(results), Value::Object(more)) = (&mut results, more) {
            results.extend(more);
        }
        results
    }
}

/// All replays.
#[derive(Default)]
struct Measured {
    idle: PacedRun,
    busy: PacedRun,
    /// As busy, with a recording beside it.
    recorded: PacedRun,
    mediapipe: Vec<Answer>,
    /// Version of the rival, if it took part.
    version: Option<String>,
}

impl Measured {
    fn plotted(self) -> Vec<Plotted> {
        let mut runs = vec![
            Plotted { name: IDLE.into(), main: false, run: self.idle },
            Plotted { name: BUSY.into(), main: true, run: self.busy },
        ];
        if self.recorded.recorded.is_some() {
            runs.push(Plotted { name: RECORDED.into(), main: false, run: self.recorded });
        }
        if let Some(version) = self.version {
            let frame = |answer: &Answer| FrameTimes { total: answer.took, ..FrameTimes::default() };
            let run = PacedRun { frames: self.mediapipe.iter().map(frame).collect(), ..PacedRun::default() };
            runs.push(Plotted { name: format!("MediaPipe {version} for Python"), main: false, run });
        }
        runs
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn print_table(name: &str, run: &PacedRun, deadline: f64) {
    println!(
        "{name}: {} frames, {} dropped, {} later than {deadline:.1} ms, {} chunks refined",
        run.frames.len(),
        run.dropped,
        run.deadline_misses(deadline),
        run.refined
    );
    if let (Some(ours), Some([others, stolen])) = (run.processor, run.others) {
        println!(
            "  of {:.1} s on each core: {ours:.1} s ours, {others:.1} s other programs', {stolen:.1} s stolen by other \
             machines",
            run.wall
        );
    }
    print!("  {:<12}", "ms");
    PARTS.iter().for_each(|(part, _)| print!(" {part:>8}"));
    println!();
    let rows = run.stages().into_iter().chain([TOTAL]);
    let rows = rows.map(|name| (name, run.samples(name)));
    let ages: Samples = run.ages.iter().copied().collect();
    for (name, samples) in rows.chain([("age at read", ages)]) {
        print!("  {name:<12}");
        PARTS.iter().for_each(|(_, part)| print!(" {:>8.2}", samples.quantile(*part)));
        println!();
    }
}
