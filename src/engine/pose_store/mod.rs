//! The hands at any time: kept from a run's events, interpolated between frames, predicted a little ahead.
//!
//! XR runtimes ask for a time, not for "the latest": the moment at which a picture will be seen lies between
//! frames or ahead of them. Reading is wait-free: no lock, and a bounded number of steps whatever writers do.

mod ring;
mod slot;
#[cfg(test)]
mod tests;

use std::time::Duration;

use nalgebra::{Isometry3, Vector3};

use self::ring::{Around, Ring};
use self::slot::{StoredFrame, StoredHand};
use crate::event::{Event, HandPose, KEYPOINTS, PoseState, Side, TrackId};
use crate::frame::Timestamp;
use crate::geometry::CameraPoint;
use crate::geometry::motion::{Slope, rotated, rotation_between, turn};
use crate::hand::HandModel;

/// Frames before the newest that its velocity is taken from, at most.
const VELOCITY_FRAMES: u64 = 3;

/// How the store keeps and predicts.
#[derive(Clone, Debug, PartialEq)]
pub struct PoseStoreConfig {
    /// Frames kept; 512 by default, 17 s at 30 frames a second and 2.3 MB. The second pass replaces frames up to
    /// two chunks old.
    pub capacity: usize,
    /// Longest time between two frames of a hand that are interpolated, seconds; 0.25 by default.
    pub longest_gap: f64,
    /// Time of the frames that a velocity is taken from, seconds; 0.08 by default.
    pub velocity_window: f64,
    /// A predicted hand has gone `damping` seconds' way at most: its speed decays with this time constant; 0.08 by
    /// default.
    pub damping: f64,
    /// Time ahead of the last frame up to which hands are predicted, seconds; 0.1 by default. Later they are
    /// stale and stand still.
    pub horizon: f64,
    /// Time after which a stale hand is not given any more, seconds; 0.5 by default.
    pub forget: f64,
}

impl Default for PoseStoreConfig {
    fn default() -> Self {
        Self {
            capacity: 512,
            longest_gap: 0.25,
            velocity_window: 0.08,
            damping: 0.08,
            horizon: 0.1,
            forget: 0.5,
        }
    }
}

/// What the pose of a moment rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoseBasis {
    /// A frame was captured at this very moment.
    Observed,
    /// Between two frames that both have the hand.
    Interpolated,
    /// After the last frame that has the hand, by its velocity.
    Predicted,
    /// So long after it that the hand is shown where it was last expected.
    Stale,
}

/// A hand at a moment.
#[derive(Clone, Debug)]
pub struct HandAt {
    /// Which track it belongs to.
    pub track: TrackId,
    /// Left or right of the person.
    pub side: Side,
    /// Probability that a hand is there, 0..1, of the earlier frame.
    pub score: f32,
    /// The posed hand, in the camera's frame.
    pub pose: HandPose,
    /// What it rests on.
    pub basis: PoseBasis,
    /// How final the frames are that it rests on: the less final of two.
    pub state: PoseState,
    /// Number of the refined chunk of those frames, the lower of two; 0 for provisional ones.
    pub revision: u64,
    /// Time from the last frame that shows the hand to the moment asked for; zero between frames.
    pub age: Duration,
}

impl HandAt {
    /// The joints of the posed hand in metres, `openpose21`.
    pub fn joints(&self, model: &HandModel) -> [CameraPoint; KEYPOINTS] {
        model.posed(&self.pose, self.side).joints
    }
}

/// All that is known of a moment.
#[derive(Clone, Debug, Default)]
pub struct HandsAt {
    /// The hands.
    pub hands: Vec<HandAt>,
    /// Where the camera was, in metres of the world; after the last frame where it was then.
    pub world_from_camera: Option<Isometry3<f64>>,
}

/// Keeps the hands of the newest frames.
///
/// One thread gives it events, usually a run's listener; any number of threads read, and neither waits for the
/// other. Refined frames replace provisional ones.
///
/// ```
/// use handstream::engine::PoseStore;
/// use handstream::frame::Timestamp;
///
/// let store = PoseStore::default();
/// assert!(store.pose_at(Timestamp::from_seconds(1.0)).hands.is_empty());
/// ```
pub struct PoseStore {
    ring: Ring,
    config: PoseStoreConfig,
}

impl Default for PoseStore {
    fn default() -> Self {
        Self::new(PoseStoreConfig::default())
    }
}

impl PoseStore {
    /// An empty store; its memory is taken now and does not grow.
    pub fn new(config: PoseStoreConfig) -> Self {
        Self { ring: Ring::new(config.capacity), config }
    }

    /// Takes one event of the run. Frames that are not later than the one before are left out.
    pub fn event(&self, event: &Event) {
        match event {
            Event::Frame { hands, .. } => _ = self.ring.push(hands),
            Event::Refined(refinement) => self.ring.replace(refinement),
            _ => {}
        }
    }

    /// Capture time of the newest frame.
    pub fn newest(&self) -> Option<Timestamp> {
        self.ring.newest()
    }

    /// The hands at a moment of the capture clock.
    ///
    /// Between two frames every joint turns on the great circle and the hand moves on the line. After the last
    /// frame each goes on with the velocity of the last frames, which decays, up to [`PoseStoreConfig::horizon`].
    pub fn pose_at(&self, time: Timestamp) -> HandsAt {
        let Around { before, after } = self.ring.around(time);
        let Some(before) = before else { return HandsAt::default() };
        let mut hands = Vec::with_capacity(before.hands.len());
        let mut earlier = None;
        for hand in &before.hands {
            if let Some(found) = between(time, (&before, hand), after.as_ref(), self.config.longest_gap) {
                hands.push(found);
                continue;
            }
            let earlier = earlier.get_or_insert_with(|| {
                self.ring.earlier(before.heading.number, VELOCITY_FRAMES).collect::<Vec<_>>()
            });
            hands.extend(self.predicted(time, &before, hand, earlier));
        }
        HandsAt { hands, world_from_camera: camera_at(time, &before, after.as_ref()) }
    }

    fn predicted(
        &self,
        time: Timestamp,
        last: &StoredFrame,
        hand: &StoredHand,
        earlier: &[StoredFrame],
    ) -> Option<HandAt> {
        let age = time.since(last.heading.timestamp);
        let ahead = age.as_secs_f64();
        if ahead > self.config.forget.max(self.config.horizon) {
            return None;
        }
        let mut motion = Motion::default();
        motion.add(0.0, &hand.pose, &hand.pose);
        for frame in earlier {
            let back = last.heading.timestamp.since(frame.heading.timestamp).as_secs_f64();
            let same = frame.hands.iter().find(|other| other.track == hand.track && other.side == hand.side);
            let Some(other) = same.filter(|_| back <= self.config.velocity_window) else { break };
            motion.add(-back, &hand.pose, &other.pose);
        }
        // The way of a speed that decays with the time constant `damping`.
        let seconds = ahead.min(self.config.horizon);
        let way = self.config.damping * (1.0 - (-seconds / self.config.damping).exp());
        let basis = if ahead > self.config.horizon { PoseBasis::Stale } else { PoseBasis::Predicted };
        Some(HandAt {
            track: hand.track,
            side: hand.side,
            score: hand.score,
            pose: motion.after(&hand.pose, way),
            basis,
            state: hand.state,
            revision: revision(last, hand),
            age,
        })
    }
}

/// The hand where it was seen at this very moment, or between two frames that both have it.
fn between(
    time: Timestamp,
    (before, hand): (&StoredFrame, &StoredHand),
    after: Option<&StoredFrame>,
    longest_gap: f64,
) -> Option<HandAt> {
    let at = |pose, basis, state, revision| HandAt {
        track: hand.track,
        side: hand.side,
        score: hand.score,
        pose,
        basis,
        state,
        revision,
        age: Duration::ZERO,
    };
    if before.heading.timestamp == time {
        return Some(at(hand.pose.clone(), PoseBasis::Observed, hand.state, revision(before, hand)));
    }
    let after = after?;
    let next = after.hands.iter().find(|next| next.track == hand.track && next.side == hand.side)?;
    let gap = after.heading.timestamp.since(before.heading.timestamp).as_secs_f64();
    if gap > longest_gap {
        return None;
    }
    let part = time.since(before.heading.timestamp).as_secs_f64() / gap;
    let pose = pose_between(&hand.pose, &next.pose, part);
    let revision = revision(before, hand).min(revision(after, next));
    Some(at(pose, PoseBasis::Interpolated, less_final(hand.state, next.state), revision))
}

/// A refined frame may hold hands that took no part in the refinement.
fn revision(frame: &StoredFrame, hand: &StoredHand) -> u64 {
    if hand.state == PoseState::Provisional { 0 } else { frame.heading.revision }
}

fn less_final(a: PoseState, b: PoseState) -> PoseState {
    match (a, b) {
        (PoseState::Provisional, _) | (_, PoseState::Provisional) => PoseState::Provisional,
        (PoseState::Filled, _) | (_, PoseState::Filled) => PoseState::Filled,
        (PoseState::Refined, PoseState::Refined) => PoseState::Refined,
    }
}

fn pose_between(from: &HandPose, to: &HandPose, part: f64) -> HandPose {
    let share = part as f32;
    HandPose {
        global_orient: rotation_between(from.global_orient, to.global_orient, part),
        hand_pose: std::array::from_fn(|k| rotation_between(from.hand_pose[k], to.hand_pose[k], part)),
        betas: std::array::from_fn(|k| from.betas[k] + (to.betas[k] - from.betas[k]) * share),
        translation: from.translation + (to.translation - from.translation) * share,
    }
}

fn camera_at(time: Timestamp, before: &StoredFrame, after: Option<&StoredFrame>) -> Option<Isometry3<f64>> {
    let from = before.world_from_camera?;
    let Some((to, next)) = after.and_then(|after| Some((after.world_from_camera?, after.heading.timestamp)))
    else {
        return Some(from);
    };
    let part = time.since(before.heading.timestamp).as_secs_f64()
        / next.since(before.heading.timestamp).as_secs_f64().max(f64::EPSILON);
    from.try_lerp_slerp(&to, part, f64::EPSILON).or(Some(from))
}

/// How fast a hand moves and its joints turn.
#[derive(Default)]
struct Motion {
    moves: Slope,
    wrist: Slope,
    fingers: [Slope; 15],
}

impl Motion {
    /// Takes the pose that the hand had at `time`, beside the one it has now.
    fn add(&mut self, time: f64, now: &HandPose, then: &HandPose) {
        let moved: Vector3<f32> = then.translation - now.translation;
        self.moves.add(time, moved.cast());
        self.wrist.add(time, turn(now.global_orient, then.global_orient));
        for (slope, (now, then)) in self.fingers.iter_mut().zip(now.hand_pose.iter().zip(&then.hand_pose)) {
            slope.add(time, turn(*now, *then));
        }
    }

    /// The pose after it has gone on for `seconds`.
    fn after(&self, now: &HandPose, seconds: f64) -> HandPose {
        let fingers = now.hand_pose.iter().zip(&self.fingers);
        let mut hand_pose = now.hand_pose;
        for (moved, (joint, slope)) in hand_pose.iter_mut().zip(fingers) {
            *moved = rotated(*joint, slope.per_second() * seconds);
        }
        HandPose {
            global_orient: rotated(now.global_orient, self.wrist.per_second() * seconds),
            hand_pose,
            betas: now.betas,
            translation: now.translation + (self.moves.per_second() * seconds).cast::<f32>(),
        }
    }
}
