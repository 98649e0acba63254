//! One frame's hands in memory that a reader may copy while the writer changes it.
//!
//! A sequence lock without `unsafe`: the payload is words of atomics, guarded by a version that is odd while it is
//! written (Boehm 2012, "Can seqlocks get along with programming language memory models?"). Writers never wait;
//! a reader tries a fixed number of times.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering, fence};

use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion, Vector3};

use crate::event::{FrameHands, HandPose, PoseState, Side, TrackId, TrackedHand};
use crate::frame::Timestamp;

/// Hands of a frame that are kept; the tracker follows no more.
pub(super) const MOST_HANDS: usize = 8;
/// Words of a hand: track, side and state, score, wrist, fingers, shape, translation.
const HAND_WORDS: usize = 3 + 3 + 45 + 10 + 3;
/// Words before the hands: number of hands, whether the camera is placed, position and quaternion as doubles.
const HEAD_WORDS: usize = 2 + 2 * 7;
const WORDS: usize = HEAD_WORDS + MOST_HANDS * HAND_WORDS;
/// Attempts of a reader. A slot is written again only a whole ring later or when its frame is refined.
const TRIES: usize = 16;

/// Where a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heading {
    /// Number of the frame in the order of publication, from 0.
    pub number: u64,
    /// Capture time.
    pub timestamp: Timestamp,
    /// Number of the refined chunk it comes from; 0 as the front end published it.
    pub revision: u64,
}

/// A frame's hands as they were read.
#[derive(Clone, Debug)]
pub(super) struct StoredFrame {
    pub heading: Heading,
    pub world_from_camera: Option<Isometry3<f64>>,
    pub hands: Vec<StoredHand>,
}

/// A hand as it was read.
#[derive(Clone, Debug)]
pub(super) struct StoredHand {
    pub track: TrackId,
    pub side: Side,
    pub state: PoseState,
    pub score: f32,
    pub pose: HandPose,
}

pub(super) struct Slot {
    /// Odd while the slot is written.
    version: AtomicU64,
    number: AtomicU64,
    timestamp: AtomicI64,
    revision: AtomicU64,
    words: [AtomicU32; WORDS],
}

impl Slot {
    /// A slot that no frame has been written to.
    pub fn empty() -> Self {
        Self {
            version: AtomicU64::new(0),
            number: AtomicU64::new(u64::MAX),
            timestamp: AtomicI64::new(0),
            revision: AtomicU64::new(0),
            words: [const { AtomicU32::new(0) }; WORDS],
        }
    }

    /// Writes a frame. Only one thread at a time may write.
    pub fn write(&self, heading: Heading, hands: &FrameHands) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.number.store(heading.number, Ordering::Relaxed);
        self.timestamp.store(heading.timestamp.0, Ordering::Relaxed);
        self.revision.store(heading.revision, Ordering::Relaxed);
        let mut words = self.words.iter();
        let mut put = |word: u32| {
            if let Some(place) = words.next() {
                place.store(word, Ordering::Relaxed);
            }
        };
        put(hands.hands.len().min(MOST_HANDS) as u32);
        put(u32::from(hands.world_from_camera.is_some()));
        let camera = hands.world_from_camera.unwrap_or_default();
        let rotation = camera.rotation.coords;
        for value in camera.translation.vector.iter().chain(rotation.iter()) {
            let bits = value.to_bits();
            put(bits as u32);
            put((bits >> 32) as u32);
        }
        hands.hands.iter().take(MOST_HANDS).for_each(|hand| encode(hand, &mut put));
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// The heading; `None` where the slot was written at every attempt.
    pub fn heading(&self) -> Option<Heading> {
        self.read(|_| ()).map(|(heading, ())| heading)
    }

    /// The whole frame; `None` where the slot was written at every attempt.
    pub fn frame(&self) -> Option<StoredFrame> {
        let (heading, (world_from_camera, hands)) = self.read(|next| {
            let count = (next() as usize).min(MOST_HANDS);
            let placed = next() == 1;
            let camera: [f64; 7] =
                std::array::from_fn(|_| f64::from_bits(u64::from(next()) | u64::from(next()) << 32));
            let hands = (0..count).map(|_| decode(next)).collect::<Vec<_>>();
            (placed.then(|| pose(camera)), hands)
        })?;
        Some(StoredFrame { heading, world_from_camera, hands })
    }

    fn read<T>(&self, copy: impl Fn(&mut dyn FnMut() -> u32) -> T) -> Option<(Heading, T)> {
        for _ in 0..TRIES {
            let before = self.version.load(Ordering::Acquire);
            if before % 2 == 1 {
                std::hint::spin_loop();
                continue;
            }
            let heading = Heading {
                number: self.number.load(Ordering::Relaxed),
                timestamp: Timestamp(self.timestamp.load(Ordering::Relaxed)),
                revision: self.revision.load(Ordering::Relaxed),
            };
            let mut words = self.words.iter();
            let copied = copy(&mut || words.next().map_or(0, |word| word.load(Ordering::Relaxed)));
            fence(Ordering::Acquire);
            if self.version.load(Ordering::Relaxed) == before {
                return Some((heading, copied));
            }
        }
        None
    }
}

fn encode(hand: &TrackedHand, put: &mut impl FnMut(u32)) {
    put(hand.track.0);
    let state = match hand.state {
        PoseState::Provisional => 0,
        PoseState::Refined => 1,
        PoseState::Filled => 2,
    };
    put(u32::from(hand.side == Side::Right) | state << 1);
    put(hand.score.to_bits());
    let pose = &hand.pose;
    let vectors = std::iter::once(&pose.global_orient).chain(&pose.hand_pose);
    vectors.flat_map(|vector| vector.iter()).for_each(|value| put(value.to_bits()));
    pose.betas.iter().chain(pose.translation.iter()).for_each(|value| put(value.to_bits()));
}

fn decode(next: &mut dyn FnMut() -> u32) -> StoredHand {
    let track = TrackId(next());
    let flags = next();
    let mut number = || f32::from_bits(next());
    let score = number();
    let mut vector = || Vector3::new(number(), number(), number());
    let (global_orient, hand_pose) = (vector(), std::array::from_fn(|_| vector()));
    let betas = std::array::from_fn(|_| number());
    let translation = Vector3::new(number(), number(), number());
    StoredHand {
        track,
        side: if flags & 1 == 1 { Side::Right } else { Side::Left },
        state: match flags >> 1 {
            1 => PoseState::Refined,
            2 => PoseState::Filled,
            _ => PoseState::Provisional,
        },
        score,
        pose: HandPose { global_orient, hand_pose, betas, translation },
    }
}

fn pose([x, y, z, qx, qy, qz, qw]: [f64; 7]) -> Isometry3<f64> {
    let rotation = UnitQuaternion::new_unchecked(Quaternion::new(qw, qx, qy, qz));
    Isometry3::from_parts(Translation3::new(x, y, z), rotation)
}
