//! A motion prior trained on recorded hands (`weights/motion_prior.md`): what lies in a gap, and how sure that is.
//!
//! Two steps, the second on top of the first:
//! - ordinary kriging (Matheron 1963): the frames around the gap are weighted so that the expected error is least
//!   for motion with the variogram of recorded hands. Linear, Gaussian, needs no mean; it goes on with the
//!   velocity that the hand had, where a great circle has a kink.
//! - a network that reads the same frames and says how far from that the truth is, as a few modes over the
//!   gap's time. In this it is shaped as HMP (Duran et al. 2024) and NeMF (He et al. 2022): a code of the motion,
//!   decoded at any time. There is no optimisation of the code: a gap is one pass.
//!
//! All turns are told in the hand's own axes, so it does not matter how the world lies. Frames that were seen
//! are left alone.

mod context;
mod expected;
mod gap;
mod kriging;
mod network;
#[cfg(test)]
mod parity;

use nalgebra::Rotation3;

use self::context::{Track, Unseen};
use self::expected::Expected;
use self::gap::Gap;
use self::network::PriorNetwork;
use crate::hand::anatomy::FREE_ANGLES;
use crate::net::CheckpointError;
use crate::refine::{FrameBelief, MotionFrame, MotionPrior};

/// Numbers of a frame that have a belief: the finger angles and a turn about three axes.
const STATE: usize = FREE_ANGLES + TURNS;
const TURNS: usize = 3;

/// The trained weights; `weights/README.md` says where they come from.
const WEIGHTS: &[u8] = include_bytes!("../../../../weights/motion_prior.safetensors");

/// The learned motion prior. Its results are finite for any input, and the same every time.
pub struct LearnedPrior {
    network: PriorNetwork,
}

impl LearnedPrior {
    /// The prior with the weights that come with the program.
    ///
    /// # Errors
    /// [`CheckpointError`] where the weights were exchanged for others.
    pub fn embedded() -> Result<Self, CheckpointError> {
        Self::from_bytes(WEIGHTS)
    }

    /// The prior with the weights in the bytes of a safetensors file.
    ///
    /// # Errors
    /// [`CheckpointError`] where the file is damaged or holds another network.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Ok(Self { network: PriorNetwork::from_bytes(bytes)? })
    }

    /// What is expected of each frame; `None` where it was seen, or nothing was.
    fn expected(&mut self, motion: &[MotionFrame]) -> Vec<Option<Expected>> {
        let mut expected = vec![None; motion.len()];
        let Some(track) = Track::new(motion) else { return expected };
        for unseen in track.unseen() {
            let frames = match unseen {
                Unseen::Between(frames) => {
                    let gap = Gap::new(&track, &frames);
                    let said = self.network.says(&gap);
                    frames.map(|i| (i, Expected::inside(&gap, &said, track.seconds(i)))).collect()
                }
                Unseen::Open { frames, nearest } => {
                    let since = |i| (track.seconds(i) - track.seconds(nearest)).abs();
                    frames.map(|i| (i, Expected::held(&motion[nearest], since(i)))).collect::<Vec<_>>()
                }
            };
            for (i, mut said) in frames {
                if said.is_finite() {
                    said.frame.seconds = motion[i].seconds;
                    expected[i] = Some(said);
                }
            }
        }
        expected
    }
}

impl MotionPrior for LearnedPrior {
    fn name(&self) -> &'static str {
        "learned"
    }

    fn fill(&mut self, motion: &mut [MotionFrame]) {
        let expected = self.expected(motion);
        for (frame, expected) in motion.iter_mut().zip(expected) {
            if let Some(expected) = expected {
                *frame = expected.frame;
            }
        }
    }

    fn believe(&mut self, motion: &[MotionFrame]) -> Vec<Option<FrameBelief>> {
        self.expected(motion).into_iter().map(|expected| expected.map(|said| said.belief())).collect()
    }
}

/// A turn's rotation vector.
fn logarithm(rotation: &Rotation3<f64>) -> nalgebra::Vector3<f64> {
    crate::geometry::rotation::axis_angle_from_matrix(rotation.matrix())
}
