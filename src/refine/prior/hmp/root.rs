//! How the wrist turns and moves over 128 frames, and the encoder of its turning. The release trains this encoder
//! beside the fingers' one; at test time nobody asks it.

use nalgebra::{Matrix3, Vector3};

use super::features::rates;
use super::head::Head;
use super::rotation::rows_from_matrix;
use super::signal::{CLIP_FRAMES, Ends, HalvingConv, Signal};
use crate::net::{CheckpointError, Scope};

/// Numbers of a turn: the first two rows of its matrix.
const ROWS: usize = 6;
/// Layers, each of which halves the frames.
const LAYERS: usize = 4;
/// Frames that an output looks at.
const TAPS: usize = 4;

/// The wrist's motion in the world.
#[derive(Clone, Debug)]
pub struct RootFeatures {
    /// Its rotations.
    pub rotations: Vec<Matrix3<f64>>,
    /// Its velocities, m/s: between the neighbours of each frame.
    pub velocities: Vec<Vector3<f64>>,
}

impl RootFeatures {
    /// The features of rotations and places, metres, of as many frames.
    pub fn of(rotations: &[Matrix3<f64>], places: &[Vector3<f64>]) -> Self {
        let places: Vec<[Vector3<f64>; 1]> = places.iter().map(|&place| [place]).collect();
        let velocities = rates(&places, |from, to, seconds| (to - from) / seconds);
        Self {
            rotations: rotations.to_vec(),
            velocities: velocities.into_iter().map(|[velocity]| velocity).collect(),
        }
    }

    /// The encoder's input: the rotations' first two rows over time, each number less its usual value `mean` in usual
    /// spreads.
    pub fn standardised(&self, mean: &[f64; ROWS], spread: &[f64; ROWS]) -> Signal {
        let mut signal = Signal::zeros(ROWS, self.rotations.len());
        for (frame, rotation) in self.rotations.iter().enumerate() {
            for (i, number) in rows_from_matrix(rotation).into_iter().enumerate() {
                signal.channel_mut(i)[frame] = ((number - mean[i]) / spread[i]) as f32;
            }
        }
        signal
    }
}

/// The encoder of the wrist's turning.
pub struct RootEncoder {
    layers: Vec<Layer>,
    mean: Head,
    log_variance: Head,
}

/// A Gaussian over the codes of the wrist's turning.
pub struct RootEncoding {
    /// Its mean.
    pub mean: Vec<f32>,
    /// Logarithms of its variances.
    pub log_variance: Vec<f32>,
}

impl RootEncoder {
    /// Reads the encoder from the tensors of `global_encoder.pth`; its widths are those of the tensors.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(root: &Scope) -> Result<Self, CheckpointError> {
        let (mut layers, mut channels) = (Vec::with_capacity(LAYERS), ROWS);
        for i in 0..LAYERS {
            let layer = Layer::read(&root.part(format_args!("encoder.{i}")), i, channels)?;
            channels = layer.outputs;
            layers.push(layer);
        }
        let read = |name| Head::read(&root.part(name), channels * (CLIP_FRAMES >> LAYERS));
        Ok(Self { layers, mean: read("mu")?, log_variance: read("logvar")? })
    }

    /// The Gaussian of a motion.
    ///
    /// # Panics
    /// When the signal does not have six channels of 128 frames.
    pub fn encode(&self, input: &Signal) -> RootEncoding {
        assert_eq!((input.data.len(), input.frames), (ROWS * CLIP_FRAMES, CLIP_FRAMES), "a motion");
        let flat = self.layers.iter().fold(input.clone(), |signal, layer| layer.apply(&signal)).data;
        RootEncoding { mean: self.mean.apply(&flat), log_variance: self.log_variance.apply(&flat) }
    }
}

/// One layer: `share tanh(conv(x)) + (1 - share) conv(mean of two frames)`.
struct Layer {
    main: HalvingConv,
    short: HalvingConv,
    share: f32,
    outputs: usize,
}

impl Layer {
    fn read(scope: &Scope, layer: usize, inputs: usize) -> Result<Self, CheckpointError> {
        let name = "residual.0.weight";
        let shape = scope.shape(name).ok_or_else(|| CheckpointError::Missing(scope.name(name)))?;
        let outputs = shape.first().copied().unwrap_or_default();
        let sizes = [outputs, inputs, TAPS];
        Ok(Self {
            main: HalvingConv::read(&scope.part("residual.0"), sizes, Ends::Silent, |_, _| true)?,
            short: HalvingConv::read_over_means(&scope.part("shortcut.1"), [outputs, inputs])?,
            share: 1.0 / (layer + 2) as f32,
            outputs,
        })
    }

    fn apply(&self, input: &Signal) -> Signal {
        let mut sum = self.short.apply(input);
        let main = self.main.apply(input);
        for (sum, main) in sum.data.iter_mut().zip(main.data) {
            *sum += self.share * (main.tanh() - *sum);
        }
        sum
    }
}
