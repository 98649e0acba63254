//! Occlusion bursts: a hand is hidden for a while in the middle of a scene in which nothing else goes wrong.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use anyhow::Result;
use handstream::geometry::alignment::align_similarity;
use handstream::hand::HandModel;
use handstream::metrics::root_relative;
use handstream::refine::{Infill, RefineConfig};
use nalgebra::Vector3;

use crate::measure::{Means, PlacedHand, provisional, refined};
use crate::report::Report;
use crate::scene::{Course, Faults, SceneConfig, WorldScene};
use crate::scenes::{material, refine};

/// Frames that the right hand is hidden.
const BURSTS: [usize; 3] = [10, 20, 40];
/// Scenes for each.
const SCENES: u64 = 20;
/// Seeds of this set begin here.
const FIRST_SEED: u64 = 1000;
/// Frames of a scene.
const FRAMES: usize = 128;

/// Errors inside the gap: by the motion prior, by great circles, and with the last pose held.
pub fn bursts(report: &mut Report) -> Result<()> {
    let Some(material) = material(report)? else { return Ok(()) };
    let model = Arc::new(HandModel::open());
    for length in BURSTS {
        let gap = FRAMES / 2 - length / 2..FRAMES / 2 + length.div_ceil(2);
        let mut rows = [
            ("motion prior", Means::default()),
            ("great circles", Means::default()),
            ("last pose held", Means::default()),
        ];
        for seed in FIRST_SEED..FIRST_SEED + SCENES {
            let config = SceneConfig {
                seed,
                frames: FRAMES,
                course: Course::Standing,
                close: false,
                faults: Faults::none(),
                hidden: vec![gap.clone()],
            };
            let scene = WorldScene::new(&config, &material, &model)?;
            let ours = RefineConfig::ours();
            let mut circles = ours.clone();
            circles.stages.infill = Infill::Slerp;
            let [_, by_prior] = refined(&refine(&scene, &ours, &model).frames);
            let [_, by_circles] = refined(&refine(&scene, &circles, &model).frames);
            let [_, mut held] = provisional(&scene.chunk, scene.world_scale, &model);
            if let Some((_, last)) = held.range(..gap.start as u64).next_back() {
                let last = last.clone();
                held.extend(gap.clone().map(|frame| (frame as u64, last.clone())));
            }
            for (row, hand) in rows.iter_mut().zip([by_prior, by_circles, held]) {
                inside(&mut row.1, &scene, &hand, &gap);
            }
        }
        for (name, means) in rows {
            report.row(&format!("{length} frames, {name}"), means.json());
        }
    }
    Ok(())
}

/// Joint errors inside the gap, millimetres: after one similarity alignment of the whole scene, relative to the
/// wrist, and of each frame aligned by itself; and the share of the gap that has a hand at all.
fn inside(means: &mut Means, scene: &WorldScene, hand: &BTreeMap<u64, PlacedHand>, gap: &Range<usize>) {
    let known = |frame: usize| hand.get(&(frame as u64)).map(|hand| hand.joints);
    let truth = |frame: usize| scene.truth[frame].hands[1].joints;
    let pairs: Vec<_> = (0..FRAMES).filter_map(|frame| Some((known(frame)?, truth(frame)))).collect();
    let (all, all_true): (Vec<Vector3<f64>>, Vec<Vector3<f64>>) =
        pairs.iter().flat_map(|(joints, truth)| joints.iter().copied().zip(truth.iter().copied())).unzip();
    let whole = align_similarity(&all, &all_true);
    for frame in gap.clone() {
        means.add("filled", if known(frame).is_some() { 1.0 } else { 0.0 }, 1.0);
        let (Some(joints), truth) = (known(frame), truth(frame)) else { continue };
        let error = |joints: &[Vector3<f64>], truth: &[Vector3<f64>]| {
            let distances = joints.iter().zip(truth).map(|(a, b)| (a - b).norm());
            1000.0 * distances.sum::<f64>() / truth.len() as f64
        };
        if let Some(whole) = whole {
            means.add("ga_mpjpe", error(&joints.map(|joint| whole.apply(joint)), &truth), 1.0);
        }
        if let ([relative], [relative_true]) = (&root_relative(&[joints])[..], &root_relative(&[truth])[..]) {
            means.add("ra_mpjpe", error(relative, relative_true), 1.0);
        }
        if let Some(own) = align_similarity(&joints, &truth) {
            means.add("pa_mpjpe", error(&joints.map(|joint| own.apply(joint)), &truth), 1.0);
        }
    }
}
