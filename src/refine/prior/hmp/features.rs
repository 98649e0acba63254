//! A motion in the numbers that the encoder reads: where joints are, how they face, and how fast both change.

use nalgebra::{Matrix3, Vector3};

use super::signal::Signal;
use crate::hand::Rotations;
use crate::hand::joints::{MANO_JOINTS, MANO_PARENTS};
use crate::net::{Checkpoint, CheckpointError};

/// Frames per second of every motion.
pub(super) const FPS: f64 = 30.0;
/// Numbers of a joint in a frame: position, velocity, rotation, angular velocity.
const JOINT_FEATURES: usize = 3 + 3 + 6 + 3;

/// What the encoder is told of each joint and frame, in the hand's own axes (the wrist does not turn).
#[derive(Clone, Debug)]
pub struct Features {
    /// Joints with the wrist at the origin, metres.
    pub positions: Vec<[Vector3<f64>; MANO_JOINTS]>,
    /// Their velocities, m/s.
    pub velocities: Vec<[Vector3<f64>; MANO_JOINTS]>,
    /// Their rotations against the wrist.
    pub rotations: Vec<Rotations>,
    /// Angular velocities of each joint against its parent, rad/s.
    pub angular: Vec<[Vector3<f64>; MANO_JOINTS]>,
}

impl Features {
    /// The features of finger rotations, each joint's against its parent; the wrist's are left out. `offsets` lead from each
    /// joint's parent to it in rest pose of the mean shape.
    pub fn of(motion: &[Rotations], offsets: &[Vector3<f64>; MANO_JOINTS]) -> Self {
        let fingers: Vec<Rotations> = motion
            .iter()
            .map(|joints| {
                let mut joints = *joints;
                joints[0] = Matrix3::identity();
                joints
            })
            .collect();
        let rotations: Vec<Rotations> = fingers.iter().map(chained).collect();
        let positions: Vec<_> = rotations.iter().map(|rotations| positions(rotations, offsets)).collect();
        let velocities = rates(&positions, |from, to, seconds| (to - from) / seconds);
        let turns = rates(&fingers, |from, to, seconds| (to - from) / seconds);
        let angular = turns.iter().zip(&fingers).map(|(turns, rotations)| {
            std::array::from_fn(|j| {
                let turn = turns[j] * rotations[j].transpose();
                Vector3::new(turn.m32 - turn.m23, turn.m13 - turn.m31, turn.m21 - turn.m12) / 2.0
            })
        });
        Self { angular: angular.collect(), positions, velocities, rotations }
    }

    /// The encoder's input: each joint's features over time, each less its usual value in usual spreads.
    pub fn standardised(&self, usual: &Statistics) -> Signal {
        let frames = self.positions.len();
        let mut signal = Signal::zeros(MANO_JOINTS * JOINT_FEATURES, frames);
        for frame in 0..frames {
            for joint in 0..MANO_JOINTS {
                let six = super::rotation::rows_from_matrix(&self.rotations[frame][joint]);
                let features = self.positions[frame][joint]
                    .iter()
                    .chain(self.velocities[frame][joint].iter())
                    .chain(&six)
                    .chain(self.angular[frame][joint].iter());
                for (i, feature) in features.enumerate() {
                    let channel = joint * JOINT_FEATURES + i;
                    let standard = (feature - usual.mean[channel]) / usual.spread[channel];
                    signal.channel_mut(channel)[frame] = standard as f32;
                }
            }
        }
        signal
    }
}

/// Usual value and spread of every feature, over the motions that the network was trained on.
#[derive(Clone, Debug)]
pub struct Statistics {
    mean: Vec<f64>,
    spread: Vec<f64>,
}

impl Statistics {
    /// Reads both files that come with the network; `mean` and `spread` have the same tensors.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read(mean: &Checkpoint, spread: &Checkpoint) -> Result<Self, CheckpointError> {
        Self::from_tensors(|name, width| tensor(mean, name, width), |name, width| tensor(spread, name, width))
    }

    /// Collects the statistics from where the tensors `pos`, `velocity`, `global_xform` and `angular`, sixteen
    /// joints each, are found by name and numbers of a joint.
    ///
    /// # Errors
    /// Whatever the functions fail with.
    pub fn from_tensors<E>(
        mean: impl Fn(&str, usize) -> Result<Vec<f64>, E>,
        spread: impl Fn(&str, usize) -> Result<Vec<f64>, E>,
    ) -> Result<Self, E> {
        let parts = [("pos", 3), ("velocity", 3), ("global_xform", 6), ("angular", 3)];
        let mut statistics = Self {
            mean: vec![0.0; MANO_JOINTS * JOINT_FEATURES],
            spread: vec![1.0; MANO_JOINTS * JOINT_FEATURES],
        };
        let mut at = 0;
        for (name, width) in parts {
            let (mean, spread) = (mean(name, width)?, spread(name, width)?);
            for joint in 0..MANO_JOINTS {
                for i in 0..width {
                    let channel = joint * JOINT_FEATURES + at + i;
                    statistics.mean[channel] = mean[joint * width + i];
                    statistics.spread[channel] = spread[joint * width + i];
                }
            }
            at += width;
        }
        Ok(statistics)
    }
}

/// A tensor of sixteen joints, whatever sizes of one stand before them.
fn tensor(checkpoint: &Checkpoint, name: &str, width: usize) -> Result<Vec<f64>, CheckpointError> {
    let scope = checkpoint.root();
    let shape = scope.shape(name).ok_or_else(|| CheckpointError::Missing(name.to_owned()))?;
    if shape.iter().product::<usize>() != MANO_JOINTS * width {
        return Err(CheckpointError::Shape {
            name: name.to_owned(),
            found: shape,
            wanted: vec![1, 1, MANO_JOINTS, width],
        });
    }
    Ok(scope.tensor(name, &shape)?.into_iter().map(f64::from).collect())
}

/// Rotations against the wrist of rotations against each parent.
pub(super) fn chained(own: &Rotations) -> Rotations {
    let mut chained = *own;
    for (joint, parent) in MANO_PARENTS.into_iter().enumerate() {
        if let Some(parent) = parent {
            chained[joint] = chained[parent] * own[joint];
        }
    }
    chained
}

/// Joints of rotations against the wrist, which lies at the origin.
pub(super) fn positions(
    rotations: &Rotations,
    offsets: &[Vector3<f64>; MANO_JOINTS],
) -> [Vector3<f64>; MANO_JOINTS] {
    let mut positions = [Vector3::zeros(); MANO_JOINTS];
    for (joint, parent) in MANO_PARENTS.into_iter().enumerate() {
        if let Some(parent) = parent {
            positions[joint] = positions[parent] + rotations[parent] * offsets[joint];
        }
    }
    positions
}

/// Changes per second: between the neighbours of each frame, at the ends to the only one.
pub(super) fn rates<T: Copy, const N: usize>(
    frames: &[[T; N]],
    rate: impl Fn(T, T, f64) -> T,
) -> Vec<[T; N]> {
    let last = frames.len().saturating_sub(1);
    let between = |frame: usize| {
        let (from, to) = (frame.saturating_sub(1), (frame + 1).min(last));
        let seconds = (to - from).max(1) as f64 / FPS;
        std::array::from_fn(|j| rate(frames[from][j], frames[to][j], seconds))
    };
    (0..frames.len()).map(between).collect()
}
