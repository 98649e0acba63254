//! `handstream bench soak SOURCE`: does it go on for long, and is everything told that goes wrong?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use crossbeam::channel::bounded;
use handstream::detect::Search;
use handstream::engine::{Delivery, FrontEndConfig, HandFrontEnd, PoseStore, Run, Session, Watchdog};
use handstream::event::{Event, Trouble, WorkerFailure};
use handstream::frame::Timestamp;
use handstream::hand::HandModel;
use handstream::output::Summary;
use handstream::source::{
    FaultAccount, FaultLedger, FaultLog, FaultySource, LoopedSource, OpenOptions, Opener, Source, open,
};
use serde_json::{Map, Value, json};

use super::machine;
use crate::cli::intrinsics::IntrinsicsArgs;
use crate::cli::pipeline::Pipeline;
use crate::cli::second_pass::SecondPassArgs;
use crate::cli::setup;

/// Time between two looks at the run's memory, and between two lines.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const LINE_EVERY: u32 = 12;
/// Share of the run, and most of it, that memory may still grow in.
const WARM_UP: f64 = 0.2;
const LONGEST_WARM_UP: Duration = Duration::from_secs(300);
/// Share of the looks after the warm-up that count as its begin and its end.
const EDGE: f64 = 0.2;
/// Growth of memory after the warm-up that is none, percent.
const MOST_GROWTH: f64 = 1.0;
/// A run from which nothing is heard for so long is deadlocked.
const DEADLOCK: Duration = Duration::from_secs(20);
/// The second pass may take so long for what it still has.
const LAST_CHUNKS: Duration = Duration::from_secs(120);
/// The program that reads the pose store asks so often.
const READ_EVERY: Duration = Duration::from_millis(11);

#[derive(Args)]
pub struct SoakArgs {
    /// A video or a folder of pictures; it is played over and over at its own speed.
    source: String,
    /// Minutes that the run goes on.
    #[arg(long, value_name = "N", default_value_t = 30.0)]
    minutes: f64,
    /// Let frames come late, in bursts, twice, out of order, damaged or not at all; the same seed does the same.
    #[arg(long, value_name = "SEED")]
    faults: Option<u64>,
    /// Write all numbers here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    intrinsics: IntrinsicsArgs,
    #[command(flatten)]
    second_pass: SecondPassArgs,
}

/// What is heard of the run.
struct Heard {
    ledger: FaultLedger,
    summary: Summary,
    /// How often each worker panicked or hung.
    failures: BTreeMap<(&'static str, &'static str), u64>,
    last: Instant,
}

impl SoakArgs {
    /// Runs, prints a line a minute, and says what became of it.
    ///
    /// # Errors
    /// One sentence for the user, also where the soak failed.
    pub fn run(self) -> Result<()> {
        ensure!(self.minutes.is_finite() && self.minutes > 0.0, "{} is no number of minutes", self.minutes);
        let (spec, log) = (self.source.clone(), FaultLog::default());
        let looped = LoopedSource::new(opened_ahead(spec)?)?;
        ensure!(!looped.info().live, "{} is a camera: this bench plays a film", looped.info().name);
        let delivery = Delivery::Newest { paced: self.faults.is_none() };
        let source: Box<dyn Source> = match self.faults {
            Some(seed) => Box::new(FaultySource::new(Box::new(looped), seed, log.clone())),
            None => Box::new(looped),
        };
        let info = source.info().clone();
        let (model, watchdog) = (Arc::new(HandModel::open()), Watchdog::default());
        let camera = self.intrinsics.camera(&info)?;
        let mut config = FrontEndConfig::default();
        config.tracker.search = Search::Behind;
        let front_end = HandFrontEnd::supply(&setup::models()?, &model, &camera, &config)?;
        let run_info = Pipeline::run_info(&info, &camera, &model, None);
        let second_pass = self.second_pass.start(&model, &run_info, delivery, false, None, &watchdog)?;
        let stop = Arc::new(AtomicBool::new(false));
        let interrupted = stop.clone();
        ctrlc::set_handler(move || interrupted.store(true, Ordering::Relaxed))
            .context("Ctrl-C cannot be caught on this system")?;
        let heard = Arc::new(Mutex::new(Heard {
            ledger: FaultLedger::new(log),
            summary: Summary::default(),
            failures: BTreeMap::new(),
            last: Instant::now(),
        }));
        let store = Arc::new(PoseStore::default());
        let listener = {
            let (heard, store) = (heard.clone(), store.clone());
            move |event: &Event| {
                store.event(event);
                heard.lock().unwrap_or_else(PoisonError::into_inner).event(event);
            }
        };
        let run = Run {
            source: source.into(),
            front_end,
            info: run_info,
            delivery,
            second_pass,
            watchdog,
            stop: stop.clone(),
        };
        let session = Session::start(run, listener)?;
        let reader = StoreReader::start(store)?;
        let soaked = self.watch(&session, &heard, &stop);
        stop.store(true, Ordering::Relaxed);
        let asked = Instant::now();
        while !session.ended() && asked.elapsed() < LAST_CHUNKS {
            thread::sleep(Duration::from_millis(50));
        }
        let in_order = session.stop();
        let reads = reader.finish();
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = Verdict::new(&mut heard, soaked, in_order);
        verdict.print();
        if let Some(path) = &self.json {
            let results = self.results(&verdict, &heard.summary, reads, info.fps);
            std::fs::write(path, format!("{results:#}\n"))
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        verdict.check()
    }

    /// Looks at the run until its time is over, it is stopped, or nothing is heard of it.
    fn watch(&self, session: &Session, heard: &Mutex<Heard>, stop: &AtomicBool) -> Soaked {
        let started = Instant::now();
        let length = Duration::from_secs_f64(60.0 * self.minutes);
        let mut soaked = Soaked { memory: Vec::new(), deadlocked: false, length };
        for look in 1.. {
            let next = started + LOOK_EVERY * look;
            while Instant::now() < next.min(started + length)
                && !stop.load(Ordering::Relaxed)
                && !session.ended()
            {
                thread::sleep(Duration::from_millis(50));
            }
            let elapsed = started.elapsed();
            soaked.memory.extend(machine::memory().map(|[now, _]| (elapsed.as_secs_f64(), now)));
            let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            soaked.deadlocked = heard.last.elapsed() > DEADLOCK;
            if look % LINE_EVERY == 0 {
                let memory = soaked.memory.last().map_or(0.0, |(_, bytes)| *bytes as f64 / 1e6);
                let (frames, dropped) = (heard.summary.frames(), heard.summary.dropped());
                println!(
                    "{:.0} min: {frames} frames, {dropped} dropped, {memory:.1} MB",
                    elapsed.as_secs_f64() / 60.0
                );
            }
            let over = elapsed >= length || stop.load(Ordering::Relaxed) || session.ended();
            if over || soaked.deadlocked {
                break;
            }
        }
        soaked.length = started.elapsed();
        soaked
    }

    fn results(&self, verdict: &Verdict, summary: &Summary, reads: u64, fps: f64) -> Value {
        let latency: Map<String, Value> = summary
            .latencies()
            .map(|(name, p)| {
                (name.to_owned(), json!({"p50": p.p50, "p95": p.p95, "p99": p.p99, "max": p.max}))
            })
            .collect();
        let file = Path::new(&self.source).file_name().map(|name| name.to_string_lossy());
        json!({
            "what": "a film played over and over as a camera with faults would give it, through the whole engine",
            "source": file,
            "fps": fps,
            "seed": self.faults,
            "minutes": verdict.soaked.length.as_secs_f64() / 60.0,
            "frames": summary.frames(),
            "dropped": summary.dropped(),
            "faults": verdict.faults(),
            "faults_not_told": verdict.account.missed.iter().map(|fault| format!("{fault:?}")).collect::<Vec<_>>(),
            "troubles_without_fault": verdict.account.others,
            "panics": verdict.panics,
            "hangs": verdict.hangs,
            "deadlocks": u64::from(verdict.soaked.deadlocked || !verdict.in_order),
            "memory_growth_percent": verdict.growth,
            "memory_mb": verdict.soaked.memory.iter().map(|(_, bytes)| *bytes as f64 / 1e6).collect::<Vec<_>>(),
            "memory_every_s": LOOK_EVERY.as_secs(),
            "pose_store_reads": reads,
            "latency_ms": latency,
            "command": machine::command(),
            "machine": machine::describe(),
            "version": env!("CARGO_PKG_VERSION"),
        })
    }
}

impl Heard {
    fn event(&mut self, event: &Event) {
        self.last = Instant::now();
        self.ledger.event(event);
        if let Event::Trouble(Trouble::Worker { worker, failure, .. }) = event {
            let how = match failure {
                WorkerFailure::Panicked(_) => "panicked",
                WorkerFailure::Hung(_) => "hung",
            };
            *self.failures.entry((worker.name(), how)).or_default() += 1;
        }
        // What faults cause is in the ledger; a summary would keep every sentence.
        if !matches!(event, Event::Trouble(_) | Event::Warning(_)) {
            self.summary.event(event);
        }
    }

    fn failures(&self, how: &str) -> u64 {
        self.failures.iter().filter(|((_, what), _)| *what == how).map(|(_, count)| count).sum()
    }
}

/// What was seen from outside.
struct Soaked {
    /// Seconds, and bytes of memory in use.
    memory: Vec<(f64, u64)>,
    deadlocked: bool,
    length: Duration,
}

impl Soaked {
    /// Growth of the memory in use from the end of the warm-up to the end, percent.
    fn growth(&self) -> Option<f64> {
        let warm = (WARM_UP * self.length.as_secs_f64()).min(LONGEST_WARM_UP.as_secs_f64());
        let after: Vec<f64> =
            self.memory.iter().filter(|(at, _)| *at > warm).map(|(_, bytes)| *bytes as f64).collect();
        let edge = ((EDGE * after.len() as f64).ceil() as usize).min(after.len());
        let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
        let (first, last) = (mean(after.get(..edge)?), mean(after.get(after.len() - edge..)?));
        Some(100.0 * (last / first - 1.0)).filter(|growth| growth.is_finite())
    }
}

/// What became of the soak.
struct Verdict {
    account: FaultAccount,
    soaked: Soaked,
    growth: Option<f64>,
    in_order: bool,
    panics: u64,
    hangs: u64,
}

impl Verdict {
    fn new(heard: &mut Heard, soaked: Soaked, in_order: bool) -> Self {
        let account = heard.ledger.account();
        let (panics, hangs) = (heard.failures("panicked"), heard.failures("hung"));
        Self { account, growth: soaked.growth(), soaked, in_order, panics, hangs }
    }

    fn faults(&self) -> Value {
        let kinds = self.account.kinds.iter();
        let kinds = kinds.map(|(kind, injected, told)| {
            (kind.name().to_owned(), json!({"injected": injected, "told": told}))
        });
        Value::Object(kinds.collect())
    }

    fn print(&self) {
        println!("{:<12} {:>9} {:>9}", "fault", "injected", "told");
        for (kind, injected, told) in &self.account.kinds {
            println!("{:<12} {injected:>9} {told:>9}", kind.name());
        }
        let growth = self.growth.map_or_else(|| "unknown".to_owned(), |growth| format!("{growth:+.2} %"));
        println!(
            "{} panics, {} hangs, memory after warm-up {growth}, {} troubles that are nobody's fault",
            self.panics, self.hangs, self.account.others
        );
    }

    fn check(&self) -> Result<()> {
        let missed = self.account.missed.len();
        ensure!(!self.soaked.deadlocked && self.in_order, "the run stopped answering: please report it");
        ensure!(self.panics == 0 && self.hangs == 0, "workers failed: please report what was printed");
        ensure!(missed == 0, "{missed} faults were not told: please report it");
        let growth = self.growth.unwrap_or_default();
        ensure!(growth < MOST_GROWTH, "memory grew by {growth:.1} % after the warm-up: run it for longer");
        Ok(())
    }
}

/// Opens a film again while it is still played, so that its next pass begins without a pause.
fn opened_ahead(spec: String) -> std::io::Result<Opener> {
    let (give, films) = bounded(0);
    let ahead = spec.clone();
    thread::Builder::new().name("opener".into()).spawn(move || {
        // Nobody waits for another film any more once this fails.
        while give.send(open(&ahead, &OpenOptions::default())).is_ok() {}
    })?;
    let now = move |_| open(&spec, &OpenOptions::default());
    Ok(Box::new(move || films.recv().unwrap_or_else(&now)))
}

/// A program that asks for the hands of this moment, as a game does.
struct StoreReader {
    stop: Arc<AtomicBool>,
    reads: Arc<AtomicU64>,
    thread: thread::JoinHandle<()>,
}

impl StoreReader {
    fn start(store: Arc<PoseStore>) -> std::io::Result<Self> {
        let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (stop.clone(), reads.clone());
        let read = move || {
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(READ_EVERY);
                let Some(newest) = store.newest() else { continue };
                let ahead = Timestamp(newest.0.saturating_add(READ_EVERY.as_nanos() as i64));
                std::hint::black_box(store.pose_at(ahead));
                count.fetch_add(1, Ordering::Relaxed);
            }
        };
        let thread = thread::Builder::new().name("reader".into()).spawn(read)?;
        Ok(Self { stop, reads, thread })
    }

    fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        // A reader that panicked shows in the number of reads.
        let _ = self.thread.join();
        self.reads.load(Ordering::Relaxed)
    }
}
