//! Frames that wait until what comes after them has been looked at.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::run::SettledHand;
use crate::event::{Event, FrameHands, TrackId};
use crate::frame::Frame;

/// Frames between one front end and the listener: none for a front end that does not look ahead.
pub(super) struct HeldBack {
    look_ahead: usize,
    /// Tracks of the front ends before: numbers are never used twice in a run.
    tracks_before: u32,
    frames: VecDeque<Held>,
}

/// A frame with the hands that it had when it came.
struct Held {
    frame: Arc<Frame>,
    hands: FrameHands,
    /// From when its time to publication counts.
    since: Instant,
}

impl HeldBack {
    /// Holds every frame back until `look_ahead` more have come; the front end's first track is `tracks_before`.
    pub fn new(look_ahead: usize, tracks_before: u32) -> Self {
        Self { look_ahead, tracks_before, frames: VecDeque::new() }
    }

    /// Takes in the next frame.
    pub fn push(&mut self, frame: Arc<Frame>, mut hands: FrameHands, since: Instant) {
        for hand in &mut hands.hands {
            hand.track = self.in_run(hand.track);
        }
        self.frames.push_back(Held { frame, hands, since });
    }

    /// The number in the run of a front end's track.
    pub fn in_run(&self, track: TrackId) -> TrackId {
        TrackId(track.0.saturating_add(self.tracks_before))
    }

    /// Puts what was said later of frames that wait in the place of what was said at first.
    pub fn settle(&mut self, settled: Vec<SettledHand>) {
        for hand in settled {
            let track = self.in_run(hand.track);
            let frame = self.frames.iter_mut().find(|held| held.hands.sequence == hand.sequence);
            let first = frame.and_then(|held| held.hands.hands.iter_mut().find(|first| first.track == track));
            if let Some(first) = first {
                first.pose = hand.pose;
                first.joints_camera = hand.joints_camera;
            }
        }
    }

    /// The next frame that has waited long enough; any, when no frame will follow.
    pub fn next(&mut self, ended: bool) -> Option<Event> {
        let due = ended || self.frames.len() > self.look_ahead;
        let Held { frame, hands, since } = if due { self.frames.pop_front()? } else { return None };
        Some(Event::Frame { frame, hands: Arc::new(FrameHands { total: since.elapsed(), ..hands }) })
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Vector3;

    use super::*;
    use crate::event::{HandPose, KEYPOINTS, PoseState, Side, TrackId, TrackedHand};
    use crate::frame::{PictureSize, Timestamp};
    use crate::geometry::{CameraPoint, Pixel};

    fn pose(x: f32) -> HandPose {
        HandPose {
            global_orient: Vector3::zeros(),
            hand_pose: [Vector3::zeros(); 15],
            betas: [0.0; 10],
            translation: Vector3::new(x, 0.0, 0.5),
        }
    }

    fn hand() -> TrackedHand {
        TrackedHand {
            track: TrackId(7),
            side: Side::Left,
            score: 0.9,
            state: PoseState::Provisional,
            box_px: [0.0; 4],
            keypoints_px: [Pixel::default(); KEYPOINTS],
            joints_camera: [CameraPoint(Vector3::zeros()); KEYPOINTS],
            pose: pose(0.0),
        }
    }

    fn push(held: &mut HeldBack, sequence: u64) {
        let (size, timestamp) = (PictureSize::new(0, 0), Timestamp(sequence as i64));
        let hands = FrameHands {
            sequence,
            timestamp,
            hands: vec![hand()],
            world_from_camera: None,
            stages: Vec::new(),
            total: std::time::Duration::ZERO,
        };
        let frame = Frame { pixels: Vec::new(), size, timestamp, sequence };
        held.push(Arc::new(frame), hands, Instant::now());
    }

    /// Number and hand's place of the next frame.
    fn next(held: &mut HeldBack, ended: bool) -> Option<(u64, f32)> {
        match held.next(ended)? {
            Event::Frame { hands, .. } => Some((hands.sequence, hands.hands[0].pose.translation.x)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_frame_leaves_with_what_was_said_later_when_enough_have_followed() {
        let mut held = HeldBack::new(2, 0);
        let settled = |sequence, track, x| SettledHand {
            sequence,
            track: TrackId(track),
            pose: pose(x),
            joints_camera: [CameraPoint(Vector3::zeros()); KEYPOINTS],
        };
        push(&mut held, 10);
        push(&mut held, 11);
        assert_eq!(next(&mut held, false), None);
        push(&mut held, 14);
        held.settle(vec![settled(10, 7, 1.0), settled(11, 8, 2.0), settled(99, 7, 3.0)]);
        assert_eq!(next(&mut held, false), Some((10, 1.0)));
        assert_eq!(next(&mut held, false), None);
        assert_eq!([next(&mut held, true), next(&mut held, true)], [Some((11, 0.0)), Some((14, 0.0))]);
        assert_eq!(next(&mut held, true), None);
    }

    #[test]
    fn without_looking_ahead_no_frame_waits() {
        let mut held = HeldBack::new(0, 0);
        push(&mut held, 3);
        assert_eq!(next(&mut held, false), Some((3, 0.0)));
    }

    #[test]
    fn tracks_are_counted_on_from_those_of_earlier_front_ends() {
        let mut held = HeldBack::new(0, 5);
        push(&mut held, 3);
        assert!(
            matches!(held.next(false), Some(Event::Frame { hands, .. }) if hands.hands[0].track == TrackId(12))
        );
    }
}
