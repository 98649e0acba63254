//! The normal equations against finite differences of the cost.

use super::problem::{Estimate, HandEstimate, Problem, ScalePrior};
use super::system::{OFFSET, SCALE, SHAPE};
use crate::event::KEYPOINTS;
use crate::fit::kinematics::SHAPES;
use crate::fit::parameters::{Step, UNKNOWNS};
use crate::hand::HandModel;
use crate::refine::scene::{CameraWay, HandChain, sort_tracks, world_postures};
use crate::refine::tests::{USUAL, scene};
use crate::refine::{CameraKnowledge, RefineConfig};

const EPSILON: f64 = 1e-6;

fn slopes_agree(config: &RefineConfig) {
    let mut scene = scene(5, USUAL, CameraKnowledge::ScaleFree);
    scene.chunk.frames[2].hands.clear();
    let model = HandModel::open();
    let sorted = sort_tracks(&scene.chunk);
    let way = CameraWay::new(&scene.chunk, None);
    let mut hands: Vec<HandChain> = sorted
        .hands
        .iter()
        .map(|track| HandChain::new(track, &scene.chunk, &model, config, |own, _| *own).unwrap())
        .collect();
    hands.iter_mut().for_each(|hand| hand.offset_information = 1e5);
    let scale_prior = ScalePrior { logarithm: 0.3, information: 2.0 };
    let estimate = Estimate {
        hands: hands
            .iter()
            .map(|hand| HandEstimate {
                postures: world_postures(hand, &way, 2.0)
                    .iter()
                    .enumerate()
                    .map(|(t, p)| p.plus(&Step::from_fn(|i, _| 0.01 * ((t * 31 + i * 17) % 7) as f64 - 0.03)))
                    .collect(),
                betas: hand.betas.add_scalar(0.2),
                offsets: hand.offsets.add_scalar(1e-3),
            })
            .collect(),
        scale: 2.0,
    };
    let problem = Problem { hands: &hands, way: &way, config, scale_prior, joint: None };
    let (systems, costs) = problem.linearise(&estimate);
    let total = problem.costs(&estimate).total();
    assert!((costs.total() - total).abs() < 1e-9 * total);
    let slope = |change: &dyn Fn(&mut Estimate, f64)| {
        let at = |sign: f64| {
            let mut moved = estimate.clone();
            change(&mut moved, sign * EPSILON);
            problem.costs(&moved).total()
        };
        (at(1.0) - at(-1.0)) / (2.0 * EPSILON)
    };
    let mut by_scale = problem.scale_terms(estimate.scale).1;
    for (h, system) in systems.iter().enumerate() {
        let size = system.gradient.iter().map(|g| g.norm()).fold(0.0, f64::max);
        for t in 0..system.gradient.len() {
            for i in 0..UNKNOWNS {
                let numeric = slope(&|e, d| {
                    e.hands[h].postures[t] = e.hands[h].postures[t].plus(&(Step::ith(i, d)));
                });
                let analytic = system.gradient[t][i];
                assert!((numeric - analytic).abs() < 2e-5 * size, "{h} {t} {i}: {numeric} {analytic}");
            }
        }
        for b in 0..SHAPES {
            let numeric = slope(&|e, d| e.hands[h].betas[b] += d);
            let analytic = system.shared_gradient[SHAPE + b];
            assert!((numeric - analytic).abs() < 2e-5 * size, "{h} shape {b}: {numeric} {analytic}");
        }
        // The papers' smoothness has no offsets.
        for k in (0..KEYPOINTS).filter(|_| config.motion.joint_velocity == 0.0) {
            let numeric = slope(&|e, d| e.hands[h].offsets[k] += d);
            let analytic = system.shared_gradient[OFFSET + k];
            assert!((numeric - analytic).abs() < 2e-5 * size, "{h} offset {k}: {numeric} {analytic}");
        }
        by_scale += system.shared_gradient[SCALE];
    }
    let numeric = slope(&|e, d| e.scale *= d.exp());
    assert!((numeric - by_scale).abs() < 1e-5 * by_scale.abs().max(1.0), "scale: {numeric} {by_scale}");
}

#[test]
fn the_gradient_of_every_preset_is_the_slope_of_its_cost() {
    slopes_agree(&RefineConfig::ours());
    slopes_agree(&RefineConfig::paper());
    slopes_agree(&RefineConfig::release());
}
