//! Running a plan: every step gathers row slices and calls its kernel.

use std::ops::Range;

use super::graph::{Value, Window};
use super::kernels::{
    ConvRow, DepthwiseRow, MAX_KERNEL, ResidualRow, add_pixels, conv_row, depthwise_row, logistic,
    max_pool_row, upsample_row,
};
use super::plan::{Kernel, Layout, Plan, PlannedNode};
use super::schedule::Step;
use crate::net::memory::Buffer;

/// The working memory of a plan.
pub(super) struct Memory {
    buffers: Vec<Buffer>,
    /// What lies above and below every picture.
    zeros: Buffer,
}

impl Memory {
    /// Takes the memory, all zeros.
    pub fn new(plan: &Plan) -> Self {
        let longest = plan.layouts.iter().map(Layout::row_floats).max().unwrap_or(0);
        Self {
            buffers: plan.buffers.iter().map(|&floats| Buffer::zeros(floats)).collect(),
            zeros: Buffer::zeros(longest),
        }
    }

    /// The numbers of a list.
    pub fn list(&self, plan: &Plan, value: Value) -> &[f32] {
        &self.pixels(plan, value, 0)[..plan.layouts[value].shape.elements()]
    }

    /// The input picture, which is stored without gaps.
    pub fn picture_mut(&mut self, plan: &Plan) -> &mut [f32] {
        &mut self.buffers[plan.buffer_of[plan.input]][..plan.layouts[plan.input].shape.elements()]
    }

    /// Runs some of the steps, which come in order.
    pub fn run(&mut self, plan: &Plan, steps: &[Step]) {
        for step in steps {
            let node = &plan.nodes[step.node];
            // The output leaves the memory while its rows are written, so that inputs can be borrowed.
            let buffer = plan.buffer_of[node.output];
            let mut out = std::mem::take(&mut self.buffers[buffer]);
            self.step(plan, node, step.rows.clone(), &mut out);
            self.buffers[buffer] = out;
        }
    }

    /// The pixels of a row.
    fn pixels(&self, plan: &Plan, value: Value, y: usize) -> &[f32] {
        &self.buffers[plan.buffer_of[value]][plan.layouts[value].pixels(y)]
    }

    /// For each kernel row the input from the first output's window on; zeros outside the picture.
    fn window_rows(&self, plan: &Plan, value: Value, window: &Window, y: usize) -> [&[f32]; MAX_KERNEL] {
        let layout = &plan.layouts[value];
        let (row_floats, skipped) = (layout.row_floats(), (layout.margins.0 - window.left) * layout.pitch);
        std::array::from_fn(|tap| {
            let row = (y * window.stride + tap).checked_sub(window.top);
            match row.filter(|&row| tap < window.kernel && row < layout.shape.height) {
                Some(row) => {
                    let start = row % layout.rows * row_floats;
                    &self.buffers[plan.buffer_of[value]][start + skipped..start + row_floats]
                }
                None => &self.zeros,
            }
        })
    }

    fn step(&self, plan: &Plan, node: &PlannedNode, rows: Range<usize>, out: &mut [f32]) {
        let layout = &plan.layouts[node.output];
        let input = node.inputs[0];
        match &node.kernel {
            Kernel::Conv { .. } => self.conv(plan, node, rows, out),
            Kernel::Depthwise { window, weights, clamp } => {
                for y in rows {
                    let windows = self.window_rows(plan, input, window, y);
                    let row = DepthwiseRow {
                        rows: &windows[..window.kernel],
                        stride: window.stride,
                        pitch: layout.pitch,
                        pixels: layout.shape.width,
                        weights,
                        clamp: *clamp,
                    };
                    depthwise_row(plan.isa, &row, &mut out[layout.pixels(y)]);
                }
            }
            Kernel::Picture => {
                let channels = layout.shape.channels;
                for y in rows {
                    let from = self.pixels(plan, input, y);
                    if layout.pitch == channels {
                        out[layout.pixels(y)].copy_from_slice(from);
                        continue;
                    }
                    let from = from.chunks_exact(channels);
                    for (to, from) in out[layout.pixels(y)].chunks_exact_mut(layout.pitch).zip(from) {
                        to[..channels].copy_from_slice(from);
                    }
                }
            }
            Kernel::MaxPool => {
                for y in rows {
                    let (upper, lower) =
                        (self.pixels(plan, input, 2 * y), self.pixels(plan, input, 2 * y + 1));
                    max_pool_row(upper, lower, layout.pitch, &mut out[layout.pixels(y)]);
                }
            }
            Kernel::Upsample => {
                let last = plan.layouts[input].shape.height - 1;
                for y in rows {
                    let own = y / 2;
                    let neighbour = if y % 2 == 0 { own.saturating_sub(1) } else { (own + 1).min(last) };
                    let (near, far) = (self.pixels(plan, input, own), self.pixels(plan, input, neighbour));
                    upsample_row(near, far, layout.pitch, &mut out[layout.pixels(y)]);
                }
            }
            Kernel::Mean => {
                let shape = plan.layouts[input].shape;
                let sums = &mut out[layout.pixels(0)];
                sums.fill(0.0);
                for y in 0..shape.height {
                    add_pixels(self.pixels(plan, input, y), sums);
                }
                let scale = 1.0 / (shape.height * shape.width) as f32;
                sums.iter_mut().for_each(|sum| *sum *= scale);
            }
            Kernel::Logistic => logistic(self.list(plan, input), &mut out[layout.pixels(0)]),
            Kernel::Join => {
                let out = &mut out[layout.pixels(0)];
                let mut written = 0;
                for &input in &node.inputs {
                    let layout = &plan.layouts[input];
                    let channels = layout.shape.channels;
                    for y in 0..layout.shape.height {
                        for pixel in self.pixels(plan, input, y).chunks_exact(layout.pitch) {
                            out[written..written + channels].copy_from_slice(&pixel[..channels]);
                            written += channels;
                        }
                    }
                }
            }
        }
    }

    fn conv(&self, plan: &Plan, node: &PlannedNode, rows: Range<usize>, out: &mut [f32]) {
        let mut y = rows.start;
        while y < rows.end {
            y += self.conv_rows(plan, node, y..rows.end, out);
        }
    }

    /// Computes as many rows as lie one after the other, at least one, and returns their number.
    fn conv_rows(&self, plan: &Plan, node: &PlannedNode, rows: Range<usize>, out: &mut [f32]) -> usize {
        let Kernel::Conv { window, run, weights, residual, activation } = &node.kernel else {
            return rows.len();
        };
        let (layout, input) = (&plan.layouts[node.output], node.inputs[0]);
        let y = rows.start;
        let mut count = 1;
        if window.kernel == 1 && window.stride == 1 && plan.layouts[input].is_gapless() {
            let values =
                [node.output, input].into_iter().chain(residual.as_ref().map(|residual| residual.value));
            let together = values.map(|value| plan.layouts[value].rows_ahead(y)).min().unwrap_or(1);
            count = together.min(rows.len());
        }
        let windows = if count > 1 {
            let from = &plan.layouts[input];
            let start = from.pixels(y).start;
            let run = &self.buffers[plan.buffer_of[input]][start..start + count * from.row_floats()];
            [run; MAX_KERNEL]
        } else {
            self.window_rows(plan, input, window, y)
        };
        let residual = residual.as_ref().map(|residual| {
            let from = &plan.layouts[residual.value];
            let start = from.pixels(y).start;
            let end = from.pixels(y + count - 1).end;
            ResidualRow {
                values: &self.buffers[plan.buffer_of[residual.value]][start..end],
                grid: from.grid(),
                channels: residual.channels,
                after_activation: residual.after_activation,
            }
        });
        let row = ConvRow {
            runs: &windows[..window.kernel],
            run: *run,
            step: window.stride * plan.layouts[input].pitch,
            pixels: count * layout.shape.width,
            weights,
            residual,
            activation,
            grid: layout.grid(),
        };
        let pixels = layout.pixels(y).start..layout.pixels(y + count - 1).end;
        conv_row(plan.isa, &row, &mut out[pixels]);
        count
    }
}
