//! `handstream eval` for camera paths: a path of a run against a known one.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use handstream::geometry::CameraPath;
use handstream::metrics::{Alignment, LARGEST_TIME_DIFFERENCE, MatchedPath, PoseError, Step};
use handstream::output::{PathFile, read_path};
use serde_json::{Map, Value, json};

/// Stretches in which the scale is looked at.
const STRETCHES: usize = 10;

/// The steps of relative errors.
const STEPS: [(&str, &str, Step); 2] =
    [("rpe_1_pose", "RPE, 1 pose on", Step::Poses(1)), ("rpe_1_m", "RPE, 1 m on", Step::Metres(1.0))];

/// Every measure after one kind of alignment; `None` where there is too little to measure.
struct Column {
    key: &'static str,
    name: &'static str,
    scale: Option<f64>,
    absolute: Option<PoseError>,
    relative: [Option<PoseError>; STEPS.len()],
}

/// Whether a file holds lines of numbers, as paths do, and no JSON, as hands do.
pub fn holds_poses(file: &Path) -> bool {
    let bytes = std::fs::read(file).unwrap_or_default();
    bytes.trim_ascii_start().first().is_some_and(|byte| byte.is_ascii_digit() || b"#-+.".contains(byte))
}

/// Compares two paths and prints every measure. `fps` places poses without times.
///
/// # Errors
/// One sentence for the user.
pub fn run(pred: &Path, truth: &Path, fps: Option<f64>, json: bool) -> Result<()> {
    let (estimate_file, truth_file) = (read_path(pred)?, read_path(truth)?);
    let fps = fps.or(estimate_file.fps).or(truth_file.fps);
    let placed = |path: &Path, file: &PathFile| -> Result<CameraPath> {
        let needed = || format!("the poses of {} have no times: give their rate with --fps", path.display());
        file.placed_in_time(fps).with_context(needed)
    };
    let matched = MatchedPath::new(&placed(pred, &estimate_file)?, &placed(truth, &truth_file)?);
    ensure!(
        matched.poses() > 0,
        "{} and {} have no time in common ({LARGEST_TIME_DIFFERENCE} s apart at most): compare paths of one film \
         on one clock, with --fps where a file has no times",
        pred.display(),
        truth.display(),
    );
    let columns = [("sim3", "Sim(3)", Alignment::Similarity), ("se3", "SE(3)", Alignment::Rigid)].map(
        |(key, name, by)| Column {
            key,
            name,
            scale: matched.alignment(by).ok().map(|moved| moved.scale),
            absolute: matched.absolute_error(by).ok(),
            relative: STEPS.map(|(_, _, step)| matched.relative_error(step, by).ok()),
        },
    );
    let scales = matched.scale_over_time(STRETCHES).unwrap_or_default();
    if json {
        println!("{:#}", as_json(&matched, &columns, &scales));
    } else {
        print_table(&matched, &columns, &scales);
    }
    Ok(())
}

fn as_json(matched: &MatchedPath, columns: &[Column], scales: &[Option<f64>]) -> Value {
    let error = |error: &Option<PoseError>| {
        error.map(|error| {
            json!({
                "rmse": error.rmse,
                "max": error.max,
                "rotation_rmse": error.rotation_rmse,
                "rotation_max": error.rotation_max,
                "count": error.count,
            })
        })
    };
    let column = |column: &Column| {
        let steps = STEPS.iter().zip(&column.relative);
        let relative: Map<String, Value> =
            steps.map(|((key, _, _), relative)| ((*key).to_owned(), json!(error(relative)))).collect();
        let mut value = json!({
            "scale": column.scale,
            "ate": error(&column.absolute),
            "ate_percent": column.absolute.and_then(|absolute| percent(matched, absolute.rmse)),
        });
        if let Value::Object(object) = &mut value {
            object.extend(relative);
        }
        (column.key.to_owned(), value)
    };
    let mut value = json!({
        "poses": matched.poses(),
        "truth_poses": matched.truth_poses(),
        "tracked": matched.tracked(),
        "truth_length": matched.truth_length(),
        "scale_over_time": scales,
        "units": { "length": "m", "rotation": "degrees" },
    });
    if let Value::Object(object) = &mut value {
        object.extend(columns.iter().map(column));
    }
    value
}

/// A length as a share of the true path.
fn percent(matched: &MatchedPath, length: f64) -> Option<f64> {
    let percent = 100.0 * length / matched.truth_length();
    percent.is_finite().then_some(percent)
}

fn print_table(matched: &MatchedPath, columns: &[Column], scales: &[Option<f64>]) {
    let row = |name: &str, unit: &str, cells: &mut dyn Iterator<Item = String>| {
        println!("{name:<22} {unit:<9}{}", cells.map(|cell| format!("{cell:>11}")).collect::<String>());
    };
    let number = |value: Option<f64>, digits: usize| match value {
        Some(value) => format!("{value:.digits$}"),
        None => "-".to_owned(),
    };
    let tracked = format!("{}/{}", matched.poses(), matched.truth_poses());
    row("poses compared", "", &mut [tracked, format!("{:.1} %", 100.0 * matched.tracked())].into_iter());
    row("length of the truth", "m", &mut [format!("{:.3}", matched.truth_length())].into_iter());
    row("after alignment in", "", &mut columns.iter().map(|column| column.name.to_owned()));
    row("scale", "", &mut columns.iter().map(|column| number(column.scale, 4)));
    let length = |error: &Option<PoseError>| number(error.map(|error| error.rmse), 4);
    let angle = |error: &Option<PoseError>| number(error.map(|error| error.rotation_rmse), 3);
    row("ATE", "m", &mut columns.iter().map(|column| length(&column.absolute)));
    let share = |column: &Column| column.absolute.and_then(|absolute| percent(matched, absolute.rmse));
    row("ATE", "% of path", &mut columns.iter().map(|column| number(share(column), 3)));
    row("ATE, rotation", "degrees", &mut columns.iter().map(|column| angle(&column.absolute)));
    for (index, (_, name, _)) in STEPS.iter().enumerate() {
        let of = |column: &Column| column.relative.get(index).copied().flatten();
        row(name, "m", &mut columns.iter().map(|column| length(&of(column))));
        row(name, "degrees", &mut columns.iter().map(|column| angle(&of(column))));
    }
    let scales: Vec<String> = scales.iter().map(|&scale| number(scale, 3)).collect();
    println!("{:<22} {}", "scale over the path", scales.join(" "));
}
