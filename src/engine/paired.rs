//! Hands from pictures that see each other: OmniHands' network, published as it says.

use std::sync::Arc;
use std::time::Instant;

use nalgebra::Vector3;

use super::pictured::worn;
use super::poser::{Posed, Poser};
use super::run::SettledHand;
use super::workers::Workers;
use crate::event::{StageTime, TrackId};
use crate::frame::Frame;
use crate::geometry::{CameraModel, CameraPoint};
use crate::hand::HandModel;
use crate::haptic::HandInput;
use crate::haptic::omni::{OmniFrame, OmniHands, Together};

/// Places every hand where the network says, close hands as far apart as it says.
pub(super) struct PairedPoser {
    omni: OmniHands,
    /// Whether frames wait to be the middle of their windows.
    look_ahead: usize,
    newest: Together,
    centres: Together,
    model: Arc<HandModel>,
    camera: Arc<CameraModel>,
}

impl PairedPoser {
    /// `model` wears the network's pose: the user's MANO, for which it was trained, or the open hand. With
    /// `centre` frames wait half a window.
    pub fn new(omni: OmniHands, centre: bool, model: Arc<HandModel>, camera: Arc<CameraModel>) -> Self {
        let look_ahead = if centre { omni.half_window() } else { 0 };
        Self { omni, look_ahead, newest: Together::default(), centres: Together::default(), model, camera }
    }
}

/// The hands of a frame as `model` wears them, pairs placed together.
fn placed(model: &HandModel, together: &mut Together, frame: &OmniFrame) -> Vec<(TrackId, Posed)> {
    let posed = frame.hands.iter().map(|hand| (hand.track, worn(model, &hand.hand, hand.side)));
    let mut posed: Vec<(TrackId, Posed)> = posed.collect();
    let joints: Vec<_> = posed.iter().map(|(track, posed)| (*track, posed.joints_camera)).collect();
    for ((_, posed), shift) in posed.iter_mut().zip(together.shifts(&joints, &frame.pairs)) {
        let shift: Vector3<f32> = shift.cast();
        posed.pose.translation += shift;
        posed.joints_camera = posed.joints_camera.map(|joint| CameraPoint(joint.0 + shift));
    }
    posed
}

impl Poser for PairedPoser {
    fn pose(
        &mut self,
        frame: &Frame,
        hands: &[HandInput],
        workers: &Workers,
        stages: &mut Vec<StageTime>,
    ) -> Result<Vec<Option<Posed>>, String> {
        let start = Instant::now();
        let said = self.omni.update(frame, hands, &self.camera, workers);
        stages.push(StageTime { stage: "network", took: start.elapsed() });
        let said = said.map_err(|error| error.to_string())?;
        let mut posed: Vec<(TrackId, Posed)> = placed(&self.model, &mut self.newest, &said);
        let mut of = |track: TrackId| {
            let at = posed.iter().position(|(posed, _)| *posed == track)?;
            Some(posed.swap_remove(at).1)
        };
        Ok(hands.iter().map(|hand| of(hand.track)).collect())
    }

    fn look_ahead(&self) -> usize {
        self.look_ahead
    }

    fn settle(&mut self, ended: bool, workers: &Workers) -> Result<Vec<SettledHand>, String> {
        let mut settled = Vec::new();
        while let Some(frame) = self.omni.centre(ended, workers).map_err(|error| error.to_string())? {
            let hands = placed(&self.model, &mut self.centres, &frame).into_iter();
            settled.extend(hands.map(|(track, Posed { joints_camera, pose })| SettledHand {
                sequence: frame.sequence,
                track,
                pose,
                joints_camera,
            }));
        }
        Ok(settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Side;
    use crate::fit::HandObservation;
    use crate::frame::{PictureSize, Timestamp};
    use crate::geometry::Pixel;
    use crate::haptic::full::{HeadRow, NetworkError};
    use crate::haptic::omni::{
        OmniConfig, PairNetwork, PairPictures, PairRow, PairTokens, PairWindow, SeenHand,
    };
    use crate::jobs::{InOrder, Jobs};

    const SIZE: PictureSize = PictureSize { width: 320, height: 240 };
    /// Scale of the weak cameras: a crop is 0.31 m wide. How much deeper the left hand is than its crop says, metres.
    const SCALE: f32 = 6.5;
    const DEEPER: f32 = 0.05;

    /// A network that says of every hand what its crop says, and that the left one is deeper than that.
    struct ByPlace;

    impl PairNetwork for ByPlace {
        fn window(&self) -> usize {
            9
        }

        fn encode(
            &mut self,
            pairs: &[PairPictures<'_>],
            _jobs: &dyn Jobs,
            out: &mut Vec<PairTokens>,
        ) -> Result<(), NetworkError> {
            let token = |seen: SeenHand| {
                let place = seen.place;
                [place.centre.x, place.centre.y, place.size.x].map(|number| number as f32).to_vec()
            };
            out.extend(
                pairs
                    .iter()
                    .map(|pair| PairTokens { right: pair.right.map(token), left: pair.left.map(token) }),
            );
            Ok(())
        }

        fn decode(
            &mut self,
            windows: &[PairWindow<'_>],
            _jobs: &dyn Jobs,
            out: &mut Vec<PairRow>,
        ) -> Result<(), NetworkError> {
            let upright = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
            let row = HeadRow { rotations: [upright; 16], camera: [SCALE, 0.0, 0.0], ..HeadRow::default() };
            let hand = |window: &Vec<&[f32]>| (!window.is_empty()).then_some(row);
            out.extend(windows.iter().map(|pair| {
                let (right, left) = (hand(&pair.right), hand(&pair.left));
                // The token in the middle of a window is its newest frame's.
                let relative = |at: usize| {
                    let (right, left) = (pair.right.get(4)?, pair.left.get(4)?);
                    Some(2.0 / SCALE * (left.get(at)? - right.get(at)?) / right.get(2)?)
                };
                let left_from_right = relative(0).zip(relative(1)).map(|(x, y)| [x, y, DEEPER]);
                PairRow { right, left, left_from_right }
            }));
            Ok(())
        }
    }

    fn hand(side: Side, x: f32) -> HandInput {
        let point = |k: usize| {
            let turn = k as f32 / 21.0 * std::f32::consts::TAU;
            Pixel::new(x + 20.0 * turn.cos(), 120.0 + 20.0 * turn.sin())
        };
        let observation = HandObservation {
            keypoints_px: std::array::from_fn(point),
            landmarks_m: [Vector3::zeros(); 21],
            score: 0.9,
            side,
        };
        HandInput { track: TrackId(u32::from(side == Side::Left)), observation }
    }

    /// Where a still right hand's wrist is published while the left hand comes, touches, goes, and is missing now and
    /// then; beside it how many hands were published, and how many were seen.
    fn still_hand() -> Vec<(Vector3<f64>, usize, usize)> {
        let (model, camera) = (HandModel::open(), CameraModel::guess(SIZE));
        let mut omni = OmniHands::new(Box::new(ByPlace), OmniConfig { gap: 1, ..OmniConfig::default() });
        let mut together = Together::default();
        let frames = (0..260_u64).map(|number| {
            // Between overlapping and being apart; from frame to frame to and fro over the border.
            let jitter = if number % 2 == 0 { 0.4 } else { -0.4 };
            let near = 145.0 + 60.0 * (number as f32 / 40.0).sin() + jitter;
            let mut hands = vec![hand(Side::Right, 100.0)];
            if !(40..50).contains(&number) && number % 17 != 0 {
                hands.push(hand(Side::Left, near));
            }
            let frame = Frame {
                pixels: vec![128; SIZE.rgb_bytes()],
                size: SIZE,
                timestamp: Timestamp(33_000_000 * number as i64),
                sequence: number,
            };
            let said = omni.update(&frame, &hands, &camera, &InOrder).unwrap();
            let posed = placed(&model, &mut together, &said);
            let right = posed.iter().find(|(track, _)| *track == TrackId(0)).unwrap();
            (right.1.joints_camera[0].0.cast::<f64>(), posed.len(), hands.len())
        });
        frames.collect()
    }

    #[test]
    fn a_still_hand_does_not_flicker_while_the_other_comes_goes_and_is_missing() {
        let frames = still_hand();
        assert!(frames.iter().all(|(_, published, seen)| published == seen), "a hand that nobody sees");
        let alone = frames[0].0;
        let farthest = frames.iter().map(|(place, ..)| (place - alone).norm()).fold(0.0, f64::max);
        let steps = frames.windows(2).map(|pair| (pair[1].0 - pair[0].0).norm());
        let largest = steps.fold(0.0, f64::max);
        println!("moved by up to {farthest:.4} m, by {largest:.4} m from frame to frame");
        assert!(farthest > 0.005, "hands that touch are placed together: {farthest}");
        // A tenth of the way a frame; the rest is what the other hand's own motion does to the place together.
        assert!(largest < 0.25 * farthest, "{largest} of {farthest}");
    }
}
