//! The numbers that leave the decoder: rotations, shape, camera and, from HaPTIC, depth.

use nalgebra::Rotation3;

use super::config::{DecoderConfig, NetworkKind};
use crate::geometry::rotation::matrix_from_6d;
use crate::hand::SHAPES;
use crate::hand::joints::MANO_JOINTS;
use crate::net::{CheckpointError, Isa, Linear, Probe, Scope, room};

/// Numbers of a rotation in 6D.
const SIX: usize = 6;

/// What the network says of one hand in one frame, right-hand space.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeadRow {
    /// Rotations of wrist (camera axes) and finger joints in MANO order, 6D: first column, second column.
    pub rotations: [[f32; SIX]; MANO_JOINTS],
    /// Shape coefficients.
    pub betas: [f32; SHAPES],
    /// HaMeR's weak camera of the crop: scale, x, y.
    pub camera: [f32; 3],
    /// HaPTIC's depth `d`, metres; only differences within a window mean something. 0 from HaMeR.
    pub depth: f32,
}

impl HeadRow {
    /// The row of all heads' numbers, one head after the other; those of heads that a network lacks are zero.
    pub fn of_numbers(mut numbers: impl Iterator<Item = f32>) -> Self {
        let mut next = || numbers.next().unwrap_or(0.0);
        Self {
            rotations: std::array::from_fn(|_| std::array::from_fn(|_| next())),
            betas: std::array::from_fn(|_| next()),
            camera: std::array::from_fn(|_| next()),
            depth: next(),
        }
    }

    /// The rotations as such.
    pub fn matrices(&self) -> [Rotation3<f64>; MANO_JOINTS] {
        let matrix = |six: [f32; SIX]| Rotation3::from_matrix_unchecked(matrix_from_6d(six.map(f64::from)));
        self.rotations.map(matrix)
    }

    /// True where every number is one.
    pub fn is_finite(&self) -> bool {
        let numbers = self.rotations.as_flattened().iter().chain(&self.betas).chain(&self.camera);
        numbers.chain([&self.depth]).all(|number| number.is_finite())
    }
}

/// One head: the layer, the tensor that is added to its numbers, and how many there are.
struct Head {
    layer: &'static str,
    mean: &'static str,
    outputs: usize,
}

const POSE: Head = Head { layer: "decpose", mean: "init_hand_pose", outputs: SIX * MANO_JOINTS };
const SHAPE: Head = Head { layer: "decshape", mean: "init_betas", outputs: SHAPES };
const CAMERA: Head = Head { layer: "deccam", mean: "init_cam", outputs: 3 };
const DEPTH: Head = Head { layer: "decaux", mean: "init_aux", outputs: 1 };

/// The heads with their weights, as one layer.
pub(super) struct Heads {
    heads: &'static [Head],
    joint: Linear,
    means: Vec<f32>,
}

/// The heads of a network as one layer: rotations, shape, camera and, from HaPTIC, depth.
pub struct HeadWeights {
    /// `[numbers, width]`.
    pub weight: Vec<f32>,
    /// `[numbers]`.
    pub bias: Vec<f32>,
    /// Added to the layer's numbers.
    pub means: Vec<f32>,
}

impl HeadWeights {
    /// Reads the heads from the part `mano_head` of a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(scope: &Scope, config: &DecoderConfig) -> Result<Self, CheckpointError> {
        let (mut weight, mut bias, mut means) = (Vec::new(), Vec::new(), Vec::new());
        for head in heads_of(config.kind) {
            let layer = scope.part(head.layer);
            weight.extend(layer.tensor("weight", &[head.outputs, config.width])?);
            bias.extend(layer.tensor("bias", &[head.outputs])?);
            means.extend(scope.tensor(head.mean, &[1, head.outputs])?);
        }
        Ok(Self { weight, bias, means })
    }
}

/// The heads that a network has.
fn heads_of(kind: NetworkKind) -> &'static [Head] {
    match kind {
        NetworkKind::Hamer => &[POSE, SHAPE, CAMERA],
        NetworkKind::Haptic => &[POSE, SHAPE, CAMERA, DEPTH],
    }
}

impl Heads {
    /// Reads the heads from the part `mano_head` of a checkpoint.
    pub fn read(scope: &Scope, config: &DecoderConfig, isa: Isa) -> Result<Self, CheckpointError> {
        let HeadWeights { weight, bias, means } = HeadWeights::read(scope, config)?;
        Ok(Self { heads: heads_of(config.kind), joint: Linear::new(&weight, &bias, isa), means })
    }

    /// Appends a row for each token of `x`; `numbers` is working memory.
    pub fn apply(&self, x: &[f32], numbers: &mut Vec<f32>, mut probe: Probe, out: &mut Vec<HeadRow>) {
        self.joint.apply(x, room(self.joint.inputs()), numbers);
        let rows = numbers.chunks_exact(self.joint.pitch());
        if probe.is_on() {
            let mut first = 0;
            for head in self.heads {
                let raw = rows.clone().flat_map(|row| &row[first..first + head.outputs]).copied();
                probe.see(format_args!("{}_raw", head.layer), &raw.collect::<Vec<f32>>());
                first += head.outputs;
            }
        }
        out.extend(
            rows.map(|row| {
                HeadRow::of_numbers(row.iter().zip(&self.means).map(|(number, mean)| number + mean))
            }),
        );
    }
}
