//! Two hands in each other.

use nalgebra::Vector3;

use super::on_each_backend;
use crate::event::{HandPose, Side};
use crate::gpu::Buffer;
use crate::gpu::backend::KernelBackend;
use crate::gpu::ops::{ContactsOp, DeviceSurface};
use crate::hand::HandModel;
use crate::metrics::ClosedSurface;
use crate::refine::terms::penetration::{Counting, contacts};

on_each_backend!(vertices_inside_the_other_hand_find_its_nearest_vertex);

fn vertices(model: &HandModel, side: Side, at: f32) -> Vec<Vector3<f32>> {
    let pose = HandPose {
        global_orient: Vector3::new(0.2, 0.3, -0.1),
        hand_pose: [Vector3::new(0.05, 0.1, 0.3); 15],
        betas: [0.4; 10],
        translation: Vector3::new(at, 0.004, -0.003),
    };
    model.posed(&pose, side).vertices.iter().map(|vertex| vertex.0).collect()
}

fn vertices_inside_the_other_hand_find_its_nearest_vertex<B: KernelBackend>(backend: &B) {
    let model = HandModel::open();
    let count = model.vertex_count();
    let surfaces = [Side::Left, Side::Right].map(|side| ClosedSurface::new(model.faces(side), count));
    let op = ContactsOp::load(backend, surfaces[0].faces().len()).unwrap();
    let on_device = surfaces.each_ref().map(|surface| DeviceSurface::new(backend, surface).unwrap());
    let mut most = 0;
    for at in [0.0, -0.03, 0.05, 0.4] {
        let hands = [vertices(&model, Side::Left, at), vertices(&model, Side::Right, 0.0)];
        let floats: Vec<f32> = hands.iter().flatten().flat_map(|point| [point.x, point.y, point.z]).collect();
        let floats = Buffer::of_floats(backend, &floats).unwrap();
        let nearest = Buffer::of_ints(backend, &vec![-7; 2 * count]).unwrap();
        // SAFETY: both hands have the vertices of their surfaces.
        unsafe { op.launch(backend, (floats.address(), count), on_device.each_ref(), nearest.address()) }
            .unwrap();
        let ours = nearest.ints(backend, 2 * count).unwrap();
        let exact = hands.map(|hand| hand.iter().map(|point| point.cast::<f64>()).collect::<Vec<_>>());
        let mut truth = vec![-1; 2 * count];
        let pairs = [(&surfaces[0], exact[0].as_slice()), (&surfaces[1], exact[1].as_slice())];
        for contact in contacts(pairs, Counting::Each) {
            truth[contact.hand * count + contact.vertex] = contact.nearest as i32;
        }
        most = most.max(truth.iter().filter(|&&nearest| nearest >= 0).count());
        // A fused multiply-add may decide about a vertex that lies in the surface itself.
        let different = ours.iter().zip(&truth).filter(|(a, b)| a != b).count();
        assert!(different <= 1, "{different} of {most} at {at}");
    }
    assert!(most > 50, "{most}");
}
