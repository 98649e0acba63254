//! What has been published of the newest frames, until the second pass is done with them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::refine::RefinedWork;
use crate::event::{Event, FrameHands, KEYPOINTS, PoseState, Refinement, TrackedHand};
use crate::geometry::{CameraModel, CameraPoint, Pixel};
use crate::refine::{CameraKnowledge, Origin, RefinedFrame, RefinedHand};

/// Turns refined chunks into events.
pub(super) struct Published {
    /// The run's camera, once it is known.
    pub camera: Option<CameraModel>,
    /// Frames whose camera pose is known.
    placed: BTreeSet<u64>,
    frames: BTreeMap<u64, (Arc<FrameHands>, Instant)>,
    /// Frames at the end of a chunk that a later chunk may refine again.
    unsettled: usize,
}

impl Published {
    /// Nothing yet; a chunk may share `unsettled` frames with the next.
    pub fn new(unsettled: usize) -> Self {
        Self { camera: None, placed: BTreeSet::new(), frames: BTreeMap::new(), unsettled }
    }

    /// Remembers a frame that has just been published.
    pub fn push(&mut self, hands: Arc<FrameHands>) {
        self.frames.insert(hands.sequence, (hands, Instant::now()));
    }

    /// Notes that a frame's camera pose is known.
    pub fn place(&mut self, sequence: u64) {
        self.placed.insert(sequence);
    }

    /// The events of chunks that are done, and forgets what they settle.
    pub fn answers(&mut self, done: impl IntoIterator<Item = RefinedWork>) -> Vec<Event> {
        done.into_iter().map(|work| Event::Refined(Arc::new(self.refinement(work)))).collect()
    }

    fn refinement(&mut self, work: RefinedWork) -> Refinement {
        let RefinedWork { refined, knowledge, revision, took } = work;
        let (first, count) = (refined.frames.first(), refined.frames.len());
        let span = self.span(&refined.frames, knowledge);
        let settled = match count.checked_sub(self.unsettled) {
            Some(at) => refined.frames.get(at).map_or(0, |frame| frame.sequence),
            None => first.map_or(0, |frame| frame.sequence),
        };
        let newest = refined.frames.last().and_then(|frame| self.frames.get(&frame.sequence));
        let age = newest.map_or(Duration::ZERO, |(_, published)| published.elapsed());
        let frames = refined.frames.into_iter().map(|frame| self.frame(frame, &span)).collect();
        self.frames = self.frames.split_off(&settled);
        self.placed = self.placed.split_off(&settled);
        let world_scale = refined.world_scale.filter(|_| knowledge == CameraKnowledge::ScaleFree);
        Refinement { revision, frames, settled, world_scale, age, took }
    }

    /// The frames from the first to the last whose camera pose is known: between them the refinement may guess,
    /// beyond them nobody knows where the camera was.
    fn span(&self, frames: &[RefinedFrame], knowledge: CameraKnowledge) -> RangeInclusive<u64> {
        if knowledge == CameraKnowledge::Still {
            return 0..=u64::MAX;
        }
        let (first, last) = (frames.first(), frames.last());
        let all = first.map_or(0, |frame| frame.sequence)..=last.map_or(0, |frame| frame.sequence);
        let placed = || self.placed.range(all.clone()).copied();
        #[allow(clippy::reversed_empty_ranges, reason = "no frame is placed")]
        placed().next().zip(placed().next_back()).map_or(1..=0, |(first, last)| first..=last)
    }

    fn frame(&self, frame: RefinedFrame, span: &RangeInclusive<u64>) -> FrameHands {
        let before = self.frames.get(&frame.sequence).map(|(hands, _)| &**hands);
        let hands = frame.hands.into_iter().filter_map(|hand| {
            let mut known = before.iter().flat_map(|before| &before.hands);
            let seen = known.find(|known| known.track == hand.track);
            self.hand(hand, seen)
        });
        FrameHands {
            sequence: frame.sequence,
            timestamp: frame.timestamp,
            hands: hands.collect(),
            world_from_camera: span.contains(&frame.sequence).then_some(frame.world_from_camera),
            stages: before.map_or_else(Vec::new, |before| before.stages.clone()),
            total: before.map_or(Duration::ZERO, |before| before.total),
        }
    }

    /// A refined hand with the key points that were seen, or else those that a camera would see; `None` for
    /// one filled in behind the camera.
    fn hand(&self, hand: RefinedHand, seen: Option<&TrackedHand>) -> Option<TrackedHand> {
        let (keypoints_px, box_px) = match seen {
            Some(seen) => (seen.keypoints_px, seen.box_px),
            None => self.projected(&hand.joints_camera)?,
        };
        Some(TrackedHand {
            track: hand.track,
            side: hand.side,
            score: hand.score,
            state: match hand.origin {
                Origin::Observed => PoseState::Refined,
                Origin::Filled => PoseState::Filled,
                Origin::Untouched => PoseState::Provisional,
            },
            box_px,
            keypoints_px,
            joints_camera: hand.joints_camera,
            pose: hand.pose_camera,
        })
    }

    fn projected(&self, joints: &[CameraPoint; KEYPOINTS]) -> Option<([Pixel; KEYPOINTS], [f32; 4])> {
        let camera = self.camera.as_ref()?;
        let mut pixels = [Pixel::default(); KEYPOINTS];
        for (pixel, joint) in pixels.iter_mut().zip(joints) {
            *pixel = camera.project(*joint)?;
        }
        let all = |of: fn(&Pixel) -> f32, better: fn(f32, f32) -> f32, start: f32| {
            pixels.iter().map(of).fold(start, better)
        };
        let (low, high) = (f32::INFINITY, f32::NEG_INFINITY);
        let around = [
            all(|p| p.x, f32::min, low),
            all(|p| p.y, f32::min, low),
            all(|p| p.x, f32::max, high),
            all(|p| p.y, f32::max, high),
        ];
        Some((pixels, around))
    }
}
