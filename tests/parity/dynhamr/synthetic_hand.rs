//! The made-up hand of the fixtures: 21 joints of free axis-angle poses in 64 bits, and their derivatives by
//! finite differences.

use handstream::geometry::rotation::matrix_from_axis_angle;
use nalgebra::{Matrix3, Vector3};

use crate::tensors::Fixture;

/// Joints of the skeleton, its tips, and its shapes.
const JOINTS: usize = 16;
const TIPS: usize = 5;
pub const SHAPES: usize = 10;
/// Numbers of one frame: translation, root, fifteen joints, shape.
pub const NUMBERS: usize = 3 + 3 + 45 + SHAPES;
/// First of the root, of the fingers, of the shape.
pub const ROOT: usize = 3;
pub const FINGERS: usize = 6;
pub const SHAPE: usize = 51;

/// Step of the finite differences.
const STEP: f64 = 1e-6;

/// Translation, root, fingers and shape of a frame.
pub type Numbers = [f64; NUMBERS];
/// Joints in `openpose21` order.
pub type Joints = [Vector3<f64>; 21];

/// A right hand with linear blend skinning.
pub struct SyntheticHand {
    parents: Vec<i64>,
    order: Vec<usize>,
    /// Rest joints and tips, and their change with shape.
    rest: Vec<(Vector3<f64>, [Vector3<f64>; SHAPES])>,
    /// Of each tip: weights, and pose blend shapes.
    weights: Vec<Vec<f64>>,
    blends: Vec<Vec<Vector3<f64>>>,
}

impl SyntheticHand {
    /// Reads the fixture.
    pub fn new(fixture: &Fixture) -> Self {
        let template = fixture.points("v_template");
        let vertices = template.len();
        let shapes = fixture.numbers("shapedirs");
        let of_vertex = |v: usize| -> (Vector3<f64>, [Vector3<f64>; SHAPES]) {
            let along = |b: usize| Vector3::from_fn(|axis, _| shapes[(v * 3 + axis) * SHAPES + b]);
            (template[v], std::array::from_fn(along))
        };
        let regressor = fixture.numbers("J_regressor");
        let joint = |j: usize| {
            let mut sum = (Vector3::zeros(), [Vector3::zeros(); SHAPES]);
            for v in 0..vertices {
                let (place, shape) = of_vertex(v);
                let share = regressor[j * vertices + v];
                sum.0 += place * share;
                (0..SHAPES).for_each(|b| sum.1[b] += shape[b] * share);
            }
            sum
        };
        let tips: Vec<usize> = fixture.numbers("tip_vertex_ids").iter().map(|&v| v as usize).collect();
        let weights = fixture.numbers("lbs_weights");
        let blends = fixture.numbers("posedirs");
        Self {
            parents: fixture.numbers("parents").iter().map(|&p| p as i64).collect(),
            order: fixture.numbers("joint_map_mano_to_openpose").iter().map(|&k| k as usize).collect(),
            rest: (0..JOINTS).map(joint).chain(tips.iter().map(|&v| of_vertex(v))).collect(),
            weights: tips.iter().map(|&v| weights[v * JOINTS..(v + 1) * JOINTS].to_vec()).collect(),
            blends: tips
                .iter()
                .map(|&v| {
                    let place = |row: usize, axis: usize| blends[row * vertices * 3 + v * 3 + axis];
                    (0..135).map(|row| Vector3::from_fn(|axis, _| place(row, axis))).collect()
                })
                .collect(),
        }
    }

    /// How the rest wrist changes with shape, and its mean.
    pub fn wrist_shape(&self) -> &(Vector3<f64>, [Vector3<f64>; SHAPES]) {
        &self.rest[0]
    }

    fn shaped(&self, at: usize, betas: &[f64]) -> Vector3<f64> {
        let (mean, shape) = &self.rest[at];
        shape.iter().zip(betas).fold(*mean, |sum, (direction, beta)| sum + direction * *beta)
    }

    /// Joints in the world; a left hand's are mirrored after the translation, as in the release.
    pub fn joints(&self, numbers: &Numbers, right: bool) -> Joints {
        let vector = |at: usize| Vector3::new(numbers[at], numbers[at + 1], numbers[at + 2]);
        let betas = &numbers[SHAPE..];
        let local: Vec<Matrix3<f64>> =
            (0..JOINTS).map(|j| matrix_from_axis_angle(vector(ROOT + 3 * j))).collect();
        let rest: Vec<_> = (0..JOINTS).map(|j| self.shaped(j, betas)).collect();
        let mut placed: Vec<(Matrix3<f64>, Vector3<f64>)> = vec![(local[0], rest[0])];
        for j in 1..JOINTS {
            let parent = self.parents[j] as usize;
            let (rotation, position) = placed[parent];
            placed.push((rotation * local[j], position + rotation * (rest[j] - rest[parent])));
        }
        let mut all: Vec<Vector3<f64>> = placed.iter().map(|(_, position)| *position).collect();
        for tip in 0..TIPS {
            let mut point = self.shaped(JOINTS + tip, betas);
            for (j, rotation) in local[1..].iter().enumerate() {
                let feature = rotation - Matrix3::identity();
                for (entry, blend) in self.blends[tip][9 * j..9 * j + 9].iter().enumerate() {
                    point += blend * feature[(entry / 3, entry % 3)];
                }
            }
            let skinned = (0..JOINTS).map(|j| {
                let (rotation, position) = placed[j];
                (rotation * (point - rest[j]) + position) * self.weights[tip][j]
            });
            all.push(skinned.sum());
        }
        let mirror = if right { 1.0 } else { -1.0 };
        std::array::from_fn(|k| {
            let moved = all[self.order[k]] + vector(0);
            Vector3::new(moved.x * mirror, moved.y, moved.z)
        })
    }

    /// The gradient by the numbers of a frame of a cost whose gradient by the joints is `by_joints`.
    pub fn gradient(&self, numbers: &Numbers, right: bool, by_joints: &Joints) -> Numbers {
        std::array::from_fn(|i| {
            let at = |step: f64| {
                let mut moved = *numbers;
                moved[i] += step;
                self.joints(&moved, right)
            };
            let pairs = at(STEP).into_iter().zip(at(-STEP)).zip(by_joints);
            pairs.map(|((later, earlier), by)| by.dot(&(later - earlier))).sum::<f64>() / (2.0 * STEP)
        })
    }
}
