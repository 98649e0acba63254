//! Biomechanical limits.

use handstream::event::Side;
use handstream::refine::terms::biomechanics::{
    BiomechanicalLimits, Convention, Hull, Joints, Measures, Part, Violation, violations,
};
use nalgebra::{Vector2, Vector3};

use super::variant::{Comparison, fixtures, flat, off};
use crate::tensors::Fixture;

/// Of values and lengths; of gradients, both relative.
const VALUE: f64 = 1e-4;
const GRADIENT: f64 = 1e-3;
/// Of angles, radians: the release takes the arc cosine of a 32-bit number near 1.
const ANGLE: f64 = 1e-3;

/// The limits that a fixture brings along.
pub fn limits(fixture: &Fixture) -> BiomechanicalLimits {
    fn ranges<const N: usize>(fixture: &Fixture, name: &str) -> [[f64; 2]; N] {
        let [least, most] = ["min", "max"].map(|end| fixture.numbers(&format!("limit_{name}_{end}")));
        std::array::from_fn(|i| [least[i], most[i]])
    }
    let hull = |i| {
        let corners = fixture.numbers(&format!("limit_hull_{i:02}"));
        Hull::new(corners.as_chunks::<2>().0.iter().map(|&corner| Vector2::from(corner)).collect())
    };
    BiomechanicalLimits {
        bone_lengths: ranges(fixture, "bone_len"),
        curvatures: ranges(fixture, "curvatures"),
        spreads: ranges(fixture, "PHI"),
        hulls: std::array::from_fn(hull),
    }
}

/// How far gradients of this hand may be off, relative.
///
/// The release takes the turn from bone to bone from a 32-bit cosine and divides by its sine, and by one more
/// than the cosine: where two bones of a finger are nearly in line its own rounding shows, where one is folded
/// back on the other little else does (in 64 bits the same formulas give our numbers).
pub fn gradient_tolerance(joints: &Joints) -> f64 {
    let turns = (0..5).flat_map(|finger| {
        let bone = |level: usize| {
            let start = if level == 0 { joints[0] } else { joints[4 * finger + level] };
            joints[4 * finger + level + 1] - start
        };
        [0, 1].map(|level| bone(level).angle(&bone(level + 1)))
    });
    let tolerances = turns.map(|turn| match turn {
        folded if folded > std::f64::consts::PI - 0.05 => 0.5,
        straight if straight < 0.03 => 1e-2,
        _ => GRADIENT,
    });
    tolerances.fold(GRADIENT, f64::max)
}

#[test]
fn limits_as_released_give_the_released_values_and_gradients() {
    for (name, fixture) in fixtures("bio") {
        let compare = Comparison { name: &name, fixture: &fixture };
        let limits = limits(&fixture);
        for side in ["right", "mirrored"] {
            let tensor = |part: &str| format!("{side}.{part}");
            let frames: Vec<Joints> = fixture.points(&tensor("joints")).as_chunks().0.to_vec();
            let measures: Vec<Measures> = frames.iter().map(Measures::of).collect();
            compare.relative(&tensor("bone_lengths"), measures.iter().flat_map(|m| m.bone_lengths), VALUE);
            compare.relative(&tensor("curvatures"), measures.iter().flat_map(|m| m.curvatures), VALUE);
            compare.absolute(&tensor("PHI"), measures.iter().flat_map(|m| m.spreads), ANGLE);
            let bends = measures.iter().flat_map(|m| m.bends).flat_map(|bend| [bend.x, bend.y]);
            compare.absolute(&tensor("theta_flex_abd"), bends, ANGLE);

            let broken: Vec<Vec<Violation>> = frames
                .iter()
                .map(|joints| violations(&limits, joints, Side::Right, Convention::Released))
                .collect();
            let count = frames.len() as f64;
            let parts = [
                ("bl", Some(Part::BoneLength)),
                ("rb", Some(Part::Palm)),
                ("a", Some(Part::Bend)),
                ("", None),
            ];
            for (part, kind) in parts {
                let of = |violation: &&Violation| kind.is_none_or(|kind| violation.part == kind);
                let value: f64 = broken.iter().flatten().filter(of).map(|v| v.weight * v.excess).sum();
                let part = if part.is_empty() { tensor("total") } else { tensor(&format!("bmc_{part}")) };
                compare.relative(&format!("{part}.value"), [value / count], VALUE);
                let name = format!("{part}.grad_joints");
                let released = fixture.points(&name);
                let largest = released.iter().map(Vector3::amax).fold(0.0, f64::max);
                for ((broken, released), joints) in
                    broken.iter().zip(released.as_chunks::<21>().0).zip(&frames)
                {
                    let mut gradient = [Vector3::zeros(); 21];
                    for violation in broken.iter().filter(of) {
                        for (sum, by) in gradient.iter_mut().zip(&violation.by_joints) {
                            *sum += by * (violation.weight / count);
                        }
                    }
                    let off = off(flat(&gradient), &flat(released).collect::<Vec<_>>()) / largest;
                    compare.within(&name, off, gradient_tolerance(joints));
                }
            }
        }
    }
}

#[test]
fn canonical_limits_are_the_released_ones_on_a_right_hand_of_the_limits_unit() {
    for (_, fixture) in fixtures("bio") {
        let limits = limits(&fixture);
        for joints in fixture.points("right.joints").as_chunks::<21>().0 {
            let unit = (joints[9] - joints[0]).norm();
            let unit_sized = joints.map(|joint| joint / unit);
            let of = |joints: &Joints, side, convention| -> f64 {
                let broken = violations(&limits, joints, side, convention);
                broken.iter().map(|violation| violation.weight * violation.excess).sum()
            };
            let released = of(&unit_sized, Side::Right, Convention::Released);
            let mirrored = joints.map(|joint| Vector3::new(-joint.x, joint.y, joint.z));
            for (joints, side) in [(joints, Side::Right), (&mirrored, Side::Left)] {
                let canonical = of(joints, side, Convention::Canonical);
                assert!((canonical - released).abs() < 1e-9, "{side:?}: {canonical} for {released}");
            }
        }
    }
}
