//! How far along the line of sight two hands must be moved so that they are not in each other.
//!
//! One camera sees along its rays much worse than across them, so where hands are in each other their depths are
//! wrong. Here they are moved as they are, nearer and farther: how much they have in common is known for every
//! shift of a frame at once, and the shift of all frames together is found by dynamic programming (Viterbi 1967),
//! so that it changes slowly and a hand that passes behind the other does so all the time.

use nalgebra::{Rotation3, Unit, UnitQuaternion, Vector3};

use super::camera::CameraWay;
use super::meshes::{Meshes, Pair, common_nodes, to_world};
use crate::metrics::CommonRays;
use crate::refine::solver::HandEstimate;

/// Largest shift, and the step in which shifts are looked at, metres.
const FARTHEST: f64 = 0.04;
const STEP: f64 = 1e-3;
/// Shifts on the grid.
const SHIFTS: usize = 2 * (FARTHEST / STEP) as usize + 1;
/// Distance of the rays on which the common volume is measured, metres.
const RAY_DISTANCE: f64 = 2e-3;
/// Standard deviation of what the hands' depths differ wrongly, metres, and the frames for which such an error
/// lasts.
const DEPTH_SIGMA: f64 = 0.015;
const LASTS: f64 = 15.0;
/// Standard deviation of its change from frame to frame, metres.
const CHANGE_SIGMA: f64 = 1e-3;
/// Cost of a cubic centimetre in common in one frame.
const VOLUME_COST: f64 = 10.0;

/// Where a wrist should be along a line.
#[derive(Clone, Copy, Debug)]
pub(in crate::refine) struct HeldDepth {
    /// Unit vector, in the world of the hand.
    pub along: Vector3<f64>,
    /// The wrist's place along it, metres.
    pub at: f64,
}

/// Where the wrists of the left and of the right hand should be, node by node; `None` in frames of one hand alone.
pub(in crate::refine) type HeldDepths = [Vec<Option<HeldDepth>>; 2];

/// Where wrists must be so that the hands are not in each other; `None` where they are not.
pub(in crate::refine) fn part(
    meshes: &Meshes,
    hands: Pair,
    way: &CameraWay,
    scale: f64,
) -> Option<HeldDepths> {
    let frames: Vec<Frame> =
        common_nodes(hands).map(|nodes| Frame::new(meshes, hands, nodes, way, scale)).collect();
    if frames.iter().all(|frame| frame.volumes[SHIFTS / 2] <= 0.0) {
        return None;
    }
    let mut held = hands.map(|(hand, _)| vec![None; hand.nodes.len()]);
    for (frame, shift) in frames.iter().zip(shifts(&frames)) {
        for side in [0, 1] {
            let HandEstimate { postures, .. } = hands[side].1;
            let along = to_world(frame.along.into_inner(), side);
            let by = if side == 0 { -0.5 * shift } else { 0.5 * shift };
            let node = frame.nodes[side];
            held[side][node] = Some(HeldDepth { along, at: along.dot(&postures[node].wrist) + by });
        }
    }
    Some(held)
}

/// One frame with both hands.
struct Frame {
    /// Number of the frame in the chunk.
    number: usize,
    nodes: [usize; 2],
    /// Line of sight to the middle between the hands.
    along: Unit<Vector3<f64>>,
    /// What the hands have in common at each shift, cm^3.
    volumes: [f64; SHIFTS],
}

impl Frame {
    fn new(meshes: &Meshes, hands: Pair, nodes: [usize; 2], way: &CameraWay, scale: f64) -> Self {
        let number = hands[0].0.nodes[nodes[0]].frame;
        let vertices = [0, 1].map(|side| meshes.vertices(hands, side, nodes[side]));
        let middle = |of: &Vec<Vector3<f64>>| of.iter().sum::<Vector3<f64>>() / of.len().max(1) as f64;
        let centre = way.pose(number, scale).translation.vector;
        let along = Unit::new_normalize((middle(&vertices[0]) + middle(&vertices[1])) * 0.5 - centre);
        let turn = UnitQuaternion::rotation_between_axis(&along, &Vector3::z_axis()).unwrap_or_default();
        let turn: Rotation3<f64> = turn.to_rotation_matrix();
        let turned = vertices.map(|of| of.iter().map(|vertex| turn * vertex).collect::<Vec<_>>());
        let rays = CommonRays::new(
            (&meshes.surfaces[0], &turned[0]),
            (&meshes.surfaces[1], &turned[1]),
            RAY_DISTANCE,
        );
        Self { number, nodes, along, volumes: std::array::from_fn(|k| rays.volume(shift(k))) }
    }
}

/// How much farther the right hand goes, and nearer the left one, metres.
fn shift(k: usize) -> f64 {
    STEP * (k as f64 - (SHIFTS / 2) as f64)
}

/// The best shift of every frame.
fn shifts(frames: &[Frame]) -> Vec<f64> {
    let own = |frame: &Frame, k: usize| {
        0.5 * (shift(k) / DEPTH_SIGMA).powi(2) / LASTS + VOLUME_COST * frame.volumes[k]
    };
    let mut costs: Vec<f64> = match frames.first() {
        Some(first) => (0..SHIFTS).map(|k| own(first, k)).collect(),
        None => return Vec::new(),
    };
    let mut origins: Vec<[usize; SHIFTS]> = Vec::new();
    for pair in frames.windows(2) {
        let sigma = CHANGE_SIGMA * ((pair[1].number - pair[0].number) as f64).sqrt();
        let change = |k: usize, before: usize| 0.5 * (STEP * k.abs_diff(before) as f64 / sigma).powi(2);
        let best = |k: usize| {
            let from = |before: usize| costs[before] + change(k, before);
            (0..SHIFTS)
                .map(|before| (before, from(before)))
                .min_by(|a, b| a.1.total_cmp(&b.1))
                .unwrap_or((k, costs[k]))
        };
        let found: [(usize, f64); SHIFTS] = std::array::from_fn(best);
        costs = (0..SHIFTS).map(|k| found[k].1 + own(&pair[1], k)).collect();
        origins.push(found.map(|(before, _)| before));
    }
    let last = costs.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map_or(SHIFTS / 2, |(k, _)| k);
    let mut way = vec![last];
    for origin in origins.iter().rev() {
        way.push(origin[way[way.len() - 1]]);
    }
    way.reverse();
    way.into_iter().map(shift).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands that have something in common in frames 40 to 60 until the right one is 8 mm farther, or 20 mm nearer.
    fn frames() -> Vec<Frame> {
        let frame = |number: usize| {
            let in_common = |k: usize| {
                let inside = (40..60).contains(&number) && shift(k) < 0.008 && shift(k) > -0.02;
                if inside { 1.0 } else { 0.0 }
            };
            let volumes = std::array::from_fn(in_common);
            Frame { number, nodes: [number; 2], along: Vector3::z_axis(), volumes }
        };
        (0..100).map(frame).collect()
    }

    #[test]
    fn hands_in_each_other_are_parted_the_shorter_way_and_without_a_jump() {
        let found = shifts(&frames());
        assert!(found[40..60].iter().all(|&shift| (0.008..0.012).contains(&shift)), "{found:?}");
        assert!(found.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= 3.0 * CHANGE_SIGMA), "{found:?}");
        assert!(found.iter().all(|shift| (0.0..0.012).contains(shift)), "{found:?}");
    }

    #[test]
    fn hands_apart_stay_where_they_are() {
        let apart: Vec<Frame> =
            frames().into_iter().map(|frame| Frame { volumes: [0.0; SHIFTS], ..frame }).collect();
        assert!(shifts(&apart).iter().all(|&shift| shift.abs() < 1e-9));
        assert!(shifts(&[]).is_empty());
    }
}
