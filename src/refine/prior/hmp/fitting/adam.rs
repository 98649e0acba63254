//! The search: Adam with the gradient's length held (Kingma and Ba 2015; the release's settings).

use super::{MotionProblem, Term, Unknowns};

/// Mean lengths of memory, and what keeps the step finite.
const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;
/// Added to the gradient's length before it is divided by.
const CLIP_EPSILON: f64 = 1e-6;
/// Times that a stage begins again, with half the step, after a value that is no number.
const MOST_RESTARTS: usize = 4;

/// How a stage walks.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamConfig {
    /// Step of every unknown, in its own unit. 0.05 as released; it first moves every translation by 5 cm, so
    /// a start that is good wants less.
    pub step: f64,
    /// Greatest length of the gradient.
    pub longest_gradient: f64,
    /// Steps after which the step shrinks, and by what.
    pub shrink_after: usize,
    /// By what it shrinks.
    pub shrink: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { step: 0.05, longest_gradient: 5.0, shrink_after: 200, shrink: 0.7 }
    }
}

/// One part of the search.
#[derive(Clone, Debug)]
pub struct Stage<'a> {
    /// Terms with their weights.
    pub weights: &'a [(Term, f64)],
    /// Most steps.
    pub steps: usize,
    /// Whether the code is searched for, or only root motion and shape.
    pub code: bool,
}

/// What a stage found.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The last unknowns.
    pub unknowns: Unknowns,
    /// The value before each step.
    pub values: Vec<f64>,
}

/// Searches from `from` for as long as `go_on` allows, asked before each step. After a value that is no number
/// the stage begins again with half the step; where that does not help, nothing is changed.
pub fn fit(
    problem: &MotionProblem,
    from: &Unknowns,
    stage: &Stage,
    config: &AdamConfig,
    mut go_on: impl FnMut() -> bool,
) -> Fitted {
    let mut config = config.clone();
    for _ in 0..=MOST_RESTARTS {
        if let Some(fitted) = walk(problem, from, stage, &config, &mut go_on) {
            return fitted;
        }
        config.step /= 2.0;
    }
    Fitted { unknowns: from.clone(), values: Vec::new() }
}

/// One try; `None` after a value that is no number.
fn walk(
    problem: &MotionProblem,
    from: &Unknowns,
    stage: &Stage,
    config: &AdamConfig,
    go_on: &mut impl FnMut() -> bool,
) -> Option<Fitted> {
    let mut fitted = Fitted { unknowns: from.clone(), values: Vec::with_capacity(stage.steps) };
    let mut decoded = problem.decode(&from.code);
    let mut memory = AdamMemory::default();
    while fitted.values.len() < stage.steps && go_on() {
        let taken = fitted.values.len();
        let (value, gradient) = problem.evaluate(&fitted.unknowns, &decoded, stage.weights, stage.code);
        if !value.is_finite() {
            return None;
        }
        fitted.values.push(value);
        let shrinks = taken.checked_div(config.shrink_after).unwrap_or(0);
        let step = config.step * config.shrink.powf(shrinks as f64);
        let mut gradient = gradient.flat(stage.code);
        let length = gradient.iter().map(|by| by * by).sum::<f64>().sqrt();
        let clip = (config.longest_gradient / (length + CLIP_EPSILON)).min(1.0);
        gradient.iter_mut().for_each(|by| *by *= clip);
        fitted.unknowns.subtract(&memory.step(&gradient, step));
        if stage.code {
            decoded = problem.decode(&fitted.unknowns.code);
        }
    }
    Some(fitted)
}

/// What Adam remembers of gradients.
#[derive(Default)]
pub struct AdamMemory {
    mean: Vec<f64>,
    square: Vec<f64>,
    steps: i32,
}

impl AdamMemory {
    /// The step to subtract after another gradient.
    pub fn step(&mut self, gradient: &[f64], step: f64) -> Vec<f64> {
        self.mean.resize(gradient.len(), 0.0);
        self.square.resize(gradient.len(), 0.0);
        self.steps = self.steps.saturating_add(1);
        let [of_mean, of_square] = BETAS.map(|beta| 1.0 - beta.powi(self.steps));
        let memories = self.mean.iter_mut().zip(&mut self.square).zip(gradient);
        let moves = memories.map(|((mean, square), by)| {
            *mean += (1.0 - BETAS[0]) * (by - *mean);
            *square += (1.0 - BETAS[1]) * (by * by - *square);
            step * (*mean / of_mean) / ((*square / of_square).sqrt() + EPSILON)
        });
        moves.collect()
    }
}

impl Unknowns {
    /// All numbers, one after the other; those of the code only where asked for.
    fn flat(&self, code: bool) -> Vec<f64> {
        let translation = self.translation.iter().flat_map(|by| <[f64; 3]>::from(*by));
        let numbers = translation.chain(self.root.as_flattened().iter().copied()).chain(self.betas);
        let code = self.code.iter().filter(|_| code).map(|&number| f64::from(number));
        numbers.chain(code).collect()
    }

    /// Subtracts numbers in the order of [`Self::flat`].
    fn subtract(&mut self, moves: &[f64]) {
        let translation = self.translation.iter_mut().flat_map(|by| by.iter_mut());
        let numbers = translation.chain(self.root.as_flattened_mut()).chain(&mut self.betas);
        let mut moves = moves.iter();
        numbers.zip(&mut moves).for_each(|(number, by)| *number -= by);
        self.code.iter_mut().zip(moves).for_each(|(number, by)| *number = (f64::from(*number) - by) as f32);
    }
}
