//! Numbers over time, and the convolutions that halve it.

use crate::net::{CheckpointError, Scope};

/// Frames of a motion.
pub const CLIP_FRAMES: usize = 128;
/// Frames from one output to the next.
const STRIDE: usize = 2;
/// Partial sums of a product: enough to fill the registers of every processor.
const PARTS: usize = 16;

/// Channels over frames: channel `c` at frame `t` is number `c * frames + t`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signal {
    /// The numbers.
    pub data: Vec<f32>,
    /// Frames of each channel.
    pub frames: usize,
}

impl Signal {
    /// The signal of these numbers.
    pub fn new(data: Vec<f32>, frames: usize) -> Self {
        Self { data, frames }
    }

    pub(super) fn zeros(channels: usize, frames: usize) -> Self {
        Self::new(vec![0.0; channels * frames], frames)
    }

    pub(super) fn channel(&self, channel: usize) -> &[f32] {
        &self.data[channel * self.frames..][..self.frames]
    }

    pub(super) fn channel_mut(&mut self, channel: usize) -> &mut [f32] {
        &mut self.data[channel * self.frames..][..self.frames]
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.data.iter_mut().zip(&other.data).for_each(|(value, other)| *value += other);
    }
}

/// What a convolution does beyond the ends of its input.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ends {
    /// One frame more on each side, as in a mirror at the end.
    Mirrored,
    /// Zeros, one frame on each side.
    Silent,
    /// Nothing: it does not look there.
    Closed,
}

/// A convolution over time with two frames from output to output.
pub(super) struct HalvingConv {
    /// `[outputs, inputs, taps]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
    taps: usize,
    ends: Ends,
}

/// Gradient by a convolution's input and numbers.
pub(super) struct ConvGradient {
    pub input: Signal,
    pub weight: Vec<f32>,
}

impl HalvingConv {
    /// Reads `weight` and `bias`; `connected` says whether an output hears an input.
    pub fn read(
        scope: &Scope,
        [outputs, inputs, taps]: [usize; 3],
        ends: Ends,
        connected: impl Fn(usize, usize) -> bool,
    ) -> Result<Self, CheckpointError> {
        let mut weight = scope.tensor("weight", &[outputs, inputs, taps])?;
        for (i, taps) in weight.chunks_exact_mut(taps).enumerate() {
            if !connected(i / inputs, i % inputs) {
                taps.fill(0.0);
            }
        }
        Ok(Self { weight, bias: scope.tensor("bias", &[outputs])?, inputs, taps, ends })
    }

    /// Reads a convolution of one tap over the means of two frames.
    pub fn read_over_means(scope: &Scope, [outputs, inputs]: [usize; 2]) -> Result<Self, CheckpointError> {
        let weight = scope.tensor("weight", &[outputs, inputs, 1])?;
        let weight = weight.into_iter().flat_map(|weight| [weight / STRIDE as f32; STRIDE]).collect();
        Ok(Self { weight, bias: scope.tensor("bias", &[outputs])?, inputs, taps: STRIDE, ends: Ends::Closed })
    }

    /// The frame of the input that tap `tap` of output `t` looks at; `None` where it sees a zero.
    fn looks_at(&self, t: usize, tap: usize, frames: usize) -> Option<usize> {
        let at = STRIDE * t + tap;
        match self.ends {
            Ends::Closed => Some(at),
            Ends::Mirrored if at == 0 => Some(1),
            Ends::Mirrored if at > frames => Some(2 * frames - 1 - at),
            Ends::Silent if at == 0 || at > frames => None,
            Ends::Mirrored | Ends::Silent => Some(at - 1),
        }
    }

    /// For each input and tap what the outputs see, one after the other.
    fn seen(&self, input: &Signal) -> Signal {
        let outputs = input.frames / STRIDE;
        let mut seen = Signal::zeros(self.inputs * self.taps, outputs);
        for i in 0..self.inputs * self.taps {
            let channel = input.channel(i / self.taps);
            for (t, value) in seen.channel_mut(i).iter_mut().enumerate() {
                *value = self.looks_at(t, i % self.taps, input.frames).map_or(0.0, |at| channel[at]);
            }
        }
        seen
    }

    pub fn apply(&self, input: &Signal) -> Signal {
        let seen = self.seen(input);
        let mut out = Signal::zeros(self.bias.len(), seen.frames);
        let weights = self.weight.chunks_exact(self.inputs * self.taps);
        for (output, (weights, &bias)) in weights.zip(&self.bias).enumerate() {
            let sums = out.channel_mut(output);
            sums.fill(bias);
            for (i, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                add_scaled(sums, seen.channel(i), weight);
            }
        }
        out
    }

    /// Gradients where `by_out` is that by the output for this input.
    pub fn reverse(&self, input: &Signal, by_out: &Signal) -> ConvGradient {
        let seen = self.seen(input);
        let mut by_seen = Signal::zeros(self.inputs * self.taps, seen.frames);
        let mut by_weight = vec![0.0; self.weight.len()];
        let rows = self.weight.chunks_exact(self.inputs * self.taps);
        let by_rows = by_weight.chunks_exact_mut(self.inputs * self.taps);
        for (output, (weights, by_weights)) in rows.zip(by_rows).enumerate() {
            let by_out = by_out.channel(output);
            for (i, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
                by_weights[i] = seen.channel(i).iter().zip(by_out).map(|(seen, by)| seen * by).sum();
                add_scaled(by_seen.channel_mut(i), by_out, weight);
            }
        }
        let mut by_input = Signal::zeros(self.inputs, input.frames);
        for i in 0..self.inputs * self.taps {
            let channel = by_input.channel_mut(i / self.taps);
            for (t, by) in by_seen.channel(i).iter().enumerate() {
                if let Some(at) = self.looks_at(t, i % self.taps, input.frames) {
                    channel[at] += by;
                }
            }
        }
        ConvGradient { input: by_input, weight: by_weight }
    }
}

/// `sums += scale * values`.
pub(super) fn add_scaled(sums: &mut [f32], values: &[f32], scale: f32) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += scale * value);
}

/// The scalar product of two lists.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<PARTS>(), b.as_chunks::<PARTS>());
    let mut parts = [0.0; PARTS];
    for (a, b) in a.iter().zip(b) {
        for (part, (a, b)) in parts.iter_mut().zip(a.iter().zip(b)) {
            *part += a * b;
        }
    }
    parts.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}
