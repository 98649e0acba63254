//! A latent code to a motion: a network that is asked once for each point in time (NeMF, He et al. 2022).
//!
//! Every layer also reads the time and the latent code. Neither changes from row to row as what came before
//! does, so their parts of each layer's product are taken out of it: the times' once for good, the latent's
//! once for a motion.

use super::norm::{normalise, normalise_reverse};
use super::signal::{CLIP_FRAMES, add_scaled, dot};
use crate::net::{CheckpointError, Isa, Linear, Scope, room};

/// Frequencies of the code of time.
const FREQUENCIES: usize = 7;
/// Numbers of the code of time.
const TIME_CODE: usize = 2 * FREQUENCIES;
/// Layers in all, and those before the fingers' motion leaves; the last ones make the root's.
const LAYERS: usize = 11;
const LOCAL_LAYERS: usize = 8;
/// Numbers of a frame that mean something: six for each of sixteen joints.
pub const LOCAL_OUTPUTS: usize = 96;

/// The decoder.
pub struct MotionField {
    layers: Vec<Layer>,
    local: Output,
    global: Output,
    latent: [usize; 2],
}

/// Motions of one latent code, and what the way back needs.
pub struct Decoding {
    /// Numbers of the fingers' motion, frame after frame, [`MotionField::local_outputs`] each, of which the
    /// first [`LOCAL_OUTPUTS`] mean something.
    pub local: Vec<f32>,
    steps: Vec<Step>,
}

impl MotionField {
    /// Reads the decoder from the tensors of `nemf.pth`; its widths are those of the tensors.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(root: &Scope, isa: Isa) -> Result<Self, CheckpointError> {
        let inputs = |layer: usize| -> Result<[usize; 2], CheckpointError> {
            let name = format!("mlp.{layer}.fc.weight");
            let found = root.shape(&name).ok_or_else(|| CheckpointError::Missing(root.name(&name)))?;
            <[usize; 2]>::try_from(found).map_err(|found| CheckpointError::Shape {
                name: root.name(&name),
                found,
                wanted: vec![0, 0],
            })
        };
        let [hidden, first] = inputs(0)?;
        let [_, last] = inputs(LOCAL_LAYERS)?;
        let local = first.saturating_sub(TIME_CODE);
        let global = last.saturating_sub(hidden + first);
        let layers = (0..LAYERS).map(|layer| {
            let before = if layer == 0 { 0 } else { hidden };
            let latent = if layer < LOCAL_LAYERS { local } else { local + global };
            Layer::read(&root.part(format_args!("mlp.{layer}")), [before, latent, hidden], isa)
        });
        Ok(Self {
            layers: layers.collect::<Result<_, _>>()?,
            local: Output::read(&root.part("local_linear.0"), hidden, isa)?,
            global: Output::read(&root.part("global_linear.0"), hidden, isa)?,
            latent: [local, global],
        })
    }

    /// Numbers of the fingers' and of the root's latent code.
    pub fn latent(&self) -> [usize; 2] {
        self.latent
    }

    /// Numbers of the fingers' motion in a frame.
    pub fn local_outputs(&self) -> usize {
        self.local.linear.outputs()
    }

    /// The fingers' motion of a latent code.
    ///
    /// # Panics
    /// When the code does not have [`Self::latent`]'s numbers.
    pub fn decode(&self, local: &[f32]) -> Decoding {
        let mut steps: Vec<Step> = Vec::with_capacity(LOCAL_LAYERS);
        for layer in &self.layers[..LOCAL_LAYERS] {
            steps.push(layer.apply(steps.last().map(|step| step.output.as_slice()), local));
        }
        let last = steps.last().map_or(&[][..], |step| &step.output);
        Decoding { local: self.local.apply(last), steps }
    }

    /// The root's motion: six numbers for each frame.
    ///
    /// # Panics
    /// When the code does not have [`Self::latent`]'s numbers.
    pub fn decode_root(&self, decoding: &Decoding, local: &[f32], global: &[f32]) -> Vec<f32> {
        let latent = [local, global].concat();
        let mut rows = decoding.steps[LOCAL_LAYERS - 1].output.clone();
        for layer in &self.layers[LOCAL_LAYERS..] {
            rows = layer.apply(Some(&rows), &latent).output;
        }
        self.global.apply(&rows)
    }

    /// The gradient by the latent code, where `by_local` is that by [`Decoding::local`].
    pub fn reverse(&self, decoding: &Decoding, by_local: &[f32]) -> Vec<f32> {
        let mut by_latent = vec![0.0; self.latent[0]];
        let mut by = self.local.reverse(by_local);
        for (layer, step) in self.layers.iter().zip(&decoding.steps).rev() {
            by = layer.reverse(step, by, &mut by_latent);
        }
        by_latent
    }
}

/// The code of frame `frame`: sines and cosines of its time in -1..1.
pub fn time_code(frame: usize) -> [f32; TIME_CODE] {
    let time = frame as f64 / CLIP_FRAMES as f64 * 2.0 - 1.0;
    std::array::from_fn(|i| {
        let angle = time * f64::from(1_u32 << (i / 2));
        (if i % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
    })
}

/// One layer: `relu(layer_norm(W [before, time, latent] + b))`.
struct Layer {
    /// What came before, there and back; the first layer has nothing before it.
    before: Option<(Linear, Linear)>,
    /// `W time + b` of every frame.
    times: Vec<f32>,
    /// `[hidden, latent]`.
    latent: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// What a layer did: rows of all frames.
struct Step {
    normalised: Vec<f32>,
    scales: Vec<f32>,
    output: Vec<f32>,
}

impl Layer {
    fn read(scope: &Scope, [before, latent, hidden]: [usize; 3], isa: Isa) -> Result<Self, CheckpointError> {
        let inputs = before + TIME_CODE + latent;
        let weight = scope.tensor("fc.weight", &[hidden, inputs])?;
        let bias = scope.tensor("fc.bias", &[hidden])?;
        let part = |from: usize, count: usize| -> Vec<f32> {
            weight.chunks_exact(inputs).flat_map(|row| &row[from..from + count]).copied().collect()
        };
        let of_time = part(before, TIME_CODE);
        let times = (0..CLIP_FRAMES).flat_map(|frame| {
            let code = time_code(frame);
            let rows = of_time.chunks_exact(TIME_CODE).zip(&bias);
            rows.map(move |(row, bias)| bias + row.iter().zip(code).map(|(w, c)| w * c).sum::<f32>())
                .collect::<Vec<_>>()
        });
        let of_before = part(0, before);
        Ok(Self {
            before: (before > 0).then(|| there_and_back(&of_before, hidden, isa)),
            times: times.collect(),
            latent: part(before + TIME_CODE, latent),
            weight: scope.tensor("norm_layer.weight", &[hidden])?,
            bias: scope.tensor("norm_layer.bias", &[hidden])?,
        })
    }

    fn latent_rows(&self) -> impl Iterator<Item = &[f32]> {
        self.latent.chunks_exact(self.latent.len() / self.weight.len())
    }

    fn apply(&self, before: Option<&[f32]>, latent: &[f32]) -> Step {
        let hidden = self.weight.len();
        let of_latent: Vec<f32> = self.latent_rows().map(|row| dot(row, latent)).collect();
        let mut rows = match (&self.before, before) {
            (Some((linear, _)), Some(before)) => multiplied(linear, before),
            _ => vec![0.0; CLIP_FRAMES * hidden],
        };
        for (row, time) in rows.chunks_exact_mut(hidden).zip(self.times.chunks_exact(hidden)) {
            for ((value, time), latent) in row.iter_mut().zip(time).zip(&of_latent) {
                *value += time + latent;
            }
        }
        let scales = rows.chunks_exact_mut(hidden).map(normalise).collect();
        let columns = self.weight.iter().zip(&self.bias).cycle();
        let output =
            rows.iter().zip(columns).map(|(v, (weight, bias))| (v * weight + bias).max(0.0)).collect();
        Step { normalised: rows, scales, output }
    }

    /// The gradient by what came before; adds the one by the latent code.
    fn reverse(&self, step: &Step, mut by: Vec<f32>, by_latent: &mut [f32]) -> Vec<f32> {
        let hidden = self.weight.len();
        let rows = by.chunks_exact_mut(hidden).zip(step.normalised.chunks_exact(hidden));
        let mut sum = vec![0.0; hidden];
        for ((by, normalised), (output, &scale)) in
            rows.zip(step.output.chunks_exact(hidden).zip(&step.scales))
        {
            for ((by, &output), weight) in by.iter_mut().zip(output).zip(&self.weight) {
                *by = if output > 0.0 { *by * weight } else { 0.0 };
            }
            normalise_reverse(normalised, scale, by);
            add_scaled(&mut sum, by, 1.0);
        }
        for (row, &by) in self.latent_rows().zip(&sum) {
            add_scaled(by_latent, row, by);
        }
        self.before.as_ref().map_or(Vec::new(), |(_, back)| multiplied(back, &by))
    }
}

/// A last layer, there and back.
struct Output {
    linear: Linear,
    back: Linear,
    bias: Vec<f32>,
}

impl Output {
    fn read(scope: &Scope, hidden: usize, isa: Isa) -> Result<Self, CheckpointError> {
        let shape = scope.shape("weight").ok_or_else(|| CheckpointError::Missing(scope.name("weight")))?;
        let outputs = shape.first().copied().unwrap_or_default();
        let weight = scope.tensor("weight", &[outputs, hidden])?;
        let (linear, back) = there_and_back(&weight, outputs, isa);
        Ok(Self { linear, back, bias: scope.tensor("bias", &[outputs])? })
    }

    fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let mut out = multiplied(&self.linear, rows);
        out.iter_mut().zip(self.bias.iter().cycle()).for_each(|(value, bias)| *value += bias);
        out
    }

    fn reverse(&self, by: &[f32]) -> Vec<f32> {
        multiplied(&self.back, by)
    }
}

/// The products with `weight` `[outputs, inputs]` and with its transpose.
fn there_and_back(weight: &[f32], outputs: usize, isa: Isa) -> (Linear, Linear) {
    let inputs = weight.len() / outputs.max(1);
    let transposed: Vec<f32> =
        (0..inputs).flat_map(|i| (0..outputs).map(move |o| weight[o * inputs + i])).collect();
    (Linear::new(weight, &vec![0.0; outputs], isa), Linear::new(&transposed, &vec![0.0; inputs], isa))
}

/// The layer's product with rows that lie close together; so do those that come out.
fn multiplied(linear: &Linear, rows: &[f32]) -> Vec<f32> {
    let (inputs, outputs) = (linear.inputs(), linear.outputs());
    let mut out = Vec::new();
    if inputs == room(inputs) {
        linear.apply(rows, inputs, &mut out);
    } else {
        let mut padded = vec![0.0; rows.len() / inputs * room(inputs)];
        for (to, from) in padded.chunks_exact_mut(room(inputs)).zip(rows.chunks_exact(inputs)) {
            to[..inputs].copy_from_slice(from);
        }
        linear.apply(&padded, room(inputs), &mut out);
    }
    if outputs != linear.pitch() {
        out = out.chunks_exact(linear.pitch()).flat_map(|row| &row[..outputs]).copied().collect();
    }
    out
}
