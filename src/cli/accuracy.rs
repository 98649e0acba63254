//! How far a run's hands are from a known truth.

use std::fmt;

use handstream::event::{FrameHands, KEYPOINTS, Side};
use handstream::geometry::CameraPoint;
use handstream::metrics::{self, MetricError};
use nalgebra::Vector3;

/// The joints of one hand in one frame, metres.
type Joints = [Vector3<f64>; KEYPOINTS];

/// Estimate, where there is one, and truth of one side, frame by frame.
#[derive(Default)]
struct Pairs {
    estimate: Vec<Option<Joints>>,
    truth: Vec<Joints>,
}

/// Collects a run's hands beside the true ones.
#[derive(Default)]
pub struct Accuracy {
    left: Pairs,
    right: Pairs,
}

impl Accuracy {
    /// Takes one frame's hands and the true joints of the hand `side` in it.
    pub fn frame(&mut self, hands: &FrameHands, side: Side, truth: &[CameraPoint; KEYPOINTS]) {
        let pairs = match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        };
        let found = hands.hands.iter().filter(|hand| hand.side == side);
        let best = found.max_by(|a, b| a.score.total_cmp(&b.score));
        pairs.estimate.push(best.map(|hand| joints(&hand.joints_camera)));
        pairs.truth.push(joints(truth));
    }
}

fn joints(joints: &[CameraPoint; KEYPOINTS]) -> Joints {
    joints.map(|point| point.0.cast())
}

impl Pairs {
    fn found(&self) -> usize {
        self.estimate.iter().flatten().count()
    }

    /// The row of the table, millimetres.
    fn errors(&self) -> Result<[f64; 6], MetricError> {
        let seen: Vec<bool> = self.estimate.iter().map(Option::is_some).collect();
        let both = self.estimate.iter().zip(&self.truth);
        let (estimate, truth): (Vec<Joints>, Vec<Joints>) =
            both.filter_map(|(estimate, truth)| Some(((*estimate)?, *truth))).unzip();
        // Frames without an estimate keep their place in time, and the mask leaves them out.
        let in_time: Vec<Joints> =
            self.estimate.iter().map(|estimate| estimate.unwrap_or([Vector3::zeros(); KEYPOINTS])).collect();
        Ok([
            metrics::mpjpe(&estimate, &truth)?,
            metrics::ra_mpjpe(&estimate, &truth)?,
            metrics::pa_mpjpe(&estimate, &truth)?,
            metrics::ga_mpjpe(&estimate, &truth)?,
            metrics::root_depth_error(&estimate, &truth)?,
            metrics::acceleration_error(&in_time, &self.truth, Some(&seen))?,
        ])
    }
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "against the truth, mm (MPJPE in camera space; ACC in mm/frame^2)")?;
        write!(f, "  {:<6} {:>9}", "hand", "found")?;
        for name in ["MPJPE", "RA", "PA", "GA", "depth", "ACC"] {
            write!(f, " {name:>7}")?;
        }
        for (side, pairs) in [(Side::Left, &self.left), (Side::Right, &self.right)] {
            let found = format!("{}/{}", pairs.found(), pairs.truth.len());
            write!(f, "\n  {:<6} {found:>9}", side.name())?;
            match pairs.errors() {
                Ok(errors) => errors.iter().try_for_each(|error| write!(f, " {error:>7.1}"))?,
                Err(error) => write!(f, "  {error}")?,
            }
        }
        Ok(())
    }
}
