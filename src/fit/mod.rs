//! The direct fit: key points of one hand, frame by frame, into a posed hand in metres.
//!
//! Per hand and frame the root rotation, the metric wrist position and 21 finger angles are found by
//! Levenberg-Marquardt with analytic Jacobians ([`solver`], [`residuals`], [`kinematics`]) on the 21
//! key points and the tracker's landmarks in metres, within the joint limits, and on what a network
//! believes of the hand where there is one ([`PoseBelief`]). The frame before
//! enters as a Gaussian prediction ([`motion`]): together this is an iterated extended Kalman filter,
//! so what a picture shows poorly (depth) is smoothed more than what it shows well. Shape is learned
//! in the first second of the track ([`shape`]). [`TrackFitter`] ties these together for one hand, and
//! [`HandFits`] for all hands of a run: a person's two hands have one shape.
//!
//! Everything here lives in right-hand space: left hands are mirrored on the way in and back on the
//! way out.

mod activity;
pub mod banded;
mod belief;
mod config;
mod doubt;
mod hands;
pub(crate) mod kinematics;
mod lag;
pub(crate) mod landmarks;
mod motion;
pub(crate) mod normal;
mod observation;
pub(crate) mod pairing;
pub(crate) mod parameters;
pub(crate) mod prior;
mod residuals;
pub(crate) mod robust;
mod shape;
pub(crate) mod solver;
mod start;
#[cfg(test)]
mod tests;
mod track;

pub use belief::PoseBelief;
pub use config::{
    AnatomyPrior, BeliefConfig, DoubtConfig, FitConfig, MotionConfig, ObservationConfig, ShapeConfig,
};
pub use hands::{HandFits, SeenTrack};
pub(crate) use observation::Evidence;
pub use observation::HandObservation;
pub use track::{FittedHand, TrackFitter};
