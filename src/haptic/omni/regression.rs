//! The numbers that leave the network: each hand's pose, shape and camera, and where the left hand is from the
//! right one.

use super::config::OmniShape;
use crate::hand::SHAPES;
use crate::hand::joints::MANO_JOINTS;
use crate::haptic::full::HeadRow;
use crate::net::{CheckpointError, Isa, Linear, Scope, room};

/// Numbers of a rotation in 6D.
const SIX: usize = 6;
/// What is left of numbers below zero between the layers (LeakyReLU).
const LEAK: f32 = 0.01;

/// The regression with its weights, the same for both hands.
pub struct Regression {
    base: [Linear; 2],
    pose: Linear,
    shape: Linear,
    camera: Linear,
    relative: Linear,
    first_camera: Vec<f32>,
}

/// A hand's numbers, and its features for [`Regression::relative`].
pub struct Regressed {
    /// What the network says of the hand; the camera is complete, the depth is none.
    pub row: HeadRow,
    features: Vec<f32>,
}

impl Regression {
    /// Reads `time_head` of a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(scope: &Scope, shape: &OmniShape, isa: Isa) -> Result<Self, CheckpointError> {
        let (width, [first, second]) = (shape.temporal.width, shape.regression);
        let branch = scope.part("mano_branch");
        let base = branch.part("mano_base_layer");
        let head = |name, inputs, outputs| Linear::read(&branch.part(name), inputs, outputs, isa);
        Ok(Self {
            base: [
                Linear::read(&base.part(0), width, first, isa)?,
                Linear::read(&base.part(2), first, second, isa)?,
            ],
            pose: head("pose_reg", second, SIX * MANO_JOINTS)?,
            shape: head("shape_reg", width, SHAPES)?,
            camera: head("cam_reg", second, 3)?,
            relative: head("rel_reg", 2 * second, 3)?,
            first_camera: scope.tensor("init_cam", &[1, 3])?,
        })
    }

    /// The camera that is added to what the network says of a crop's camera.
    pub fn first_camera(&self) -> &[f32] {
        &self.first_camera
    }

    /// The hand of each token; rows of `tokens` are [`room`] apart.
    pub fn hands(&self, tokens: &[f32]) -> Vec<Regressed> {
        let [first, second] = &self.base;
        let (mut hidden, mut features) = (Vec::new(), Vec::new());
        first.apply(tokens, room(first.inputs()), &mut hidden);
        leak(&mut hidden);
        second.apply(&hidden, first.pitch(), &mut features);
        leak(&mut features);
        let all = |layer: &Linear, rows: &[f32]| {
            let mut out = Vec::new();
            layer.apply(rows, room(layer.inputs()), &mut out);
            out
        };
        let (poses, cameras) = (all(&self.pose, &features), all(&self.camera, &features));
        let shapes = all(&self.shape, tokens);
        let rows = poses.chunks_exact(self.pose.pitch()).zip(cameras.chunks_exact(self.camera.pitch()));
        let rows = rows.zip(shapes.chunks_exact(self.shape.pitch()));
        rows.zip(features.chunks_exact(second.pitch()))
            .map(|(((pose, camera), shape), features)| {
                let mut camera = camera.iter().zip(&self.first_camera).map(|(camera, first)| camera + first);
                let (mut pose, mut shape) = (pose.iter().copied(), shape.iter().copied());
                let mut next = || pose.next().unwrap_or(0.0);
                let row = HeadRow {
                    rotations: std::array::from_fn(|_| std::array::from_fn(|_| next())),
                    betas: std::array::from_fn(|_| shape.next().unwrap_or(0.0)),
                    camera: std::array::from_fn(|_| camera.next().unwrap_or(0.0)),
                    depth: 0.0,
                };
                Regressed { row, features: features[..second.outputs()].to_vec() }
            })
            .collect()
    }

    /// Joint 9 of the left hand (the middle finger's knuckle) from the right hand's, metres, camera axes.
    pub fn relative(&self, right: &Regressed, left: &Regressed) -> [f32; 3] {
        let both = [right.features.as_slice(), &left.features].concat();
        let mut out = Vec::new();
        self.relative.apply(&both, both.len(), &mut out);
        std::array::from_fn(|at| out.get(at).copied().unwrap_or(0.0))
    }
}

fn leak(values: &mut [f32]) {
    for value in values {
        *value = value.max(LEAK * *value);
    }
}
