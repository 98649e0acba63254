//! A small runner for the two MediaPipe hand networks, straight from their `.tflite` files, on one CPU thread.
//!
//! [`Network::from_bytes`] reads the file (`flatbuffer`, `model`), verifies it and folds what follows a
//! convolution into it (`lower`, `graph`), orders the work by rows so that it stays in the cache
//! (`schedule`), packs weights and lays out memory (`plan`). [`Network::run`] then walks the steps
//! (`run`) through kernels for the processor's widest registers (`kernels`, on [`crate::net`]'s vectors).
//!
//! Where the time goes, and why it is short: products run at two thirds to nine tenths of the processor's
//! peak inside a tile; depthwise results and expanded channels never leave the cache, since the next
//! convolution reads each band of rows as soon as it is there (15 % against running operator by
//! operator); weights are asked for ahead of use, since together they outgrow the second-level cache (8 %).
//!
//! Milliseconds for one inference on one thread, least of 200 runs taken in turns with LiteRT 2.3
//! (XNNPACK) on a shared two-core Cascade Lake Xeon at 2.5 GHz (`bench/networks.sh`; `--isa avx2`):
//!
//! | network | LiteRT, AVX-512 | here, AVX-512 | ratio | here, AVX2 | here, portable |
//! |---|---|---|---|---|---|
//! | palm detection | 14.5 | 8.2 | 0.56 | 13.3 | 36 |
//! | hand landmarks | 11.2 | 8.5 | 0.76 | 13.4 | 36 |
//!
//! Largest differences to LiteRT: 1.4e-4 in palm boxes (values up to 145 pixels), 3e-5 in palm scores, 1e-4
//! pixels in landmarks, 1.5e-6 in the two probabilities (`tests/parity/mediapipe/networks.rs`).

mod error;
mod flatbuffer;
mod graph;
mod kernels;
mod lower;
mod model;
mod plan;
mod run;
mod schedule;
#[cfg(test)]
mod tests;

pub use crate::net::Isa;
pub use error::ModelError;

use std::sync::Arc;

use plan::Plan;
use run::Memory;
use schedule::ScheduleConfig;

/// Channels of a pixel are laid out in multiples of this many floats: a cache line, and a whole number of
/// registers of every instruction set.
const CHANNEL_STEP: usize = 16;

/// A network ready to run, with its weights and its working memory.
pub struct Network {
    plan: Arc<Plan>,
    memory: Memory,
    /// Steps done since the last [`Network::begin`].
    done: usize,
}

impl Network {
    /// Reads a `.tflite` file and plans it for this processor.
    ///
    /// # Errors
    /// A [`ModelError`] for a file that is damaged, not a model, or not one this runner can run.
    pub fn from_bytes(file: &[u8]) -> Result<Self, ModelError> {
        Self::with_isa(file, Isa::best())
    }

    /// The same with a chosen instruction set.
    ///
    /// # Errors
    /// As [`Self::from_bytes`], and where this processor lacks `isa`.
    pub fn with_isa(file: &[u8], isa: Isa) -> Result<Self, ModelError> {
        if !isa.is_available() {
            return Err(ModelError::IsaUnavailable(isa));
        }
        let graph = lower::lower(&model::Model::parse(file)?)?;
        let plan = Arc::new(Plan::new(graph, isa, ScheduleConfig::default())?);
        let memory = Memory::new(&plan);
        Ok(Self { plan, memory, done: 0 })
    }

    /// The same network to run beside this one. They share their weights, so that what one has fetched into the
    /// cache serves both.
    pub fn sibling(&self) -> Self {
        Self { plan: self.plan.clone(), memory: Memory::new(&self.plan), done: 0 }
    }

    /// Number of input values.
    pub fn input_len(&self) -> usize {
        self.input_shape().iter().product()
    }

    /// Shape of the input: 1, rows, columns, channels.
    pub fn input_shape(&self) -> [usize; 4] {
        let shape = self.plan.layouts[self.plan.input].shape;
        [1, shape.height, shape.width, shape.channels]
    }

    /// The input picture, row by row, R G B from 0 to 1. It keeps its values over a run.
    pub fn input_mut(&mut self) -> &mut [f32] {
        self.memory.picture_mut(&self.plan)
    }

    /// Computes all outputs from the input.
    pub fn run(&mut self) {
        self.begin();
        self.advance(1.0, &|| false);
    }

    /// Goes back to the start of the computation.
    pub fn begin(&mut self) {
        self.done = 0;
    }

    /// Computes on, at least the part `least` (0..1) of everything and then until `pause` says so, which is
    /// asked every few microseconds. True when all outputs are there.
    pub fn advance(&mut self, least: f32, pause: &dyn Fn() -> bool) -> bool {
        let steps = &self.plan.steps;
        let until = self.done + (least * steps.len() as f32).ceil() as usize;
        while self.done < steps.len() && (self.done < until || !pause()) {
            self.memory.run(&self.plan, &steps[self.done..=self.done]);
            self.done += 1;
        }
        self.done == steps.len()
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.plan.outputs.len()
    }

    /// The values of an output of the last run, in the file's order.
    ///
    /// # Panics
    /// When `index` is not below [`Self::outputs`].
    pub fn output(&self, index: usize) -> &[f32] {
        self.memory.list(&self.plan, self.plan.outputs[index])
    }
}
