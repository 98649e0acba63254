//! Skinning against smplx's MANO layer, and the anatomy against recorded hands.

use std::path::Path;

use handstream::event::{HandPose, Side};
use handstream::geometry::rotation::{
    axis_angle_from_matrix, geodesic_angle, matrix_from_6d, matrix_from_axis_angle,
};
use handstream::hand::anatomy::FREE_ANGLES;
use handstream::hand::{HandModel, TipVertices};
use nalgebra::{Quaternion, UnitQuaternion, Vector3};

use crate::haptic::variant::Variant;
use crate::support::shared;
use crate::tensors::Fixture;

const TOLERANCE: f64 = 1e-5;

/// Poses the model as the fixture says and returns the largest distance of a vertex and of a joint.
fn worst(model: &HandModel, forward: &Fixture, joints: &str) -> (f64, f64) {
    let betas = forward.numbers("in.betas");
    let wrist = forward.matrices("in.global_orient");
    let fingers = forward.matrices("in.hand_pose");
    let vertices = forward.points("vertices");
    let joints = forward.points(joints);
    let mut worst = (0.0_f64, 0.0_f64);
    for (case, betas) in betas.as_chunks::<10>().0.iter().enumerate() {
        let pose = HandPose {
            global_orient: axis_angle_from_matrix(&wrist[case]).cast(),
            hand_pose: std::array::from_fn(|j| axis_angle_from_matrix(&fingers[15 * case + j]).cast()),
            betas: betas.map(|beta| beta as f32),
            translation: Vector3::zeros(),
        };
        let posed = model.posed(&pose, Side::Right);
        let count = posed.vertices.len();
        let distance = |ours: Vector3<f32>, theirs: &Vector3<f64>| (ours.cast::<f64>() - theirs).norm();
        for (ours, theirs) in posed.vertices.iter().zip(&vertices[case * count..(case + 1) * count]) {
            worst.0 = worst.0.max(distance(ours.0, theirs));
        }
        for (ours, theirs) in posed.joints.iter().zip(&joints[case * 21..(case + 1) * 21]) {
            worst.1 = worst.1.max(distance(ours.0, theirs));
        }
    }
    worst
}

#[test]
fn skinning_with_all_blend_shapes_equals_smplx() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mano_forward.safetensors");
    let model = HandModel::load(&path).unwrap();
    let (vertex, joint) = worst(&model, &Fixture::open(&path), "joints21_hamer");
    println!("worst vertex {vertex:.1e} m, worst joint {joint:.1e} m");
    assert!(vertex < TOLERANCE && joint < TOLERANCE, "vertex {vertex} joint {joint}");
}

#[test]
fn free_angles_make_the_recorded_rotations_and_stay_within_the_limits() {
    let Some(path) = shared("motion/leap_recordings.safetensors") else { return };
    let recordings = Fixture::open(&path);
    let model = HandModel::open();
    let anatomy = &model.skeleton().anatomy;
    let margin = 0.5_f64.to_radians();
    for take in 0..13 {
        let angles = recordings.numbers(&format!("seq{take:02}.dof"));
        let rotations = recordings.matrices(&format!("seq{take:02}.rotations"));
        for (frame, angles) in angles.as_chunks::<FREE_ANGLES>().0.iter().enumerate() {
            let ours = anatomy.rotations(angles);
            let theirs = &rotations[16 * frame + 1..16 * (frame + 1)];
            for (joint, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                let off = geodesic_angle(ours, theirs);
                assert!(off < 1e-3, "take {take} frame {frame} joint {joint} is {off} rad off");
            }
            for (k, (angle, [least, most])) in angles.iter().zip(anatomy.limits()).enumerate() {
                assert!((least - margin..most + margin).contains(angle), "take {take} angle {k} is {angle}");
            }
        }
    }
}

#[test]
fn recorded_poses_of_another_device_stay_within_the_limits() {
    let Some(path) = shared("motion/quest_poses.safetensors") else { return };
    let limits = HandModel::open().skeleton().anatomy.limits();
    let margin = 0.5_f64.to_radians();
    for (pose, angles) in Fixture::open(&path).numbers("dof").as_chunks::<FREE_ANGLES>().0.iter().enumerate()
    {
        for (k, (angle, [least, most])) in angles.iter().zip(limits).enumerate() {
            assert!((least - margin..most + margin).contains(angle), "pose {pose} angle {k} is {angle}");
        }
    }
}

#[test]
fn rotations_in_all_forms_equal_the_released_conversions() {
    let Some(path) = shared("fixtures/haptic/common/rotations.safetensors") else { return };
    let fixture = Fixture::open(&path);
    let from_axis_angle = fixture.points("aa.in").into_iter().map(matrix_from_axis_angle).collect::<Vec<_>>();
    let six = fixture.numbers("rot6d.in");
    let from_six = six.as_chunks().0.iter().map(|&six| matrix_from_6d(six)).collect::<Vec<_>>();
    let quaternions = fixture.numbers("quat_wxyz.in");
    let from_quaternion =
        |q: &[f64; 4]| UnitQuaternion::from_quaternion(Quaternion::new(q[0], q[1], q[2], q[3]));
    let from_quaternions =
        quaternions.as_chunks().0.iter().map(|q| *from_quaternion(q).to_rotation_matrix().matrix());
    for (ours, name) in [
        (from_axis_angle.clone(), "aa.rotmat_smplx_rodrigues"),
        // HaMeR's way through the quaternion adds 1e-8 to the angle's components.
        (from_axis_angle, "aa.rotmat_hamer"),
        (from_six, "rot6d.out"),
        (from_quaternions.collect(), "quat_wxyz.rotmat"),
    ] {
        for (ours, theirs) in ours.iter().zip(fixture.matrices(name)) {
            assert!((ours - theirs).norm() < 2e-6, "{name}: {ours} instead of {theirs}");
        }
    }
    let logarithms = fixture.matrices("aa.rotmat_smplx_rodrigues");
    for (ours, theirs) in
        logarithms.iter().map(axis_angle_from_matrix).zip(fixture.points("log.rotvec_scipy_f64"))
    {
        // Half a turn either way round is the same rotation.
        let off = (matrix_from_axis_angle(ours) - matrix_from_axis_angle(theirs)).norm();
        assert!(off < 2e-6, "logarithm {ours} instead of {theirs}");
    }
}

#[test]
fn the_whole_synthetic_mano_equals_smplx_with_the_tips_of_either_system() {
    for variant in Variant::all() {
        let forward = variant.file("mano_forward");
        for (tips, joints) in
            [(TipVertices::Hamer, "joints21_hamer"), (TipVertices::Manopth, "joints21_manopth_tips")]
        {
            let model = HandModel::load_with_tips(&variant.path("mano_synthetic"), tips).unwrap();
            let (vertex, joint) = worst(&model, &forward, joints);
            let name = variant.name();
            assert!(
                vertex < TOLERANCE && joint < TOLERANCE,
                "{name} {tips:?}: vertex {vertex} joint {joint}"
            );
            assert_eq!(model.name().ends_with("manopth_tips"), tips == TipVertices::Manopth);
        }
    }
}
