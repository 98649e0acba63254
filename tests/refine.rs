//! The refinement on worlds that are made up from a seed (`bench/refine/scene`).

#[allow(dead_code, unused_imports, reason = "the bench reads recordings too")]
#[path = "../bench/refine/scene/mod.rs"]
mod scene;

use std::sync::Arc;

use handstream::hand::HandModel;
use handstream::refine::{Deadline, RefineConfig, Refiner};
use nalgebra::{Point3, Vector3};
use scene::{Course, Faults, Material, SceneConfig, WorldScene, head, made_up_clips};

/// A walk with two hands, made up.
fn walk(frames: usize, faults: Faults) -> (WorldScene, Arc<HandModel>) {
    let model = Arc::new(HandModel::open());
    let clips = made_up_clips(5, &model.skeleton().anatomy.limits());
    let material = Material { head: head::made_up(5, frames), clips };
    let config =
        SceneConfig { seed: 5, frames, course: Course::Walking, close: false, faults, hidden: Vec::new() };
    (WorldScene::new(&config, &material, &model).unwrap(), model)
}

#[test]
fn a_scene_is_the_same_for_the_same_seed_and_the_front_end_is_near_the_truth() {
    let (scene, model) = walk(40, Faults::none());
    let (again, _) = walk(40, Faults::none());
    let mut errors = Vec::new();
    for ((frame, other), truth) in scene.chunk.frames.iter().zip(&again.chunk.frames).zip(&scene.truth) {
        assert_eq!(frame.world_from_camera, other.world_from_camera);
        for (hand, other) in frame.hands.iter().zip(&other.hands) {
            assert_eq!(hand.pose, other.pose);
            let joints = model.posed(&hand.pose, hand.side).joints;
            let place = |k: usize| truth.world_from_camera * Point3::from(joints[k].0.cast::<f64>());
            let side = usize::from(hand.side == handstream::event::Side::Right);
            let off = |k: usize| (place(k).coords - truth.hands[side].joints[k]).norm();
            errors.push((0..21).map(off).sum::<f64>() / 21.0);
        }
    }
    assert!(errors.len() > 60, "{} hands seen", errors.len());
    errors.sort_by(f64::total_cmp);
    assert!(errors[errors.len() / 2] < 0.06, "median error {} m", errors[errors.len() / 2]);
}

#[test]
fn every_frame_of_a_chunk_comes_back_with_finite_hands_whatever_its_length() {
    let (scene, model) = walk(129, Faults::default());
    for length in [0, 1, 7, 127, 129] {
        let mut chunk = scene.chunk.clone();
        chunk.frames.truncate(length);
        let mut refiner = Refiner::new(model.clone(), RefineConfig::ours());
        let refined = refiner.refine(&chunk, &Deadline::Never);
        let given: Vec<u64> = chunk.frames.iter().map(|frame| frame.sequence).collect();
        let back: Vec<u64> = refined.frames.iter().map(|frame| frame.sequence).collect();
        assert_eq!(given, back);
        let finite = |point: &Vector3<f64>| point.iter().all(|value| value.is_finite());
        let hands = refined.frames.iter().flat_map(|frame| &frame.hands);
        assert!(hands.flat_map(|hand| &hand.joints_world).all(|joint| finite(&joint.0)));
    }
}

#[test]
fn a_made_up_head_walks_and_looks_ahead_and_down() {
    let path = head::made_up(3, 300);
    let step =
        |pair: &[nalgebra::Isometry3<f64>]| (pair[1].translation.vector - pair[0].translation.vector).norm();
    let way: f64 = path.windows(2).map(step).sum();
    assert!((3.0..20.0).contains(&way), "{way} m in ten seconds");
    let down: f64 = path.iter().map(|pose| (pose.rotation * Vector3::z()).y).sum::<f64>() / 300.0;
    assert!((down - head::LOOKS_DOWN.sin()).abs() < 0.05);
}
