//! One paced replay: every frame's way from its due time to its published hands.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use handstream::engine::{Delivery, FrontEnd, SecondPass, run};
use handstream::event::{Event, FrameHands, RunInfo};
use serde_json::{Map, Value, json};

use super::film::Film;
use super::machine;
use super::statistics::Samples;
use super::watch::{Reader, Watch, Watched, Work};

/// Stages of the front end that run side by side: the longer one counts.
const SIDE_BY_SIDE: [&str; 2] = ["palm", "landmark"];

/// One frame's way, milliseconds.
#[derive(Clone, Debug)]
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
    /// Wall and processor time, seconds.
    pub wall: f64,
    /// Processor time of all threads, seconds.
    pub processor: Option<f64>,
    /// What the run warned of.
    pub warnings: Vec<String>,
}

/// How a film is replayed.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Frames a second.
    pub fps: f64,
    /// Reads of the newest pose a second.
    pub read_rate: f64,
}

/// Replays `film` once through `front_end`, with `second_pass` beside it.
///
/// # Errors
/// When the system gives no more threads.
pub fn replay(
    film: &Film,
    run_info: RunInfo,
    front_end: &mut dyn FrontEnd,
    second_pass: Option<SecondPass>,
    pace: Pace,
) -> Result<PacedRun> {
    let watch = Watch::new();
    let mut watched = Watched::new(front_end, watch.clone());
    let mut reader = Some(Reader::start(watch.clone(), pace.read_rate)?);
    let mut result = PacedRun::default();
    let mut events: Vec<Arc<FrameHands>> = Vec::new();
    let last = film.frames.len() as u64 - 1;
    let (began, spent) = (std::time::Instant::now(), machine::processor_time());
    let mut listener = |event: &Event| -> Result<(), Infallible> {
        match event {
            Event::Frame { hands, .. } => {
                events.push(hands.clone());
                if hands.sequence == last {
                    // What follows is the second pass alone: nobody moves any more.
                    result.ages = reader.take().map_or_else(Vec::new, Reader::finish);
                    result.wall = began.elapsed().as_secs_f64();
                    result.processor = cost(spent, machine::processor_time());
                }
            }
            Event::Dropped { count } => result.dropped += count,
            Event::Refined(_) => result.refined += 1,
            Event::Warning(sentence) => result.warnings.push(sentence.clone()),
            Event::Trouble(trouble) => result.warnings.push(trouble.to_string()),
            Event::Started(_) | Event::SecondPass(_) | Event::Finished => {}
        }
        Ok(())
    };
    let delivery = Delivery::Newest { paced: true };
    let source = Box::new(film.at(pace.fps));
    let Ok(()) = run(source, run_info, &mut watched, delivery, Arc::default(), second_pass, &mut listener);
    result.frames = times(&events, &watch.take());
    Ok(result)
}

fn cost(before: Option<Duration>, after: Option<Duration>) -> Option<f64> {
    Some(after?.saturating_sub(before?).as_secs_f64())
}

/// Joins what the engine told with what was watched from outside.
fn times(events: &[Arc<FrameHands>], work: &[Work]) -> Vec<FrameTimes> {
    let mut frames = Vec::with_capacity(events.len());
    for hands in events {
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
        let (abreast, after): (Vec<_>, Vec<_>) =
            stages.iter().partition(|(stage, _)| SIDE_BY_SIDE.contains(stage));
        let own = abreast.iter().map(|(_, took)| *took).fold(0.0, f64::max)
            + after.iter().map(|(_, took)| took).sum::<f64>();
        let overhead = (total - wait - own).max(0.0);
        let hands = hands.hands.len();
        frames.push(FrameTimes { total, wait, overhead, stages, hands });
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
        self.processor = self.processor.or(Some(0.0)).zip(other.processor).map(|(a, b)| a + b);
    }

    /// Names of the stages in the order they ran.
    pub fn stages(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (name, _) in self.frames.iter().flat_map(|frame| &frame.stages) {
            if !names.contains(name) {
                names.push(*name);
            }
        }
        names
    }

    /// The times of one stage; `wait`, `overhead` and `total` are stages too.
    pub fn samples(&self, stage: &str) -> Samples {
        let of = |frame: &FrameTimes| match stage {
            "total" => Some(frame.total),
            "wait" => Some(frame.wait),
            "overhead" => Some(frame.overhead),
            _ => frame.stages.iter().find(|(name, _)| *name == stage).map(|(_, took)| *took),
        };
        self.frames.iter().filter_map(of).collect()
    }

    /// Frames whose hands came later than `deadline` milliseconds after they were due.
    pub fn deadline_misses(&self, deadline: f64) -> usize {
        self.frames.iter().filter(|frame| frame.total > deadline).count()
    }

    /// All its numbers.
    pub fn json(&self, deadline: f64) -> Value {
        let names = self.stages().into_iter().chain(["wait", "overhead", "total"]);
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
            "warnings": self.warnings,
        })
    }
}
