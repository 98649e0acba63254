//! What a network says of the hand before the fit: a pseudo-observation of the whole posture.
//!
//! Its joint rotations become the model's finger angles ([`Anatomy::angles`] is the inverse of
//! [`Anatomy::rotations`]), its wrist a depth along the ray. Where the hand lies across the ray the key
//! points say better. Errors of a network are correlated in time, so a frame's belief counts only for
//! the part of its memory time that the frame lasts; Cauchy's robust function lets go of a network that
//! holds the back of a hand for its palm.

use nalgebra::{Rotation3, Vector3};

use super::config::BeliefConfig;
use super::parameters::{ANGLES, FIRST_ANGLE, Posture, Step, StepMatrix, TRANSLATION};
use super::robust::cauchy;
use crate::hand::anatomy::{Anatomy, Bend, FREE};
use crate::hand::joints::MANO_JOINTS;

/// A hand as a network sees it in one frame, in right-hand space.
#[derive(Clone, Debug)]
pub struct PoseBelief {
    /// Rotations of the joints, MANO order: the wrist's in camera axes, the others relative to their
    /// parents.
    pub rotations: [Rotation3<f64>; MANO_JOINTS],
    /// Wrist joint in camera space, metres.
    pub wrist: Vector3<f64>,
    /// How much deeper the wrist lies than in the track's previous frame, metres along the camera's z.
    pub depth_change: Option<f64>,
}

/// A belief in the fit's own unknowns.
#[derive(Clone, Debug)]
pub(super) struct BelievedPosture {
    /// Its posture, within the joint limits.
    pub posture: Posture,
    /// Change of the wrist's depth since the previous frame, metres.
    pub depth_change: Option<f64>,
    config: BeliefConfig,
}

impl BelievedPosture {
    /// Takes over `belief`; `None` where it is not finite or lies behind the camera.
    pub fn new(
        belief: &PoseBelief,
        anatomy: &Anatomy,
        limits: &[[f64; 2]; ANGLES],
        config: &BeliefConfig,
    ) -> Option<Self> {
        let [wrist, fingers @ ..] = &belief.rotations;
        let mut posture = Posture {
            rotation: *wrist,
            wrist: belief.wrist,
            angles: anatomy.angles(&fingers.map(|rotation| *rotation.matrix())),
        };
        if !posture.is_finite() || posture.wrist.z <= 0.0 {
            return None;
        }
        posture.clamp(limits);
        let depth_change = belief.depth_change.filter(|change| change.is_finite());
        Some(Self { posture, depth_change, config: config.clone() })
    }

    /// The cost of disagreeing with `posture`.
    pub fn cost(&self, posture: &Posture) -> f64 {
        0.5 * self.terms(posture).map(|term| term.robust.0).sum::<f64>()
    }

    /// Adds `weight` times gradient and Hessian at `posture`; returns `weight` times the cost.
    pub fn add(&self, posture: &Posture, weight: f64, gradient: &mut Step, hessian: &mut StepMatrix) -> f64 {
        let mut cost = 0.0;
        for term in self.terms(posture) {
            cost += 0.5 * weight * term.robust.0;
            let information = weight * term.robust.1 * term.inverse_sigma;
            for i in 0..term.count {
                gradient[term.first + i] += information * term.residual[i];
                for j in 0..term.count {
                    hessian[(term.first + i, term.first + j)] +=
                        information * term.inverse_sigma * term.along[(i, j)];
                }
            }
        }
        cost
    }

    /// Rotation, depth along the ray, and every finger angle.
    fn terms(&self, posture: &Posture) -> impl Iterator<Item = Term> {
        let config = &self.config;
        let away = posture.minus(&self.posture);
        let turn = away.fixed_rows::<3>(0) / config.rotation_sigma;
        let rotation = Term {
            first: 0,
            count: 3,
            residual: turn,
            along: nalgebra::Matrix3::identity(),
            inverse_sigma: 1.0 / config.rotation_sigma,
            robust: cauchy(turn.norm_squared(), config.outlier),
        };
        let ray = self.posture.wrist.normalize();
        let inverse_sigma = 1.0 / (config.relative_depth_sigma * self.posture.wrist.norm());
        let deeper = ray.dot(&away.fixed_rows::<3>(TRANSLATION)) * inverse_sigma;
        let depth = Term {
            first: TRANSLATION,
            count: 3,
            residual: ray * deeper,
            along: ray * ray.transpose(),
            inverse_sigma,
            robust: cauchy(deeper * deeper, config.outlier),
        };
        let angles = (0..ANGLES).map(move |i| {
            let sigma = match FREE[i].bend {
                Bend::Flexion => config.flexion_sigma,
                Bend::Abduction | Bend::Twist => config.abduction_sigma,
            };
            let residual = away[FIRST_ANGLE + i] / sigma;
            Term {
                first: FIRST_ANGLE + i,
                count: 1,
                residual: Vector3::new(residual, 0.0, 0.0),
                along: nalgebra::Matrix3::identity(),
                inverse_sigma: 1.0 / sigma,
                robust: cauchy(residual * residual, config.outlier),
            }
        });
        [rotation, depth].into_iter().chain(angles)
    }
}

/// One whitened disagreement.
struct Term {
    /// First unknown and how many it concerns.
    first: usize,
    count: usize,
    residual: Vector3<f64>,
    /// Projection onto the directions that it concerns.
    along: nalgebra::Matrix3<f64>,
    inverse_sigma: f64,
    /// `rho` and `rho'`.
    robust: (f64, f64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::kinematics::Chain;
    use crate::fit::parameters::UNKNOWNS;
    use crate::hand::HandModel;

    const EPSILON: f64 = 1e-6;

    fn posture() -> Posture {
        Posture {
            rotation: Rotation3::new(Vector3::new(0.4, -1.2, 0.9)),
            wrist: Vector3::new(0.05, -0.08, 0.6),
            angles: std::array::from_fn(|i| 0.05 + 0.01 * i as f64),
        }
    }

    fn belief_in(posture: &Posture) -> PoseBelief {
        let fingers = HandModel::open().skeleton().anatomy.rotations(&posture.angles);
        PoseBelief {
            rotations: std::array::from_fn(|j| match j {
                0 => posture.rotation,
                _ => Rotation3::from_matrix_unchecked(fingers[j - 1]),
            }),
            wrist: posture.wrist,
            depth_change: None,
        }
    }

    fn believed(belief: &PoseBelief) -> Option<BelievedPosture> {
        let model = HandModel::open();
        let limits = Chain::new(model.skeleton()).limits;
        BelievedPosture::new(belief, &model.skeleton().anatomy, &limits, &BeliefConfig::default())
    }

    #[test]
    fn a_belief_in_a_posture_comes_back_as_that_posture() {
        let believed = believed(&belief_in(&posture())).unwrap();
        assert!(believed.posture.minus(&posture()).norm() < 1e-6);
        assert!(believed.cost(&posture()) < 1e-9);
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_cost() {
        let believed = believed(&belief_in(&posture())).unwrap();
        let at = posture().plus(&Step::from_fn(|i, _| 0.01 * ((i * 7) % 5) as f64 - 0.02));
        let (mut gradient, mut hessian) = (Step::zeros(), StepMatrix::zeros());
        let cost = believed.add(&at, 0.5, &mut gradient, &mut hessian);
        assert!((cost - 0.5 * believed.cost(&at)).abs() < 1e-12);
        for i in 0..UNKNOWNS {
            let step = Step::ith(i, EPSILON);
            let slope = (believed.cost(&at.plus(&step)) - believed.cost(&at.plus(&-step))) / (4.0 * EPSILON);
            assert!((slope - gradient[i]).abs() < 1e-2 * gradient.norm(), "{i}: {slope} {}", gradient[i]);
        }
    }

    #[test]
    fn a_belief_that_is_not_finite_or_behind_the_camera_is_none() {
        let good = belief_in(&posture());
        let nowhere = PoseBelief { wrist: Vector3::new(0.0, f64::NAN, 0.5), ..good.clone() };
        let behind = PoseBelief { wrist: Vector3::new(0.0, 0.0, -0.5), ..good.clone() };
        assert!(believed(&nowhere).is_none() && believed(&behind).is_none());
        let vague = PoseBelief { depth_change: Some(f64::NAN), ..good };
        assert_eq!(believed(&vague).unwrap().depth_change, None);
    }
}
