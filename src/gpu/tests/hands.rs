//! Posed hands.

use nalgebra::Vector3;

use super::{numbers, on_each_backend};
use crate::event::{HandPose, Side};
use crate::geometry::rotation::{matrix_from_axis_angle, six_d_from_matrix};
use crate::gpu::Buffer;
use crate::gpu::backend::KernelBackend;
use crate::gpu::ops::{HandRows, HandsOp};
use crate::hand::HandModel;
use crate::hand::mirror::mirror_pose;

on_each_backend!(hands_of_both_sides_are_posed_as_the_hand_model_poses_them);

fn pose(seed: u64) -> HandPose {
    let numbers = numbers(64, seed);
    let vector = |at: usize| Vector3::from_column_slice(&numbers[3 * at..3 * at + 3]);
    HandPose {
        global_orient: vector(0) * 2.0,
        hand_pose: std::array::from_fn(|joint| vector(joint + 1)),
        betas: std::array::from_fn(|k| numbers[48 + k]),
        translation: vector(20) * 0.5,
    }
}

fn hands_of_both_sides_are_posed_as_the_hand_model_poses_them<B: KernelBackend>(backend: &B) {
    let model = HandModel::open();
    let hands = [(pose(1), Side::Right), (pose(2), Side::Left), (pose(3), Side::Right)];
    let (mut rows, mut translations, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for (pose, side) in &hands {
        let own = if *side == Side::Left { mirror_pose(pose) } else { pose.clone() };
        for rotation in std::iter::once(&own.global_orient).chain(&own.hand_pose) {
            // The 6D form of any length: the network's has no other.
            rows.extend(six_d_from_matrix(&matrix_from_axis_angle(*rotation)).map(|number| 1.7 * number));
        }
        rows.extend(own.betas);
        translations.extend(pose.translation.iter());
        left.push(i32::from(*side == Side::Left));
    }
    let op = HandsOp::load(backend, &model).unwrap();
    let count = model.vertex_count();
    let floats = |numbers: &[f32]| Buffer::of_floats(backend, numbers).unwrap();
    let (rows, translations) = (floats(&rows), floats(&translations));
    let left = Buffer::of_ints(backend, &left).unwrap();
    let vertices = floats(&vec![f32::NAN; 3 * count * 3]);
    let points = floats(&vec![f32::NAN; 3 * 21 * 3]);
    let hand_rows = HandRows {
        count: 3,
        rotations: rows.address(),
        betas: rows.address().plus(96 * size_of::<f32>()),
        pitch: 106,
        translations: translations.address(),
        left: left.address(),
    };
    // SAFETY: there are three hands and room for their results.
    unsafe { op.launch(backend, &hand_rows, vertices.address(), points.address()) }.unwrap();
    let vertices = vertices.floats(backend, 3 * count * 3).unwrap();
    let points = points.floats(backend, 3 * 21 * 3).unwrap();
    for (hand, (pose, side)) in hands.iter().enumerate() {
        let truth = model.posed(pose, *side);
        let near = |ours: &[f32], truth: &[crate::geometry::CameraPoint]| {
            let pairs = ours.chunks_exact(3).zip(truth);
            pairs
                .map(|(a, b)| (Vector3::from_column_slice(a) - b.0).norm())
                .fold(0.0_f32, |most, error| if error.is_nan() { f32::INFINITY } else { most.max(error) })
        };
        assert!(near(&vertices[hand * count * 3..][..count * 3], &truth.vertices) < 2e-6, "hand {hand}");
        assert!(near(&points[hand * 63..][..63], &truth.joints) < 2e-6, "points of hand {hand}");
    }
}
