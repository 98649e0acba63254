//! The provisional pose of a frame in the solver's unknowns.

use nalgebra::{Rotation3, Vector3};

use crate::event::Side;
use crate::fit::kinematics::{Betas, Chain};
use crate::fit::parameters::Posture;
use crate::geometry::rotation::matrix_from_axis_angle;
use crate::hand::HandModel;
use crate::hand::mirror::mirror_pose;
use crate::refine::ObservedHand;

/// Nearest depth of a wrist, metres.
const NEAREST: f64 = 0.02;

/// The provisional pose in camera space mirrored to the right hand, for the shape
/// `betas` that the track agreed on: a larger hand that looks the same is farther away.
pub(super) fn camera_posture(
    observed: &ObservedHand,
    side: Side,
    model: &HandModel,
    chain: &Chain,
    betas: &Betas,
) -> Option<Posture> {
    let pose = if side == Side::Left { mirror_pose(&observed.pose) } else { observed.pose.clone() };
    let own = Betas::from_fn(|b, _| f64::from(pose.betas[b]));
    let wrist: Vector3<f64> = pose.translation.cast::<f64>() + chain.rest_wrist(&own);
    let grown = chain.hand_length(betas).0 / chain.hand_length(&own).0.max(f64::EPSILON);
    let mut posture = Posture {
        rotation: Rotation3::from_matrix_unchecked(matrix_from_axis_angle(pose.global_orient.cast())),
        wrist: wrist * grown,
        angles: model.skeleton().anatomy.angles_from_hand_pose(&pose.hand_pose),
    };
    posture.clamp(&chain.limits);
    (posture.is_finite() && posture.wrist.z > NEAREST).then_some(posture)
}
