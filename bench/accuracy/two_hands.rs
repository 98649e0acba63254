//! Two hands of one person: how far the way from one wrist to the other is off, with what the hands know of each
//! other and without.
//!
//! Scenes of 128 frames from recordings that are held out, `bench/refine/scene`: hands at work next to each other,
//! and hands apart. Nothing was chosen or trained on their seeds. The real clip has no truth: what both hands have
//! in common and changes of side are counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use handstream::event::{HandPose, Side, TrackId};
use handstream::fit::FitConfig;
use handstream::frame::Timestamp;
use handstream::geometry::CameraModel;
use handstream::hand::HandModel;
use handstream::haptic::HandInput;
use handstream::metrics::{HandSequence, MatchedHand, relative_root_error};
use handstream::refine::ObservedHand;
use nalgebra::{Point3, Vector3};
use serde_json::{Value, json};

use super::clips::Clip;
use super::recording::sample;
use super::report::rounded;
use super::scene::{
    Course, Faults, FrontEnd, Material, SIDES, SceneConfig, WorldScene, hand_length, head, interpenetration,
    recorded_clips,
};

/// Seeds of the scenes; those of `bench/refine` are others.
const SEEDS: std::ops::Range<u64> = 500..530;
/// Frames of a scene, and frames a second.
const FRAMES: usize = 128;
const FPS: f64 = 30.0;
/// Frames between two looks at what hands have in common.
const PENETRATION_STRIDE: usize = 4;
/// Where the numbers go.
const RESULTS: &str = "bench/results/two_hands.json";

/// What the hands of a scene know of each other.
#[derive(Clone, Copy)]
struct Variant {
    name: &'static str,
    shared: bool,
    /// Whether the user has told the true length of the hand.
    told: bool,
}

const VARIANTS: [Variant; 4] = [
    Variant { name: "each hand by itself", shared: false, told: false },
    Variant { name: "one shape", shared: true, told: false },
    Variant { name: "each hand by itself, length told", shared: false, told: true },
    Variant { name: "one shape, length told", shared: true, told: true },
];

impl Variant {
    /// The fit's settings for a hand of `length_mm`.
    fn config(self, length_mm: Option<f64>) -> FitConfig {
        let mut config = FitConfig::default();
        config.shape.shared = self.shared;
        config.shape.hand_length_mm = length_mm.filter(|_| self.told);
        config
    }
}

/// Both hands of the frames that have both, left one first, camera space.
type Pairs = BTreeMap<u64, [HandPose; 2]>;

/// Sums over frames.
#[derive(Default)]
struct Sums {
    scenes: Vec<f64>,
    frames: usize,
    mrrpe: f64,
    depth: f64,
    shaking: f64,
    shaken: usize,
    common: f64,
    looks: usize,
}

impl Sums {
    fn row(&self) -> Value {
        let per = |sum: f64, count: usize| (count > 0).then(|| rounded(sum / count as f64));
        let mut scenes = self.scenes.clone();
        scenes.sort_by(f64::total_cmp);
        json!({
            "frames": self.frames,
            "mrrpe_mm": per(self.mrrpe, self.frames),
            "median_scene_mm": scenes.get(scenes.len() / 2).copied().map(rounded),
            "depth_part_mm": per(self.depth, self.frames),
            "acceleration_of_the_way_mm": per(self.shaking, self.shaken),
            "in_common_cm3": per(self.common, self.looks),
        })
    }

    /// Adds what the hands of a run have in common, and how unsteady the way between them is.
    fn add_hands(&mut self, pairs: &Pairs, ways: &BTreeMap<u64, Vector3<f64>>, model: &HandModel) {
        for poses in pairs.values().step_by(PENETRATION_STRIDE) {
            self.common += interpenetration(poses, model);
            self.looks += 1;
        }
        for (&frame, way) in ways {
            let (Some(before), Some(after)) = (ways.get(&(frame.wrapping_sub(1))), ways.get(&(frame + 1)))
            else {
                continue;
            };
            self.shaking += 1e3 * (before - way * 2.0 + after).norm();
            self.shaken += 1;
        }
    }
}

/// All rows, written to their own file.
pub fn measure(model: &Arc<HandModel>, shared: Option<&Path>, clip: Option<&Clip>) -> Result<()> {
    let mut rows = serde_json::Map::new();
    if let Some(material) = shared.map(material).transpose()? {
        for (set, close) in [("close", true), ("apart", false)] {
            let scenes: Vec<WorldScene> = SEEDS
                .map(|seed| WorldScene::new(&config(seed, close), &material, model))
                .collect::<Result<_>>()?;
            for variant in VARIANTS {
                let mut sums = Sums::default();
                for scene in &scenes {
                    add_scene(&mut sums, scene, variant, model)?;
                }
                row(&mut rows, &format!("{set}, {}", variant.name), sums.row());
            }
        }
    }
    if let Some(clip) = clip {
        for variant in VARIANTS.iter().filter(|variant| !variant.told) {
            row(&mut rows, &format!("tutting clip, {}", variant.name), of_clip(clip, *variant, model)?);
        }
    }
    let report = json!({
        "command": "cargo bench --bench accuracy -- two_hands",
        "what": "the way from the right wrist to the left one: its mean error (MRRPE), median over scenes, the part \
                 along the camera's axis, its second difference from frame to frame (truth about 2), and the volume \
                 that both hands have in common",
        "rows": rows,
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(RESULTS);
    std::fs::write(&path, serde_json::to_string_pretty(&report)? + "\n").context(RESULTS)
}

fn row(rows: &mut serde_json::Map<String, Value>, name: &str, values: Value) {
    println!("{name:<48} {values}");
    rows.insert(name.to_owned(), values);
}

/// Recorded hands and a recorded head below `shared`.
fn material(shared: &Path) -> Result<Material> {
    let file = |name: &str| -> PathBuf { shared.join(name) };
    Ok(Material {
        head: head::recorded(&file("footage/gt/aria_head_trajectory_1khz.csv"))?,
        clips: recorded_clips(&file("motion/leap_recordings.safetensors"))?,
    })
}

fn config(seed: u64, close: bool) -> SceneConfig {
    let course = Course::Standing;
    SceneConfig { seed, frames: FRAMES, course, close, faults: Faults::default(), hidden: Vec::new() }
}

/// Runs the front end over a scene and compares the way between the wrists.
fn add_scene(sums: &mut Sums, scene: &WorldScene, variant: Variant, model: &Arc<HandModel>) -> Result<()> {
    let camera = Arc::new(scene.chunk.camera.clone());
    let length = 1e3 * hand_length(&scene.betas, model);
    let mut front_end = FrontEnd::new(2, model.clone(), camera, variant.config(Some(length)))?;
    let published: Vec<Vec<ObservedHand>> = (0..)
        .zip(&scene.seen)
        .map(|(frame, seen)| front_end.publish(seen, Timestamp::from_seconds(f64::from(frame) / FPS)))
        .collect();
    let pairs = pairs(&published);
    let truth = [0, 1].map(|side: usize| -> HandSequence {
        let joints = |truth: &super::scene::Truth| {
            let camera_from_world = truth.world_from_camera.inverse();
            truth.hands[side].joints.map(|joint| Some((camera_from_world * Point3::from(joint)).coords))
        };
        (0..).zip(&scene.truth).map(|(frame, truth)| (frame, sample(joints(truth), None))).collect()
    });
    let estimate = [0, 1].map(|side: usize| -> HandSequence {
        let joints =
            |pose: &HandPose| model.posed(pose, SIDES[side]).joints.map(|joint| Some(joint.0.cast()));
        pairs.iter().map(|(&frame, poses)| (frame, sample(joints(&poses[side]), None))).collect()
    });
    let [left, right] = [0, 1].map(|side: usize| MatchedHand::new(&estimate[side], &truth[side], FPS));
    let (mrrpe, frames) = relative_root_error(&left, &right)?;
    let ways = ways(&estimate);
    for (frame, way) in &ways {
        let true_way = ways_of(&truth, *frame);
        sums.depth += true_way.map_or(0.0, |truth| 1e3 * (way.z - truth.z).abs());
    }
    sums.mrrpe += mrrpe * frames as f64;
    sums.frames += frames;
    sums.scenes.push(mrrpe);
    sums.add_hands(&pairs, &ways, model);
    Ok(())
}

/// The better hand of each side of every frame that has both.
fn pairs(published: &[Vec<ObservedHand>]) -> Pairs {
    let best = |hands: &[ObservedHand], side: Side| {
        let of_side = hands.iter().filter(|hand| hand.side == side);
        of_side.max_by(|a, b| a.score.total_cmp(&b.score)).map(|hand| hand.pose.clone())
    };
    let both = (0..).zip(published).filter_map(|(frame, hands)| {
        let [left, right] = SIDES.map(|side| best(hands, side));
        Some((frame, [left?, right?]))
    });
    both.collect()
}

/// From the right wrist to the left one in every frame.
fn ways(hands: &[HandSequence; 2]) -> BTreeMap<u64, Vector3<f64>> {
    hands[0].keys().filter_map(|&frame| Some((frame, ways_of(hands, frame)?))).collect()
}

fn ways_of(hands: &[HandSequence; 2], frame: u64) -> Option<Vector3<f64>> {
    let wrist = |side: usize| hands[side].get(&frame)?.joints[0];
    Some(wrist(0)? - wrist(1)?)
}

/// A clip without truth.
fn of_clip(clip: &Clip, variant: Variant, model: &Arc<HandModel>) -> Result<Value> {
    let camera: Arc<CameraModel> = clip.recording.camera.clone();
    let mut front_end = FrontEnd::new(2, model.clone(), camera, variant.config(None))?;
    let published: Vec<Vec<ObservedHand>> = clip
        .recording
        .frames
        .iter()
        .enumerate()
        .map(|(index, hands)| {
            let input = |hand: &super::recording::SeenHand2d| HandInput {
                track: hand.track,
                observation: hand.observation.clone(),
            };
            front_end.fit(&hands.iter().map(input).collect::<Vec<_>>(), clip.recording.time(index))
        })
        .collect();
    let pairs = pairs(&published);
    let hands = [0, 1].map(|side: usize| -> HandSequence {
        let joints =
            |pose: &HandPose| model.posed(pose, SIDES[side]).joints.map(|joint| Some(joint.0.cast()));
        pairs.iter().map(|(&frame, poses)| (frame, sample(joints(&poses[side]), None))).collect()
    });
    let mut sums = Sums { frames: pairs.len(), ..Sums::default() };
    sums.add_hands(&pairs, &ways(&hands), model);
    let mut sides: BTreeMap<TrackId, Side> = BTreeMap::new();
    let changes = published
        .iter()
        .flatten()
        .filter(|hand| sides.insert(hand.track, hand.side).is_some_and(|before| before != hand.side));
    let changes = changes.count();
    let per = |sum: f64, count: usize| (count > 0).then(|| rounded(sum / count as f64));
    Ok(json!({
        "frames": sums.frames,
        "acceleration_of_the_way_mm": per(sums.shaking, sums.shaken),
        "in_common_cm3": per(sums.common, sums.looks),
        "changes_of_side": changes,
    }))
}
