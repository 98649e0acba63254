//! The strip of numbers below a live scene.

use nalgebra::Isometry3;

use super::keys;
use super::numbers::{LiveNumbers, SecondPassNumbers, WINDOW};
use crate::geometry::Pixel;
use crate::render::{Area, Background, Colour, Light, Panel, Projection, Stroke, View};
use crate::view::text;

/// Distance from the edges and between columns, pixels.
const EDGE: f32 = 18.0;
/// Where the columns begin, as parts of the width; the last is the timeline.
const COLUMNS: [f32; 4] = [0.145, 0.325, 0.505, 0.705];
/// Base line of the titles, of the large numbers, of the first small line, and the way to the next.
const TITLE_LINE: f32 = 26.0;
const LARGE_LINE: f32 = 70.0;
const FIRST_LINE: f32 = 96.0;
const LINE: f32 = 19.0;
/// Heights of letters, pixels.
const LARGE: f32 = 26.0;
const TEXT: f32 = 10.0;
/// Stages shown; the slowest where there are more.
const STAGES: usize = 6;
/// Width of the names of the stages, pixels, and height of their bars.
const STAGE_NAME: f32 = 76.0;
const BAR: f32 = 3.0;
/// Half the width of the dot that says that the run is recorded, pixels.
const RECORDING_DOT: f32 = 4.0;
/// The timeline reaches at least so far, milliseconds, and has a line at each step.
const TIMELINE_MS: f32 = 40.0;
const TIMELINE_STEPS: [f32; 4] = [10.0, 20.0, 50.0, 100.0];
/// A source that gives nothing for so long is said to be silent, seconds.
const SILENT: f64 = 1.0;

const GROUND: Colour = Colour::rgb(18, 21, 27);
const RULE: Colour = Colour::rgb(41, 46, 56);
const TITLE: Colour = Colour::rgb(128, 138, 156);
const VALUE: Colour = Colour::rgb(236, 240, 246);
const LABEL: Colour = Colour::rgb(150, 160, 176);
const GOOD: Colour = Colour::rgb(112, 200, 140);
const BAD: Colour = Colour::rgb(238, 92, 84);
const WARNING: Colour = Colour::rgb(246, 190, 84);
const BAR_COLOUR: Colour = Colour::rgb(96, 142, 214);

/// The strip in `area`.
pub(super) fn panel(area: Area, numbers: &LiveNumbers, held: bool) -> Panel<'static> {
    let mut strokes = Vec::new();
    let (width, height) = (area.size.width as f32, area.size.height as f32);
    strokes.push(Stroke::line(Pixel::new(0.0, 0.0), Pixel::new(width, 0.0), 0.8, RULE));
    let [latency, stages, behind, timeline] = COLUMNS.map(|part| (part * width).round());
    rate(&mut strokes, EDGE, numbers, held);
    capture_to_pose(&mut strokes, latency, numbers);
    stage_bars(&mut strokes, stages, behind - 1.5 * EDGE - stages, numbers);
    second_pass(&mut strokes, behind, numbers.second_pass.as_ref());
    let room = [Pixel::new(timeline, TITLE_LINE + 14.0), Pixel::new(width - EDGE, height - 34.0)];
    draw_timeline(&mut strokes, room, numbers);
    bottom_line(&mut strokes, Pixel::new(EDGE, height - 12.0), width - EDGE, numbers);
    Panel {
        area,
        background: Background::Plain(GROUND),
        under: Vec::new(),
        view: View {
            projection: Projection::Orthographic { pixels_per_metre: 1.0, centre: Pixel::new(0.0, 0.0) },
            viewer_from_scene: Isometry3::identity(),
            mirrored: false,
            light: Light::default(),
        },
        meshes: Vec::new(),
        over: strokes,
    }
}

/// From `start` to the right end: the recording, and a warning; or what is shown, and the keys.
fn bottom_line(strokes: &mut Vec<Stroke>, mut start: Pixel, right: f32, numbers: &LiveNumbers) {
    if let Some(file) = &numbers.recording {
        let middle = Pixel::new(start.x + TEXT / 2.0, start.y - TEXT / 2.0);
        strokes.push(Stroke::disc(middle, RECORDING_DOT, BAD));
        let words = format!("recording {file}");
        text::write(strokes, Pixel::new(start.x + 1.8 * TEXT, start.y), TEXT, VALUE, &words);
        start.x += 1.8 * TEXT + text::width(&words, TEXT) + EDGE;
    }
    let (legend, mut end) = (keys::legend(), right);
    let (colour, words) = match &numbers.warning {
        Some(sentence) => (WARNING, sentence.clone()),
        None => {
            let left = right - text::width(&legend, TEXT);
            text::write(strokes, Pixel::new(left, start.y), TEXT, TITLE, &legend);
            end = left - EDGE;
            let profile = (!numbers.profile.is_empty()).then(|| format!("profile {}   ", numbers.profile));
            (TITLE, profile.unwrap_or_default() + &numbers.source)
        }
    };
    text::write(strokes, start, TEXT, colour, &cut(&words, end - start.x));
}

/// Frames a second, hands, drops, and what goes on.
fn rate(strokes: &mut Vec<Stroke>, x: f32, numbers: &LiveNumbers, held: bool) {
    title(strokes, x, "frames a second");
    large(strokes, x, &format!("{:.1}", numbers.fps), "");
    let of = numbers.frames + numbers.dropped;
    let share = numbers.dropped as f64 / of.max(1) as f64 * 100.0;
    let colour = if numbers.drops.is_empty() { LABEL } else { BAD };
    small(strokes, x, 0, colour, &format!("dropped {} ({share:.1}%)", numbers.dropped));
    small(strokes, x, 1, LABEL, &format!("hands {}", numbers.hands));
    let (colour, state) = match numbers.silence {
        _ if numbers.ended => (TITLE, "the run is over".into()),
        _ if held => (WARNING, "picture held, tracking goes on".into()),
        None => (TITLE, "waiting for the first frame".into()),
        Some(silence) if silence > SILENT => (WARNING, format!("no picture for {silence:.0} s")),
        Some(_) => return,
    };
    small(strokes, x, 2, colour, &state);
}

/// How old a pose is when it is published.
fn capture_to_pose(strokes: &mut Vec<Stroke>, x: f32, numbers: &LiveNumbers) {
    title(strokes, x, "capture to pose");
    let Some([p50, p99]) = numbers.latency else { return large(strokes, x, "0.0", "ms p50") };
    large(strokes, x, &format!("{p50:.1}"), "ms p50");
    let period = 1e3 / numbers.promised_fps.max(1.0);
    let (colour, words) = match p99 <= period {
        true => (GOOD, "within a frame's time"),
        false => (WARNING, "longer than a frame's time"),
    };
    small(strokes, x, 0, VALUE, &format!("{p99:.1} ms p99"));
    small(strokes, x, 1, colour, words);
    small(strokes, x, 2, TITLE, &format!("over the last {} s", WINDOW.as_secs()));
}

/// Median time of each stage, as long as its part of a frame's time.
fn stage_bars(strokes: &mut Vec<Stroke>, x: f32, width: f32, numbers: &LiveNumbers) {
    title(strokes, x, "stages, ms p50");
    let mut shown = numbers.stages.clone();
    while shown.len() > STAGES {
        let fastest = (0..shown.len()).min_by(|a, b| shown[*a].p50.total_cmp(&shown[*b].p50));
        shown.remove(fastest.unwrap_or(0));
    }
    let longest = shown.iter().map(|stage| stage.p50).fold(1.0, f64::max);
    let bars = x + STAGE_NAME + 40.0;
    for (row, stage) in shown.iter().enumerate() {
        let y = TITLE_LINE + 22.0 + 17.0 * row as f32;
        text::write(strokes, Pixel::new(x, y), TEXT, LABEL, &cut(stage.stage, STAGE_NAME));
        let value = format!("{:.1}", stage.p50);
        let right = bars - 10.0 - text::width(&value, TEXT);
        text::write(strokes, Pixel::new(right, y), TEXT, VALUE, &value);
        let long = ((x + width - bars) * (stage.p50 / longest) as f32).max(0.0);
        let y = y - TEXT / 2.0;
        strokes.push(Stroke::line(
            Pixel::new(bars + BAR, y),
            Pixel::new(bars + BAR + long, y),
            BAR,
            BAR_COLOUR,
        ));
    }
}

/// How far behind the refined hands are, and how the threads behind the front end keep up.
fn second_pass(strokes: &mut Vec<Stroke>, x: f32, numbers: Option<&SecondPassNumbers>) {
    title(strokes, x, "second pass");
    let Some(SecondPassNumbers { status, behind, revision, took }) = numbers else {
        return small(strokes, x, 0, TITLE, "off");
    };
    match behind {
        Some(behind) => {
            large(strokes, x, &format!("{behind:.1}"), "s behind");
            small(strokes, x, 0, LABEL, &format!("chunk {revision} refined in {took:.2} s"));
        }
        None => small(strokes, x, 0, TITLE, "first chunk under way"),
    }
    let camera = status.odometry.map_or("camera taken as still".into(), |state| {
        format!("camera {}, skipped {}", state.replace('_', " "), status.skipped)
    });
    small(strokes, x, 1, if status.odometry == Some("lost") { WARNING } else { LABEL }, &camera);
    let colour = if status.dropped > 0 { WARNING } else { LABEL };
    let counts = format!("waited {}, merged {}, dropped {}", status.waited, status.merged, status.dropped);
    small(strokes, x, 2, colour, &counts);
}

/// The latency of every frame of the last seconds, the newest at the right, and every drop.
fn draw_timeline(strokes: &mut Vec<Stroke>, [from, to]: [Pixel; 2], numbers: &LiveNumbers) {
    title(strokes, from.x, "latency of each frame, ms");
    let most = numbers.timeline.iter().map(|[_, ms]| *ms).fold(TIMELINE_MS, f32::max);
    let left = from.x + 26.0;
    let x = |ago: f32| to.x - (to.x - left) * (ago / WINDOW.as_secs_f32()).min(1.0);
    let y = |ms: f32| to.y - (to.y - from.y) * ms / most;
    let step = TIMELINE_STEPS.into_iter().find(|step| most / step <= 5.0).unwrap_or(most);
    for line in 0..=(most / step) as usize {
        let ms = line as f32 * step;
        strokes.push(Stroke::line(Pixel::new(left, y(ms)), Pixel::new(to.x, y(ms)), 0.5, RULE));
        let words = format!("{ms:.0}");
        let start = Pixel::new(left - 8.0 - text::width(&words, TEXT), y(ms) + TEXT / 2.0);
        text::write(strokes, start, TEXT, TITLE, &words);
    }
    let period = 1e3 / numbers.promised_fps.max(1.0) as f32;
    if period < most {
        strokes.push(Stroke::line(Pixel::new(left, y(period)), Pixel::new(to.x, y(period)), 0.7, TITLE));
    }
    for ends in numbers.timeline.windows(2) {
        let [a, b] = [ends[0], ends[1]].map(|[ago, ms]| Pixel::new(x(ago), y(ms)));
        strokes.push(Stroke::line(a, b, 1.0, BAR_COLOUR));
    }
    for &ago in &numbers.drops {
        strokes.push(Stroke::line(Pixel::new(x(ago), from.y), Pixel::new(x(ago), from.y + 7.0), 1.2, BAD));
    }
}

fn title(strokes: &mut Vec<Stroke>, x: f32, words: &str) {
    text::write(strokes, Pixel::new(x, TITLE_LINE), TEXT, TITLE, words);
}

fn large(strokes: &mut Vec<Stroke>, x: f32, value: &str, unit: &str) {
    text::write(strokes, Pixel::new(x, LARGE_LINE), LARGE, VALUE, value);
    let after = x + text::width(value, LARGE) + 9.0;
    text::write(strokes, Pixel::new(after, LARGE_LINE), TEXT, LABEL, unit);
}

fn small(strokes: &mut Vec<Stroke>, x: f32, line: usize, colour: Colour, words: &str) {
    text::write(strokes, Pixel::new(x, FIRST_LINE + LINE * line as f32), TEXT, colour, words);
}

/// The beginning of `words` that fits into `room` pixels.
fn cut(words: &str, room: f32) -> String {
    let mut kept = words.to_owned();
    while !kept.is_empty() && text::width(&kept, TEXT) > room {
        kept.pop();
    }
    kept
}
