//! Linear blend skinning with shape and pose blend shapes (Loper et al. 2015, SMPL, eq. 2-9; Romero et
//! al. 2017, MANO): `v = sum_j w_j (R_j (t + S beta + P (R - I)) + t_j)`.

use nalgebra::{Matrix3, Vector3};

use super::joints::MANO_JOINTS;
use super::parameters::{POSE_FEATURES, Parameters};
use super::skeleton::{JointTransform, SHAPES};

/// Shares of a joint in a vertex below this are left out.
const LEAST_WEIGHT: f64 = 1e-6;

/// The mesh of a right hand, laid out for posing: blend shapes as one plane of `3 V` numbers each.
pub(super) struct Mesh {
    template: Vec<f32>,
    shape: Vec<Vec<f32>>,
    pose: Vec<Vec<f32>>,
    /// Where each vertex's influences end in `influences`.
    influence_ends: Vec<u32>,
    influences: Vec<Influence>,
}

struct Influence {
    joint: u8,
    weight: f32,
}

impl Mesh {
    /// Lays out the mesh of a model.
    pub fn new(model: &Parameters) -> Self {
        let vertices = model.template.len();
        let plane = |of: &dyn Fn(usize) -> Vector3<f64>| -> Vec<f32> {
            (0..vertices).flat_map(|v| of(v).iter().map(|&x| x as f32).collect::<Vec<_>>()).collect()
        };
        let mut influence_ends = Vec::with_capacity(vertices);
        let mut influences = Vec::new();
        for row in &model.weights {
            let felt = row.iter().enumerate().filter(|(_, weight)| weight.abs() > LEAST_WEIGHT);
            influences
                .extend(felt.map(|(joint, &weight)| Influence { joint: joint as u8, weight: weight as f32 }));
            influence_ends.push(influences.len() as u32);
        }
        let features = if model.pose.is_empty() { 0 } else { POSE_FEATURES };
        Self {
            template: plane(&|v| model.template[v]),
            shape: (0..SHAPES).map(|k| plane(&|v| model.shape[v][k])).collect(),
            pose: (0..features).map(|k| plane(&|v| model.pose[v * POSE_FEATURES + k])).collect(),
            influence_ends,
            influences,
        }
    }

    /// Number of vertices.
    pub fn vertex_count(&self) -> usize {
        self.influence_ends.len()
    }

    /// The numbers of the mesh, each plane as long as the mesh's coordinates: template, shape, pose (empty where
    /// the model has none), then the share of each joint in each vertex, vertex by vertex.
    pub fn planes(&self) -> [Vec<f32>; 4] {
        let mut weights = vec![0.0; self.vertex_count() * MANO_JOINTS];
        let mut start = 0;
        for (row, &end) in weights.chunks_exact_mut(MANO_JOINTS).zip(&self.influence_ends) {
            for influence in &self.influences[start..end as usize] {
                row[usize::from(influence.joint)] = influence.weight;
            }
            start = end as usize;
        }
        [self.template.clone(), self.shape.concat(), self.pose.concat(), weights]
    }

    /// Posed vertices in metres. `rotations` are the joints' own (the wrist's first), `transforms` what
    /// forward kinematics made of them, `rest` the shaped rest joints they belong to.
    pub fn posed(
        &self,
        betas: &[f32; SHAPES],
        rotations: &[Matrix3<f32>; MANO_JOINTS],
        rest: &[Vector3<f32>; MANO_JOINTS],
        transforms: &[JointTransform<f32>; MANO_JOINTS],
    ) -> Vec<Vector3<f32>> {
        let mut blended = self.template.clone();
        for (plane, &beta) in self.shape.iter().zip(betas) {
            add_scaled(&mut blended, plane, beta);
        }
        // Row by row of R - I, joint by joint.
        let feature =
            rotations[1..].iter().flat_map(|r| (r - Matrix3::identity()).transpose().as_slice().to_vec());
        for (plane, entry) in self.pose.iter().zip(feature) {
            add_scaled(&mut blended, plane, entry);
        }
        self.skin(&blended, rest, transforms)
    }

    fn skin(
        &self,
        blended: &[f32],
        rest: &[Vector3<f32>; MANO_JOINTS],
        transforms: &[JointTransform<f32>; MANO_JOINTS],
    ) -> Vec<Vector3<f32>> {
        let offsets: [Vector3<f32>; MANO_JOINTS] =
            std::array::from_fn(|j| transforms[j].position - transforms[j].rotation * rest[j]);
        let mut start = 0;
        let vertices = blended.as_chunks::<3>().0.iter().zip(&self.influence_ends);
        vertices
            .map(|(&point, &end)| {
                let mut rotation = Matrix3::zeros();
                let mut offset = Vector3::zeros();
                for influence in &self.influences[start..end as usize] {
                    let joint = influence.joint as usize;
                    rotation += transforms[joint].rotation * influence.weight;
                    offset += offsets[joint] * influence.weight;
                }
                start = end as usize;
                rotation * Vector3::from(point) + offset
            })
            .collect()
    }
}

fn add_scaled(sum: &mut [f32], plane: &[f32], scale: f32) {
    if scale != 0.0 {
        for (value, direction) in sum.iter_mut().zip(plane) {
            *value += direction * scale;
        }
    }
}
