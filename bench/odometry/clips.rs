//! Real pictures: a path with truth, cameras on stands, a head camera.

use std::path::PathBuf;

use anyhow::{Context, Result};
use handstream::detect::{HandTracker, TrackerConfig};
use handstream::frame::Frame;
use handstream::geometry::{CameraModel, CameraPath};
use handstream::home::ModelFiles;
use handstream::jobs::InOrder;
use handstream::output::read_path;
use handstream::slam::{PixelBox, hand_boxes};
use handstream::source::{IntrinsicsChoice, OpenOptions, Source, intrinsics_for, open};
use serde_json::json;

use crate::follow::follow;
use crate::report::{Report, median, rounded};

/// Frames a second at which the sequence with truth is played.
const HOLOLENS_FPS: f64 = 10.0;
/// Frames left out at the start, run by run.
const STARTS: [usize; 5] = [0, 1, 2, 3, 4];

/// Clips from a stand, and of a head camera.
const STILL: [&str; 4] = [
    "webcam_one_hand_office.mp4",
    "stereo_desk_cam0_a.mp4",
    "stereo_desk_cam1_a.mp4",
    "static_hand_enters_outdoor.mp4",
];
const KITCHEN: [&str; 2] = ["ego_kitchen_cut_two_hands.mp4", "ego_kitchen_sink_one_hand.mp4"];

/// A file of the shared material, or `None` with a printed reason.
pub fn shared(report: &Report, relative: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HANDSTREAM_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(relative);
    if !path.exists() {
        report.skip(&format!("no {}", path.display()));
        return None;
    }
    Some(path)
}

/// The frames of a source without boxes.
fn bare(source: &mut dyn Source) -> impl Iterator<Item = Result<(Frame, Vec<PixelBox>)>> {
    std::iter::from_fn(|| source.next_frame().transpose()).map(|frame| Ok((frame?, Vec::new())))
}

/// The sequence with truth from five starts, and the median.
pub fn hololens(report: &mut Report) -> Result<()> {
    let Some(folder) = shared(report, "sequences/hololens_000") else { return Ok(()) };
    let images = folder.join("images");
    let spec = images.to_str().context("the path of the sequence is not UTF-8")?;
    let truth = read_path(&folder.join("poses.txt"))?.placed_in_time(Some(HOLOLENS_FPS));
    let truth = truth.context("the truth has no times")?;
    let mut medians: [Vec<f64>; 3] = Default::default();
    for start in STARTS {
        let options = OpenOptions { picture_fps: HOLOLENS_FPS, ..OpenOptions::default() };
        let mut source = open(spec, &options)?;
        let camera = intrinsics_for(&IntrinsicsChoice::File(folder.join("K.txt")), source.info().size)?;
        let followed = follow(&camera, bare(source.as_mut()).skip(start))?;
        let truth =
            CameraPath { poses: truth.poses.get(start..).unwrap_or_default().to_vec(), ..truth.clone() };
        let errors = followed.errors(&truth);
        for (values, key) in medians.iter_mut().zip(["ate_percent", "tracked", "refined_ate_percent"]) {
            values.extend(errors.get(key).and_then(serde_json::Value::as_f64));
        }
        report.row(&format!("start {start}"), errors);
    }
    let [mut ate, mut tracked, mut refined] = medians;
    let values = json!({
        "ate_percent": median(&mut ate),
        "tracked": median(&mut tracked),
        "refined_ate_percent": median(&mut refined),
    });
    report.row("median of five starts", values);
    Ok(())
}

/// Cameras on stands, with and without the hands hidden.
pub fn still(report: &mut Report) -> Result<()> {
    for clip in STILL {
        for masked in [true, false] {
            watch(report, clip, masked, false)?;
        }
    }
    Ok(())
}

/// A head camera: no truth, so only what can be seen of the path itself.
pub fn kitchen(report: &mut Report) -> Result<()> {
    KITCHEN.into_iter().try_for_each(|clip| watch(report, clip, true, true))
}

fn watch(report: &mut Report, clip: &str, masked: bool, steps: bool) -> Result<()> {
    let Some(path) = shared(report, &format!("footage/video/{clip}")) else { return Ok(()) };
    let mut tracker = match masked.then(ModelFiles::locate).transpose() {
        Ok(files) => files.map(|files| tracker(&files)).transpose()?,
        Err(reason) => {
            report.skip(&reason.to_string());
            return Ok(());
        }
    };
    let mut source =
        open(path.to_str().context("the path of the clip is not UTF-8")?, &OpenOptions::default())?;
    let camera = CameraModel::guess(source.info().size);
    let frames = bare(source.as_mut()).map(|frame| {
        let (frame, _) = frame?;
        let hands = tracker.as_mut().map(|tracker| tracker.process(&frame, &InOrder).hands);
        let hidden = hands.iter().flatten().flat_map(|hand| hand_boxes(&hand.keypoints_px)).collect();
        Ok((frame, hidden))
    });
    let followed = follow(&camera, frames)?;
    let mut values = followed.drift();
    if let (true, Some(object)) = (steps, values.as_object_mut()) {
        let positions = followed.causal.poses.windows(2);
        let longest = positions.map(|pair| {
            let [from, to] = [0, 1].map(|k| pair[k].world_from_camera.translation.vector);
            (to - from).norm()
        });
        let longest = followed.in_depths(longest.fold(0.0, f64::max)).map(rounded);
        object.insert("longest_step_in_depths".into(), json!(longest));
        object.insert(
            "length_in_depths".into(),
            json!(followed.in_depths(followed.causal.length()).map(rounded)),
        );
    }
    report.row(&format!("{clip}{}", if masked { ", hands hidden" } else { "" }), values);
    Ok(())
}

fn tracker(files: &ModelFiles) -> Result<HandTracker> {
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| path.display().to_string());
    Ok(HandTracker::new(&read(&files.palm)?, &read(&files.landmark)?, TrackerConfig::default())?)
}
