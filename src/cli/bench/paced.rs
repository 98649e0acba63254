//! One paced replay: every frame's way from its due time to its published hands.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Result;
use handstream::engine::{
    Delivery, FrontEnd, PoseStore, PoseStoreConfig, Recorded, Recorder, Run, SecondPass,
};
use handstream::event::{Event, FrameHands, RunInfo};
use serde_json::{Map, Value, json};

use super::film::Film;
use super::machine;
use super::statistics::Samples;
use super::watch::{Reader, Watch, Watched, Work};

/// Stages of the front end that may run side by side.
const PALM: &str = "palm";
const LANDMARK: &str = "landmark";
/// What there is beside the front end's own stages.
const WAIT: &str = "wait";
const OVERHEAD: &str = "overhead";
pub const TOTAL: &str = "total";
/// Frames of a replay before latencies are counted: memory and caches are cold.
pub const WARM_UP: u64 = 10;

/// One frame's way, milliseconds.
#[derive(Clone, Debug, Default)]
pub struct FrameTimes {
    /// From the due time to the published hands.
    pub total: f64,
    /// Of it, waiting until the front end was done with the frame before.
    pub wait: f64,
    /// Of it, everything that is neither waiting nor a stage's own work.
    pub overhead: f64,
    /// The stages' own times.
    pub stages: Vec<(&'static str, f64)>,
    /// Hands found.
    pub hands: usize,
    /// Whether palm detector and landmark network ran side by side: then only the longer one counts.
    pub abreast: bool,
}

impl FrameTimes {
    /// What a stage adds to the total; the shorter of two that ran side by side adds nothing.
    pub fn on_the_way(&self, stage: &str) -> f64 {
        let took = |name| self.stages.iter().find(|(stage, _)| *stage == name).map_or(0.0, |(_, took)| *took);
        match stage {
            WAIT => self.wait,
            OVERHEAD => self.overhead,
            TOTAL => self.total,
            PALM if self.abreast && took(PALM) < took(LANDMARK) => 0.0,
            LANDMARK if self.abreast && took(LANDMARK) <= took(PALM) => 0.0,
            _ => took(stage),
        }
    }
}

/// What one replay gave.
#[derive(Clone, Debug, Default)]
pub struct PacedRun {
    /// Frames with hands published, in order.
    pub frames: Vec<FrameTimes>,
    /// Frames that a newer one replaced.
    pub dropped: u64,
    /// Age of the newest pose at each read, milliseconds.
    pub ages: Vec<f64>,
    /// Chunks that the second pass refined meanwhile.
    pub refined: u64,
    /// Wall time, seconds.
    pub wall: f64,
    /// Processor time of all threads, seconds.
    pub processor: Option<f64>,
    /// Processor time of other programs meanwhile, and time stolen by other machines on the same hardware,
    /// seconds.
    pub others: Option<[f64; 2]>,
    /// What the run warned of.
    pub warnings: Vec<String>,
    /// What came of its recording, if there was one.
    pub recorded: Option<Recorded>,
}

/// How a film is replayed.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Frames a second.
    pub fps: f64,
    /// Reads of the newest pose a second.
    pub read_rate: f64,
    /// Whether palm detector and landmark network run side by side.
    pub abreast: bool,
}

/// Replays `film` once through `front_end`, with `second_pass` and `recorder` beside it.
///
/// # Errors
/// When the system gives no more threads, or the recording breaks off.
pub fn replay(
    film: &Film,
    run_info: RunInfo,
    front_end: Box<dyn FrontEnd>,
    second_pass: Option<SecondPass>,
    mut recorder: Option<Recorder>,
    pace: Pace,
) -> Result<PacedRun> {
    let watch: Arc<Watch> = Arc::default();
    let watched = Watched::new(front_end, watch.clone());
    let store = Arc::new(PoseStore::new(PoseStoreConfig::default()));
    let zero: Arc<OnceLock<Instant>> = Arc::default();
    let mut reader = Some(Reader::start(store.clone(), zero.clone(), pace.read_rate)?);
    let mut result = PacedRun::default();
    let mut events: Vec<Arc<FrameHands>> = Vec::new();
    let last = film.frames.len() as u64 - 1;
    let (began, spent, beside) = (Instant::now(), machine::processor_time(), machine::busy_and_stolen());
    let listener = |event: &Event| -> Result<(), Infallible> {
        store.event(event);
        let wrong = recorder.as_mut().and_then(|recorder| recorder.event(event));
        if let Some(Event::Warning(sentence)) = wrong {
            result.warnings.push(sentence);
        }
        match event {
            Event::Frame { hands, .. } => {
                let before = hands.total + Duration::from_nanos(hands.timestamp.0.unsigned_abs());
                if let Some(at) = watch.done(hands.sequence).and_then(|done| done.checked_sub(before)) {
                    zero.get_or_init(|| at);
                }
                events.push(hands.clone());
                if hands.sequence == last {
                    // What follows is the second pass alone: nobody moves any more.
                    result.ages = reader.take().map_or_else(Vec::new, Reader::finish);
                    result.wall = began.elapsed().as_secs_f64();
                    result.processor = cost(spent, machine::processor_time());
                    result.others = others(beside, machine::busy_and_stolen(), result.processor);
                }
            }
            Event::Dropped { count } => result.dropped += count,
            Event::Refined(_) => result.refined += 1,
            Event::Warning(sentence) => result.warnings.push(sentence.clone()),
            Event::Trouble(trouble) => result.warnings.push(trouble.to_string()),
            Event::Started(_) | Event::SecondPass(_) | Event::Paused { .. } | Event::Finished => {}
        }
        Ok(())
    };
    let delivery = Delivery::Newest { paced: true };
    let source = Box::new(film.at(pace.fps));
    let run = Run { second_pass, ..Run::new(source, run_info, Box::new(watched), delivery) };
    let Ok(()) = run.follow(listener);
    result.recorded = recorder.map(Recorder::finish).transpose().map_err(anyhow::Error::msg)?;
    result.frames = times(&events, &watch.take(), pace.abreast);
    Ok(result)
}

fn cost(before: Option<Duration>, after: Option<Duration>) -> Option<f64> {
    Some(after?.saturating_sub(before?).as_secs_f64())
}

/// What is not ours of the processor time between two looks, and what was stolen.
fn others(before: Option<[f64; 2]>, after: Option<[f64; 2]>, ours: Option<f64>) -> Option<[f64; 2]> {
    let ([busy, stolen], [busy_then, stolen_then]) = (after?, before?);
    Some([(busy - busy_then - ours?).max(0.0), (stolen - stolen_then).max(0.0)])
}

/// Joins what the engine told with what was watched from outside.
fn times(events: &[Arc<FrameHands>], work: &[Work], abreast: bool) -> Vec<FrameTimes> {
    let mut frames = Vec::with_capacity(events.len());
    for hands in events.iter().filter(|hands| hands.sequence >= WARM_UP) {
        let Some(at) = work.iter().position(|work| work.sequence == hands.sequence) else { continue };
        let Work { taken, done, .. } = work[at];
        let total = milliseconds(hands.total);
        let before_work = total - milliseconds(done - taken);
        // The frame was due `before_work` before it was taken up.
        let wait = match at.checked_sub(1).map(|before| work[before].done) {
            Some(free) => (before_work - milliseconds(taken.saturating_duration_since(free))).max(0.0),
            None => 0.0,
        };
        let stages: Vec<(&'static str, f64)> =
            hands.stages.iter().map(|stage| (stage.stage, milliseconds(stage.took))).collect();
        let hands = hands.hands.len();
        let mut frame = FrameTimes { total, wait, overhead: 0.0, stages, hands, abreast };
        let own: f64 = frame.stages.iter().map(|(stage, _)| frame.on_the_way(stage)).sum();
        frame.overhead = (total - wait - own).max(0.0);
        frames.push(frame);
    }
    frames
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl PacedRun {
    /// Adds the frames of another replay of the same kind.
    pub fn extend(&mut self, other: PacedRun) {
        self.frames.extend(other.frames);
        self.ages.extend(other.ages);
        self.warnings.extend(other.warnings);
        self.dropped += other.dropped;
        self.refined += other.refined;
        self.wall += other.wall;
        self.processor = Some(self.processor.unwrap_or(0.0)).zip(other.processor).map(|(a, b)| a + b);
        let sum = |([a, b], [c, d]): ([f64; 2], [f64; 2])| [a + c, b + d];
        self.others = Some(self.others.unwrap_or_default()).zip(other.others).map(sum);
        self.recorded = other.recorded.map(|more| {
            let Recorded { frames, missing, bytes } = self.recorded.unwrap_or_default();
            Recorded {
                frames: frames + more.frames,
                missing: missing + more.missing,
                bytes: bytes + more.bytes,
            }
        });
    }

    /// Names of the stages in the order they ran, then what else makes the total.
    pub fn stages(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (name, _) in self.frames.iter().flat_map(|frame| &frame.stages) {
            if !names.contains(name) {
                names.push(*name);
            }
        }
        if !names.is_empty() {
            names.extend([WAIT, OVERHEAD]);
        }
        names
    }

    /// The times of one of [`stages`](Self::stages) or of the [`TOTAL`].
    pub fn samples(&self, stage: &str) -> Samples {
        let own =
            |frame: &FrameTimes| frame.stages.iter().find(|(name, _)| *name == stage).map(|(_, took)| *took);
        let of = |frame: &FrameTimes| own(frame).unwrap_or_else(|| frame.on_the_way(stage));
        self.frames.iter().map(of).collect()
    }

    /// Frames whose hands came later than `deadline` milliseconds after they were due.
    pub fn deadline_misses(&self, deadline: f64) -> usize {
        self.frames.iter().filter(|frame| frame.total > deadline).count()
    }

    /// All its numbers.
    pub fn json(&self, deadline: f64) -> Value {
        let names = self.stages().into_iter().chain([TOTAL]);
        let latency: Map<String, Value> =
            names.map(|name| (name.to_owned(), self.samples(name).json())).collect();
        json!({
            "frames": self.frames.len(),
            "dropped": self.dropped,
            "hands": self.frames.iter().map(|frame| frame.hands).sum::<usize>(),
            "deadline_ms": deadline,
            "deadline_misses": self.deadline_misses(deadline),
            "latency_ms": latency,
            "age_at_read_ms": self.ages.iter().copied().collect::<Samples>().json(),
            "reads": self.ages.len(),
            "chunks_refined": self.refined,
            "wall_s": self.wall,
            "processor_s": self.processor,
            "other_programs_s": self.others.map(|[others, _]| others),
            "stolen_s": self.others.map(|[_, stolen]| stolen),
            "warnings": self.warnings,
            "recorded": self.recorded.map(|recorded| json!({
                "frames": recorded.frames,
                "missing": recorded.missing,
                "bytes_a_second": (recorded.bytes as f64 / self.wall.max(f64::MIN_POSITIVE)).round(),
            })),
        })
    }
}
