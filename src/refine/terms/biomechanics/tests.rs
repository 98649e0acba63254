use super::*;
use crate::geometry::rotation::matrix_from_axis_angle;
use crate::hand::HandModel;
use crate::hand::anatomy::FREE_ANGLES;

/// The open hand, every finger bent at `at` of its range.
fn hand(at: f64) -> Joints {
    let model = HandModel::open();
    let skeleton = model.skeleton();
    let angles: [f64; FREE_ANGLES] =
        skeleton.anatomy.limits().map(|[least, most]| least + (most - least) * at);
    let mut rotations = [matrix_from_axis_angle(Vector3::new(0.3, -0.7, 0.4)); 16];
    rotations[1..].copy_from_slice(&skeleton.anatomy.rotations(&angles));
    skeleton.pose(&rotations, &[0.0; 10], Vector3::new(0.1, 0.2, 0.6))
}

/// Limits that no hand keeps, so that every gradient shows.
fn tight() -> BiomechanicalLimits {
    let corners = [(0.1, 0.0), (0.11, 0.0), (0.1, 0.01)].map(|(x, y)| Vector2::new(x, y));
    BiomechanicalLimits {
        bone_lengths: [[5.0, 6.0]; BONES],
        curvatures: [[20.0, 30.0]; ARCHES],
        spreads: [[-2.0, -1.0]; ARCHES],
        hulls: std::array::from_fn(|_| Hull::new(corners.into())),
    }
}

fn value(joints: &Joints, side: Side, convention: Convention) -> f64 {
    let broken = violations(&tight(), joints, side, convention);
    broken.iter().map(|violation| violation.weight * violation.excess).sum()
}

#[test]
fn gradients_are_the_slopes_of_both_conventions() {
    for convention in [Convention::Released, Convention::Canonical] {
        for (side, at) in [(Side::Right, 0.3), (Side::Left, 0.6)] {
            let joints = hand(at);
            let broken = violations(&tight(), &joints, side, convention);
            assert_eq!(broken.len(), BONES + 2 * ARCHES + BENDS);
            for k in 0..KEYPOINTS {
                for axis in 0..3 {
                    let moved = |by: f64| {
                        let mut joints = joints;
                        joints[k][axis] += by;
                        value(&joints, side, convention)
                    };
                    let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                    let ours: f64 = broken.iter().map(|v| v.weight * v.by_joints[k][axis]).sum();
                    assert!((slope - ours).abs() < 1e-5 * (1.0 + slope.abs()), "{k} {axis}: {slope} {ours}");
                }
            }
        }
    }
}

#[test]
fn canonical_limits_mean_the_same_to_either_hand_of_any_size() {
    let (joints, convention) = (hand(0.4), Convention::Canonical);
    let right = value(&joints, Side::Right, convention);
    let left = value(&joints.map(|joint| mirror_point(joint) * 1.3), Side::Left, convention);
    assert!((right - left).abs() < 1e-9, "{right} {left}");
}

#[test]
fn a_bent_finger_shows_as_flexion() {
    let (open, closed) = (Measures::of(&hand(0.2)), Measures::of(&hand(0.8)));
    for bend in 1..ROOTS {
        assert!(closed.bends[ROOTS + bend].x > open.bends[ROOTS + bend].x + 0.5, "{bend}");
    }
}

#[test]
fn a_relaxed_hand_of_either_side_keeps_our_limits_and_a_finger_bent_backward_breaks_them() {
    let limits = BiomechanicalLimits::own();
    let broken = |joints: &Joints, side| violations(&limits, joints, side, Convention::Canonical);
    let relaxed = hand(0.35);
    assert_eq!(broken(&relaxed, Side::Right).len(), 0, "{:?}", broken(&relaxed, Side::Right));
    assert_eq!(broken(&relaxed.map(mirror_point), Side::Left).len(), 0);
    let mut bent = relaxed;
    // The index finger's tip goes to the other side of its last joint but one.
    bent[8] = bent[7] * 2.0 - bent[8] + (bent[7] - bent[6]);
    assert!(broken(&bent, Side::Right).iter().any(|violation| violation.part == Part::Bend));
}
