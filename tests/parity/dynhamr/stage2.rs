//! Terms of stages I and II as released, each with its gradient in the release's own numbers.

use handstream::event::Side;
use handstream::refine::terms::biomechanics::{Convention, violations};
use handstream::refine::terms::camera::{rotation_smoothness, translation_smoothness};
use handstream::refine::terms::pose::{squared_axis_angle, squared_shape};
use handstream::refine::terms::reprojection::{geman_mcclure, keypoint};
use handstream::refine::terms::smoothness::joint_velocity;
use nalgebra::{Matrix3, Vector2, Vector3};

use super::bio::limits;
use super::synthetic_hand::{FINGERS, Joints, NUMBERS, Numbers, ROOT, SHAPE, SHAPES, SyntheticHand};
use super::variant::{Comparison, fixtures, flat, off};
use crate::tensors::Fixture;

/// Of values; of gradients, relative to the largest entry.
const VALUE: f64 = 1e-4;
const GRADIENT: f64 = 1e-3;
/// Geman-McClure's scale in the release, pixels.
const OUTLIER: f64 = 100.0;

/// The fixture's state: two hands of some frames.
struct State {
    hand: SyntheticHand,
    frames: usize,
    right: [bool; 2],
    /// Whether a frame is inside its track, by hand.
    inside: [Vec<bool>; 2],
    numbers: [Vec<Numbers>; 2],
    joints: [Vec<Joints>; 2],
}

/// A cost with its gradient.
struct Graded {
    value: f64,
    by_joints: [Vec<Joints>; 2],
    by_numbers: [Vec<Numbers>; 2],
    by_scale: f64,
}

impl State {
    fn new(fixture: &Fixture, hand: SyntheticHand) -> Self {
        let frames = fixture.shape("in_trans")[1];
        let of = |name: &str, size: usize| -> [Vec<Vec<f64>>; 2] {
            let all: Vec<Vec<f64>> = fixture.numbers(name).chunks_exact(size).map(<[f64]>::to_vec).collect();
            [0, 1].map(|h| all[h * frames..(h + 1) * frames].to_vec())
        };
        let (trans, root) = (of("in_trans", 3), of("in_root_orient", 3));
        let fingers = of("in_latent_pose", 45);
        let betas = fixture.numbers("in_betas");
        let numbers = [0, 1].map(|h| {
            let frame = |t: usize| {
                let mut numbers = [0.0; NUMBERS];
                numbers[..3].copy_from_slice(&trans[h][t]);
                numbers[ROOT..FINGERS].copy_from_slice(&root[h][t]);
                numbers[FINGERS..SHAPE].copy_from_slice(&fingers[h][t]);
                numbers[SHAPE..].copy_from_slice(&betas[h * SHAPES..(h + 1) * SHAPES]);
                numbers
            };
            (0..frames).map(frame).collect::<Vec<_>>()
        });
        let right = [0, 1].map(|h| fixture.numbers("in_is_right")[h * frames] > 0.5);
        let mask = fixture.numbers("in_vis_mask");
        let inside = [0, 1].map(|h| (0..frames).map(|t| mask[h * frames + t] >= 0.0).collect());
        let joints = [0, 1].map(|h| numbers[h].iter().map(|n| hand.joints(n, right[h])).collect());
        Self { hand, frames, right, inside, numbers, joints }
    }

    fn nothing(&self) -> Graded {
        Graded {
            value: 0.0,
            by_joints: [0, 1].map(|_| vec![[Vector3::zeros(); 21]; self.frames]),
            by_numbers: [0, 1].map(|_| vec![[0.0; NUMBERS]; self.frames]),
            by_scale: 0.0,
        }
    }

    /// Hand and frame of all frames inside their tracks.
    fn seen(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..2).flat_map(move |h| (0..self.frames).filter(move |&t| self.inside[h][t]).map(move |t| (h, t)))
    }

    fn reprojection(&self, fixture: &Fixture) -> Graded {
        let mut graded = self.nothing();
        let rotations: Vec<Matrix3<f64>> = fixture.matrices("in_cam_R_w2c");
        let shifts = fixture.points("in_cam_t_w2c_unscaled");
        let scale = fixture.number("in_world_scale");
        let intrinsics = fixture.numbers("in_intrins");
        let [fx, fy, cx, cy] = *intrinsics.first_chunk::<4>().unwrap();
        let observed = fixture.points("in_joints2d_obs");
        for (h, t) in self.seen() {
            for k in 0..21 {
                let seen = observed[(h * self.frames + t) * 21 + k];
                let ray = Vector2::new((seen.x - cx) / fx, (seen.y - cy) / fy);
                let point = rotations[t] * self.joints[h][t][k] + shifts[t] * scale;
                let form = keypoint(&point, &ray, &Vector2::new(fx, fy), seen.z * seen.z, OUTLIER);
                graded.value += form.value;
                graded.by_joints[h][t][k] += form.turned_back(&rotations[t]).gradient;
                graded.by_scale += form.gradient.dot(&shifts[t]);
            }
        }
        graded
    }

    fn smoothness(&self) -> Graded {
        let mut graded = self.nothing();
        for (h, t) in self.seen().filter(|&(h, t)| t + 1 < self.frames && self.inside[h][t + 1]) {
            for k in 0..21 {
                let (value, pull) = joint_velocity(&self.joints[h][t][k], &self.joints[h][t + 1][k], 1.0);
                graded.value += value;
                graded.by_joints[h][t + 1][k] += pull;
                graded.by_joints[h][t][k] -= pull;
            }
        }
        graded
    }

    fn limits(&self, fixture: &Fixture) -> Graded {
        let mut graded = self.nothing();
        let limits = limits(fixture);
        let frames = self.seen().count() as f64;
        for (h, t) in self.seen() {
            for broken in violations(&limits, &self.joints[h][t], Side::Right, Convention::Released) {
                let weight = broken.weight / frames;
                graded.value += weight * broken.excess;
                for (sum, by_joint) in graded.by_joints[h][t].iter_mut().zip(&broken.by_joints) {
                    *sum += by_joint * weight;
                }
            }
        }
        graded
    }

    fn pose(&self) -> Graded {
        let mut graded = self.nothing();
        for (h, t) in self.seen() {
            for at in (FINGERS..SHAPE).step_by(3) {
                let n = &self.numbers[h][t];
                let (value, gradient) = squared_axis_angle(&Vector3::new(n[at], n[at + 1], n[at + 2]), 1.0);
                graded.value += value;
                // The tangent's Jacobian leaves a vector alone that is the rotation's own axis-angle.
                graded.by_numbers[h][t][at..at + 3].copy_from_slice(gradient.as_slice());
            }
        }
        graded
    }

    fn shape(&self) -> Graded {
        let mut graded = self.nothing();
        for h in 0..2 {
            let betas: &[f64; SHAPES] = self.numbers[h][0][SHAPE..].try_into().unwrap();
            let (value, gradient) = squared_shape(betas, 1.0, self.frames);
            graded.value += value;
            graded.by_numbers[h][0][SHAPE..].copy_from_slice(&gradient);
        }
        graded
    }

    /// The gradient by each frame's numbers.
    fn by_numbers(&self, graded: &Graded) -> [Vec<Numbers>; 2] {
        [0, 1].map(|h| {
            let frame = |t: usize| {
                let by = self.hand.gradient(&self.numbers[h][t], self.right[h], &graded.by_joints[h][t]);
                std::array::from_fn(|i| by[i] + graded.by_numbers[h][t][i])
            };
            (0..self.frames).map(frame).collect()
        })
    }

    fn compare(&self, compare: &Comparison, term: &str, graded: &Graded) {
        compare.relative(&format!("{term}.value"), [graded.value], VALUE);
        let by_numbers = self.by_numbers(graded);
        let part = |range: std::ops::Range<usize>| {
            let frames = by_numbers.iter().flatten();
            frames.flat_map(|frame| frame[range.clone()].to_vec()).collect::<Vec<f64>>()
        };
        let betas = by_numbers.iter().flat_map(|frames| {
            (SHAPE..NUMBERS).map(|b| frames.iter().map(|frame| frame[b]).sum::<f64>()).collect::<Vec<_>>()
        });
        let gradient = |name: &str| format!("{term}.grad_{name}");
        let whole = [part(0..ROOT), part(ROOT..FINGERS), part(FINGERS..SHAPE), betas.collect()];
        let names = ["trans", "root_orient", "latent_pose", "betas"];
        // Some are zero but for rounding: each is held to the largest of the term.
        let theirs = |name: &str| compare.fixture.numbers(&gradient(name));
        let known = |name: &&str| compare.fixture.has(&gradient(name));
        let largest = names.iter().filter(|name| known(name)).flat_map(|name| theirs(name));
        let largest = largest.fold(f64::MIN_POSITIVE, |largest, entry| largest.max(entry.abs()));
        for (name, ours) in names.into_iter().zip(whole).filter(|(name, _)| known(name)) {
            compare.within(&gradient(name), off(ours, &theirs(name)) / largest, GRADIENT);
        }
        if compare.fixture.has(&gradient("world_scale")) {
            compare.relative(&gradient("world_scale"), [graded.by_scale], GRADIENT);
        }
    }
}

fn weighted(state: &State, terms: &[(f64, &Graded)]) -> Graded {
    let mut sum = state.nothing();
    for (weight, term) in terms {
        sum.value += weight * term.value;
        sum.by_scale += weight * term.by_scale;
        for (h, t) in (0..2).flat_map(|h| (0..state.frames).map(move |t| (h, t))) {
            (0..21).for_each(|k| sum.by_joints[h][t][k] += term.by_joints[h][t][k] * *weight);
            (0..NUMBERS).for_each(|i| sum.by_numbers[h][t][i] += term.by_numbers[h][t][i] * weight);
        }
    }
    sum
}

/// The made-up hands, in the order of the folders.
pub fn hands() -> Vec<(String, Fixture)> {
    fixtures("synthetic_hand")
}

#[test]
fn terms_as_released_give_the_released_values_and_gradients() {
    for ((name, fixture), (_, hand)) in fixtures("stage2_losses").iter().zip(hands()) {
        let compare = Comparison { name, fixture };
        let state = State::new(fixture, SyntheticHand::new(&hand));
        compare.absolute("joints3d", flat(state.joints.iter().flatten().flatten()), 2e-6);
        let (seen, smooth, bio) = (state.reprojection(fixture), state.smoothness(), state.limits(fixture));
        let (pose, shape) = (state.pose(), state.shape());
        state.compare(&compare, "joints2d", &seen);
        state.compare(&compare, "joints3d_smooth", &smooth);
        state.compare(&compare, "bio", &bio);
        state.compare(&compare, "pose_prior", &pose);
        state.compare(&compare, "shape_prior_x_T", &shape);
        let root = weighted(&state, &[(1e-3, &seen), (1.0, &smooth), (10.0, &bio)]);
        state.compare(&compare, "total_root_fit", &root);
        let all = [(1e-3, &seen), (10.0, &smooth), (10.0, &bio), (0.04, &pose), (0.05, &shape)];
        state.compare(&compare, "total_smooth_fit", &weighted(&state, &all));
    }
}

#[test]
fn camera_terms_and_the_robust_function_are_the_released_ones() {
    for (name, fixture) in fixtures("stage2_losses") {
        let compare = Comparison { name: &name, fixture: &fixture };
        let rotations = fixture.matrices("in_cam_R_w2c");
        let (value, gradient) = rotation_smoothness(&rotations);
        compare.relative("cam_R_smooth.value", [value], VALUE);
        // The release differentiates by matrix entries; a tangent moves them along `[e_k]x R`.
        let raw = fixture.matrices("cam_R_smooth.grad_cam_R");
        let tangent = |(raw, rotation): (&Matrix3<f64>, &Matrix3<f64>)| {
            Vector3::from_fn(|k, _| raw.dot(&(Vector3::ith(k, 1.0).cross_matrix() * rotation)))
        };
        let theirs: Vec<Vector3<f64>> = raw.iter().zip(&rotations).map(tangent).collect();
        let largest = theirs.iter().map(|g| g.amax()).fold(0.0, f64::max);
        let off = gradient.iter().zip(&theirs).map(|(a, b)| (a - b).amax()).fold(0.0, f64::max);
        compare.within("cam_R_smooth.grad_cam_R", off / largest, 10.0 * GRADIENT);
        let (value, gradient) = translation_smoothness(&fixture.points("in_cam_t_w2c_unscaled"));
        compare.relative("cam_t_smooth.value", [value], VALUE);
        compare.relative("cam_t_smooth.grad_cam_t", flat(&gradient), GRADIENT);
        for (name, scale) in [("gmof.sigma100", 100.0), ("gmof.sigma40", 40.0)] {
            let robust = fixture.numbers("gmof.residual").into_iter().map(|r| geman_mcclure(r, scale).0);
            compare.relative(name, robust, VALUE);
        }
    }
}
