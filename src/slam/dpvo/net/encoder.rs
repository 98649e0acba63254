//! The two residual encoders of DPVO: features to find patches by, and context of patches. Both see the whole
//! picture and give a map of a quarter of its size.

use super::map::{Convolution, Map};
use crate::net::{CheckpointError, Isa, Probe, Scope};

/// Added to the variance of an instance norm.
const EPSILON: f64 = 1e-5;
/// What the encoders' results are divided by.
const SCALE: f32 = 4.0;
/// Channels of the two stages.
const FIRST: usize = 32;
const SECOND: usize = 64;

/// What follows each convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// Nothing.
    None,
    /// Each channel of a picture to mean 0 and variance 1.
    Instance,
}

struct Residual {
    first: Convolution,
    second: Convolution,
    shortcut: Option<Convolution>,
}

/// An encoder.
pub struct Encoder {
    norm: Norm,
    stem: Convolution,
    layers: [[Residual; 2]; 2],
    last: Convolution,
}

impl Encoder {
    /// Reads an encoder whose maps have `outputs` channels.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(scope: &Scope, outputs: usize, norm: Norm, isa: Isa) -> Result<Self, CheckpointError> {
        let block = |layer: usize, index: usize, channels: usize, out: usize, stride: usize| {
            let scope = scope.part(format_args!("layer{layer}")).part(index);
            let shortcut = (stride > 1).then(|| {
                Convolution::read(&scope.part("downsample").part(0), [out, channels, 1], stride, isa)
            });
            Ok::<_, CheckpointError>(Residual {
                first: Convolution::read(&scope.part("conv1"), [out, channels, 3], stride, isa)?,
                second: Convolution::read(&scope.part("conv2"), [out, out, 3], 1, isa)?,
                shortcut: shortcut.transpose()?,
            })
        };
        Ok(Self {
            norm,
            stem: Convolution::read(&scope.part("conv1"), [FIRST, 3, 7], 2, isa)?,
            layers: [
                [block(1, 0, FIRST, FIRST, 1)?, block(1, 1, FIRST, FIRST, 1)?],
                [block(2, 0, FIRST, SECOND, 2)?, block(2, 1, SECOND, SECOND, 1)?],
            ],
            last: Convolution::read(&scope.part("conv2"), [outputs, SECOND, 1], 1, isa)?,
        })
    }

    /// The map of a picture of three channels. Shows `conv1` before its norm, `layer1`,
    /// `layer2`, and `out` before it is scaled, channels last.
    pub fn apply(&self, picture: &Map, mut probe: Probe) -> Map {
        let mut x = self.stem.apply(picture);
        probe.see(format_args!("conv1"), &x.data);
        self.activate(&mut x);
        for (index, layer) in self.layers.iter().enumerate() {
            for block in layer {
                x = self.residual(block, x);
            }
            probe.see(format_args!("layer{}", index + 1), &x.data);
        }
        let mut out = self.last.apply(&x);
        probe.see(format_args!("out"), &out.data);
        out.apply(|value| value / SCALE);
        out
    }

    fn residual(&self, block: &Residual, x: Map) -> Map {
        let mut y = block.first.apply(&x);
        self.activate(&mut y);
        let mut y = block.second.apply(&y);
        // The second activation comes before the sum, and a third after it.
        self.activate(&mut y);
        let beside = match &block.shortcut {
            Some(shortcut) => {
                let mut beside = shortcut.apply(&x);
                self.normalise(&mut beside);
                beside
            }
            None => x,
        };
        for (y, x) in y.data.iter_mut().zip(&beside.data) {
            *y = (*y + x).max(0.0);
        }
        y
    }

    fn activate(&self, map: &mut Map) {
        self.normalise(map);
        map.apply(|value| value.max(0.0));
    }

    fn normalise(&self, map: &mut Map) {
        if self.norm == Norm::None {
            return;
        }
        let count = (map.width * map.height) as f64;
        let mean = channel_sums(map, |value, _| value).into_iter().map(|sum| sum / count).collect::<Vec<_>>();
        let squares = channel_sums(map, |value, channel| (value - mean[channel]).powi(2));
        let scale = squares.into_iter().map(|sum| (1.0 / (sum / count + EPSILON).sqrt()) as f32);
        let scale: Vec<f32> = scale.collect();
        let mean: Vec<f32> = mean.into_iter().map(|mean| mean as f32).collect();
        for pixel in map.data.chunks_exact_mut(map.channels.max(1)) {
            for ((value, mean), scale) in pixel.iter_mut().zip(&mean).zip(&scale) {
                *value = (*value - mean) * scale;
            }
        }
    }
}

/// For each channel the sum of `f(value, channel)` over all pixels.
fn channel_sums(map: &Map, f: impl Fn(f64, usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; map.channels];
    for pixel in map.data.chunks_exact(map.channels.max(1)) {
        for (channel, (sum, &value)) in sums.iter_mut().zip(pixel).enumerate() {
            *sum += f(f64::from(value), channel);
        }
    }
    sums
}
