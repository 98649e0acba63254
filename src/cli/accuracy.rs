//! How far a run's hands are from a known truth, as the demo prints it.

use std::fmt;

use handstream::event::{FrameHands, KEYPOINTS, Side};
use handstream::geometry::CameraPoint;
use handstream::metrics::{HandSample, HandSequence, MEASURES, MatchedHand, Measure};

/// The measures of the table, by their key.
const SHOWN: [&str; 6] = ["mpjpe", "ra_mpjpe", "pa_mpjpe", "ga_mpjpe", "root_depth", "acc"];

/// Estimate and truth of one side.
#[derive(Default)]
struct Hand {
    estimate: HandSequence,
    truth: HandSequence,
}

/// Collects a run's hands beside the true ones.
pub struct Accuracy {
    left: Hand,
    right: Hand,
    fps: f64,
}

impl Accuracy {
    /// For a run at `fps` frames per second.
    pub fn new(fps: f64) -> Self {
        Self { left: Hand::default(), right: Hand::default(), fps }
    }

    /// Takes one frame's hands and the true joints of the hand `side` in it.
    pub fn frame(&mut self, hands: &FrameHands, side: Side, truth: &[CameraPoint; KEYPOINTS]) {
        let hand = match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        };
        let found = hands.hands.iter().filter(|hand| hand.side == side);
        let best = found.max_by(|a, b| a.score.total_cmp(&b.score));
        let best = best.map(|best| (hands.sequence, sample(&best.joints_camera, Some(best.track.0))));
        hand.estimate.extend(best);
        hand.truth.insert(hands.sequence, sample(truth, None));
    }
}

fn sample(joints: &[CameraPoint; KEYPOINTS], track: Option<u32>) -> HandSample {
    HandSample { joints: joints.map(|joint| Some(joint.0.cast())), vertices: Vec::new(), track }
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = || MEASURES.iter().filter(|measure| SHOWN.contains(&measure.key));
        write!(f, "  {:<6} {:>9}", "hand", "found")?;
        shown().try_for_each(|measure: &Measure| write!(f, " {:>10}", measure.name))?;
        for (side, hand) in [(Side::Left, &self.left), (Side::Right, &self.right)] {
            let matched = MatchedHand::new(&hand.estimate, &hand.truth, self.fps);
            let found = format!("{}/{}", matched.frames(), matched.truth_frames());
            write!(f, "\n  {:<6} {found:>9}", side.name())?;
            for measure in shown() {
                match measure.of(&matched) {
                    Ok(error) => write!(f, " {error:>10.1}")?,
                    Err(_) => write!(f, " {:>10}", "-")?,
                }
            }
        }
        Ok(())
    }
}
