//! Where the search begins: hands of the camera in the world (eq. 4 and 5 of Dyn-HaMR), as released and with
//! the left hand's mirror in place.

use handstream::event::{HandPose, Side};
use handstream::hand::mirror::{mirror_axis_angle, mirror_point};
use handstream::hand::{HandModel, Skeleton};
use handstream::refine::world_pose;
use nalgebra::{Isometry3, Rotation3, Translation3, UnitQuaternion, Vector3};

use super::stage2::hands;
use super::synthetic_hand::{FINGERS, NUMBERS, ROOT, SHAPE, SHAPES, SyntheticHand};
use super::variant::{Comparison, fixtures, flat};
use crate::tensors::Fixture;

/// Of translations in metres and rotations in radians; poses travel in 32 bits.
const PLACE: f64 = 2e-6;
const TURN: f64 = 2e-5;
/// Of pixels.
const PIXELS: f64 = 2e-2;

fn cameras(fixture: &Fixture) -> Vec<Isometry3<f64>> {
    let shifts = fixture.points("in_cam_t_w2c");
    let pose = |(rotation, shift): (nalgebra::Matrix3<f64>, &Vector3<f64>)| {
        let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix(&rotation));
        Isometry3::from_parts(Translation3::from(*shift), rotation).inverse()
    };
    fixture.matrices("in_cam_R_w2c").into_iter().zip(&shifts).map(pose).collect()
}

/// A skeleton of which only the wrist matters; `mirrored` puts it on the other side.
fn skeleton(hand: &SyntheticHand, mirrored: bool) -> Skeleton {
    let mut skeleton = HandModel::open().skeleton().clone();
    let (mean, shape) = hand.wrist_shape();
    (skeleton.joints[0], skeleton.joint_shape[0]) = (*mean, *shape);
    if mirrored {
        skeleton.joints[0] = mirror_point(*mean);
        skeleton.joint_shape[0] = shape.map(mirror_point);
    }
    skeleton
}

#[test]
fn hands_begin_in_the_world_where_the_release_puts_them_and_left_hands_where_they_are_seen() {
    for ((name, fixture), (_, hand)) in fixtures("init").iter().zip(hands()) {
        let compare = Comparison { name, fixture };
        let hand = SyntheticHand::new(&hand);
        let cameras = cameras(fixture);
        let frames = cameras.len();
        let [roots, shifts] = ["in_root_orient_cam", "in_trans_cam"].map(|name| fixture.points(name));
        let betas = fixture.numbers("out_betas");
        let mean = fixture.numbers("in_betas_per_frame");
        let averaged = (0..2 * SHAPES).map(|i| {
            let (h, b) = (i / SHAPES, i % SHAPES);
            (0..frames).map(|t| mean[(h * frames + t) * SHAPES + b]).sum::<f64>() / frames as f64
        });
        compare.absolute("out_betas", averaged, 1e-6);
        let pose = |h: usize, t: usize| HandPose {
            global_orient: roots[h * frames + t].cast(),
            hand_pose: [Vector3::zeros(); 15],
            betas: std::array::from_fn(|b| betas[h * SHAPES + b] as f32),
            translation: shifts[h * frames + t].cast(),
        };
        // As released: a left hand's rotation is taken for a right hand's, about a mirrored wrist.
        let is_right = fixture.numbers("in_is_right");
        let placed = |h: usize, t: usize| {
            let skeleton = skeleton(&hand, is_right[h * frames] < 0.5);
            world_pose(&pose(h, t), Side::Right, &cameras[t], &skeleton)
        };
        let all: Vec<HandPose> =
            (0..2).flat_map(|h| (0..frames).map(move |t| (h, t))).map(|(h, t)| placed(h, t)).collect();
        let turns: Vec<Vector3<f64>> = all.iter().map(|pose| pose.global_orient.cast()).collect();
        // The release mirrors the left hand's way only after it, so its x counts the other way.
        let ways: Vec<Vector3<f64>> = all.iter().map(|pose| pose.translation.cast()).collect();
        compare.absolute("out_root_orient", flat(&turns), TURN);
        compare.absolute("out_trans", flat(&ways), PLACE);

        // Ours: the left hand's own rotation, in the mirror.
        let left = (0..2).find(|&h| is_right[h * frames] < 0.5).unwrap();
        let ours: Vec<HandPose> = (0..frames)
            .map(|t| {
                let mut pose = pose(left, t);
                pose.global_orient = mirror_axis_angle(pose.global_orient);
                world_pose(&pose, Side::Left, &cameras[t], &skeleton(&hand, false))
            })
            .collect();
        let turns: Vec<Vector3<f64>> =
            ours.iter().map(|pose| mirror_axis_angle(pose.global_orient.cast())).collect();
        let ways: Vec<Vector3<f64>> = ours.iter().map(|pose| mirror_point(pose.translation.cast())).collect();
        compare.absolute("ours_left_root_orient", flat(&turns), TURN);
        compare.absolute("ours_left_trans", flat(&ways), PLACE);

        // And there it is seen where the camera saw it.
        let fingers = fixture.numbers("in_pose_aa");
        let intrinsics = fixture.numbers("in_intrins");
        let seen = fixture.numbers("hamer_convention_joints2d");
        for t in 0..frames {
            let mut numbers = [0.0; NUMBERS];
            numbers[..3].copy_from_slice(ways[t].as_slice());
            numbers[ROOT..FINGERS].copy_from_slice(turns[t].as_slice());
            numbers[FINGERS..SHAPE].copy_from_slice(&fingers[(left * frames + t) * 45..][..45]);
            numbers[SHAPE..].copy_from_slice(&betas[left * SHAPES..][..SHAPES]);
            let inverse = cameras[t].inverse();
            let [fx, fy, cx, cy] = *intrinsics[t * 4..].first_chunk::<4>().unwrap();
            for (k, joint) in hand.joints(&numbers, false).into_iter().enumerate() {
                let point = (inverse * nalgebra::Point3::from(joint)).coords;
                let at = ((left * frames + t) * 21 + k) * 2;
                let off =
                    [fx * point.x / point.z + cx - seen[at], fy * point.y / point.z + cy - seen[at + 1]];
                assert!(off[0].abs().max(off[1].abs()) < PIXELS, "{name} {t} {k}: {off:?} px");
            }
        }
    }
}
