//! The numbers of a run's last seconds.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::{Event, FrameHands, Refinement, RunInfo, SecondPassStatus};
use crate::frame::Timestamp;

/// What "the last seconds" are.
pub(super) const WINDOW: Duration = Duration::from_secs(5);
/// How long a warning is shown.
const WARNING_SHOWN: Duration = Duration::from_secs(8);

/// Wall time of one stage in the last seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageNumbers {
    /// Name of the stage.
    pub stage: &'static str,
    /// Median, milliseconds.
    pub p50: f64,
}

/// How the second pass keeps up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SecondPassNumbers {
    /// What it says of itself.
    pub status: SecondPassStatus,
    /// From the newest frame that is refined to the newest there is, seconds; `None` before the first chunk.
    pub behind: Option<f64>,
    /// Number of the newest refined chunk.
    pub revision: u64,
    /// Time its refinement took, seconds.
    pub took: f64,
}

/// The numbers of a run: of its last five seconds, where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveNumbers {
    /// Name of the source.
    pub source: String,
    /// What makes hands in metres.
    pub profile: String,
    /// Name of the file that the run is recorded to.
    pub recording: Option<String>,
    /// Frames a second that the source promises.
    pub promised_fps: f64,
    /// Frames a second that went through the front end.
    pub fps: f64,
    /// Hands in the newest frame.
    pub hands: usize,
    /// From capture to published pose, milliseconds: median and 99 of 100; `None` without frames.
    pub latency: Option<[f64; 2]>,
    /// The stages in the order they run.
    pub stages: Vec<StageNumbers>,
    /// Frames since the start of the run.
    pub frames: u64,
    /// Frames dropped since the start of the run.
    pub dropped: u64,
    /// For each frame how many seconds ago it was published, and its latency in milliseconds.
    pub timeline: Vec<[f32; 2]>,
    /// For each frame dropped how many seconds ago that was told.
    pub drops: Vec<f32>,
    /// The second pass, in a run that has one.
    pub second_pass: Option<SecondPassNumbers>,
    /// Seconds since the newest frame; `None` before the first.
    pub silence: Option<f64>,
    /// The newest warning, while it is fresh.
    pub warning: Option<String>,
    /// Whether the run is over.
    pub ended: bool,
}

/// Collects [`LiveNumbers`] from events.
#[derive(Default)]
pub(super) struct Tally {
    run: Option<Arc<RunInfo>>,
    recent: VecDeque<(Instant, Arc<FrameHands>)>,
    recent_drops: VecDeque<(Instant, u64)>,
    newest: Option<(Instant, Timestamp)>,
    second_pass: Option<SecondPassStatus>,
    refined: Option<Arc<Refinement>>,
    hands: usize,
    frames: u64,
    dropped: u64,
    warning: Option<(Instant, String)>,
    ended: bool,
    /// What makes hands in metres, and the file that the run is recorded to.
    pub profile: String,
    pub recording: Option<String>,
}

impl Tally {
    /// Takes one event that happened `now`.
    pub fn event(&mut self, now: Instant, event: &Event) {
        match event {
            Event::Started(run) => self.run = Some(Arc::clone(run)),
            Event::Frame { hands, .. } => {
                self.frames += 1;
                self.hands = hands.hands.len();
                self.newest = Some((now, hands.timestamp));
                self.recent.push_back((now, Arc::clone(hands)));
            }
            Event::Dropped { count } => {
                self.dropped += count;
                self.recent_drops.push_back((now, *count));
            }
            Event::Warning(sentence) => self.warning = Some((now, sentence.clone())),
            Event::Trouble(trouble) => self.warning = Some((now, trouble.to_string())),
            Event::Refined(refinement) => self.refined = Some(Arc::clone(refinement)),
            Event::SecondPass(status) => self.second_pass = Some(*status),
            Event::Paused { .. } => {}
            Event::Finished => self.ended = true,
        }
        let old = |at: Instant| now.saturating_duration_since(at) > WINDOW;
        while self.recent.front().is_some_and(|(at, _)| old(*at)) {
            self.recent.pop_front();
        }
        while self.recent_drops.front().is_some_and(|(at, _)| old(*at)) {
            self.recent_drops.pop_front();
        }
    }

    /// The numbers as they stand `now`.
    pub fn numbers(&self, now: Instant) -> LiveNumbers {
        let ago = |at: Instant| now.saturating_duration_since(at);
        let recent: Vec<_> = self.recent.iter().filter(|(at, _)| ago(*at) <= WINDOW).collect();
        let milliseconds = |took: Duration| took.as_secs_f64() * 1e3;
        let totals: Vec<_> = recent.iter().map(|(_, hands)| milliseconds(hands.total)).collect();
        let mut stages: Vec<(&'static str, Vec<f64>)> = Vec::new();
        for time in recent.iter().flat_map(|(_, hands)| &hands.stages) {
            match stages.iter_mut().find(|(stage, _)| *stage == time.stage) {
                Some((_, all)) => all.push(milliseconds(time.took)),
                None => stages.push((time.stage, vec![milliseconds(time.took)])),
            }
        }
        let stages = stages
            .into_iter()
            .filter_map(|(stage, all)| quantiles(all, [0.5]).map(|[p50]| StageNumbers { stage, p50 }));
        let drops = self.recent_drops.iter().filter(|(at, _)| ago(*at) <= WINDOW);
        LiveNumbers {
            source: self.run.as_ref().map(|run| run.source.clone()).unwrap_or_default(),
            profile: self.profile.clone(),
            recording: self.recording.clone(),
            promised_fps: self.run.as_ref().map_or(0.0, |run| run.fps),
            fps: rate(&recent),
            hands: self.hands,
            timeline: recent
                .iter()
                .zip(&totals)
                .map(|((at, _), total)| [ago(*at).as_secs_f32(), *total as f32])
                .collect(),
            latency: quantiles(totals, [0.5, 0.99]),
            stages: stages.collect(),
            frames: self.frames,
            dropped: self.dropped,
            drops: drops
                .flat_map(|(at, count)| std::iter::repeat_n(ago(*at).as_secs_f32(), *count as usize))
                .collect(),
            second_pass: self.second_pass.map(|status| self.second_pass(status)),
            silence: self.newest.map(|(at, _)| ago(at).as_secs_f64()),
            warning: self
                .warning
                .as_ref()
                .filter(|(at, _)| ago(*at) <= WARNING_SHOWN)
                .map(|(_, sentence)| sentence.clone()),
            ended: self.ended,
        }
    }
}

impl Tally {
    fn second_pass(&self, status: SecondPassStatus) -> SecondPassNumbers {
        let Some(refinement) = &self.refined else {
            return SecondPassNumbers { status, ..SecondPassNumbers::default() };
        };
        let last = refinement.frames.last().zip(self.newest);
        SecondPassNumbers {
            status,
            behind: last.map(|(frame, (_, newest))| newest.since(frame.timestamp).as_secs_f64()),
            revision: refinement.revision,
            took: refinement.took.as_secs_f64(),
        }
    }
}

/// Frames a second between the first and the last of them.
fn rate(frames: &[&(Instant, Arc<FrameHands>)]) -> f64 {
    let (Some(first), Some(last)) = (frames.first(), frames.last()) else { return 0.0 };
    let seconds = last.0.saturating_duration_since(first.0).as_secs_f64();
    if seconds > 0.0 { (frames.len() - 1) as f64 / seconds } else { 0.0 }
}

/// The values that the given parts of `all` do not exceed; `None` of nothing.
fn quantiles<const N: usize>(mut all: Vec<f64>, parts: [f64; N]) -> Option<[f64; N]> {
    all.sort_by(f64::total_cmp);
    let last = all.len().checked_sub(1)?;
    Some(parts.map(|part| all[((part * all.len() as f64).ceil() as usize).saturating_sub(1).min(last)]))
}

/// One line for a terminal.
impl fmt::Display for LiveNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} frames/s", self.fps)?;
        if let Some([p50, p99]) = self.latency {
            write!(f, "  capture to pose p50 {p50:.1} p99 {p99:.1} ms")?;
        }
        for stage in &self.stages {
            write!(f, "  {} {:.1}", stage.stage, stage.p50)?;
        }
        write!(f, "  dropped {} of {}  hands {}", self.dropped, self.frames + self.dropped, self.hands)?;
        let Some(SecondPassNumbers { status, behind, revision, .. }) = self.second_pass else {
            return Ok(());
        };
        write!(f, "  camera {}", status.odometry.unwrap_or("-"))?;
        if let Some(behind) = behind {
            write!(f, "  chunk {revision}, {behind:.1} s behind")?;
        }
        write!(f, ", {} waited, {} merged, {} dropped", status.waited, status.merged, status.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::StageTime;
    use crate::frame::{Frame, PictureSize, Timestamp};

    fn frame(total: u64) -> Event {
        let picture = Frame {
            pixels: vec![0; 3],
            size: PictureSize::new(1, 1),
            timestamp: Timestamp::default(),
            sequence: 0,
        };
        let hands = FrameHands {
            sequence: 0,
            timestamp: picture.timestamp,
            hands: Vec::new(),
            world_from_camera: None,
            stages: vec![StageTime { stage: "fit", took: Duration::from_millis(total / 2) }],
            total: Duration::from_millis(total),
        };
        Event::Frame { frame: Arc::new(picture), hands: Arc::new(hands) }
    }

    #[test]
    fn only_the_last_seconds_count_but_totals_stay() {
        let (mut tally, start) = (Tally::default(), Instant::now());
        let at = |k: u64| start + Duration::from_millis(40 * k);
        for k in 0..500 {
            tally.event(at(k), &frame(if k < 300 { 90 } else { 10 + k % 10 }));
        }
        tally.event(at(100), &Event::Dropped { count: 7 });
        tally.event(at(499), &Event::Dropped { count: 2 });
        let numbers = tally.numbers(at(499));
        assert!((numbers.fps - 25.0).abs() < 1e-6, "{}", numbers.fps);
        assert_eq!(numbers.latency, Some([15.0, 19.0]));
        assert_eq!(numbers.stages, [StageNumbers { stage: "fit", p50: 7.0 }]);
        assert_eq!((numbers.frames, numbers.dropped, numbers.drops.len()), (500, 9, 2));
        assert!(numbers.timeline.len() <= 126 && numbers.silence == Some(0.0));
    }

    #[test]
    fn a_silent_source_shows_its_silence_and_old_warnings_go() {
        let (mut tally, start) = (Tally::default(), Instant::now());
        assert_eq!(tally.numbers(start), LiveNumbers::default());
        tally.event(start, &frame(10));
        tally.event(start, &Event::Warning("gone".into()));
        let after = |seconds| tally.numbers(start + Duration::from_secs(seconds));
        assert_eq!(after(3).warning.as_deref(), Some("gone"));
        assert_eq!(after(9).warning, None);
        assert_eq!((after(9).silence, after(9).latency, after(9).fps), (Some(9.0), None, 0.0));
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        assert_eq!(
            quantiles((1..=100).map(f64::from).collect(), [0.5, 0.99, 1.0]),
            Some([50.0, 99.0, 100.0])
        );
        assert_eq!(quantiles(vec![3.0], [0.5, 0.99]), Some([3.0, 3.0]));
        assert_eq!(quantiles(Vec::new(), [0.5]), None);
    }
}
