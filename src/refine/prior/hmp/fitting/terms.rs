//! The terms of the search, each a mean, as in the release.

use nalgebra::{Matrix3, Vector2, Vector3};

use super::super::features::FPS;
use super::super::rotation::{angle_and_gradient, matrix_from_rows};
use super::{MotionProblem, PosedMotion, Unknowns};
use crate::event::Side;
use crate::hand::Rotations;
use crate::refine::terms::biomechanics::{Convention, Joints, violations};

/// Geman-McClure's scale of pixels (the released value).
const PIXEL_SCALE: f64 = 40.0;
/// Least depth that is divided by, metres.
const NEAREST: f64 = 1e-6;

/// What a motion is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    /// Key points in the picture, robust, by the square of their confidence.
    Reprojection,
    /// Human limits.
    Biomechanics,
    /// Translation where it began, absolute differences.
    Translation,
    /// Root rotation where it began, angles.
    Orientation,
    /// Velocity of the translation, half its square.
    TranslationSmoothness,
    /// Angular velocity of the root, half its square.
    OrientationSmoothness,
    /// Angular velocities of the joints against their parents, half their squares.
    RotationSmoothness,
    /// Velocities of the joints, half their squares.
    JointSmoothness,
    /// The code under the standard normal.
    MotionPrior,
    /// The code where it began.
    CodeStart,
    /// The shape where it began.
    ShapeStart,
    /// Finger rotations where they began. The release compares rotations against the parent with rotations
    /// against the wrist, weighted by the confidence of the key point with the joint's number; it never uses it.
    Rotation,
    /// Joints where they began, absolute differences.
    Position,
}

/// Terms and weights of the release's first 400 steps.
pub const RELEASED_FIRST_STAGE: [(Term, f64); 6] = [
    (Term::Reprojection, 0.05),
    (Term::Biomechanics, 1.0),
    (Term::Translation, 10.0),
    (Term::TranslationSmoothness, 10.0),
    (Term::OrientationSmoothness, 1.0),
    (Term::ShapeStart, 10.0),
];

/// Terms and weights of the release's last 400 steps.
pub const RELEASED_SECOND_STAGE: [(Term, f64); 7] = {
    let [a, b, c, d, e, f] = RELEASED_FIRST_STAGE;
    [a, b, c, d, e, f, (Term::MotionPrior, 200.0)]
};

/// Gradients by what lies between the unknowns and the terms.
pub(super) struct Upstream {
    /// By the joints in the world.
    pub joints: Vec<Joints>,
    /// By each joint's rotation against its parent; the wrist's is never used.
    pub own: Vec<Rotations>,
    /// By the wrist's rotation.
    pub root: Vec<Matrix3<f64>>,
    /// By the unknowns themselves.
    pub direct: Unknowns,
}

impl Upstream {
    /// Zeros for as many frames as the unknowns have.
    pub fn zeros(unknowns: &Unknowns) -> Self {
        let frames = unknowns.translation.len();
        Self {
            joints: vec![[Vector3::zeros(); 21]; frames],
            own: vec![[Matrix3::zeros(); 16]; frames],
            root: vec![Matrix3::zeros(); frames],
            direct: Unknowns {
                translation: vec![Vector3::zeros(); frames],
                root: vec![[0.0; 6]; frames],
                betas: [0.0; 10],
                code: vec![0.0; unknowns.code.len()],
            },
        }
    }
}

/// The value of a term; adds `weight` times its gradient.
pub(super) fn add(
    term: Term,
    problem: &MotionProblem,
    unknowns: &Unknowns,
    posed: &PosedMotion,
    weight: f64,
    to: &mut Upstream,
) -> f64 {
    let frames = unknowns.translation.len() as f64;
    let start = &problem.start;
    match term {
        Term::Reprojection => reprojection(problem, posed, weight, to),
        Term::Biomechanics => {
            let mut value = 0.0;
            for (joints, to) in posed.joints.iter().zip(&mut to.joints) {
                // The release judges every hand as a right one.
                for broken in violations(problem.limits, joints, Side::Right, Convention::Released) {
                    value += broken.weight * broken.excess / frames;
                    let share = weight * broken.weight / frames;
                    to.iter_mut().zip(&broken.by_joints).for_each(|(to, by)| *to += by * share);
                }
            }
            value
        }
        Term::Translation => {
            absolute(&unknowns.translation, &start.unknowns.translation, weight, &mut to.direct.translation)
        }
        Term::Position => absolute(
            posed.joints.as_flattened(),
            start.joints.as_flattened(),
            weight,
            to.joints.as_flattened_mut(),
        ),
        Term::Orientation => {
            let mut value = 0.0;
            for ((root, start), to) in posed.root.iter().zip(&start.unknowns.root).zip(&mut to.root) {
                let (angle, by) = angle_and_gradient(root, &matrix_from_rows(start));
                value += angle / frames;
                *to += by * (weight / frames);
            }
            value
        }
        Term::TranslationSmoothness => velocity(
            unknowns.translation.as_chunks::<1>().0,
            weight,
            to.direct.translation.as_chunks_mut::<1>().0,
        ),
        Term::JointSmoothness => velocity(&posed.joints, weight, &mut to.joints),
        Term::OrientationSmoothness => {
            turning(posed.root.as_chunks::<1>().0, weight, to.root.as_chunks_mut::<1>().0)
        }
        Term::RotationSmoothness => turning(&posed.decoded.own, weight, &mut to.own),
        Term::MotionPrior => squares(&unknowns.code, |_| 0.0, weight, &mut to.direct.code),
        Term::CodeStart => squares(&unknowns.code, |i| start.unknowns.code[i], weight, &mut to.direct.code),
        Term::ShapeStart => {
            let count = unknowns.betas.len() as f64;
            let pairs = unknowns.betas.iter().zip(&start.unknowns.betas).zip(&mut to.direct.betas);
            let terms = pairs.map(|((beta, start), to)| {
                *to += 2.0 * weight * (beta - start) / count;
                (beta - start).powi(2) / count
            });
            terms.sum()
        }
        Term::Rotation => rotation(problem, posed, weight, to),
    }
}

fn reprojection(problem: &MotionProblem, posed: &PosedMotion, weight: f64, to: &mut Upstream) -> f64 {
    let count = (posed.joints.len() * 21 * 2) as f64;
    let squared_scale = PIXEL_SCALE * PIXEL_SCALE;
    let mut value = 0.0;
    for (t, (joints, camera)) in posed.joints.iter().zip(&problem.cameras).enumerate() {
        for (k, (joint, &[u, v, confidence])) in joints.iter().zip(&problem.keypoints[t]).enumerate() {
            let at = camera.rotation * joint + camera.translation;
            if confidence == 0.0 || at.z.abs() < NEAREST {
                continue;
            }
            let ray = Vector2::new(at.x, at.y) / at.z;
            let mut by_at = Vector3::zeros();
            for (axis, seen) in [u, v].into_iter().enumerate() {
                let focal = camera.focal[axis];
                let off = focal * ray[axis] + camera.centre[axis] - seen;
                let sum = squared_scale + off * off;
                let share = confidence * confidence / count;
                value += share * squared_scale * off * off / sum;
                let slope = share * weight * 2.0 * off * (squared_scale / sum).powi(2) * focal / at.z;
                by_at[axis] += slope;
                by_at.z -= slope * ray[axis];
            }
            to.joints[t][k] += camera.rotation.tr_mul(&by_at);
        }
    }
    value
}

/// Mean absolute difference of coordinates.
fn absolute(points: &[Vector3<f64>], start: &[Vector3<f64>], weight: f64, to: &mut [Vector3<f64>]) -> f64 {
    let count = (3 * points.len()) as f64;
    let mut value = 0.0;
    for ((point, start), to) in points.iter().zip(start).zip(to) {
        let off = point - start;
        value += off.abs().sum() / count;
        *to += off.map(|off| if off == 0.0 { 0.0 } else { off.signum() }) * (weight / count);
    }
    value
}

/// Half the mean square of the velocities' coordinates.
fn velocity<const N: usize>(frames: &[[Vector3<f64>; N]], weight: f64, to: &mut [[Vector3<f64>; N]]) -> f64 {
    let count = (3 * N * frames.len().saturating_sub(1)) as f64;
    let mut value = 0.0;
    for (t, pair) in frames.windows(2).enumerate() {
        for k in 0..N {
            let velocity = (pair[1][k] - pair[0][k]) * FPS;
            value += 0.5 * velocity.norm_squared() / count;
            let by = velocity * (FPS * weight / count);
            to[t + 1][k] += by;
            to[t][k] -= by;
        }
    }
    value
}

/// Half the mean square of the angular velocities.
fn turning<const N: usize>(frames: &[[Matrix3<f64>; N]], weight: f64, to: &mut [[Matrix3<f64>; N]]) -> f64 {
    let count = (N * frames.len().saturating_sub(1)) as f64;
    let mut value = 0.0;
    for (t, pair) in frames.windows(2).enumerate() {
        for k in 0..N {
            let (angle, by_later) = angle_and_gradient(&pair[1][k], &pair[0][k]);
            let (_, by_earlier) = angle_and_gradient(&pair[0][k], &pair[1][k]);
            value += 0.5 * (FPS * angle).powi(2) / count;
            let slope = FPS * FPS * angle * weight / count;
            to[t + 1][k] += by_later * slope;
            to[t][k] += by_earlier * slope;
        }
    }
    value
}

/// Mean square of the code's distance from `centre`.
fn squares(code: &[f32], centre: impl Fn(usize) -> f32, weight: f64, to: &mut [f32]) -> f64 {
    let count = code.len() as f64;
    let mut value = 0.0;
    for (i, (&number, to)) in code.iter().zip(to).enumerate() {
        let off = f64::from(number) - f64::from(centre(i));
        value += off * off / count;
        *to += (2.0 * weight * off / count) as f32;
    }
    value
}

fn rotation(problem: &MotionProblem, posed: &PosedMotion, weight: f64, to: &mut Upstream) -> f64 {
    let count = (15 * posed.root.len()) as f64;
    let mut value = 0.0;
    for (t, own) in posed.decoded.own.iter().enumerate() {
        let fingers = own.iter().zip(&problem.start.rotations[t]).enumerate().skip(1);
        for (joint, (own, start)) in fingers {
            let share = problem.keypoints[t][joint][2].powi(2) / count;
            let (angle, by) = angle_and_gradient(own, start);
            value += share * angle;
            to.own[t][joint] += by * (weight * share);
        }
    }
    value
}
