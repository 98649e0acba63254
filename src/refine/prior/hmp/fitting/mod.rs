//! A motion found in the network's latent space: key points of 128 frames to one hand's code, root motion and
//! shape (Dyn-HaMR's stage III as released; HMP's own test-time optimisation without the limits).
//!
//! Everything lives in the hand's own right-hand space: for a left hand the world is mirrored at x = 0, and
//! joints are mirrored back before they are compared with pictures, as in the release.

mod adam;
mod terms;

use nalgebra::{Matrix3, Vector3};

pub(super) use self::adam::AdamMemory;
pub use self::adam::{AdamConfig, Fitted, Stage, fit};
use self::terms::Upstream;
pub use self::terms::{RELEASED_FIRST_STAGE, RELEASED_SECOND_STAGE, Term};
use super::field::{Decoding, MotionField};
use super::motion::FingerMotion;
use super::rotation::{SixRows, matrix_from_rows, rows_reverse};
use crate::event::Side;
use crate::hand::mirror::mirror_point;
use crate::hand::{KeypointSkin, Rotations, SHAPES, SkinnedKeypoints};
use crate::refine::terms::biomechanics::{BiomechanicalLimits, Joints};

/// What is searched for, and the gradient by it.
#[derive(Clone, Debug, PartialEq)]
pub struct Unknowns {
    /// Translation of each frame, metres: the wrist's place is this and its place at rest.
    pub translation: Vec<Vector3<f64>>,
    /// Rotation of the wrist in each frame.
    pub root: Vec<SixRows>,
    /// Shape.
    pub betas: [f64; SHAPES],
    /// Latent code of the fingers' motion.
    pub code: Vec<f32>,
}

/// The camera of one frame.
#[derive(Clone, Debug)]
pub struct FrameCamera {
    /// `camera_from_world`.
    pub rotation: Matrix3<f64>,
    /// Of `camera_from_world`, metres.
    pub translation: Vector3<f64>,
    /// Focal lengths, pixels.
    pub focal: [f64; 2],
    /// Principal point, pixels.
    pub centre: [f64; 2],
}

/// Where the search begins: what terms hold on to.
#[derive(Clone, Debug)]
pub struct Start {
    /// Root motion, shape and code.
    pub unknowns: Unknowns,
    /// Rotations of the fingers against the wrist.
    pub rotations: Vec<Rotations>,
    /// Joints in the world.
    pub joints: Vec<Joints>,
}

/// One hand's motion to be found.
pub struct MotionProblem<'a> {
    /// The network's decoder.
    pub field: &'a MotionField,
    /// The hand model.
    pub skin: &'a KeypointSkin,
    /// Which hand it is.
    pub side: Side,
    /// The camera of each frame.
    pub cameras: Vec<FrameCamera>,
    /// Key points of each frame in pixels, with confidences; 0 where nothing was seen.
    pub keypoints: Vec<[[f64; 3]; 21]>,
    /// Human limits, judged as the release judges them.
    pub limits: &'a BiomechanicalLimits,
    /// Where the search began.
    pub start: Start,
}

/// The fingers' motion of a code.
pub struct Decoded {
    decoding: Decoding,
    motion: FingerMotion,
    /// Rotations of each joint against its parent.
    pub own: Vec<Rotations>,
}

/// The hand of some unknowns.
pub struct PosedMotion<'d> {
    decoded: &'d Decoded,
    root: Vec<Matrix3<f64>>,
    skinned: Vec<SkinnedKeypoints>,
    /// Joints in the world.
    pub joints: Vec<Joints>,
}

impl MotionProblem<'_> {
    /// Decodes a code.
    pub fn decode(&self, code: &[f32]) -> Decoded {
        let decoding = self.field.decode(code);
        let motion = FingerMotion::new(&decoding.local, self.field.local_outputs());
        Decoded { own: motion.own_rotations(), decoding, motion }
    }

    /// The hand of these unknowns, whose code `decoded` is.
    pub fn pose<'d>(&self, unknowns: &Unknowns, decoded: &'d Decoded) -> PosedMotion<'d> {
        let root: Vec<_> = unknowns.root.iter().map(matrix_from_rows).collect();
        let skinned: Vec<_> = decoded
            .own
            .iter()
            .zip(&root)
            .map(|(own, root)| {
                let mut rotations = *own;
                rotations[0] = *root;
                self.skin.pose(&rotations, &unknowns.betas)
            })
            .collect();
        let joints = skinned.iter().zip(&unknowns.translation);
        let joints = joints.map(|(hand, by)| hand.joints.map(|joint| self.world(joint + by))).collect();
        PosedMotion { decoded, root, skinned, joints }
    }

    /// From the hand's right-hand space to the world and back.
    fn world(&self, point: Vector3<f64>) -> Vector3<f64> {
        if self.side == Side::Left { mirror_point(point) } else { point }
    }

    /// The weighted sum of terms and its gradient; that by the code only where `by_code` asks for it.
    pub fn evaluate(
        &self,
        unknowns: &Unknowns,
        decoded: &Decoded,
        weights: &[(Term, f64)],
        by_code: bool,
    ) -> (f64, Unknowns) {
        let posed = self.pose(unknowns, decoded);
        let mut upstream = Upstream::zeros(unknowns);
        let value = weights
            .iter()
            .map(|&(term, weight)| weight * terms::add(term, self, unknowns, &posed, weight, &mut upstream))
            .sum();
        (value, self.reverse(unknowns, &posed, upstream, by_code))
    }

    fn reverse(
        &self,
        unknowns: &Unknowns,
        posed: &PosedMotion,
        upstream: Upstream,
        by_code: bool,
    ) -> Unknowns {
        let Upstream { joints, mut own, mut root, direct: mut gradient } = upstream;
        for (t, by_joints) in joints.iter().enumerate() {
            let by_joints = by_joints.map(|by| self.world(by));
            gradient.translation[t] += by_joints.iter().sum::<Vector3<f64>>();
            let skin = self.skin.reverse(&posed.skinned[t], &by_joints);
            root[t] += skin.rotations[0];
            own[t].iter_mut().zip(&skin.rotations).skip(1).for_each(|(own, by)| *own += by);
            gradient.betas.iter_mut().zip(&skin.betas).for_each(|(sum, by)| *sum += by);
        }
        for ((sum, six), by) in gradient.root.iter_mut().zip(&unknowns.root).zip(&root) {
            sum.iter_mut().zip(rows_reverse(six, by)).for_each(|(sum, by)| *sum += by);
        }
        if by_code {
            let by_rotations = posed.decoded.motion.own_reverse(&own);
            let by_local = posed.decoded.motion.reverse(&by_rotations, self.field.local_outputs());
            let by_code = self.field.reverse(&posed.decoded.decoding, &by_local);
            gradient.code.iter_mut().zip(by_code).for_each(|(sum, by)| *sum += by);
        }
        gradient
    }
}
