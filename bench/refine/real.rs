//! Real clips from cameras that stand: the stereo desk with its truth, and what the world makes of others.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use handstream::engine::{FrontEnd, FrontEndConfig, HandFrontEnd};
use handstream::event::TrackedHand;
use handstream::geometry::CameraModel;
use handstream::hand::HandModel;
use handstream::home::ModelFiles;
use handstream::metrics::{HandSequence, MEASURES, MatchedHand};
use handstream::refine::{
    CameraKnowledge, ChunkFrame, Chunker, Deadline, KeypointMeaning, ObservedHand, RefineConfig,
    RefinedFrame, Refiner,
};
use handstream::source::{OpenOptions, open};
use nalgebra::Vector3;
use serde_json::{Map, Value, json};

use crate::clips::shared_footage;
use crate::recording::sample;
use crate::report::{Report, rounded};
use crate::stereo::StereoPair;

/// The measures of issue and README: after alignment of each frame, of all, of the first; acceleration.
const SHOWN: [&str; 5] = ["pa_mpjpe", "ra_mpjpe", "ga_mpjpe", "fa_mpjpe", "acc"];
/// Clips from stands besides the stereo desk.
const STILL: [&str; 3] =
    ["static_hand_enters_outdoor.mp4", "webcam_one_hand_office.mp4", "webcam_two_hands_tutting_a.mp4"];

/// A clip before and after.
struct Seen {
    before: BTreeMap<u64, Vec<TrackedHand>>,
    after: Vec<RefinedFrame>,
    fps: f64,
}

/// Runs the whole front end over a clip and refines its hands, the camera standing.
fn refined(path: &Path, camera: Option<CameraModel>, model: &Arc<HandModel>) -> Result<Seen> {
    let models = ModelFiles::locate()?;
    let mut source = open(path.to_str().context("the path is not UTF-8")?, &OpenOptions::default())?;
    let camera = camera.unwrap_or_else(|| CameraModel::guess(source.info().size));
    let fps = source.info().fps;
    let config = RefineConfig::ours();
    let mut front_end = HandFrontEnd::new(&models, model.clone(), camera.clone(), FrontEndConfig::default())?;
    let mut chunker = Chunker::new(fps, camera, CameraKnowledge::Still, KeypointMeaning::Tracker, &config);
    let mut refiner = Refiner::new(model.clone(), config);
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    let mut take = |chunk: Option<_>| {
        for frame in chunk.map_or_else(Vec::new, |chunk| refiner.refine(&chunk, &Deadline::Never).frames) {
            after.insert(frame.sequence, frame);
        }
    };
    while let Some(frame) = source.next_frame()? {
        let hands = front_end.process(&frame).hands;
        let observed = |hand: &TrackedHand| ObservedHand {
            track: hand.track,
            side: hand.side,
            score: hand.score,
            keypoints_px: hand.keypoints_px,
            confidence: [hand.score; 21],
            pose: hand.pose.clone(),
        };
        take(chunker.push(ChunkFrame {
            sequence: frame.sequence,
            timestamp: frame.timestamp,
            world_from_camera: None,
            hands: hands.iter().map(observed).collect(),
        }));
        before.insert(frame.sequence, hands);
    }
    take(chunker.finish());
    Ok(Seen { before, after: after.into_values().collect(), fps })
}

/// The stereo desk, camera 0: the front end and the refinement beside triangulated joints.
pub fn stereo(report: &mut Report) -> Result<()> {
    let Some(footage) = footage(report) else { return Ok(()) };
    let model = Arc::new(HandModel::open());
    let pair = StereoPair::read(&footage.join("gt"))?;
    let clip = footage.join("video/stereo_desk_cam0_a.mp4");
    let seen = refined(&clip, Some(pair.cameras[0].clone()), &model)?;
    let joints = |hand: [Vector3<f64>; 21]| sample(hand.map(Some), None);
    let before: HandSequence = seen
        .before
        .iter()
        .filter_map(|(&frame, hands)| {
            let best = hands.iter().max_by(|a, b| a.score.total_cmp(&b.score))?;
            Some((frame, joints(best.joints_camera.map(|joint| joint.0.cast()))))
        })
        .collect();
    let after: HandSequence = seen
        .after
        .iter()
        .filter_map(|frame| {
            let best = frame.hands.iter().max_by(|a, b| a.score.total_cmp(&b.score))?;
            Some((frame.sequence, joints(best.joints_camera.map(|joint| joint.0.cast()))))
        })
        .collect();
    let truth = pair.truth(0);
    for (name, hands) in [("before", &before), ("after", &after)] {
        let matched = MatchedHand::new(hands, &truth, seen.fps);
        let mut values = Map::new();
        values.insert("frames".into(), matched.frames().into());
        for measure in MEASURES.iter().filter(|measure| SHOWN.contains(&measure.key)) {
            values.insert(measure.key.into(), measure.of(&matched).ok().map(rounded).into());
        }
        report.row(&format!("stereo_desk_cam0_a, {name}"), Value::Object(values));
    }
    Ok(())
}

/// Clips from stands: how far the hands in the world are from the hands before the camera.
pub fn still(report: &mut Report) -> Result<()> {
    let Some(footage) = footage(report) else { return Ok(()) };
    let model = Arc::new(HandModel::open());
    for name in STILL {
        let seen = refined(&footage.join("video").join(name), None, &model)?;
        let (mut worst, mut hands) = (0.0_f64, 0);
        for hand in seen.after.iter().flat_map(|frame| &frame.hands) {
            hands += 1;
            for (world, camera) in hand.joints_world.iter().zip(&hand.joints_camera) {
                worst = worst.max((world.0 - camera.0.cast::<f64>()).norm());
            }
        }
        report.row(name, json!({ "hands": hands, "worst_mm": rounded(1e3 * worst) }));
    }
    Ok(())
}

/// The shared clips, or a printed reason.
fn footage(report: &Report) -> Option<std::path::PathBuf> {
    if let Err(reason) = ModelFiles::locate() {
        report.skip(&reason.to_string());
        return None;
    }
    shared_footage()
}
