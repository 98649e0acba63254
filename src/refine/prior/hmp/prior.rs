//! HMP as a motion prior of the refinement: the code whose motion comes closest to what was seen says what the
//! fingers did where nothing was.

use nalgebra::{Matrix3, Vector3};

use super::features::{FPS, Features};
use super::files::HmpNetwork;
use super::fitting::AdamMemory;
use super::motion::FingerMotion;
use super::signal::CLIP_FRAMES;
use crate::hand::anatomy::FREE_ANGLES;
use crate::hand::joints::{MANO_JOINTS, MANO_PARENTS};
use crate::hand::{Anatomy, Rotations, Skeleton};
use crate::refine::{FrameBelief, MotionFrame, MotionPrior};

/// Channels that the encoder reads: fifteen of each joint.
const CHANNELS: usize = 15 * MANO_JOINTS;
/// Frames that a clip shares with the one before, as in the release.
const OVERLAP: usize = 16;

/// Choices of the prior.
#[derive(Clone, Debug, PartialEq)]
pub struct HmpConfig {
    /// Steps of the search for a clip's code; each decodes 128 frames and goes back.
    pub steps: usize,
    /// Step of the code's numbers, as released: 0.05.
    pub step: f64,
    /// Weight of the code's mean square beside the mean squared angle to what was seen (rad^2).
    pub code_weight: f64,
    /// How far angles are believed to be off, radians, in frames that were seen and in gaps.
    pub sigma: [f64; 2],
}

impl Default for HmpConfig {
    fn default() -> Self {
        Self { steps: 40, step: 0.05, code_weight: 1e-3, sigma: [0.35, 0.2] }
    }
}

/// The prior.
pub struct HmpPrior {
    network: HmpNetwork,
    anatomy: Anatomy,
    offsets: [Vector3<f64>; MANO_JOINTS],
    config: HmpConfig,
}

/// Angles of a hand at one time, and whether they were seen.
type Posture = ([f64; FREE_ANGLES], bool);

impl HmpPrior {
    /// The prior of a network for one hand model; `None` where the network reads another number of channels
    /// than HMP's.
    pub fn new(network: HmpNetwork, skeleton: &Skeleton, config: HmpConfig) -> Option<Self> {
        let offsets = std::array::from_fn(|joint| match MANO_PARENTS[joint] {
            Some(parent) => skeleton.joints[joint] - skeleton.joints[parent],
            None => Vector3::zeros(),
        });
        let fits = network.encoder.inputs() == CHANNELS;
        fits.then(|| Self { network, anatomy: skeleton.anatomy.clone(), offsets, config })
    }

    /// The angles that the prior expects of each frame.
    fn expected(&self, motion: &[MotionFrame]) -> Vec<[f64; FREE_ANGLES]> {
        let (Some(first), Some(last)) = (motion.first(), motion.last()) else { return Vec::new() };
        let frames = ((last.seconds - first.seconds).max(0.0) * FPS).ceil() as usize + 1;
        let postures: Vec<Posture> =
            (0..frames).map(|frame| posture_at(motion, first.seconds + frame as f64 / FPS)).collect();
        let mut expected: Vec<[f64; FREE_ANGLES]> = Vec::with_capacity(frames);
        while expected.len() < frames {
            let start = expected.len().saturating_sub(OVERLAP);
            let clip = self.clip(&postures[start..frames.min(start + CLIP_FRAMES)]);
            expected.extend_from_slice(&clip[expected.len() - start..]);
        }
        let at = |frame: &MotionFrame| {
            let place = (frame.seconds - first.seconds).max(0.0) * FPS;
            let (before, part) = ((place as usize).min(frames - 1), place.fract());
            blend(&expected[before], &expected[(before + 1).min(frames - 1)], part)
        };
        motion.iter().map(at).collect()
    }

    /// The expected angles of up to 128 frames; shorter clips go on as they end.
    fn clip(&self, postures: &[Posture]) -> Vec<[f64; FREE_ANGLES]> {
        let held = (0..CLIP_FRAMES).map(|frame| &postures[frame.min(postures.len() - 1)]);
        let own: Vec<Rotations> = held
            .map(|(angles, _)| {
                let mut rotations = [Matrix3::identity(); MANO_JOINTS];
                rotations[1..].copy_from_slice(&self.anatomy.rotations(angles));
                rotations
            })
            .collect();
        let features = Features::of(&own, &self.offsets);
        let start = self.network.encoder.encode(&features.standardised(&self.network.usual)).mean;
        let seen = |frame: usize| postures.get(frame).is_some_and(|(_, seen)| *seen);
        let found = self.search(start, &features.rotations, seen);
        let angles = found
            .own_rotations()
            .into_iter()
            .take(postures.len())
            .map(|rotations| self.anatomy.angles(&std::array::from_fn(|joint| rotations[joint + 1])));
        angles.collect()
    }

    /// Searches for the code whose motion comes closest to `rotations` in the frames that were seen.
    fn search(
        &self,
        mut code: Vec<f32>,
        rotations: &[Rotations],
        seen: impl Fn(usize) -> bool,
    ) -> FingerMotion {
        let field = &self.network.field;
        let count = (0..CLIP_FRAMES).filter(|&frame| seen(frame)).count().max(1) * (MANO_JOINTS - 1);
        let mut memory = AdamMemory::default();
        for _ in 0..self.config.steps {
            let decoding = field.decode(&code);
            let motion = FingerMotion::new(&decoding.local, field.local_outputs());
            // The squared angle of a small turn is half the squared difference of its matrices.
            let pull = |frame: usize| -> Rotations {
                let share = if seen(frame) { 1.0 / count as f64 } else { 0.0 };
                std::array::from_fn(|joint| {
                    (motion.rotations[frame][joint] - rotations[frame][joint]) * share
                })
            };
            let by_rotations: Vec<Rotations> = (0..motion.rotations.len()).map(pull).collect();
            let by_code = field.reverse(&decoding, &motion.reverse(&by_rotations, field.local_outputs()));
            let of_prior = 2.0 * self.config.code_weight / code.len() as f64;
            let gradient: Vec<f64> = by_code
                .iter()
                .zip(&code)
                .map(|(&by, &number)| f64::from(by) + of_prior * f64::from(number))
                .collect();
            let moves = memory.step(&gradient, self.config.step);
            code.iter_mut().zip(moves).for_each(|(number, by)| *number -= by as f32);
        }
        FingerMotion::new(&field.decode(&code).local, field.local_outputs())
    }
}

impl MotionPrior for HmpPrior {
    fn name(&self) -> &'static str {
        "hmp"
    }

    fn fill(&mut self, motion: &mut [MotionFrame]) {
        if motion.iter().all(|frame| frame.seen) {
            return;
        }
        let expected = self.expected(motion);
        for (frame, angles) in motion.iter_mut().zip(expected).filter(|(frame, _)| !frame.seen) {
            frame.angles = angles;
        }
    }

    fn believe(&mut self, motion: &[MotionFrame]) -> Vec<Option<FrameBelief>> {
        let [seen, gap] = self.config.sigma.map(|sigma| [sigma.powi(-2); FREE_ANGLES]);
        let expected = self.expected(motion).into_iter().zip(motion);
        let belief = |(angles, frame): (_, &MotionFrame)| {
            Some(FrameBelief {
                angles,
                angle_information: if frame.seen { seen } else { gap },
                rotation: None,
            })
        };
        expected.map(belief).collect()
    }
}

/// The posture at a time between two frames of a motion; seen where both are.
fn posture_at(motion: &[MotionFrame], seconds: f64) -> Posture {
    let after = motion.partition_point(|frame| frame.seconds < seconds).min(motion.len() - 1);
    let (before, after) = (&motion[after.saturating_sub(1)], &motion[after]);
    let length = after.seconds - before.seconds;
    let part = if length > 0.0 { ((seconds - before.seconds) / length).clamp(0.0, 1.0) } else { 1.0 };
    (blend(&before.angles, &after.angles, part), before.seen && after.seen)
}

fn blend(from: &[f64; FREE_ANGLES], to: &[f64; FREE_ANGLES], part: f64) -> [f64; FREE_ANGLES] {
    std::array::from_fn(|k| from[k] + (to[k] - from[k]) * part)
}
