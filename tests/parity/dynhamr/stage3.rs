//! The search in HMP's latent space, as Dyn-HaMR runs it for one hand.

use handstream::event::Side;
use handstream::hand::HandModel;
use handstream::refine::prior::hmp::fitting::{
    AdamConfig, FrameCamera, MotionProblem, RELEASED_FIRST_STAGE, RELEASED_SECOND_STAGE, Stage, Start, Term,
    Unknowns, fit,
};
use handstream::refine::terms::biomechanics::BiomechanicalLimits;

use super::bio::{gradient_tolerance, limits};
use super::hand::synthetic_hand;
use super::recipe::{FullNetwork, full_networks};
use super::variant::{Comparison, entries, flat, floats, of_variant, off, wide};
use crate::tensors::Fixture;

/// Relative: of values, of gradients, of where the search is after five steps.
const VALUE: f64 = 1e-4;
const GRADIENT: f64 = 1e-3;
const SEARCH: f64 = 1e-3;
/// Of angles to the start, whose 32-bit cosines are near 1: their mean, its gradient.
const SMALL_ANGLES: [f64; 2] = [1e-3, 1e-2];
/// Of where the search is where limits have gradients that the release cannot compute: wrist and turn, to which these
/// gradients do not reach, and shape and code, to which Adam brings them at full length whatever theirs is.
const FOLDED_SEARCH: [f64; 2] = [3e-3, 3e-2];
/// Of slopes between two values, and how far apart these are: by the shape, and by the code, which 32 bits decode. Beside
/// a fold the slope by the code changes within 1e-3.
const SLOPE: [f64; 2] = [1e-2, 3e-2];
const APART: [f64; 2] = [1e-4, 3e-5];
/// Of gradients that are zero.
const ROUNDING: f64 = 1e-5;
/// Of joints, metres, and pixels.
const JOINT: f64 = 2e-5;
const PIXEL: f64 = 2e-3;

const TERMS: [(&str, Term); 13] = [
    ("reproj", Term::Reprojection),
    ("bio", Term::Biomechanics),
    ("trans", Term::Translation),
    ("orient", Term::Orientation),
    ("trans_smooth", Term::TranslationSmoothness),
    ("orient_smooth", Term::OrientationSmoothness),
    ("rot_smooth", Term::RotationSmoothness),
    ("j3d_smooth", Term::JointSmoothness),
    ("motion_prior", Term::MotionPrior),
    ("init_z_prior", Term::CodeStart),
    ("betas_prior", Term::ShapeStart),
    ("rot", Term::Rotation),
    ("pos", Term::Position),
];

fn sixes(fixture: &Fixture, name: &str) -> Vec<[f64; 6]> {
    fixture.numbers(name).as_chunks().0.to_vec()
}

fn unknowns(fixture: &Fixture) -> Unknowns {
    Unknowns {
        translation: fixture.points("in_trans"),
        root: sixes(fixture, "in_root_orient"),
        betas: fixture.numbers("in_betas").try_into().unwrap(),
        code: floats(fixture, "in_z_l"),
    }
}

fn problem<'a>(
    fixture: &Fixture,
    network: &'a FullNetwork,
    hand: &'a HandModel,
    limits: &'a BiomechanicalLimits,
) -> MotionProblem<'a> {
    let pairs = |name: &str| -> Vec<[f64; 2]> { fixture.numbers(name).as_chunks().0.to_vec() };
    let rotations = fixture.matrices("in_cam_R").into_iter().zip(fixture.points("in_cam_t"));
    let lenses = pairs("in_cam_f").into_iter().zip(pairs("in_cam_center"));
    let camera =
        |((rotation, translation), (focal, centre))| FrameCamera { rotation, translation, focal, centre };
    let start = Start {
        unknowns: Unknowns {
            translation: fixture.points("in_target_trans"),
            root: sixes(fixture, "in_target_root_orient"),
            betas: fixture.numbers("in_mean_betas").try_into().unwrap(),
            code: floats(fixture, "in_init_z"),
        },
        rotations: fixture.matrices("in_target_rotmat_global").as_chunks().0.to_vec(),
        joints: fixture.points("in_j3d_reference").as_chunks().0.to_vec(),
    };
    MotionProblem {
        field: &network.network.field,
        skin: hand.keypoint_skin(),
        side: if fixture.numbers("in_is_right")[0] > 0.5 { Side::Right } else { Side::Left },
        cameras: rotations.zip(lenses).map(camera).collect(),
        keypoints: fixture.numbers("in_joints2d").as_chunks::<3>().0.as_chunks().0.to_vec(),
        limits,
        start,
    }
}

/// Holds the parts of a gradient to those that the fixture has, less `without` where it is given.
fn compare_gradient(
    compare: &Comparison,
    name: &str,
    gradient: &Unknowns,
    without: Option<&str>,
    tolerance: f64,
) {
    let parts: [(&str, Vec<f64>); 4] = [
        ("trans", flat(&gradient.translation).collect()),
        ("root_orient", gradient.root.as_flattened().to_vec()),
        ("betas", gradient.betas.to_vec()),
        ("z_l", wide(&gradient.code).collect()),
    ];
    for (part, ours) in parts {
        let tensor = format!("{name}.grad_{part}");
        if !compare.fixture.has(&tensor) {
            assert!(ours.iter().all(|&by| by == 0.0), "{} {tensor} should be none", compare.name);
            continue;
        }
        let mut theirs = compare.fixture.numbers(&tensor);
        let largest = theirs.iter().fold(ROUNDING, |largest, by| by.abs().max(largest));
        if let Some(without) = without {
            let less = compare.fixture.numbers(&format!("{without}.grad_{part}"));
            theirs.iter_mut().zip(less).for_each(|(theirs, less)| *theirs -= less);
        }
        // Limits change neither with the hand's place nor with how it is turned: the release has rounding there.
        let still = name == "bio" && ["trans", "root_orient"].contains(&part);
        let scale = if still { 1.0 } else { largest };
        compare.within(&tensor, off(ours, &theirs) / scale, if still { ROUNDING } else { tolerance });
    }
}

/// Holds the gradient of the limits to the slope of their value, which is the released one: what the released
/// gradient is off where fingers are folded is its own rounding.
fn compare_slopes(name: &str, problem: &MotionProblem, at: &Unknowns) {
    let limits = [(Term::Biomechanics, 1.0)];
    let value = |at: &Unknowns| problem.evaluate(at, &problem.decode(&at.code), &limits, false).0;
    let (_, gradient) = problem.evaluate(at, &problem.decode(&at.code), &limits, true);
    let slope = |apart: f64, moved: &dyn Fn(f64) -> Unknowns| {
        (value(&moved(apart)) - value(&moved(-apart))) / (2.0 * apart)
    };
    let largest = gradient.betas.iter().fold(ROUNDING, |largest, by| largest.max(by.abs()));
    for (k, &by) in gradient.betas.iter().enumerate() {
        let slope = slope(APART[0], &|step| {
            let mut moved = at.clone();
            moved.betas[k] += step;
            moved
        });
        assert!((by - slope).abs() < SLOPE[0] * largest, "{name} limits by shape {k}: {by}, slope {slope}");
    }
    // Along the gradient by the code the slope is its length.
    let length = gradient.code.iter().map(|&by| f64::from(by).powi(2)).sum::<f64>().sqrt().max(ROUNDING);
    let slope = slope(APART[1], &|step| {
        let mut moved = at.clone();
        for (code, &by) in moved.code.iter_mut().zip(&gradient.code) {
            *code += (f64::from(by) / length * step) as f32;
        }
        moved
    });
    assert!((length - slope).abs() < SLOPE[1] * length, "{name} limits by the code: {length}, slope {slope}");
}

#[test]
fn every_term_of_stage_three_has_the_released_value_and_gradient_and_so_do_the_searches() {
    for (variant, network) in full_networks() {
        let (name, fixture) = of_variant(&variant, "stage3");
        let (_, of_limits) = of_variant(&variant, "stage2_losses");
        let compare = Comparison { name: &name, fixture: &fixture };
        let (hand, limits) = (synthetic_hand(&variant), limits(&of_limits));
        let (problem, at) = (problem(&fixture, &network, &hand, &limits), unknowns(&fixture));
        let decoded = problem.decode(&at.code);
        let posed = problem.pose(&at, &decoded);
        compare.absolute("joints3d", flat(posed.joints.iter().flatten()), JOINT);
        compare.absolute("local_rotmat", entries(decoded.own.iter().flatten()), 1e-4);
        let pixels = posed.joints.iter().zip(&problem.cameras).flat_map(|(joints, camera)| {
            joints.iter().flat_map(|joint| {
                let at = camera.rotation * joint + camera.translation;
                [0, 1].map(|axis| camera.focal[axis] * at[axis] / at.z + camera.centre[axis])
            })
        });
        compare.absolute("joints2d_pred", pixels, PIXEL);

        let limits_tolerance = posed.joints.iter().map(gradient_tolerance).fold(GRADIENT, f64::max);
        for (term, kind) in TERMS {
            let (value, gradient) = problem.evaluate(&at, &decoded, &[(kind, 1.0)], true);
            let tolerances = match kind {
                Term::Orientation => SMALL_ANGLES,
                Term::Biomechanics => [VALUE, limits_tolerance],
                _ => [VALUE, GRADIENT],
            };
            compare.relative(&format!("{term}.value"), [value], tolerances[0]);
            compare_gradient(&compare, term, &gradient, None, tolerances[1]);
        }
        compare_slopes(&name, &problem, &at);
        let [reached, search] = if limits_tolerance > GRADIENT { FOLDED_SEARCH } else { [SEARCH; 2] };
        let stages = [("stg1", &RELEASED_FIRST_STAGE[..], false), ("stg2", &RELEASED_SECOND_STAGE[..], true)];
        for (stage, weights, code) in stages {
            let total = format!("total_{stage}");
            let (value, _) = problem.evaluate(&at, &decoded, weights, true);
            compare.relative(&format!("{total}.value"), [value], VALUE);
            let others: Vec<_> =
                weights.iter().copied().filter(|(term, _)| *term != Term::Biomechanics).collect();
            let (_, gradient) = problem.evaluate(&at, &decoded, &others, true);
            compare_gradient(&compare, &total, &gradient, Some("bio"), GRADIENT);

            let walk = Stage { weights, steps: 5, code };
            let fitted = fit(&problem, &at, &walk, &AdamConfig::default(), || true);
            let of = |part: &str| format!("optim_{stage}_5it.{part}");
            compare.relative(&of("loss_history"), fitted.values, SEARCH);
            let found = fitted.unknowns;
            compare.relative(&of("final_trans"), flat(&found.translation), reached);
            compare.relative(&of("final_root_orient"), found.root.as_flattened().to_vec(), reached);
            compare.relative(&of("final_betas"), found.betas, search);
            compare.relative(&of("final_z_l"), wide(&found.code), search);
        }
    }
}
