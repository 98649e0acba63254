//! Stage I: provisional postures that cannot belong to their track.
//!
//! A track is parted where the hand would have to move faster than hands do. A short part between others that
//! fit together better without it is a mistake (a hand held for the other, a palm for its back).

use super::camera::CameraWay;
use super::hand::HandChain;
use crate::fit::parameters::Posture;
use crate::geometry::rotation::geodesic_angle;

/// Speeds that no hand exceeds, as provisional poses show them: rotation rad/s, wrist m/s.
const FASTEST: [f64; 2] = [25.0, 5.0];
/// Jumps that noise alone may make: rotation rad, wrist m.
const NOISE: [f64; 2] = [0.35, 0.05];
/// Longest part that is taken for a mistake, frames.
const LONGEST: usize = 10;

/// A stretch of provisional postures without a jump: places among the known ones.
struct Part {
    first: usize,
    last: usize,
}

/// Removes provisional postures that are mistakes; returns how many. `scale` places the camera.
pub(in crate::refine) fn remove_outliers(hand: &mut HandChain, way: &CameraWay, scale: f64) -> usize {
    let known: Vec<(usize, f64, Posture)> = known(hand, way, scale);
    let fits = |a: usize, b: usize| is_possible(&known[a], &known[b]);
    let mut parts: Vec<Part> = Vec::new();
    for i in 0..known.len() {
        match parts.last_mut() {
            Some(part) if fits(part.last, i) => part.last = i,
            _ => parts.push(Part { first: i, last: i }),
        }
    }
    let mut removed = Vec::new();
    let mut at = 0;
    while at < parts.len() && parts.len() > 1 {
        let part = &parts[at];
        let length = part.last - part.first + 1;
        let neighbours = [at.checked_sub(1), Some(at + 1).filter(|&next| next < parts.len())];
        let is_mistake = length <= LONGEST
            && match neighbours {
                // Between two that fit together without it.
                [Some(before), Some(after)] => fits(parts[before].last, parts[after].first),
                // At an end beside a much longer one.
                [Some(other), None] | [None, Some(other)] => {
                    parts[other].last - parts[other].first + 1 > 2 * length
                }
                [None, None] => false,
            };
        if !is_mistake {
            at += 1;
            continue;
        }
        removed.extend(part.first..=part.last);
        parts.remove(at);
        if at > 0 && at < parts.len() && fits(parts[at - 1].last, parts[at].first) {
            parts[at - 1].last = parts[at].last;
            parts.remove(at);
        }
        at = at.saturating_sub(1);
    }
    for &i in &removed {
        hand.nodes[known[i].0].provisional = None;
    }
    removed.len()
}

/// Node, time and world posture of every provisional posture.
fn known(hand: &HandChain, way: &CameraWay, scale: f64) -> Vec<(usize, f64, Posture)> {
    let mut time = 0.0;
    let mut known = Vec::new();
    for (i, (node, posture)) in
        hand.nodes.iter().zip(super::start::world_postures(hand, way, scale)).enumerate()
    {
        time += node.since.unwrap_or(f64::INFINITY);
        if i == 0 {
            time = 0.0;
        }
        if node.provisional.is_some() {
            known.push((i, time, posture));
        }
    }
    known
}

/// Whether a hand can be at `a` and then at `b`.
fn is_possible(a: &(usize, f64, Posture), b: &(usize, f64, Posture)) -> bool {
    // After a new stretch begins, anything is.
    let seconds = b.1 - a.1;
    if !seconds.is_finite() {
        return true;
    }
    let turn = geodesic_angle(a.2.rotation.matrix(), b.2.rotation.matrix());
    let way = (b.2.wrist - a.2.wrist).norm();
    turn <= NOISE[0] + FASTEST[0] * seconds && way <= NOISE[1] + FASTEST[1] * seconds
}
