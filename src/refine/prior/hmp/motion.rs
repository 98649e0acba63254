//! What the decoder puts out, as rotations and positions of joints, with the way back.

use nalgebra::{Matrix3, Vector3};

use super::features::positions;
use super::field::LOCAL_OUTPUTS;
use super::rotation::{SixRows, matrix_from_rows, rows_reverse};
use crate::hand::Rotations;
use crate::hand::joints::{MANO_JOINTS, MANO_PARENTS};

/// A decoded motion of the fingers; the wrist does not turn.
#[derive(Clone, Debug)]
pub struct FingerMotion {
    six: Vec<[SixRows; MANO_JOINTS]>,
    /// Rotations against the wrist, frame after frame.
    pub rotations: Vec<Rotations>,
}

impl FingerMotion {
    /// The motion of the decoder's numbers, `outputs` for each frame.
    ///
    /// # Panics
    /// When a frame has fewer than [`LOCAL_OUTPUTS`] numbers.
    pub fn new(local: &[f32], outputs: usize) -> Self {
        let six: Vec<[SixRows; MANO_JOINTS]> = local
            .chunks_exact(outputs)
            .map(|row| {
                let row = &row[..LOCAL_OUTPUTS];
                std::array::from_fn(|joint| std::array::from_fn(|i| f64::from(row[6 * joint + i])))
            })
            .collect();
        let rotations = six.iter().map(|six| {
            let mut rotations = six.map(|six| matrix_from_rows(&six));
            rotations[0] = Matrix3::identity();
            rotations
        });
        Self { rotations: rotations.collect(), six }
    }

    /// Joints with the wrist at the origin, metres; `offsets` lead from each joint's parent to it at rest.
    pub fn positions(&self, offsets: &[Vector3<f64>; MANO_JOINTS]) -> Vec<[Vector3<f64>; MANO_JOINTS]> {
        self.rotations.iter().map(|rotations| positions(rotations, offsets)).collect()
    }

    /// Rotations of each joint against its parent.
    pub fn own_rotations(&self) -> Vec<Rotations> {
        let own = |rotations: &Rotations| {
            std::array::from_fn(|joint| match MANO_PARENTS[joint] {
                Some(parent) => rotations[parent].transpose() * rotations[joint],
                None => rotations[joint],
            })
        };
        self.rotations.iter().map(own).collect()
    }

    /// The gradient by [`Self::rotations`] of what has the gradient `by_positions` by [`Self::positions`].
    pub fn positions_reverse(
        offsets: &[Vector3<f64>; MANO_JOINTS],
        by_positions: &[[Vector3<f64>; MANO_JOINTS]],
    ) -> Vec<Rotations> {
        let reverse = |by: &[Vector3<f64>; MANO_JOINTS]| {
            let (mut by, mut by_rotations) = (*by, [Matrix3::zeros(); MANO_JOINTS]);
            for joint in (1..MANO_JOINTS).rev() {
                let parent = MANO_PARENTS[joint].unwrap_or(0);
                by_rotations[parent] += by[joint] * offsets[joint].transpose();
                let own = by[joint];
                by[parent] += own;
            }
            by_rotations
        };
        by_positions.iter().map(reverse).collect()
    }

    /// The gradient by [`Self::rotations`] of what has the gradient `by_own` by [`Self::own_rotations`].
    pub fn own_reverse(&self, by_own: &[Rotations]) -> Vec<Rotations> {
        let reverse = |(rotations, by_own): (&Rotations, &Rotations)| {
            let mut by_rotations = [Matrix3::zeros(); MANO_JOINTS];
            for joint in 0..MANO_JOINTS {
                match MANO_PARENTS[joint] {
                    Some(parent) => {
                        by_rotations[joint] += rotations[parent] * by_own[joint];
                        by_rotations[parent] += rotations[joint] * by_own[joint].transpose();
                    }
                    None => by_rotations[joint] += by_own[joint],
                }
            }
            by_rotations
        };
        self.rotations.iter().zip(by_own).map(reverse).collect()
    }

    /// The gradient by the decoder's numbers of what has the gradient `by_rotations` by [`Self::rotations`].
    pub fn reverse(&self, by_rotations: &[Rotations], outputs: usize) -> Vec<f32> {
        let mut by_local = vec![0.0; self.six.len() * outputs];
        let frames = by_local.chunks_exact_mut(outputs).zip(&self.six).zip(by_rotations);
        for ((row, six), by_rotations) in frames {
            // The wrist's six numbers go nowhere.
            for joint in 1..MANO_JOINTS {
                let by = rows_reverse(&six[joint], &by_rotations[joint]);
                for (to, by) in row[6 * joint..].iter_mut().zip(by) {
                    *to = by as f32;
                }
            }
        }
        by_local
    }
}
