//! One step of the decoder's kernel.

use bytemuck::{Pod, Zeroable};

use super::weights::Dense;
use crate::gpu::backend::{Address, KernelBackend};
use crate::gpu::ops::NormWeights;

/// Warps of a block.
pub(super) const WARPS: usize = 8;
/// Outputs of a tile.
const TILE_OUTPUTS: usize = 8;
/// Inputs that a warp sums at once.
const CHUNK: usize = 32;
/// Blocks may have this many halves of a tile group each before a tile is no longer shared by more warps.
const MOST_HALF_ROUNDS: usize = 3;

/// What a step does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Dense = 0,
    Sum = 1,
    Mix = 2,
    Copy = 3,
}

const WITH_NORM: i32 = 1;
const WITH_GELU: i32 = 2;

/// The kernel's structure of the same name, field by field.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Step {
    kind: i32,
    flags: i32,
    batches: i32,
    rows: i32,
    outputs: i32,
    inputs: i32,
    weight_pitch: i32,
    split: i32,
    input_pitch: i32,
    input_batch: i32,
    output_pitch: i32,
    output_batch: i32,
    scale: f32,
    epsilon: f32,
    weight: Address,
    weight_batch: i64,
    from: Address,
    to: Address,
    bias: Address,
    norm_weight: Address,
    norm_bias: Address,
    codes: Address,
    code_rows: Address,
    input: Address,
    residual: Address,
    output: Address,
}

/// Rows of numbers: where they begin, how far a row is from the next, and a batch from the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub at: Address,
    pub pitch: usize,
    pub batch: usize,
}

impl Rows {
    /// Rows one after the other.
    pub fn packed(at: Address, width: usize) -> Self {
        Self { at, pitch: width, batch: 0 }
    }
}

impl Step {
    fn new(kind: Kind, rows: usize, input: Rows, output: Rows) -> Self {
        Self {
            kind: kind as i32,
            batches: 1,
            rows: rows as i32,
            input_pitch: input.pitch as i32,
            input_batch: input.batch as i32,
            output_pitch: output.pitch as i32,
            output_batch: output.batch as i32,
            scale: 1.0,
            input: input.at,
            output: output.at,
            ..Self::zeroed()
        }
    }

    /// `output = W input + bias`, in `batches` batches, each with a layer of its own.
    pub fn dense<B: KernelBackend>(
        layer: &Dense<B>,
        (rows, batches): (usize, usize),
        input: Rows,
        output: Rows,
        processors: usize,
    ) -> Self {
        let mut step = Self::new(Kind::Dense, rows, input, output);
        step.batches = batches as i32;
        step.weight = layer.weight();
        step.weight_batch = (layer.outputs * layer.pitch) as i64;
        step.bias = layer.bias();
        step.sized(layer.outputs, layer.inputs, layer.pitch, processors)
    }

    /// The products of each row of a batch with the tokens of the frame that `frames` names for the batch.
    pub fn scores(
        features: Features,
        (rows, batches): (usize, usize),
        input: Rows,
        output: Rows,
        (scale, processors): (f32, usize),
    ) -> Self {
        let mut step = Self::new(Kind::Dense, rows, input, output);
        step.batches = batches as i32;
        step.scale = scale;
        step.weight = features.at;
        step.weight_batch = (features.tokens * features.width) as i64;
        step.from = features.frames;
        step.sized(features.tokens, features.width, features.width, processors)
    }

    /// The sums of the tokens of each batch's frame with the softmax of each row's scores.
    pub fn sum(features: Features, (rows, batches): (usize, usize), input: Rows, output: Rows) -> Self {
        let mut step = Self::new(Kind::Sum, rows, input, output);
        step.batches = batches as i32;
        step.weight = features.at;
        step.weight_batch = (features.tokens * features.width) as i64;
        step.weight_pitch = features.width as i32;
        step.from = features.frames;
        step.inputs = features.tokens as i32;
        step.outputs = features.width as i32;
        step
    }

    /// Attention of each row to those of its window: `first` names the first of them, `lengths` how many.
    pub fn mix(
        (rows, inner): (usize, usize),
        [first, lengths]: [Address; 2],
        input: Rows,
        output: Rows,
        scale: f32,
    ) -> Self {
        let mut step = Self::new(Kind::Mix, rows, input, output);
        step.outputs = inner as i32;
        step.from = first;
        step.to = lengths;
        step.scale = scale;
        step
    }

    /// Row `from[r]` of the input to row `to[r]` of the output; without a list to row `r`.
    pub fn copy((rows, width): (usize, usize), [from, to]: [Address; 2], input: Rows, output: Rows) -> Self {
        let mut step = Self::new(Kind::Copy, rows, input, output);
        step.outputs = width as i32;
        step.from = from;
        step.to = to;
        step
    }

    /// With a norm before it.
    pub fn normed(mut self, norm: NormWeights) -> Self {
        self.flags |= WITH_NORM;
        self.norm_weight = norm.weight;
        self.norm_bias = norm.bias;
        self.epsilon = norm.epsilon;
        self
    }

    /// With row `rows[r]` of `codes` added before the norm.
    pub fn coded(mut self, codes: Address, rows: Address) -> Self {
        self.codes = codes;
        self.code_rows = rows;
        self
    }

    /// With GELU after it.
    pub fn activated(mut self) -> Self {
        self.flags |= WITH_GELU;
        self
    }

    /// With the rows at `residual`, laid out as the output, added to it. They may be the output, but then they may
    /// not be the input, which other blocks still read.
    pub fn beside(mut self, residual: Address) -> Self {
        debug_assert!(residual != self.output || residual != self.input);
        self.residual = residual;
        self
    }

    /// With the sizes, and as many warps to a tile as keep all blocks busy.
    fn sized(mut self, outputs: usize, inputs: usize, pitch: usize, processors: usize) -> Self {
        let tiles = outputs.div_ceil(TILE_OUTPUTS) * self.batches as usize;
        let pays = |split: usize| {
            split <= pitch / CHUNK && tiles * split * 2 <= MOST_HALF_ROUNDS * WARPS * processors.max(1)
        };
        self.outputs = outputs as i32;
        self.inputs = inputs as i32;
        self.weight_pitch = pitch as i32;
        self.split = [8, 4, 2].into_iter().find(|&split| pays(split)).unwrap_or(1) as i32;
        self
    }
}

/// The features of all frames, `[frames, tokens, width]`, and which of them each batch looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Features {
    pub at: Address,
    pub tokens: usize,
    pub width: usize,
    pub frames: Address,
}
