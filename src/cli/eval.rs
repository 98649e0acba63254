//! `handstream eval`: the hands or the camera path of a run against a known truth.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use handstream::event::Side;
use handstream::hand::HandModel;
use handstream::metrics::{
    ClosedSurface, MEASURES, MatchedHand, interpenetration_volume, relative_root_error,
};
use handstream::output::{HandsOverTime, read_hands, read_truth};
use serde_json::{Map, Value, json};

use super::eval_path;

#[derive(Args)]
pub struct EvalArgs {
    /// The estimate: hands.jsonl of a run, or a camera path (TUM, EuRoC, rows of matrices).
    #[arg(long, value_name = "FILE")]
    pred: PathBuf,
    /// The truth: another hands.jsonl, a JSON file of triangulated joints, or a camera path (docs/formats.md).
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,
    /// What brings frames of hands together; poses of a path meet in time.
    #[arg(long, value_enum, default_value_t = Match::Frame)]
    by: Match,
    /// Frames per second, for measures of motion and for poses without times, where neither file says.
    #[arg(long, value_name = "FPS", value_parser = frame_rate)]
    fps: Option<f64>,
    /// The hand model of the run, for measures of the surface: `open`, or your file.
    #[arg(long, value_name = "open|PATH", default_value = "open")]
    hand_model: String,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
}

/// How frames of the two files find each other.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Match {
    /// The same frame number.
    Frame,
    /// The nearest capture time, at most half a frame away.
    Time,
}

/// One column of the table.
struct Column {
    hand: String,
    frames: usize,
    truth_frames: usize,
    /// One value a measure, in their order; `None` where there is too little to measure.
    values: Vec<Option<f64>>,
}

/// A measure of both hands together.
struct Between {
    key: &'static str,
    name: &'static str,
    unit: &'static str,
    /// Mean over the frames that have both hands, and how many these are.
    value: Option<(f64, usize)>,
}

impl EvalArgs {
    /// Compares the two files and prints every measure.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        if eval_path::holds_poses(&self.pred) {
            return eval_path::run(&self.pred, &self.truth, self.fps, self.json);
        }
        let model = match self.hand_model.as_str() {
            "open" => HandModel::open(),
            path => HandModel::load(path.as_ref())?,
        };
        let truth = read_truth(&self.truth, &model)?;
        let mut estimate = read_hands(&self.pred, &model)?;
        let fps =
            self.fps.or(estimate.fps).or(truth.fps).context("neither file has a frame rate: give --fps")?;
        if self.by == Match::Time {
            estimate = estimate
                .renumbered_by_time(&truth)
                .context("the truth has no capture times: compare by frame number (--by frame)")?;
        }
        let [left, right] = [Side::Left, Side::Right]
            .map(|side| MatchedHand::new(estimate.side(side), truth.side(side), fps));
        if left.frames() + right.frames() == 0 {
            bail!(nothing_in_common(&self.pred, &estimate, &self.truth, &truth));
        }
        let between = [
            Between {
                key: "mrrpe",
                name: "MRRPE",
                unit: "mm",
                value: relative_root_error(&left, &right).ok(),
            },
            Between { key: "pen", name: "Pen", unit: "cm^3", value: penetration(&estimate, &model) },
            Between {
                key: "pen_truth",
                name: "Pen of the truth",
                unit: "cm^3",
                value: penetration(&truth, &model),
            },
        ];
        let columns = columns(&left, &right);
        if self.json {
            println!("{:#}", as_json(&columns, &between));
        } else {
            print_table(&columns, &between);
        }
        Ok(())
    }
}

/// Mean volume that both hands have in common, over the frames that have both meshes.
fn penetration(hands: &HandsOverTime, model: &HandModel) -> Option<(f64, usize)> {
    let [left, right] =
        [Side::Left, Side::Right].map(|side| ClosedSurface::new(model.faces(side), model.vertex_count()));
    let both = hands.left.iter().filter_map(|(frame, hand)| Some((hand, hands.right.get(frame)?)));
    let meshes = both.filter(|(l, r)| !l.vertices.is_empty() && !r.vertices.is_empty());
    let volumes: Vec<f64> =
        meshes.map(|(l, r)| interpenetration_volume((&left, &l.vertices), (&right, &r.vertices))).collect();
    let frames = volumes.len();
    (frames > 0).then(|| (volumes.iter().sum::<f64>() / frames as f64, frames))
}

/// Why no frame could be compared.
fn nothing_in_common(
    pred: &Path,
    estimate: &HandsOverTime,
    truth_file: &Path,
    truth: &HandsOverTime,
) -> String {
    let count =
        |hands: &HandsOverTime| format!("{} left and {} right hands", hands.left.len(), hands.right.len());
    format!(
        "{} ({}) and {} ({}) have no frame of the same hand in common: compare files of the same film, with \
         --by time where their frame numbers differ",
        pred.display(),
        count(estimate),
        truth_file.display(),
        count(truth),
    )
}

/// A column for each hand, for each of its tracks where it has several, and for both hands together.
fn columns(left: &MatchedHand, right: &MatchedHand) -> Vec<Column> {
    let mut columns = Vec::new();
    let mut hands = Vec::new();
    for (side, hand) in [(Side::Left, left), (Side::Right, right)] {
        if hand.truth_frames() == 0 {
            continue;
        }
        hands.push(column(side.name().to_owned(), hand));
        let tracks = hand.tracks();
        if tracks.len() > 1 {
            let of_track = |&track| column(format!("{} {track}", side.name()), &hand.of_track(track));
            columns.extend(tracks.iter().map(of_track));
        }
    }
    let overall = overall(&hands);
    hands.into_iter().chain(columns).chain([overall]).collect()
}

fn column(hand: String, matched: &MatchedHand) -> Column {
    let value = |measure: &handstream::metrics::Measure| measure.of(matched).ok().filter(|v| v.is_finite());
    Column {
        hand,
        frames: matched.frames(),
        truth_frames: matched.truth_frames(),
        values: MEASURES.iter().map(value).collect(),
    }
}

/// The mean of the hands, weighted by the frames compared.
fn overall(hands: &[Column]) -> Column {
    let mean = |index: usize| {
        let known = hands.iter().filter_map(|hand| Some((hand.values[index]?, hand.frames as f64)));
        let (sum, frames) =
            known.fold((0.0, 0.0), |(sum, all), (value, frames)| (sum + value * frames, all + frames));
        (frames > 0.0).then(|| sum / frames)
    };
    Column {
        hand: "overall".to_owned(),
        frames: hands.iter().map(|hand| hand.frames).sum(),
        truth_frames: hands.iter().map(|hand| hand.truth_frames).sum(),
        values: (0..MEASURES.len()).map(mean).collect(),
    }
}

fn as_json(columns: &[Column], between: &[Between]) -> Value {
    let hand = |column: &Column| {
        let values = MEASURES.iter().zip(&column.values);
        let measures: Map<String, Value> =
            values.map(|(measure, value)| (measure.key.to_owned(), json!(value))).collect();
        let value = json!({
            "frames": column.frames,
            "truth_frames": column.truth_frames,
            "measures": measures,
        });
        (column.hand.clone(), value)
    };
    let of_both = |measure: &Between| {
        let value = json!({
            "value": measure.value.map(|(value, _)| value),
            "frames": measure.value.map_or(0, |(_, frames)| frames),
            "unit": measure.unit,
        });
        (measure.key.to_owned(), value)
    };
    let units: Map<String, Value> =
        MEASURES.iter().map(|measure| (measure.key.to_owned(), json!(measure.unit))).collect();
    json!({
        "hands": columns.iter().map(hand).collect::<Map<String, Value>>(),
        "between": between.iter().map(of_both).collect::<Map<String, Value>>(),
        "units": units,
    })
}

fn print_table(columns: &[Column], between: &[Between]) {
    let row = |name: &str, unit: &str, cells: &mut dyn Iterator<Item = String>| {
        println!("{name:<22} {unit:<9}{}", cells.map(|cell| format!("{cell:>11}")).collect::<String>());
    };
    row("", "", &mut columns.iter().map(|column| column.hand.clone()));
    row("frames compared", "", &mut columns.iter().map(|c| format!("{}/{}", c.frames, c.truth_frames)));
    for (index, measure) in MEASURES.iter().enumerate() {
        let cell =
            |column: &Column| column.values[index].map_or("-".to_owned(), |value| format!("{value:.3}"));
        row(measure.name, measure.unit, &mut columns.iter().map(cell));
    }
    for Between { name, unit, value, .. } in between {
        match value {
            Some((value, frames)) => println!("{name:<22} {unit:<9}{value:>11.3}  ({frames} frames)"),
            None => println!("{name:<22} {unit:<9}{:>11}  (no frame has both)", "-"),
        }
    }
}

/// A frame rate as a user types it.
pub fn frame_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err(format!("{text} is no frame rate")) }
}
