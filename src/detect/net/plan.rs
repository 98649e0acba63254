//! A graph made ready to run: packed weights, memory for every value, steps in order.

use super::error::ModelError;
use super::graph::{Graph, Node, Op, Shape, Value, Window};
use super::kernels::{Activation, PackedConv, PackedDepthwise, PixelGrid};
use super::schedule::{ScheduleConfig, Step, schedule};
use super::{CHANNEL_STEP, Isa};
use crate::net::simd;

/// Most floats of working memory.
const MAX_MEMORY: usize = 1 << 24;

/// Where a value's numbers lie in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Rows, columns, channels.
    pub shape: Shape,
    /// Floats from pixel to pixel: whole registers of channels, the rest zero.
    pub pitch: usize,
    /// Columns of zeros left and right of the picture.
    pub margins: (usize, usize),
    /// Rows kept; row `y` lies at `y % rows`.
    pub rows: usize,
}

impl Layout {
    /// Floats from row to row.
    pub fn row_floats(&self) -> usize {
        ((self.margins.0 + self.shape.width + self.margins.1) * self.pitch).next_multiple_of(CHANNEL_STEP)
    }

    /// Floats of the whole value.
    pub fn floats(&self) -> usize {
        self.rows * self.row_floats()
    }

    /// The pixels of row `y`, without margins.
    pub fn pixels(&self, y: usize) -> std::ops::Range<usize> {
        let start = y % self.rows * self.row_floats() + self.margins.0 * self.pitch;
        start..start + self.shape.width * self.pitch
    }

    /// How many rows from `y` on lie one after the other in memory.
    pub fn rows_ahead(&self, y: usize) -> usize {
        self.rows - y % self.rows
    }

    /// Whether rows follow each other without gaps.
    pub fn is_gapless(&self) -> bool {
        self.row_floats() == self.shape.width * self.pitch
    }

    /// Where its pixels lie, from the first pixel of a row on.
    pub fn grid(&self) -> PixelGrid {
        PixelGrid { width: self.shape.width, pitch: self.pitch, row: self.row_floats() }
    }
}

/// What a planned node computes, with weights in kernel order.
pub(super) enum Kernel {
    Picture,
    Conv {
        window: Window,
        run: usize,
        weights: PackedConv,
        residual: Option<PlannedResidual>,
        activation: Activation,
    },
    Depthwise {
        window: Window,
        weights: PackedDepthwise,
        clamp: Option<(f32, f32)>,
    },
    MaxPool,
    Upsample,
    Mean,
    Logistic,
    Join,
}

/// A sum with an earlier value.
pub(super) struct PlannedResidual {
    pub value: Value,
    /// Channels added, in whole registers.
    pub channels: usize,
    pub after_activation: bool,
}

/// A node ready to run.
pub(super) struct PlannedNode {
    pub kernel: Kernel,
    pub inputs: Vec<Value>,
    pub output: Value,
}

/// Everything that a run needs besides the memory itself.
pub(super) struct Plan {
    pub isa: Isa,
    pub nodes: Vec<PlannedNode>,
    pub steps: Vec<Step>,
    /// Layout and buffer of every value.
    pub layouts: Vec<Layout>,
    pub buffer_of: Vec<usize>,
    /// Size of every buffer in floats.
    pub buffers: Vec<usize>,
    pub input: Value,
    pub outputs: Vec<Value>,
}

impl Plan {
    /// Plans a graph for an available instruction set.
    pub fn new(graph: Graph, isa: Isa, config: ScheduleConfig) -> Result<Self, ModelError> {
        let pitches = pitches(&graph);
        let nodes: Vec<PlannedNode> =
            graph.nodes.iter().map(|node| planned(node, &graph, &pitches, isa)).collect();
        let weights: Vec<usize> = nodes.iter().map(|node| node.kernel.bytes()).collect();
        let schedule = schedule(&graph, &weights, config);
        let mut layouts: Vec<Layout> = (0..graph.shapes.len())
            .map(|value| Layout {
                shape: graph.shapes[value],
                pitch: pitches[value],
                margins: (0, 0),
                rows: schedule.rows_kept[value].max(1),
            })
            .collect();
        for node in &graph.nodes {
            if let Op::Conv { window, .. } | Op::Depthwise { window, .. } = &node.op {
                let output = graph.shapes[node.output];
                let input = &mut layouts[node.inputs[0]];
                let right = window.right(input.shape.width, output.width);
                input.margins = (input.margins.0.max(window.left), input.margins.1.max(right));
            }
        }
        for value in std::iter::once(graph.input).chain(graph.outputs.iter().copied()) {
            layouts[value].rows = graph.shapes[value].height;
        }
        let (buffer_of, buffers) = assign_buffers(&graph, &layouts, &schedule.lifetimes);
        let wanted = buffers.iter().sum();
        if wanted > MAX_MEMORY {
            return Err(ModelError::TooLarge { what: "floats of memory", wanted, limit: MAX_MEMORY });
        }
        let (steps, input, outputs) = (schedule.steps, graph.input, graph.outputs);
        Ok(Self { isa, nodes, steps, layouts, buffer_of, buffers, input, outputs })
    }
}

impl Kernel {
    /// Bytes of weights read at every step.
    fn bytes(&self) -> usize {
        match self {
            Kernel::Conv { weights, .. } => weights.bytes(),
            Kernel::Depthwise { weights, .. } => weights.bytes(),
            _ => 0,
        }
    }
}

/// Floats from pixel to pixel of every value: whole registers, except where only convolutions read a picture.
fn pitches(graph: &Graph) -> Vec<usize> {
    let mut pitches: Vec<usize> =
        graph.shapes.iter().map(|shape| shape.channels.next_multiple_of(CHANNEL_STEP)).collect();
    pitches[graph.input] = graph.shapes[graph.input].channels;
    let picture = graph.nodes.iter().find(|node| matches!(node.op, Op::Picture)).map(|node| node.output);
    if let Some(picture) = picture {
        let by_conv = |node: &Node| {
            matches!(node.op, Op::Conv { .. }) && node.reads().skip(1).all(|value| value != picture)
        };
        if graph.nodes.iter().all(|node| by_conv(node) || node.reads().all(|value| value != picture)) {
            pitches[picture] = graph.shapes[picture].channels;
        }
    }
    pitches
}

/// Packs the weights of a node.
fn planned(node: &Node, graph: &Graph, pitches: &[usize], isa: Isa) -> PlannedNode {
    let lanes = simd::lanes(isa);
    let kernel = match &node.op {
        Op::Picture => Kernel::Picture,
        Op::Conv { window, weights, bias, residual, activation } => {
            let input = node.inputs[0];
            let (channels, pitch) = (graph.shapes[input].channels, pitches[input]);
            // Patches of more than one pixel run over the gaps between pixels, with zeros for weights.
            let pitch = if window.kernel == 1 { channels } else { pitch };
            let mut spread = Vec::with_capacity(weights.len() / channels * pitch);
            for pixel in weights.chunks_exact(channels) {
                spread.extend_from_slice(pixel);
                spread.resize(spread.len() + pitch - channels, 0.0);
            }
            let weights = PackedConv::new(&spread, bias, lanes);
            let residual = residual.as_ref().map(|residual| PlannedResidual {
                value: residual.value,
                channels: graph.shapes[residual.value].channels.next_multiple_of(lanes),
                after_activation: residual.after_activation,
            });
            let mut activation = activation.clone();
            if let Activation::Prelu(slopes) = &mut activation {
                slopes.resize(slopes.len().next_multiple_of(lanes), 0.0);
            }
            Kernel::Conv { window: *window, run: window.kernel * pitch, weights, residual, activation }
        }
        Op::Depthwise { window, weights, bias, clamp } => {
            let weights = PackedDepthwise::new(weights, bias, window.kernel, lanes);
            Kernel::Depthwise { window: *window, weights, clamp: *clamp }
        }
        Op::MaxPool => Kernel::MaxPool,
        Op::Upsample => Kernel::Upsample,
        Op::Mean => Kernel::Mean,
        Op::Logistic => Kernel::Logistic,
        Op::Join => Kernel::Join,
    };
    PlannedNode { kernel, inputs: node.inputs.clone(), output: node.output }
}

/// Gives every value a buffer; values of one layout whose lives do not overlap share one.
///
/// Only equal layouts share, so that the zeros in margins and gaps, written once, stay zeros.
fn assign_buffers(
    graph: &Graph,
    layouts: &[Layout],
    lifetimes: &[Option<(usize, usize)>],
) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<Value> = (0..layouts.len()).collect();
    order.sort_by_key(|&value| lifetimes[value]);
    let mut buffer_of = vec![0; layouts.len()];
    // Layout and the step after which the buffer is free.
    let mut buffers: Vec<(Layout, usize)> = Vec::new();
    for value in order {
        let pinned = value == graph.input || graph.outputs.contains(&value);
        let (start, end) = match lifetimes[value] {
            Some(lifetime) if !pinned => lifetime,
            _ => (0, usize::MAX),
        };
        let free = buffers.iter().rposition(|(layout, until)| *layout == layouts[value] && *until < start);
        let buffer = free.unwrap_or_else(|| {
            buffers.push((layouts[value], 0));
            buffers.len() - 1
        });
        buffers[buffer].1 = end;
        buffer_of[value] = buffer;
    }
    (buffer_of, buffers.iter().map(|(layout, _)| layout.floats()).collect())
}
