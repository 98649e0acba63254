//! The tracker as the rest of the engine sees it: pictures in, hands with a name and a side out.

use std::time::Instant;

use nalgebra::Vector3;

use super::duplicates::distinct;
use super::error::DetectError;
use super::follow::{FollowConfig, Follower, Search};
use super::identity::{Identified, Identity, Sighting};
use super::landmark::FoundHand;
use crate::event::{KEYPOINTS, Side, StageTime, TrackId};
use crate::frame::Frame;
use crate::geometry::Pixel;
use crate::jobs::Jobs;

/// How hands are looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackerConfig {
    /// Most hands in a frame. Default 2.
    pub max_hands: usize,
    /// Least score of the palm detector for a new hand, 0..1. Default 0.5.
    pub min_detection_confidence: f32,
    /// Least presence for a hand to be reported and followed, 0..1. Default 0.5.
    pub min_tracking_confidence: f32,
    /// True where the source mirrors its pictures, as selfie views do. Default false.
    pub mirrored: bool,
    /// When the picture is searched for new hands. Default with every frame, as in the released graph.
    pub search: Search,
    /// Searches every frame afresh and continues no track: for pictures that do not follow each other.
    /// Default false.
    pub detect_every_frame: bool,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            max_hands: 2,
            min_detection_confidence: 0.5,
            min_tracking_confidence: 0.5,
            mirrored: false,
            search: Search::default(),
            detect_every_frame: false,
        }
    }
}

/// One hand in one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Hand2d {
    /// Which track it continues.
    pub track: TrackId,
    /// Left or right of the person, by all frames of the track.
    pub side: Side,
    /// Probability of `side` by the track's labels, 0..1.
    pub side_score: f32,
    /// Probability that a hand is there, 0..1.
    pub score: f32,
    /// This frame's own label, the mirror rule applied: probability of a right hand of the person.
    pub label_right: f32,
    /// Key points in the picture, `mediapipe21`.
    pub keypoints_px: [Pixel; KEYPOINTS],
    /// Depth of the key points against the wrist, towards the camera negative, in picture pixels.
    pub depth_px: [f32; KEYPOINTS],
    /// Key points in metres, axes of the camera, origin at the hand's own centre.
    pub landmarks_m: [Vector3<f32>; KEYPOINTS],
    /// Box around the key points: x0 y0 x1 y1, pixels.
    pub box_px: [f32; 4],
}

/// What the tracker saw in one frame.
#[derive(Clone, Debug, Default)]
pub struct Detections {
    /// The hands, at most `max_hands`, each of another track.
    pub hands: Vec<Hand2d>,
    /// Wall times of `palm`, `landmark` and `identity`; the first two overlap where jobs run side by side.
    pub stages: Vec<StageTime>,
}

/// Finds hands and follows them from frame to frame.
pub struct HandTracker {
    config: TrackerConfig,
    follower: Follower,
    identity: Identity,
}

impl HandTracker {
    /// A tracker from the bytes of `palm_detection_full.tflite` and `hand_landmark_full.tflite`.
    ///
    /// # Errors
    /// Where a file is no readable model, or not the one it should be.
    pub fn new(palm_model: &[u8], landmark_model: &[u8], config: TrackerConfig) -> Result<Self, DetectError> {
        let follow = FollowConfig {
            search: config.search,
            max_hands: config.max_hands,
            min_detection_confidence: config.min_detection_confidence,
            min_tracking_confidence: config.min_tracking_confidence,
        };
        let follower = Follower::new(palm_model, landmark_model, follow)?;
        Ok(Self { config, follower, identity: Identity::new(config.max_hands) })
    }

    /// Looks at the next frame. A frame whose bytes do not fill its size holds no hands.
    pub fn process(&mut self, frame: &Frame, jobs: &dyn Jobs) -> Detections {
        if !is_whole(frame) {
            return Detections::default();
        }
        if self.config.detect_every_frame {
            self.reset();
        }
        let times = self.follower.step(frame, jobs);
        let start = Instant::now();
        let found = self.follower.hands();
        let kept: Vec<&FoundHand> = distinct(found).into_iter().map(|i| &found[i]).collect();
        let sightings: Vec<Sighting> = kept.iter().map(|hand| self.sighting(hand)).collect();
        let named = self.identity.identify(frame.timestamp, &sightings);
        let hand = |named: &Identified| hand_2d(kept[named.sighting], &sightings[named.sighting], named);
        let hands = named.iter().map(hand).collect();
        let regions: Vec<_> = named.iter().map(|named| kept[named.sighting].next_region()).collect();
        self.follower.follow(regions.into_iter().filter(|region| region.usable()));
        let stage = |stage, took| StageTime { stage, took };
        let stages = vec![
            stage("palm", times.palm),
            stage("landmark", times.landmark),
            stage("identity", start.elapsed()),
        ];
        Detections { hands, stages }
    }

    /// Forgets all hands, as at the start; numbers of tracks are not used again.
    pub fn reset(&mut self) {
        self.follower.reset();
        self.identity.forget();
    }

    /// With [`Search::Behind`], searches `frame` for new hands until `pause` says so; else nothing. To be called after
    /// [`process`](Self::process) with the same frame, when its hands are on their way.
    pub fn search_behind(&mut self, frame: &Frame, pause: &dyn Fn() -> bool) {
        if is_whole(frame) {
            self.follower.search_behind(frame, pause);
        }
    }

    fn sighting(&self, hand: &FoundHand) -> Sighting {
        // The label assumes a mirrored picture: without the mirror a "left" hand is a right one.
        let right = if self.config.mirrored { 1.0 - hand.label_left } else { hand.label_left };
        let size = hand.next_region().side;
        Sighting { keypoints: hand.keypoints, size, presence: hand.presence, right }
    }
}

/// Whether there are pixels, and as many as the size says.
fn is_whole(frame: &Frame) -> bool {
    frame.size.rgb_bytes() > 0 && frame.pixels.len() >= frame.size.rgb_bytes()
}

fn hand_2d(hand: &FoundHand, sighting: &Sighting, named: &Identified) -> Hand2d {
    let start = [f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY];
    let box_px = hand
        .keypoints
        .iter()
        .fold(start, |[x0, y0, x1, y1], p| [x0.min(p.x), y0.min(p.y), x1.max(p.x), y1.max(p.y)]);
    Hand2d {
        track: named.track,
        side: named.side,
        side_score: named.side_score,
        score: hand.presence,
        label_right: sighting.right,
        keypoints_px: hand.keypoints,
        depth_px: hand.depth,
        landmarks_m: hand.metric,
        box_px,
    }
}
