//! The computation, free of file details: nodes with verified shapes, and what follows a convolution folded in.

use super::kernels::Activation;

/// A picture-like tensor: rows, columns, channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels of a pixel.
    pub channels: usize,
}

impl Shape {
    /// Number of values.
    pub fn elements(self) -> usize {
        self.height * self.width * self.channels
    }
}

/// Which input pixels an output pixel of a convolution sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Kernel side in rows and columns.
    pub kernel: usize,
    /// Input pixels from one output to the next.
    pub stride: usize,
    /// Rows of zeros assumed above the picture.
    pub top: usize,
    /// Columns of zeros assumed left of the picture.
    pub left: usize,
}

impl Window {
    /// Columns of zeros needed right of a picture of `input` columns for `output` outputs.
    pub fn right(&self, input: usize, output: usize) -> usize {
        ((output - 1) * self.stride + self.kernel).saturating_sub(self.left + input)
    }
}

/// Index of a value of the graph.
pub(super) type Value = usize;

/// A sum with a value computed earlier.
#[derive(Clone, Debug)]
pub(super) struct Residual {
    /// The other operand; it may have fewer channels than the result.
    pub value: Value,
    /// Whether the sum comes after the activation.
    pub after_activation: bool,
}

/// What a node computes.
pub(super) enum Op {
    /// Copies the picture into rows with room for the zeros around it.
    Picture,
    /// A convolution with everything that follows it.
    Conv {
        window: Window,
        weights: Vec<f32>,
        bias: Vec<f32>,
        residual: Option<Residual>,
        activation: Activation,
    },
    /// A convolution of each channel with its own kernel.
    Depthwise { window: Window, weights: Vec<f32>, bias: Vec<f32>, clamp: Option<(f32, f32)> },
    /// 2x2 maximum with stride 2.
    MaxPool,
    /// Bilinear doubling between pixel centres.
    Upsample,
    /// Mean over all pixels.
    Mean,
    /// Logistic function of every value.
    Logistic,
    /// The values of all inputs one after the other, without gaps.
    Join,
}

/// One step of the computation.
pub(super) struct Node {
    /// What it does.
    pub op: Op,
    /// What it reads, a residual not counted.
    pub inputs: Vec<Value>,
    /// What it writes.
    pub output: Value,
}

/// The whole computation; every node comes after those it reads from.
pub(super) struct Graph {
    /// Shape of every value.
    pub shapes: Vec<Shape>,
    /// The steps.
    pub nodes: Vec<Node>,
    /// The value given from outside.
    pub input: Value,
    /// The values handed out; each has no gaps between its pixels.
    pub outputs: Vec<Value>,
}

impl Node {
    /// Everything the node reads.
    pub fn reads(&self) -> impl Iterator<Item = Value> + '_ {
        let residual = match &self.op {
            Op::Conv { residual, .. } => residual.as_ref().map(|residual| residual.value),
            _ => None,
        };
        self.inputs.iter().copied().chain(residual)
    }

    /// Rows of the value `read` that rows `rows` of the output need, before cutting off what lies outside.
    pub fn rows_read(
        &self,
        read: usize,
        rows: &std::ops::Range<usize>,
        height: usize,
    ) -> std::ops::Range<usize> {
        let of_window = |window: &Window| {
            let first = (rows.start * window.stride).saturating_sub(window.top);
            let end = (rows.end - 1) * window.stride + window.kernel;
            first.min(height)..end.saturating_sub(window.top).min(height)
        };
        match &self.op {
            Op::Conv { window, .. } if read == 0 => of_window(window),
            Op::Conv { .. } | Op::Picture => rows.clone(),
            Op::Depthwise { window, .. } => of_window(window),
            Op::MaxPool => 2 * rows.start..2 * rows.end,
            Op::Upsample => (rows.start.saturating_sub(1)) / 2..(rows.end / 2 + 1).min(height),
            Op::Mean | Op::Logistic | Op::Join => 0..height,
        }
    }
}
