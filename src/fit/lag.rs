//! The newest frames fitted together: a fixed-lag smoother.
//!
//! Gauss-Newton over the postures of the frames in the window. Each frame brings its observation; three
//! neighbours are linked by the filter's motion model, `x_t - x_{t-1} = k (x_{t-1} - x_{t-2}) + a dt^2`
//! with white acceleration `a`; what lies before the window enters as the filter's belief after the
//! oldest frame, over the first two postures. The system is block-pentadiagonal ([`BlockBanded`]).

use std::collections::VecDeque;

use super::banded::BlockBanded;
use super::config::FitConfig;
use super::kinematics::{Bones, Chain};
use super::motion::{MotionFilter, PairMatrix, PairStep};
use super::observation::Evidence;
use super::parameters::{ANGLES, FIRST_ANGLE, Posture, Step, StepMatrix, UNKNOWNS};
use super::residuals::{Problem, Weights};
use super::solver::held_angles;
use crate::frame::Timestamp;

/// Blocks that a posture is coupled to, itself and the two before.
const WIDTH: usize = 3;
/// First damping, relative to the diagonal, and its factors after a refused and an accepted step.
const FIRST_DAMPING: f64 = 1e-4;
const HARDER: f64 = 100.0;
const SOFTER: f64 = 0.1;
/// Relative decrease of the cost that ends the search.
const ENOUGH: f64 = 1e-3;

/// A frame of the window.
#[derive(Clone)]
pub(super) struct Kept {
    pub time: Timestamp,
    /// Seconds since the frame before.
    pub dt: f64,
    pub evidence: Evidence,
    /// What the filter believes after this frame.
    pub filter: MotionFilter,
    /// The best posture so far.
    pub posture: Posture,
}

/// The newest frames of a track, oldest first.
#[derive(Clone, Default)]
pub(super) struct LagWindow(VecDeque<Kept>);

impl LagWindow {
    /// Forgets all frames.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds the newest frame and lets go of those more than `lag` frames before it.
    pub fn push(&mut self, frame: Kept, lag: usize) {
        self.0.push_back(frame);
        while self.0.len() > lag + 1 {
            self.0.pop_front();
        }
    }

    /// The frames, oldest first.
    pub fn frames(&self) -> impl Iterator<Item = &Kept> {
        self.0.iter()
    }

    /// Fits all frames together. Returns the newest posture; `None` where there is nothing to gain: fewer
    /// than three frames, or a filter that knows nothing.
    pub fn smooth(&mut self, chain: &Chain, bones: &Bones, config: &FitConfig) -> Option<Posture> {
        let mut postures: Vec<Posture> = self.0.iter().map(|frame| frame.posture.clone()).collect();
        if postures.len() < WIDTH {
            return None;
        }
        let window = Window::new(&self.0, chain, bones, config)?;
        window.minimise(&mut postures, config.lag_iterations);
        let newest = postures.last().cloned();
        for (frame, posture) in self.0.iter_mut().zip(postures) {
            frame.posture = posture;
        }
        newest
    }
}

/// The smoother's problem.
struct Window<'a> {
    /// Problems of all frames but the oldest, whose observation the filter has taken in.
    problems: Vec<Problem<'a>>,
    /// Means of the two oldest postures and the inverse of their covariance.
    before: [Posture; 2],
    information: PairMatrix,
    links: Vec<Link>,
    limits: &'a [[f64; 2]; ANGLES],
}

/// The motion model over three frames, of which the first is the link's own number.
struct Link {
    /// `x_t - (1 + keep) x_{t-1} + keep x_{t-2}` is noise.
    keep: f64,
    information: StepMatrix,
}

impl<'a> Window<'a> {
    fn new(
        frames: &'a VecDeque<Kept>,
        chain: &'a Chain,
        bones: &'a Bones,
        config: &'a FitConfig,
    ) -> Option<Self> {
        let limits = &chain.limits;
        let (first, second) = (frames.front()?, frames.get(1)?);
        let (next, information) = first.filter.with_next(second.dt, &config.motion, limits)?;
        let links = (2..frames.len()).map(|t| {
            let (dt, dt_before) = (frames[t].dt, frames[t - 1].dt);
            let (information, kept) = frames[t - 1].filter.acceleration(dt, &config.motion)?;
            let reach = dt * (dt + dt_before) / 2.0;
            Some(Link { keep: kept * dt / dt_before, information: information / (reach * reach) })
        });
        Some(Self {
            links: links.collect::<Option<_>>()?,
            problems: frames
                .iter()
                .skip(1)
                .map(|frame| {
                    let weights = Weights::lasting(frame.dt, config);
                    Problem::new(chain, bones, &frame.evidence, config, weights, None)
                })
                .collect(),
            before: [first.filter.posture.clone(), next],
            information,
            limits,
        })
    }

    /// Gauss-Newton with Levenberg's damping where a step does not help.
    fn minimise(&self, postures: &mut Vec<Posture>, iterations: usize) {
        let mut cost = self.cost(postures);
        let mut damping = FIRST_DAMPING;
        for _ in 0..iterations {
            let Some(steps) = self.step(postures, damping) else { return };
            let candidate: Vec<Posture> = postures
                .iter()
                .zip(&steps)
                .map(|(posture, step)| {
                    let mut moved = posture.plus(step);
                    moved.clamp(self.limits);
                    moved
                })
                .collect();
            let candidate_cost = self.cost(&candidate);
            if candidate_cost < cost && candidate.iter().all(Posture::is_finite) {
                let enough = cost - candidate_cost <= ENOUGH * cost;
                (*postures, cost) = (candidate, candidate_cost);
                damping *= SOFTER;
                if enough {
                    return;
                }
            } else {
                damping *= HARDER;
            }
        }
    }

    fn cost(&self, postures: &[Posture]) -> f64 {
        let seen: f64 = self.problems.iter().zip(&postures[1..]).map(|(p, posture)| p.cost(posture)).sum();
        let away = self.away(postures);
        let before = 0.5 * away.dot(&(self.information * away));
        let moved: f64 = self
            .links
            .iter()
            .zip(postures.windows(WIDTH))
            .map(|(link, three)| {
                let residual = link.residual(three);
                0.5 * residual.dot(&(link.information * residual))
            })
            .sum();
        seen + before + moved
    }

    /// Steps of the two oldest postures from where the filter believes them.
    fn away(&self, postures: &[Posture]) -> PairStep {
        let mut away = PairStep::zeros();
        for (i, (posture, mean)) in postures.iter().zip(&self.before).enumerate() {
            away.fixed_rows_mut::<UNKNOWNS>(i * UNKNOWNS).copy_from(&posture.minus(mean));
        }
        away
    }

    fn step(&self, postures: &[Posture], damping: f64) -> Option<Vec<Step>> {
        let mut system = BlockBanded::<UNKNOWNS, WIDTH>::zeros(postures.len());
        let mut gradient = vec![Step::zeros(); postures.len()];
        for (i, problem) in self.problems.iter().enumerate() {
            let normal = problem.linearise(&postures[i + 1]);
            system.add(i + 1, i + 1, &normal.hessian);
            gradient[i + 1] += normal.gradient;
        }
        let pull = self.information * self.away(postures);
        for (i, gradient) in gradient.iter_mut().take(self.before.len()).enumerate() {
            *gradient += pull.fixed_rows::<UNKNOWNS>(i * UNKNOWNS);
            for j in 0..=i {
                let block = self.information.fixed_view::<UNKNOWNS, UNKNOWNS>(i * UNKNOWNS, j * UNKNOWNS);
                system.add(i, j, &block.into_owned());
            }
        }
        for (t, (link, three)) in self.links.iter().zip(postures.windows(WIDTH)).enumerate() {
            let pull = link.information * link.residual(three);
            let factors = link.factors();
            for (i, left) in factors.iter().enumerate() {
                gradient[t + i] += pull * *left;
                for (j, right) in factors.iter().enumerate().take(i + 1) {
                    system.add(t + i, t + j, &(link.information * (left * right)));
                }
            }
        }
        for (i, posture) in postures.iter().enumerate() {
            let held = held_angles(posture, &gradient[i], self.limits);
            for angle in (0..ANGLES).filter(|&angle| held[angle]) {
                system.hold(i, FIRST_ANGLE + angle);
                gradient[i][FIRST_ANGLE + angle] = 0.0;
            }
            let diagonal = system.diagonal_mut(i);
            for k in 0..UNKNOWNS {
                diagonal[(k, k)] *= 1.0 + damping;
            }
        }
        let right: Vec<Step> = gradient.iter().map(|g| -g).collect();
        system.solve(&right)
    }
}

impl Link {
    /// Factors of the three postures in the residual.
    fn factors(&self) -> [f64; WIDTH] {
        [self.keep, -1.0 - self.keep, 1.0]
    }

    fn residual(&self, three: &[Posture]) -> Step {
        match three {
            [first, second, third] => third.minus(second) - second.minus(first) * self.keep,
            _ => Step::zeros(),
        }
    }
}
