//! The stages of one chunk.

use std::time::Instant;

use super::config::RefineConfig;
use super::data::{Chunk, Deadline, RefineStatistics, StageStatistics};
use super::scene::{CameraWay, HandChain, Sorted, first_scale, remove_outliers, world_postures};
use super::solver::{Estimate, HandEstimate, Outcome, Problem, ScalePrior, minimise};
use super::stitch::Carried;
use crate::hand::HandModel;

/// Information on the logarithm of a scale that was only guessed: a factor of three either way.
const GUESSED_SCALE: f64 = 1.0;

/// A chunk whose hands are placed.
pub(super) struct Solved {
    pub way: CameraWay,
    pub hands: Vec<HandChain>,
    pub estimate: Estimate,
    /// On the logarithm of the scale.
    pub scale_information: f64,
    pub statistics: RefineStatistics,
}

/// Runs all stages that the configuration asks for.
#[allow(clippy::too_many_arguments, reason = "called once; the parts are of different owners")]
pub(super) fn solve(
    chunk: &Chunk,
    sorted: &Sorted,
    way: CameraWay,
    model: &HandModel,
    config: &RefineConfig,
    carried: &Carried,
    deadline: &Deadline,
    started: Instant,
) -> Solved {
    let mut statistics = RefineStatistics::default();
    let mut hands: Vec<HandChain> = sorted
        .hands
        .iter()
        .filter_map(|track| {
            let agreed = |own: &_, seen| carried.agreed_shape(track.side, own, seen);
            HandChain::new(track, chunk, model, config, agreed)
        })
        .collect();
    let guess = first_scale(&hands, &way);
    let scale_prior = match carried.scale {
        Some(carried) if way.scale_free() => carried,
        _ => ScalePrior { logarithm: guess.map_or(0.0, f64::ln), information: GUESSED_SCALE },
    };
    let scale = if way.scale_free() { scale_prior.logarithm.exp() } else { 1.0 };
    for hand in &mut hands {
        statistics.outliers += remove_outliers(hand, &way, scale);
    }
    hands.retain(|hand| hand.nodes.iter().any(|node| node.provisional.is_some()));
    let start = hands
        .iter()
        .map(|hand| HandEstimate { postures: world_postures(hand, &way, scale), betas: hand.betas });
    let mut estimate = Estimate { hands: start.collect(), scale };
    statistics.stages.push(StageStatistics {
        stage: "infill",
        took: started.elapsed(),
        ..StageStatistics::default()
    });
    let mut scale_information = 0.0;
    if !hands.is_empty() {
        let stages = [("world", config.stages.world, config.solver.world_iterations)];
        for (name, runs, iterations) in stages {
            if !runs {
                continue;
            }
            let started = Instant::now();
            let problem = Problem { hands: &hands, way: &way, config, scale_prior };
            let outcome = minimise(&problem, estimate, iterations, deadline);
            statistics.out_of_time |= outcome.out_of_time;
            statistics.stages.push(told(name, &outcome, started));
            scale_information = outcome.scale_information;
            estimate = outcome.estimate;
        }
    }
    Solved { way, hands, estimate, scale_information, statistics }
}

fn told(stage: &'static str, outcome: &Outcome, started: Instant) -> StageStatistics {
    StageStatistics {
        stage,
        took: started.elapsed(),
        iterations: outcome.iterations,
        costs: outcome.before.compared(&outcome.after),
    }
}
