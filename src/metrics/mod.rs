//! Every error measure of the papers, each with the definition it follows.
//!
//! A sequence is a slice of frames, a frame a set of points in metres (usually the 21 joints in
//! `openpose21` order, joint 0 the wrist; vertices work as well). Position errors are in millimetres.
//! Where papers use one name for two formulas, both are here under different names.

mod alignment;
mod motion;
mod penetration;
mod position;
mod sequence;
mod solid;
mod surface;
mod table;
mod trajectory;

pub use alignment::{aligned_over, aligned_per_frame, root_relative};
pub use motion::{
    acceleration_error, acceleration_norm_error, acceleration_norm_over_joints, jerk, root_trajectory_error,
};
pub use penetration::{CommonRays, interpenetration_volume};
pub use position::{
    area_under_pck, fa_mpjpe, g_mpjpe, ga_mpjpe, mpjpe, mrrpe, pa_mpjpe, ra_mpjpe, root_depth_error,
    root_depth_error_percent, scaled_ra_mpjpe,
};
pub use sequence::{HandSample, HandSequence, KnownJoints, MatchedHand, PointSets};
pub use solid::{ClosedSurface, Solid};
pub use surface::f_score;
pub use table::{MEASURES, Measure, relative_root_error};
pub use trajectory::{Alignment, LARGEST_TIME_DIFFERENCE, MatchedPath, PoseError, Step};

use nalgebra::Vector3;

/// Millimetres in a metre.
const MM: f64 = 1000.0;

/// One frame of a sequence: anything that is a slice of points.
pub trait Points: AsRef<[Vector3<f64>]> {}
impl<T: AsRef<[Vector3<f64>]>> Points for T {}

/// Why a measure has no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// Estimate and truth differ in frames or points.
    #[error(
        "estimate and truth differ in size: {estimate} against {truth}; compare the same frames and joints"
    )]
    Sizes {
        /// Frames or points of the estimate.
        estimate: usize,
        /// Frames or points of the truth.
        truth: usize,
    },
    /// Too little to measure.
    #[error("a sequence of {frames} usable frames is too short: this measure needs {needed}")]
    TooShort {
        /// Frames there are.
        frames: usize,
        /// Frames it takes.
        needed: usize,
    },
    /// Points coincide or are not finite.
    #[error("the points cannot be aligned: they coincide or are not finite")]
    Degenerate,
}

/// Checks that both sequences have the same frames and points, and at least `needed` frames.
fn check<E: Points, T: Points>(estimate: &[E], truth: &[T], needed: usize) -> Result<(), MetricError> {
    let sizes = |estimate: usize, truth: usize| {
        if estimate == truth { Ok(()) } else { Err(MetricError::Sizes { estimate, truth }) }
    };
    sizes(estimate.len(), truth.len())?;
    if estimate.len() < needed {
        return Err(MetricError::TooShort { frames: estimate.len(), needed });
    }
    for (e, t) in estimate.iter().zip(truth) {
        sizes(e.as_ref().len(), t.as_ref().len())?;
        if e.as_ref().is_empty() {
            return Err(MetricError::Degenerate);
        }
    }
    Ok(())
}

/// Mean of the values; an error naming `needed` frames where there is none.
fn mean(values: impl Iterator<Item = f64>, needed: usize) -> Result<f64, MetricError> {
    let (count, sum) = values.fold((0_usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    if count == 0 { Err(MetricError::TooShort { frames: 0, needed }) } else { Ok(sum / count as f64) }
}
