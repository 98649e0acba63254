//! Frames held back until the second pass is done with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{FrameHands, Refinement};

/// A frame as it will be written.
#[derive(Clone, Debug)]
pub struct FinalFrame {
    /// Its hands.
    pub hands: Arc<FrameHands>,
    /// Metres in a unit of the odometry's path, where the frame was refined and this is known.
    pub world_scale: Option<f64>,
}

/// Keeps frames in order and puts refined ones in the place of provisional ones.
#[derive(Debug)]
pub struct HeldFrames {
    frames: BTreeMap<u64, FinalFrame>,
    /// Without a second pass no frame is held.
    holding: bool,
}

impl HeldFrames {
    /// For a run with or without a second pass.
    pub fn new(second_pass: bool) -> Self {
        Self { frames: BTreeMap::new(), holding: second_pass }
    }

    /// Takes in the next frame; the frames that are final now.
    pub fn push(&mut self, hands: Arc<FrameHands>) -> Vec<FinalFrame> {
        self.frames.insert(hands.sequence, FinalFrame { hands, world_scale: None });
        if self.holding { Vec::new() } else { self.finish() }
    }

    /// Puts refined frames in the place of those that are held; the frames that are final now.
    pub fn refined(&mut self, refinement: &Refinement) -> Vec<FinalFrame> {
        for frame in &refinement.frames {
            // A frame that nobody was told of, after the limit of a run, has no place.
            if let Some(held) = self.frames.get_mut(&frame.sequence) {
                *held = FinalFrame { hands: Arc::new(frame.clone()), world_scale: refinement.world_scale };
            }
        }
        let later = self.frames.split_off(&refinement.settled);
        std::mem::replace(&mut self.frames, later).into_values().collect()
    }

    /// The frames that are still held.
    pub fn finish(&mut self) -> Vec<FinalFrame> {
        std::mem::take(&mut self.frames).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::frame::Timestamp;

    fn frame(sequence: u64, total: u64) -> FrameHands {
        FrameHands {
            sequence,
            timestamp: Timestamp(sequence as i64),
            hands: Vec::new(),
            world_from_camera: None,
            stages: Vec::new(),
            total: Duration::from_nanos(total),
        }
    }

    fn told(frames: &[FinalFrame]) -> Vec<(u64, u128)> {
        frames.iter().map(|frame| (frame.hands.sequence, frame.hands.total.as_nanos())).collect()
    }

    #[test]
    fn refined_frames_take_the_place_of_provisional_ones_and_come_out_in_order() {
        let mut held = HeldFrames::new(true);
        for sequence in [0, 1, 2, 4] {
            assert!(held.push(Arc::new(frame(sequence, 1))).is_empty());
        }
        let refinement = Refinement {
            revision: 1,
            frames: [1, 2, 3].map(|sequence| frame(sequence, 2)).to_vec(),
            settled: 2,
            world_scale: None,
            age: Duration::ZERO,
            took: Duration::ZERO,
        };
        assert_eq!(told(&held.refined(&refinement)), [(0, 1), (1, 2)]);
        assert_eq!(told(&held.finish()), [(2, 2), (4, 1)]);
    }

    #[test]
    fn without_a_second_pass_no_frame_waits() {
        let mut held = HeldFrames::new(false);
        assert_eq!(told(&held.push(Arc::new(frame(7, 1)))), [(7, 1)]);
    }
}
