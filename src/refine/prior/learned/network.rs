//! The network: the frames around a gap in, a correction over the gap's time out.

use std::f64::consts::PI;

use super::context::{AROUND, CONTEXT};
use super::gap::Gap;
use super::{STATE, TURNS, logarithm};
use crate::hand::anatomy::FREE_ANGLES;
use crate::net::{Checkpoint, CheckpointError, Isa, LAYER_NORM_EPSILON, LayerNorm, Linear, add};
use crate::refine::MotionFrame;

const WIDTH: usize = 256;
const BLOCKS: usize = 2;
/// Modes of the correction, and of the logarithm of the standard deviations.
const MODES: usize = 6;
const SIGMA_MODES: usize = 2;
const OUTPUTS: usize = (MODES + SIGMA_MODES) * STATE;
/// Angles of both ends, differences of the other frames to their end, which frames were seen, the turn from
/// end to end, and the gap's length in two ways.
const INPUTS: usize = 2 * FREE_ANGLES + (AROUND - 2) * STATE + AROUND + TURNS + 2;

/// Units in which differences are heard: angles, turns, radians.
const HEARD: [f64; 2] = [0.15, 0.3];
/// Units in which corrections are said.
const SAID: [f64; 2] = [0.2, 0.3];
/// Units of the gap's length, and of its inverse, in frames.
const LONG: f64 = 25.0;
const SHORT: f64 = 10.0;
/// Lengths that training knew, frames.
const LENGTHS: [f64; 2] = [2.0, 51.0];
/// Greatest magnitudes of a difference in its unit, and of the logarithm of a standard deviation.
const MOST_HEARD: f64 = 10.0;
const MOST_LOG: f64 = 2.0;

pub(super) struct PriorNetwork {
    mean: Vec<f32>,
    spread: Vec<f32>,
    embed: Linear,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
    memory: Memory,
}

struct Block {
    norm: LayerNorm,
    wide: Linear,
    back: Linear,
}

#[derive(Default)]
struct Memory {
    input: Vec<f32>,
    x: Vec<f32>,
    normed: Vec<f32>,
    wide: Vec<f32>,
    back: Vec<f32>,
}

/// What the network says of one gap.
pub(super) struct Said {
    modes: [[f64; STATE]; MODES],
    sigma_modes: [[f64; STATE]; SIGMA_MODES],
}

impl PriorNetwork {
    /// Reads the network from the bytes of a safetensors file.
    ///
    /// # Errors
    /// [`CheckpointError`] where the file is damaged or holds another network.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let checkpoint = Checkpoint::parse(bytes)?;
        let (root, isa) = (checkpoint.root(), Isa::best());
        let block = |k: usize| {
            Ok(Block {
                norm: LayerNorm::read(&root.part("norms").part(k), WIDTH, LAYER_NORM_EPSILON)?,
                wide: Linear::read(&root.part("wide").part(k), WIDTH, WIDTH, isa)?,
                back: Linear::read(&root.part("back").part(k), WIDTH, WIDTH, isa)?,
            })
        };
        Ok(Self {
            mean: root.tensor("mean", &[FREE_ANGLES])?,
            spread: root.tensor("spread", &[FREE_ANGLES])?,
            embed: Linear::read(&root.part("embed"), INPUTS, WIDTH, isa)?,
            blocks: (0..BLOCKS).map(block).collect::<Result<_, CheckpointError>>()?,
            norm: LayerNorm::read(&root.part("norm"), WIDTH, LAYER_NORM_EPSILON)?,
            head: Linear::read(&root.part("head"), WIDTH, OUTPUTS, isa)?,
            memory: Memory::default(),
        })
    }

    /// The correction of one gap.
    pub fn says(&mut self, gap: &Gap) -> Said {
        let mut memory = std::mem::take(&mut self.memory);
        memory.input.clear();
        self.hears(gap, &mut memory.input);
        let Memory { input, x, normed, wide, back } = &mut memory;
        self.embed.apply(input, INPUTS, x);
        for block in &self.blocks {
            block.norm.apply(x, normed);
            block.wide.apply_gelu(normed, WIDTH, wide);
            block.back.apply(wide, WIDTH, back);
            add(x, back);
        }
        self.norm.apply(x, normed);
        self.head.apply(normed, WIDTH, back);
        let row = |mode: usize| std::array::from_fn(|k| f64::from(back[mode * STATE + k]));
        let said = Said {
            modes: std::array::from_fn(row),
            sigma_modes: std::array::from_fn(|mode| row(MODES + mode)),
        };
        self.memory = memory;
        said
    }

    fn hears(&self, gap: &Gap, input: &mut Vec<f32>) {
        let [before, after] = gap.ends();
        for end in [before, after] {
            let angles = end.angles.iter().zip(&self.mean).zip(&self.spread);
            input.extend(angles.map(|((angle, mean), spread)| (*angle as f32 - mean) / spread));
        }
        let from_end = |end: &MotionFrame, i: usize| {
            let known = if gap.known[i] { 1.0 } else { 0.0 };
            difference(end, &gap.frames[i]).map(|value| (value * known) as f32)
        };
        input.extend((0..CONTEXT - 1).flat_map(|i| from_end(before, i)));
        input.extend((CONTEXT + 1..AROUND).flat_map(|i| from_end(after, i)));
        input.extend(gap.known.map(|known| if known { 1.0 } else { 0.0 }));
        let total = logarithm(&(before.rotation.inverse() * after.rotation));
        input.extend(total.iter().map(|value| *value as f32));
        let long = gap.length.clamp(LENGTHS[0], LENGTHS[1]);
        input.extend([long / LONG, SHORT / long].map(|value| value as f32));
    }
}

impl Said {
    /// What is to be added at a part of the way through the gap: angles, then a rotation vector in the hand's
    /// own axes, radians.
    pub fn correction(&self, part: f64) -> [f64; STATE] {
        let waves = waves(part);
        std::array::from_fn(|k| {
            waves.iter().zip(&self.modes).map(|(wave, mode)| wave * mode[k]).sum::<f64>() * unit(k, SAID)
        })
    }

    /// Factors of the standard deviations.
    pub fn sigma_factors(&self, part: f64) -> [f64; STATE] {
        let [constant, bulge] = &self.sigma_modes;
        std::array::from_fn(|k| {
            (constant[k] + 4.0 * part * (1.0 - part) * bulge[k]).clamp(-MOST_LOG, MOST_LOG).exp()
        })
    }
}

/// The waves in which a correction is told, at a part of the way through the gap: the ends' own errors, then
/// half waves that vanish there.
fn waves(part: f64) -> [f64; MODES] {
    std::array::from_fn(|k| match k {
        0 => 1.0 - part,
        1 => part,
        _ => ((k - 1) as f64 * PI * part).sin(),
    })
}

/// How far `other` is from `end`, in the units of hearing.
fn difference(end: &MotionFrame, other: &MotionFrame) -> [f64; STATE] {
    let turn = logarithm(&(end.rotation.inverse() * other.rotation));
    std::array::from_fn(|k| {
        let away = match k.checked_sub(FREE_ANGLES) {
            None => other.angles[k] - end.angles[k],
            Some(axis) => turn[axis],
        };
        (away / unit(k, HEARD)).clamp(-MOST_HEARD, MOST_HEARD)
    })
}

fn unit(k: usize, [angle, turn]: [f64; 2]) -> f64 {
    if k < FREE_ANGLES { angle } else { turn }
}
