//! A motion of 128 frames to a Gaussian over latent codes: convolutions over time that only hear near bones
//! (Aberman et al. 2020; NeMF, He et al. 2022).

use super::head::Head;
use super::norm::{normalise, normalise_reverse};
use super::signal::{CLIP_FRAMES, Ends, HalvingConv, Signal, add_scaled};
use super::skeleton::{LAYERS, edges, hears, merged};
use crate::net::{CheckpointError, Scope};

/// Groups of channels that are normalised together.
const GROUPS: usize = 4;
/// Frames that an output looks at, on the main way and on the short one.
const TAPS: [usize; 2] = [4, 1];

/// The encoder.
pub struct MotionEncoder {
    layers: Vec<Layer>,
    mean: Head,
    log_variance: Head,
}

/// A Gaussian over latent codes, and what the way back needs.
pub struct Encoding {
    /// Its mean.
    pub mean: Vec<f32>,
    /// Logarithms of its variances.
    pub log_variance: Vec<f32>,
    steps: Vec<Step>,
}

/// Gradients by the encoder's input and numbers.
pub struct EncoderGradient {
    /// By the input.
    pub input: Signal,
    /// By each layer's convolution, main and short.
    pub layers: Vec<[Vec<f32>; 2]>,
    /// By the weights of the mean.
    pub mean: Vec<f32>,
}

impl Encoding {
    /// What came out of a layer.
    pub fn activation(&self, layer: usize) -> &Signal {
        &self.steps[layer].output
    }
}

impl MotionEncoder {
    /// Reads the encoder from the tensors of `local_encoder.pth`; its widths are those of the tensors.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(root: &Scope) -> Result<Self, CheckpointError> {
        let mut layers: Vec<Layer> = Vec::with_capacity(LAYERS);
        for i in 0..LAYERS {
            let inputs = layers.last().map(Layer::outputs);
            layers.push(Layer::read(&root.part(format_args!("layers.{i}.0")), i, inputs)?);
        }
        let inputs = layers.last().map_or(0, Layer::outputs) * (CLIP_FRAMES >> LAYERS);
        let read = |name| Head::read(&root.part(name), inputs);
        Ok(Self { layers, mean: read("mu")?, log_variance: read("logvar")? })
    }

    /// Channels that go in.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs
    }

    /// The Gaussian of a motion.
    ///
    /// # Panics
    /// When the signal does not have [`Self::inputs`] channels of 128 frames.
    pub fn encode(&self, input: &Signal) -> Encoding {
        assert_eq!((input.data.len(), input.frames), (self.inputs() * CLIP_FRAMES, CLIP_FRAMES), "a motion");
        let mut steps: Vec<Step> = Vec::with_capacity(LAYERS);
        for layer in &self.layers {
            let input = steps.last().map_or(input, |step| &step.output).clone();
            steps.push(layer.apply(input));
        }
        let flat = steps.last().map_or(&input.data, |step| &step.output.data);
        Encoding { mean: self.mean.apply(flat), log_variance: self.log_variance.apply(flat), steps }
    }

    /// Gradients where `by_mean` and `by_log_variance` are those by what came out.
    pub fn reverse(&self, encoding: &Encoding, by_mean: &[f32], by_log_variance: &[f32]) -> EncoderGradient {
        let last = &encoding.steps[LAYERS - 1].output;
        let mut by = Signal::zeros(last.data.len() / last.frames, last.frames);
        self.mean.reverse(by_mean, &mut by.data);
        self.log_variance.reverse(by_log_variance, &mut by.data);
        let mut layers = Vec::with_capacity(LAYERS);
        for (layer, step) in self.layers.iter().zip(&encoding.steps).rev() {
            let gradient = layer.reverse(step, by);
            by = gradient.0;
            layers.push(gradient.1);
        }
        layers.reverse();
        let mean = by_mean.iter().flat_map(|by| last.data.iter().map(move |value| by * value)).collect();
        EncoderGradient { input: by, layers, mean }
    }
}

/// One layer: `tanh(merge(group_norm(conv(x)) + short(x)))`.
struct Layer {
    main: HalvingConv,
    short: HalvingConv,
    weight: Vec<f32>,
    bias: Vec<f32>,
    merged: Option<Vec<Vec<usize>>>,
    inputs: usize,
    /// Channels of an edge on the way out.
    width: usize,
}

/// What a layer did.
struct Step {
    input: Signal,
    normalised: Signal,
    scales: [f32; GROUPS],
    output: Signal,
}

impl Layer {
    /// Reads layer `layer`, which has `before` inputs where that is known.
    fn read(scope: &Scope, layer: usize, before: Option<usize>) -> Result<Self, CheckpointError> {
        let name = "residual.0.weight";
        let shape = scope.shape(name).ok_or_else(|| CheckpointError::Missing(scope.name(name)))?;
        let edges = edges(layer);
        let fits = |count: usize| count > 0 && count.is_multiple_of(edges);
        let follows = |inputs: usize| fits(inputs) && before.is_none_or(|before| before == inputs);
        let (outputs, inputs) = match shape.as_slice() {
            &[outputs, inputs, _] if fits(outputs) && follows(inputs) && outputs.is_multiple_of(GROUPS) => {
                (outputs, inputs)
            }
            _ => {
                let wanted = vec![edges * GROUPS, before.unwrap_or(edges), TAPS[0]];
                return Err(CheckpointError::Shape { name: scope.name(name), found: shape, wanted });
            }
        };
        let (of_output, of_input) = (outputs / edges, inputs / edges);
        let connected = |output: usize, input: usize| hears(layer, output / of_output, input / of_input);
        let conv = |name: &str, taps, ends| {
            HalvingConv::read(&scope.part(name), [outputs, inputs, taps], ends, connected)
        };
        let norm = scope.part("residual.1");
        Ok(Self {
            main: conv("residual.0", TAPS[0], Ends::Mirrored)?,
            short: conv("shortcut", TAPS[1], Ends::Closed)?,
            weight: norm.tensor("weight", &[outputs])?,
            bias: norm.tensor("bias", &[outputs])?,
            merged: merged(layer),
            inputs,
            width: of_output,
        })
    }

    /// Channels that come out.
    fn outputs(&self) -> usize {
        self.merged.as_ref().map_or(self.weight.len(), |merged| merged.len() * self.width)
    }

    fn apply(&self, input: Signal) -> Step {
        let mut normalised = self.main.apply(&input);
        let group = normalised.data.len() / GROUPS;
        let mut scales = [0.0; GROUPS];
        for (values, scale) in normalised.data.chunks_exact_mut(group).zip(&mut scales) {
            *scale = normalise(values);
        }
        let mut sum = self.short.apply(&input);
        for (channel, (&weight, &bias)) in self.weight.iter().zip(&self.bias).enumerate() {
            let values = sum.channel_mut(channel).iter_mut().zip(normalised.channel(channel));
            values.for_each(|(sum, value)| *sum += value * weight + bias);
        }
        let mut output = self.merge(sum);
        output.data.iter_mut().for_each(|value| *value = value.tanh());
        Step { input, normalised, scales, output }
    }

    fn merge(&self, edges: Signal) -> Signal {
        let Some(merged) = &self.merged else { return edges };
        let mut out = Signal::zeros(merged.len() * self.width, edges.frames);
        for (to, from) in merged.iter().enumerate() {
            for (edge, channel) in from.iter().flat_map(|&edge| (0..self.width).map(move |c| (edge, c))) {
                let values = edges.channel(edge * self.width + channel);
                add_scaled(out.channel_mut(to * self.width + channel), values, 1.0 / from.len() as f32);
            }
        }
        out
    }

    fn merge_reverse(&self, by: Signal) -> Signal {
        let Some(merged) = &self.merged else { return by };
        let edges = merged.iter().flatten().count();
        let mut out = Signal::zeros(edges * self.width, by.frames);
        for (to, from) in merged.iter().enumerate() {
            for (edge, channel) in from.iter().flat_map(|&edge| (0..self.width).map(move |c| (edge, c))) {
                let values = by.channel(to * self.width + channel);
                add_scaled(out.channel_mut(edge * self.width + channel), values, 1.0 / from.len() as f32);
            }
        }
        out
    }

    /// Gradients by the input and by both convolutions' weights.
    fn reverse(&self, step: &Step, mut by: Signal) -> (Signal, [Vec<f32>; 2]) {
        by.data.iter_mut().zip(&step.output.data).for_each(|(by, value)| *by *= 1.0 - value * value);
        let by = self.merge_reverse(by);
        let short = self.short.reverse(&step.input, &by);
        let mut by_main = by;
        for (channel, &weight) in self.weight.iter().enumerate() {
            by_main.channel_mut(channel).iter_mut().for_each(|by| *by *= weight);
        }
        let group = by_main.data.len() / GROUPS;
        let groups = by_main.data.chunks_exact_mut(group).zip(step.normalised.data.chunks_exact(group));
        for ((by, normalised), &scale) in groups.zip(&step.scales) {
            normalise_reverse(normalised, scale, by);
        }
        let main = self.main.reverse(&step.input, &by_main);
        let mut input = main.input;
        input.add(&short.input);
        (input, [main.weight, short.weight])
    }
}
