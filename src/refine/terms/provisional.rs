//! What the front end said of the hand: a weak, robust pull on rotation, depth along the ray, and angles.
//!
//! The provisional pose saw the same key points, so it is no second witness for where the hand lies across the
//! ray; but it knows more than them (landmarks in metres, a network's word on depth and bends). Its errors in
//! successive frames are alike, so each counts for the part of its memory that the frame lasts.

use nalgebra::{Matrix3, Rotation3, SMatrix, Vector3};

use crate::fit::parameters::{FIRST_ANGLE, Posture, Step, StepMatrix, TRANSLATION};
use crate::fit::robust::cauchy;
use crate::geometry::rotation::axis_angle_from_matrix;
use crate::hand::anatomy::{Bend, FREE};
use crate::refine::config::ObservationTerms;
use crate::refine::scene::View;

/// An abduction or twist varies this much less than a flexion.
const SIDEWAYS: f64 = 0.4;

/// The cost of one frame at one place, with its second-order form in the step of the posture and in a shift
/// of the camera.
pub(in crate::refine) struct ProvisionalForm {
    pub value: f64,
    pub gradient: Step,
    pub hessian: StepMatrix,
    /// Gradient and Hessian by a shift of the wrist relative to the camera; part of the above.
    pub along: (Vector3<f64>, Matrix3<f64>),
}

/// `provisional` is in camera space, `posture` in the world that `view` looks at; `lasts` are the frame's
/// seconds.
pub(in crate::refine) fn form(
    posture: &Posture,
    provisional: &Posture,
    view: &View,
    lasts: f64,
    config: &ObservationTerms,
) -> ProvisionalForm {
    let weight = (lasts / config.provisional_memory_seconds).min(1.0);
    let [rotation_sigma, depth_sigma, flexion_sigma] = config.provisional;
    let outlier = config.provisional_outlier;
    let mut form = ProvisionalForm {
        value: 0.0,
        gradient: Step::zeros(),
        hessian: SMatrix::zeros(),
        along: (Vector3::zeros(), Matrix3::zeros()),
    };
    if rotation_sigma > 0.0 {
        let believed = Rotation3::from_matrix_unchecked(view.rotation.transpose()) * provisional.rotation;
        let turn = axis_angle_from_matrix((posture.rotation * believed.inverse()).matrix());
        let information = weight / (rotation_sigma * rotation_sigma);
        let (rho, robust) = cauchy(turn.norm_squared() / (rotation_sigma * rotation_sigma), outlier);
        form.value += 0.5 * weight * rho;
        // The logarithm's Jacobian leaves its own direction alone; in the Hessian it is close to one.
        form.gradient.fixed_rows_mut::<3>(0).copy_from(&(turn * (information * robust)));
        let block = Matrix3::identity() * (information * robust);
        form.hessian.fixed_view_mut::<3, 3>(0, 0).copy_from(&block);
    }
    if depth_sigma > 0.0 {
        let distance = provisional.wrist.norm();
        let ray = view.rotation.tr_mul(&provisional.wrist) / distance;
        let sigma = depth_sigma * distance;
        let farther = (ray.dot(&(posture.wrist - view.centre)) - distance) / sigma;
        let (rho, robust) = cauchy(farther * farther, outlier);
        form.value += 0.5 * weight * rho;
        let pull = ray * (weight * robust * farther / sigma);
        let block = ray * ray.transpose() * (weight * robust / (sigma * sigma));
        form.gradient.fixed_rows_mut::<3>(TRANSLATION).copy_from(&pull);
        form.hessian.fixed_view_mut::<3, 3>(TRANSLATION, TRANSLATION).copy_from(&block);
        form.along = (pull, block);
    }
    if flexion_sigma > 0.0 {
        for (i, free) in FREE.iter().enumerate() {
            let sigma = match free.bend {
                Bend::Flexion => flexion_sigma,
                Bend::Abduction | Bend::Twist => flexion_sigma * SIDEWAYS,
            };
            let away = (posture.angles[i] - provisional.angles[i]) / sigma;
            let (rho, robust) = cauchy(away * away, outlier);
            form.value += 0.5 * weight * rho;
            let at = FIRST_ANGLE + i;
            form.gradient[at] = weight * robust * away / sigma;
            form.hessian[(at, at)] = weight * robust / (sigma * sigma);
        }
    }
    form
}
