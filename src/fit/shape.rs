//! Shape and size of the track's hand, learned from its first frames.
//!
//! Every frame's cost, minimised over its posture, is a quadratic in the shape (the Schur complement
//! of the Gauss-Newton system). These quadratics are summed over the track's beginning; errors of
//! successive frames are alike, so a frame counts only for the part of an independent look that it lasts.
//! After that the shape stays: bones do not change, and a hand that seems to grow comes closer.
//!
//! A person's hands have one shape. While both hands of a person are learned their sums are added up, and a hand
//! that comes later takes the shape that the other one has ([`ShapeLearner::agree`]).

use nalgebra::SMatrix;

use super::config::ShapeConfig;
use super::kinematics::{Betas, Chain, SHAPES};
use super::normal::ShapeNormal;
use super::parameters::StepMatrix;

type ShapeMatrix = SMatrix<f64, SHAPES, SHAPES>;

/// Rounds in which a told length is met; the length is nearly linear in the shape.
const LENGTH_ROUNDS: usize = 4;
/// Millimetres in a metre.
const MM: f64 = 1e3;

/// What a track knows of its hand's shape.
#[derive(Clone, Debug)]
pub(super) struct ShapeLearner {
    pub betas: Betas,
    own: ShapeEvidence,
    /// Of the person's other hand.
    other: ShapeEvidence,
    /// Seconds of observation taken in.
    seen: f64,
    /// Whether the shape is both hands'.
    agreed: bool,
}

/// What the frames of a hand say of its shape.
#[derive(Clone, Debug, Default)]
struct ShapeEvidence {
    /// Sum of the frames' Hessians.
    information: ShapeMatrix,
    /// Sum of the frames' Hessians times their optima.
    target: Betas,
}

impl ShapeLearner {
    /// Starts from the population's mean, or from the told length.
    pub fn new(chain: &Chain, config: &ShapeConfig) -> Self {
        let mut learner = Self {
            betas: Betas::zeros(),
            own: ShapeEvidence::default(),
            other: ShapeEvidence::default(),
            seen: 0.0,
            agreed: false,
        };
        for _ in 0..LENGTH_ROUNDS {
            learner.solve(chain, config);
        }
        learner
    }

    /// Takes in a frame that lasted `dt` seconds: `normal` at the present shape and the posture's
    /// Hessian without the prediction.
    pub fn learn(
        &mut self,
        chain: &Chain,
        normal: &ShapeNormal,
        posture: &StepMatrix,
        dt: f64,
        config: &ShapeConfig,
    ) {
        if self.is_learned(config) {
            return;
        }
        self.seen += dt;
        let Some(posture) = posture.cholesky() else { return };
        let eliminated = normal.hessian - normal.mixed * posture.solve(&normal.mixed.transpose());
        let weight = dt / config.independence_seconds;
        self.own.information += eliminated * weight;
        self.own.target += (eliminated * self.betas - normal.gradient) * weight;
        self.solve(chain, config);
    }

    /// True when the shape stays as it is.
    fn is_learned(&self, config: &ShapeConfig) -> bool {
        self.seen >= config.learning_seconds
    }

    /// Brings the shapes of a person's two hands together; true where one of them may have changed.
    pub fn agree(&mut self, other: &mut Self, chain: &Chain, config: &ShapeConfig) -> bool {
        match (self.is_learned(config), other.is_learned(config)) {
            (true, true) if self.agreed && other.agreed => return false,
            (true, false) => other.take_over(self),
            (false, true) => self.take_over(other),
            (learned, _) => {
                (self.other, other.other) = (other.own.clone(), self.own.clone());
                (self.agreed, other.agreed) = (learned, learned);
                if learned {
                    self.solve(chain, config);
                    other.betas = self.betas;
                }
            }
        }
        true
    }

    /// Takes the learned shape of the person's other hand for its own.
    fn take_over(&mut self, learned: &mut Self) {
        (self.betas, self.seen) = (learned.betas, learned.seen);
        (self.agreed, learned.agreed) = (true, true);
    }

    /// The most probable shape: what the frames say, betas ~ N(0, 1), and the length.
    fn solve(&mut self, chain: &Chain, config: &ShapeConfig) {
        let (length, gradient) = chain.hand_length(&self.betas);
        let (wanted, sigma) = match config.hand_length_mm {
            Some(told) => (told / MM, config.told_length_sigma_mm / MM),
            None => (chain.hand_length(&Betas::zeros()).0, config.length_sigma_mm / MM),
        };
        let certainty = 1.0 / (sigma * sigma);
        let information = self.own.information + self.other.information;
        let system = information + ShapeMatrix::identity() + gradient * gradient.transpose() * certainty;
        // Linearised at the present shape: length(b) = length + gradient (b - betas).
        let right = self.own.target
            + self.other.target
            + gradient * (certainty * (wanted - length + gradient.dot(&self.betas)));
        let solved = system.cholesky().map(|c| c.solve(&right));
        if let Some(betas) = solved.filter(|betas| betas.iter().all(|b| b.is_finite())) {
            self.betas = betas.map(|b| b.clamp(-config.limit, config.limit));
        }
    }
}
