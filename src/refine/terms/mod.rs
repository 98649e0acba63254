//! What a refined motion is held to: one file per residual, each with its value and its derivatives.

pub mod biomechanics;
pub mod camera;
pub mod motion;
pub mod penetration;
pub mod pose;
pub mod provisional;
pub mod reprojection;
pub mod smoothness;

use nalgebra::{Matrix3, Vector3};

use super::data::TermCost;

/// A term of the cost, by its name in statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Term {
    Reprojection,
    Provisional,
    Motion,
    JointVelocity,
    Anatomy,
    SquaredAngles,
    Shape,
    Scale,
    Prior,
    Biomechanics,
    Penetration,
}

/// All terms with their names, in the order of the enum.
const NAMES: [&str; 11] = [
    "reprojection",
    "provisional",
    "motion",
    "joint_velocity",
    "anatomy",
    "squared_angles",
    "shape",
    "scale",
    "prior",
    "biomechanics",
    "penetration",
];

/// The cost, term by term.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Costs([f64; NAMES.len()]);

impl Costs {
    /// Adds to a term.
    pub fn add(&mut self, term: Term, value: f64) {
        self.0[term as usize] += value;
    }

    /// The sum of all terms.
    pub fn total(&self) -> f64 {
        self.0.iter().sum()
    }

    /// The terms that cost anything before or after.
    pub fn compared(&self, after: &Costs) -> Vec<TermCost> {
        let terms = NAMES.iter().zip(self.0).zip(after.0);
        terms
            .filter(|((_, before), after)| *before != 0.0 || *after != 0.0)
            .map(|((term, before), after)| TermCost { term, before, after })
            .collect()
    }
}

/// A cost's value and its second-order form in a point.
#[derive(Clone, Copy, Debug)]
pub struct PointForm {
    /// The cost.
    pub value: f64,
    /// Its gradient by the point.
    pub gradient: Vector3<f64>,
    /// Its Gauss-Newton Hessian by the point.
    pub information: Matrix3<f64>,
}

impl PointForm {
    /// The form by a point `p` of which `rotation * p + const` is this form's point.
    pub fn turned_back(&self, rotation: &Matrix3<f64>) -> Self {
        Self {
            value: self.value,
            gradient: rotation.tr_mul(&self.gradient),
            information: rotation.tr_mul(&self.information) * rotation,
        }
    }
}
