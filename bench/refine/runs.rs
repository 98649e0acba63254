//! Time and long runs: chunk by chunk, with seams.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use handstream::hand::HandModel;
use handstream::refine::{Chunker, Deadline, RefineConfig, RefinedFrame};
use serde_json::json;

use crate::measure::{measured, provisional, refined, restricted};
use crate::report::{Report, median, rounded};
use crate::scene::{Course, Faults, Material, SceneConfig, WorldScene, head, made_up_clips};
use crate::scenes::{all, material, refiner};

/// Frames of the run whose seams are looked at.
const SEAM_FRAMES: usize = 1200;
/// Ten minutes of frames.
const LONG_FRAMES: usize = 18_000;

/// Milliseconds of each chunk and of its stages, two hands, one thread.
pub fn speed(report: &mut Report) -> Result<()> {
    let Some(material) = material(report)? else { return Ok(()) };
    let model = Arc::new(HandModel::open());
    let (mut chunks, mut stages) = (Vec::new(), Vec::<(&'static str, Vec<f64>)>::new());
    for (_, scene) in all(Course::Standing, &material, &model)? {
        let mut refiner = refiner(model.clone(), RefineConfig::ours());
        let start = Instant::now();
        let result = refiner.refine(&scene.chunk, &Deadline::Never);
        chunks.push(start.elapsed().as_secs_f64() * 1e3);
        for stage in result.statistics.stages {
            let took = stage.took.as_secs_f64() * 1e3;
            match stages.iter_mut().find(|(name, _)| *name == stage.stage) {
                Some((_, times)) => times.push(took),
                None => stages.push((stage.stage, vec![took])),
            }
        }
    }
    for (name, mut times) in std::iter::once(("chunk of 128 frames", chunks)).chain(stages) {
        let worst = times.iter().copied().fold(0.0, f64::max);
        report.row(name, json!({ "median_ms": median(&mut times).map(rounded), "worst_ms": rounded(worst) }));
    }
    Ok(())
}

/// A scene that is made up, of any length.
fn made_up(frames: usize, model: &Arc<HandModel>) -> Result<WorldScene> {
    let limits = model.skeleton().anatomy.limits();
    let material = Material { head: head::made_up(7, frames), clips: made_up_clips(7, &limits) };
    let config = SceneConfig {
        seed: 7,
        frames,
        course: Course::Walking,
        close: false,
        faults: Faults::default(),
        hidden: Vec::new(),
    };
    WorldScene::new(&config, &material, model)
}

/// The frames of a run as they stand after the last chunk, and how long each chunk took, milliseconds.
fn in_chunks(scene: &WorldScene, model: &Arc<HandModel>) -> (Vec<RefinedFrame>, Vec<usize>, Vec<f64>) {
    let config = RefineConfig::ours();
    let chunk = &scene.chunk;
    let mut chunker = Chunker::new(chunk.fps, chunk.camera.clone(), chunk.knowledge, chunk.meaning, &config);
    let mut refiner = refiner(model.clone(), config);
    let (mut frames, mut seams, mut times) = (Vec::<RefinedFrame>::new(), Vec::new(), Vec::new());
    let mut take = |chunk: Option<_>| {
        let Some(chunk) = chunk else { return };
        let start = Instant::now();
        let result = refiner.refine(&chunk, &Deadline::Never);
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if let Some(first) = result.frames.first() {
            let kept = frames.partition_point(|frame| frame.sequence < first.sequence);
            seams.extend((kept > 0).then_some(kept));
            seams.extend((frames.len() > kept).then_some(frames.len()));
            frames.truncate(kept);
        }
        frames.extend(result.frames);
    };
    for frame in &chunk.frames {
        take(chunker.push(frame.clone()));
    }
    take(chunker.finish());
    (frames, seams, times)
}

/// Steps of wrists and camera from frame to frame at the seams of chunks, and inside them; before and after.
pub fn seams(report: &mut Report) -> Result<()> {
    let model = Arc::new(HandModel::open());
    let scene = made_up(SEAM_FRAMES, &model)?;
    let (frames, seams, _) = in_chunks(&scene, &model);
    let (mut across, mut inside) = (0.0_f64, 0.0_f64);
    let (mut camera_across, mut camera_inside) = (0.0_f64, 0.0_f64);
    for (number, pair) in (1..).zip(frames.windows(2)) {
        let at_seam = seams.contains(&number);
        let step = |side| {
            let wrist = |frame: &RefinedFrame| {
                frame.hands.iter().find(|hand| hand.side == side).map(|hand| hand.joints_world[0].0)
            };
            Some((wrist(&pair[1])? - wrist(&pair[0])?).norm())
        };
        for step in crate::scene::SIDES.into_iter().filter_map(step) {
            let largest = if at_seam { &mut across } else { &mut inside };
            *largest = largest.max(step);
        }
        let moved =
            pair[1].world_from_camera.translation.vector - pair[0].world_from_camera.translation.vector;
        let largest = if at_seam { &mut camera_across } else { &mut camera_inside };
        *largest = largest.max(moved.norm());
    }
    report.row("largest step of a wrist", json!({
        "seams": seams.len(),
        "across_mm": rounded(1e3 * across), "inside_mm": rounded(1e3 * inside), "ratio": rounded(across / inside),
    }));
    report.row(
        "largest step of the camera",
        json!({
            "across_mm": rounded(1e3 * camera_across), "inside_mm": rounded(1e3 * camera_inside),
            "ratio": rounded(camera_across / camera_inside),
        }),
    );
    let before = provisional(&scene.chunk, scene.world_scale, &model);
    let after = restricted(&refined(&frames), &before);
    report.row("whole run before, true scale", measured(&scene, &before, &model).json());
    report.row("whole run after", measured(&scene, &after, &model).json());
    Ok(())
}

/// Ten minutes: time of the chunks and memory of the process at a tenth, in the middle and at the end.
pub fn long(report: &mut Report) -> Result<()> {
    let model = Arc::new(HandModel::open());
    let scene = made_up(LONG_FRAMES, &model)?;
    let config = RefineConfig::ours();
    let chunk = &scene.chunk;
    let mut chunker = Chunker::new(chunk.fps, chunk.camera.clone(), chunk.knowledge, chunk.meaning, &config);
    let mut refiner = refiner(model, config);
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for frame in &chunk.frames {
        if let Some(chunk) = chunker.push(frame.clone()) {
            let start = Instant::now();
            refiner.refine(&chunk, &Deadline::Never);
            times.push(start.elapsed().as_secs_f64() * 1e3);
            memory.extend(resident_mib());
        }
    }
    let at = |part: usize| memory.get(memory.len() * part / 10).or(memory.last()).map(|&mib| rounded(mib));
    let worst = times.iter().copied().fold(0.0, f64::max);
    report.row(
        "ten minutes of two hands",
        json!({
            "chunks": times.len(),
            "memory_mib": [at(1), at(5), at(10)],
            "median_ms": median(&mut times).map(rounded),
            "worst_ms": rounded(worst),
        }),
    );
    Ok(())
}

/// Memory that this process holds, where the system tells.
fn resident_mib() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? / 1024.0)
}
