//! Accuracy of every method, peers included, in millimetres.
//!
//! `cargo bench --bench accuracy [-- SET...]` with the sets `synthetic` and `leap` (held-out sequences of
//! `bench/data`), `stereo` (the calibrated stereo pair, each camera by itself, and both brought together),
//! `jitter` (a hand at rest) and `two_hands` (how far two hands are from each other, `bench/results/two_hands.json`).
//! Recordings and real clips lie below `$HANDSTREAM_SHARED` (default `../shared`) and
//! need the networks of `handstream setup`. Prints tables and writes `bench/results/accuracy.json` where one of the other sets was
//! asked for.

mod clips;
mod fits;
mod holdout;
mod methods;
mod network;
mod one_euro;
mod pnp;
mod recording;
mod report;
#[allow(dead_code, unused_imports, reason = "shared with bench/refine")]
#[path = "../refine/scene/mod.rs"]
mod scene;
mod steadiness;
mod stereo;
mod two_hands;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use handstream::hand::HandModel;
use handstream::home::ModelFiles;
use handstream::metrics::MatchedHand;

use clips::{Clip, shared_footage, watch};
use methods::{METHODS, Outcome};
use recording::Recording;
use report::{AccuracyRow, Report, SteadinessRow};
use stereo::StereoPair;

/// Names of the sets.
const SETS: [&str; 5] = ["synthetic", "leap", "stereo", "jitter", TWO_HANDS];
/// The set with a report of its own.
const TWO_HANDS: &str = "two_hands";
/// Name of the engine's own row.
const ENGINE: &str = "engine as shipped";
/// Name of the row that shows how much of an error is the truth's own noise.
const SMOOTHED_TRUTH: &str = "(the truth itself, smoothed)";

fn main() -> Result<()> {
    // Cargo passes flags of its own.
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for name in &asked {
        ensure!(SETS.contains(&name.as_str()), "{name} is no set: give any of {}", SETS.join(", "));
    }
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    let model = Arc::new(HandModel::open());
    let mut report = Report::new(model.name());
    for (name, file) in [("synthetic", "lite_holdout.safetensors"), ("leap", "leap_holdout.safetensors")] {
        if wanted(name) {
            held_out(name, file, &model, &mut report)?;
        }
    }
    if wanted("stereo") || wanted("jitter") {
        match ModelFiles::locate() {
            Ok(models) => real_clips(&models, &model, wanted, &mut report)?,
            Err(reason) => println!("skipped the clips: {reason}"),
        }
    }
    if wanted(TWO_HANDS) {
        both_hands(&model)?;
        if asked.iter().all(|name| name == TWO_HANDS) && !asked.is_empty() {
            return Ok(());
        }
    }
    report.finish()
}

fn both_hands(model: &Arc<HandModel>) -> Result<()> {
    let Some(footage) = shared_footage() else { return Ok(()) };
    let clip = match ModelFiles::locate() {
        Ok(models) => {
            let film = footage.join("video/webcam_two_hands_tutting_a.mp4");
            Some(watch(&film, None, &models, model)?)
        }
        Err(reason) => {
            println!("skipped the clip: {reason}");
            None
        }
    };
    two_hands::measure(model, footage.parent(), clip.as_ref())
}

fn held_out(set: &str, file: &str, model: &Arc<HandModel>, report: &mut Report) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/data").join(file);
    if !path.exists() {
        println!("skipped {set}: no {}", path.display());
        return Ok(());
    }
    let recordings = holdout::read(&path)?;
    let recordings: Vec<&Recording> = recordings.iter().collect();
    let landmarks = recordings.iter().any(|recording| recording.has_landmarks());
    for method in METHODS.iter().filter(|method| landmarks || !method.needs_landmarks()) {
        let outcomes: Vec<Outcome> =
            recordings.iter().map(|recording| method.run(recording, model)).collect::<Result<_>>()?;
        report.accuracy.push(AccuracyRow::of(set, method.name, &recordings, &outcomes));
    }
    Ok(())
}

fn real_clips(
    models: &ModelFiles,
    model: &Arc<HandModel>,
    wanted: impl Fn(&str) -> bool,
    report: &mut Report,
) -> Result<()> {
    let Some(footage) = shared_footage() else { return Ok(()) };
    let video = footage.join("video");
    if wanted("stereo") {
        let pair = StereoPair::read(&footage.join("gt"))?;
        let mut clips = Vec::new();
        for (view, camera) in pair.cameras.iter().enumerate() {
            let path = video.join(format!("stereo_desk_cam{view}_a.mp4"));
            let mut clip = watch(&path, Some(camera.clone()), models, model)?;
            clip.recording.truth = pair.truth(view);
            clips.push(clip);
        }
        stereo(&pair, &clips, model, report)?;
    }
    if wanted("jitter") {
        let clip = watch(&video.join("static_hand_enters_outdoor.mp4"), None, models, model)?;
        at_rest(&clip, model, report)?;
    }
    Ok(())
}

fn stereo(pair: &StereoPair, clips: &[Clip], model: &Arc<HandModel>, report: &mut Report) -> Result<()> {
    let mut outcomes = Vec::new();
    for (view, clip) in clips.iter().enumerate() {
        let set = format!("cam{view}");
        let recording = [&clip.recording];
        for method in &METHODS {
            let outcome = method.run(&clip.recording, model)?;
            report.accuracy.push(AccuracyRow::of(
                &set,
                method.name,
                &recording,
                std::slice::from_ref(&outcome),
            ));
            outcomes.push((view, method.name, outcome.estimates));
        }
        report.accuracy.push(AccuracyRow::of_estimates(&set, ENGINE, &recording, &[&clip.engine]));
        let smoothed =
            MatchedHand::new(&pair.smoothed_truth(view), &clip.recording.truth, clip.recording.fps);
        report.accuracy.push(AccuracyRow::of_matched(&set, SMOOTHED_TRUTH, &[smoothed]));
        outcomes.push((view, ENGINE, clip.engine.clone()));
    }
    for (_, method, cam0) in outcomes.iter().filter(|(view, ..)| *view == 0) {
        let Some((.., cam1)) = outcomes.iter().find(|(view, name, _)| *view == 1 && name == method) else {
            continue;
        };
        let distance = pair.distance(cam0, cam1);
        report.two_cameras.extend(distance.map(|(mm, frames)| SteadinessRow::new(method, mm, frames)));
    }
    Ok(())
}

/// The second half of the clip: the hand lies still.
fn at_rest(clip: &Clip, model: &Arc<HandModel>, report: &mut Report) -> Result<()> {
    let half = clip.engine.len() / 2;
    let mut rows = Vec::new();
    for method in &METHODS {
        rows.push((method.name, method.run(&clip.recording, model)?.estimates));
    }
    rows.push((ENGINE, clip.engine.clone()));
    for (method, estimates) in rows {
        if let Some(jitter) = steadiness::jitter(&estimates[half..]) {
            report.jitter.push(SteadinessRow::new(method, jitter.about_mean, jitter.count));
            report.jitter_about_drift.push(SteadinessRow::new(method, jitter.about_line, jitter.count));
        }
    }
    Ok(())
}
