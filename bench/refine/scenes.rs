//! The set of 20 scenes of 128 frames: before and after, and what each part of the refinement does.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use handstream::hand::HandModel;
use handstream::refine::{Deadline, Infill, LearnedPrior, RefineConfig, RefinedChunk, Refiner};
use serde_json::{Value, json};

use crate::measure::{Means, measured, provisional, refined, restricted};
use crate::report::{Report, median, rounded};
use crate::scene::{Course, Faults, Material, SceneConfig, WorldScene, hand_length, head, recorded_clips};

/// Scenes of the set.
const SCENES: u64 = 20;
/// Frames of a scene, one chunk.
const FRAMES: usize = 128;

/// The shared material, or `None` with a printed reason.
pub fn material(report: &Report) -> Result<Option<Material>> {
    let shared = std::env::var_os("HANDSTREAM_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let head_file = shared.join("footage/gt/aria_head_trajectory_1khz.csv");
    let clips_file = shared.join("motion/leap_recordings.safetensors");
    for file in [&head_file, &clips_file] {
        if !file.exists() {
            report
                .skip(&format!("no {} (set HANDSTREAM_SHARED to the shared test material)", file.display()));
            return Ok(None);
        }
    }
    Ok(Some(Material { head: head::recorded(&head_file)?, clips: recorded_clips(&clips_file)? }))
}

/// Hands at work in one place, before a head that moves; every other pair works close together.
fn config(seed: u64, course: Course) -> SceneConfig {
    SceneConfig {
        seed,
        frames: FRAMES,
        course,
        close: seed.is_multiple_of(2),
        faults: Faults::default(),
        hidden: Vec::new(),
    }
}

/// All scenes of a course.
pub fn all(
    course: Course,
    material: &Material,
    model: &Arc<HandModel>,
) -> Result<Vec<(SceneConfig, WorldScene)>> {
    let scene = |seed| {
        let config = config(seed, course);
        Ok((config.clone(), WorldScene::new(&config, material, model)?))
    };
    (0..SCENES).map(scene).collect()
}

/// A refiner as the program makes it.
pub fn refiner(model: Arc<HandModel>, config: RefineConfig) -> Refiner {
    let prior = LearnedPrior::embedded().expect("the weights that come with the program are whole");
    Refiner::new(model, config).with_prior(Box::new(prior))
}

/// Refines a scene by itself.
pub fn refine(scene: &WorldScene, config: &RefineConfig, model: &Arc<HandModel>) -> RefinedChunk {
    refiner(model.clone(), config.clone()).refine(&scene.chunk, &Deadline::Never)
}

/// Means of all scenes and of each kind.
#[derive(Default)]
struct ByKind {
    kinds: Vec<(&'static str, Means)>,
}

impl ByKind {
    fn add(&mut self, config: &SceneConfig, means: &Means) {
        let distance = if config.close { "close" } else { "apart" };
        for kind in ["all", distance] {
            let at = self.kinds.iter().position(|(name, _)| *name == kind).unwrap_or_else(|| {
                self.kinds.push((kind, Means::default()));
                self.kinds.len() - 1
            });
            self.kinds[at].1.merge(means);
        }
    }

    fn rows(&self, report: &mut Report, name: &str) {
        for (kind, means) in &self.kinds {
            report.row(&format!("{name}, {kind}"), means.json());
        }
    }
}

/// Hands at work in one place of the world, the head moving as recorded about the body.
pub fn scenes(report: &mut Report) -> Result<()> {
    before_and_after(report, Course::Standing)
}

/// Hands carried along by a body that walks. Where hands and camera share their way, nothing that is seen tells
/// its scale.
pub fn walking(report: &mut Report) -> Result<()> {
    before_and_after(report, Course::Walking)
}

fn before_and_after(report: &mut Report, course: Course) -> Result<()> {
    let Some(material) = material(report)? else { return Ok(()) };
    let model = Arc::new(HandModel::open());
    let scenes = all(course, &material, &model)?;
    let (mut truth, mut unscaled, mut before, mut after, mut whole) =
        (ByKind::default(), ByKind::default(), ByKind::default(), ByKind::default(), ByKind::default());
    let mut scales = Scales::default();
    for (config, scene) in &scenes {
        let mut true_pen = Means::default();
        for frame in &scene.truth {
            let poses = [0, 1].map(|side: usize| frame.hands[side].pose.clone());
            true_pen.add("pen", crate::scene::interpenetration(&poses, &model), 1.0);
        }
        truth.add(config, &true_pen);
        let front_end = provisional(&scene.chunk, scene.world_scale, &model);
        unscaled.add(config, &measured(scene, &provisional(&scene.chunk, 1.0, &model), &model));
        before.add(config, &measured(scene, &front_end, &model));
        let result = refine(scene, &RefineConfig::ours(), &model);
        let hands = refined(&result.frames);
        after.add(config, &measured(scene, &restricted(&hands, &front_end), &model));
        whole.add(config, &measured(scene, &hands, &model));
        scales.add(scene, &result, &model);
        let place = |frame: &crate::scene::Truth| frame.world_from_camera.translation.vector;
        let centre = scene.truth.iter().map(place).sum::<nalgebra::Vector3<f64>>() / FRAMES as f64;
        let sway =
            scene.truth.iter().map(|frame| (place(frame) - centre).norm()).sum::<f64>() / FRAMES as f64;
        report.say(&format!(
            "scene {:2}{}: camera {sway:.2} m about its middle, seen {:?} of {FRAMES}, filled {}, \
             outliers {}, flips {}",
            config.seed,
            if config.close { ", close" } else { "" },
            front_end.iter().map(|hand| hand.len()).collect::<Vec<_>>(),
            result.statistics.filled,
            result.statistics.outliers,
            result.statistics.side_flips,
        ));
    }
    truth.rows(report, "truth");
    unscaled.rows(report, "before, odometry's own unit");
    before.rows(report, "before, true scale");
    after.rows(report, "after, frames of before");
    whole.rows(report, "after, every frame");
    report.row("gain, all", gains(&before, &after));
    report.row("world scale", scales.json());
    Ok(())
}

/// Parts of the error that are gone.
fn gains(before: &ByKind, after: &ByKind) -> Value {
    let [before, after] = [before, after].map(|kinds| kinds.kinds.first().map(|(_, means)| means.clone()));
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let gain = |key: &str| Some(rounded(100.0 * (after.get(key)? / before.get(key)? - 1.0)));
    json!({
        "g_mpjpe_percent": gain("g_mpjpe"),
        "ga_mpjpe_percent": gain("ga_mpjpe"),
        "acc_percent": gain("acc"),
        "acc_root_percent": gain("acc_root"),
        "rte_percent": gain("rte"),
        "jerk_percent": gain("jerk"),
        "pen_percent": gain("pen"),
    })
}

/// How well the world's scale was found.
#[derive(Default)]
struct Scales {
    off: Vec<f64>,
    off_of_size: Vec<f64>,
    unknown: usize,
}

impl Scales {
    fn add(&mut self, scene: &WorldScene, result: &RefinedChunk, model: &HandModel) {
        let Some(scale) = result.world_scale else {
            self.unknown += 1;
            return;
        };
        self.off.push(100.0 * (scale / scene.world_scale - 1.0));
        let found = result.frames.iter().flat_map(|frame| &frame.hands).map(|hand| hand.pose_camera.betas);
        let lengths: Vec<f64> = found.map(|betas| hand_length(&betas, model)).collect();
        let size = lengths.iter().sum::<f64>() / lengths.len() as f64 / hand_length(&scene.betas, model);
        self.off_of_size.push(100.0 * (scale / scene.world_scale / size - 1.0));
    }

    fn json(&self) -> Value {
        let magnitude = |off: &[f64]| {
            let mut all: Vec<f64> = off.iter().map(|off| off.abs()).collect();
            let worst = all.iter().copied().fold(0.0, f64::max);
            json!({ "median": median(&mut all).map(rounded), "worst": rounded(worst),
                    "each": off.iter().map(|&off| rounded(off)).collect::<Vec<_>>() })
        };
        json!({
            "off_percent": magnitude(&self.off),
            "off_percent_given_hand_size": magnitude(&self.off_of_size),
            "unknown": self.unknown,
        })
    }
}

/// What each part of the refinement does, as the papers' tables of ablations.
pub fn ablations(report: &mut Report) -> Result<()> {
    let Some(material) = material(report)? else { return Ok(()) };
    let model = Arc::new(HandModel::open());
    let scenes = all(Course::Standing, &material, &model)?;
    let ours = RefineConfig::ours;
    let with = |change: fn(&mut RefineConfig)| {
        let mut config = ours();
        change(&mut config);
        config
    };
    let variants = [
        ("all parts", ours()),
        ("no biomechanics", with(|config| config.stages.biomechanics = false)),
        ("no interpenetration", with(|config| config.stages.penetration = false)),
        ("no motion prior", with(|config| config.stages.prior = false)),
        ("gaps by great circles", with(|config| config.stages.infill = Infill::Slerp)),
        ("stages I and II", with(|config| config.stages.joint = false)),
        ("stage I alone", with(|config| (config.stages.world, config.stages.joint) = (false, false))),
        ("weights of the paper", RefineConfig::paper()),
        ("weights of the release", RefineConfig::release()),
    ];
    for (name, config) in variants {
        let mut means = Means::default();
        for (_, scene) in &scenes {
            let hands = refined(&refine(scene, &config, &model).frames);
            means.merge(&measured(scene, &hands, &model));
        }
        report.row(name, means.json());
    }
    Ok(())
}
