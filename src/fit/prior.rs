//! How hands are usually bent: a Gaussian about the mean pose of recorded hands, and last joints that
//! follow the joint before them.

use super::config::AnatomyPrior;
use super::parameters::{ANGLES, FIRST_ANGLE, Step, StepMatrix};
use crate::hand::anatomy::{Bend, FREE};

/// Mean of each angle over 83 recorded static poses and 87 s of recorded hand motion, radians,
/// rounded and averaged over the fingers.
pub(crate) const USUAL_ANGLES: [f64; ANGLES] = [
    0.45, 0.1, 0.4, 0.3, //
    0.45, 0.05, 0.4, 0.3, //
    0.55, 0.0, 0.45, 0.3, //
    0.55, 0.0, 0.45, 0.3, //
    0.0, 0.1, 0.0, 0.15, 0.1,
];

/// A finger's last joint bends by this part of the joint before it (recorded poses: 0.51-0.71).
const LAST_JOINT_RATIO: f64 = 0.6;
/// Index of the middle joint of index, middle, pinky and ring finger; the last joint follows.
const MIDDLE_JOINTS: [usize; 4] = [2, 6, 10, 14];

/// The prior's cost at `angles`.
pub(crate) fn anatomy_cost(angles: &[f64; ANGLES], config: &AnatomyPrior) -> f64 {
    let mut cost = 0.0;
    for (i, angle) in angles.iter().enumerate() {
        cost += 0.5 * ((angle - USUAL_ANGLES[i]) / sigma(i, config)).powi(2);
    }
    for middle in MIDDLE_JOINTS {
        cost += 0.5 * (coupling(angles, middle) / config.coupling_sigma).powi(2);
    }
    cost
}

/// Adds `weight` times the prior's gradient and Hessian; returns `weight` times its cost.
pub(crate) fn add_anatomy(
    angles: &[f64; ANGLES],
    config: &AnatomyPrior,
    weight: f64,
    gradient: &mut Step,
    hessian: &mut StepMatrix,
) -> f64 {
    for (i, angle) in angles.iter().enumerate() {
        let information = weight / sigma(i, config).powi(2);
        gradient[FIRST_ANGLE + i] += information * (angle - USUAL_ANGLES[i]);
        hessian[(FIRST_ANGLE + i, FIRST_ANGLE + i)] += information;
    }
    for middle in MIDDLE_JOINTS {
        let information = weight / config.coupling_sigma.powi(2);
        let residual = coupling(angles, middle);
        let terms = [(FIRST_ANGLE + middle, -LAST_JOINT_RATIO), (FIRST_ANGLE + middle + 1, 1.0)];
        for (row, left) in terms {
            gradient[row] += information * left * residual;
            for (column, right) in terms {
                hessian[(row, column)] += information * left * right;
            }
        }
    }
    weight * anatomy_cost(angles, config)
}

fn coupling(angles: &[f64; ANGLES], middle: usize) -> f64 {
    angles[middle + 1] - LAST_JOINT_RATIO * angles[middle]
}

fn sigma(angle: usize, config: &AnatomyPrior) -> f64 {
    match FREE[angle].bend {
        Bend::Flexion => config.flexion_sigma,
        Bend::Abduction | Bend::Twist => config.abduction_sigma,
    }
}
