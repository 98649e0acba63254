//! The tracker on real footage and on pictures no camera should give.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use handstream::detect::{Detections, HandTracker, Search, TrackerConfig};
use handstream::event::{Side, TrackId};
use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::jobs::InOrder;
use support::{models, shared, video_frames};

const HD: PictureSize = PictureSize { width: 1280, height: 720 };

fn tracker(config: TrackerConfig) -> Option<HandTracker> {
    let (palm, landmark) = models()?;
    Some(HandTracker::new(&palm, &landmark, config).expect("both models load"))
}

/// What the tracker says of every frame of a clip.
fn track(clip: &str) -> Option<Vec<Detections>> {
    let path = shared(&format!("footage/video/{clip}.mp4"))?;
    let mut tracker = tracker(TrackerConfig::default())?;
    Some(video_frames(&path, HD)?.map(|frame| tracker.process(&frame, &InOrder)).collect())
}

fn assert_sound(detections: &Detections) {
    for hand in &detections.hands {
        let points = hand.keypoints_px.iter().flat_map(|p| [p.x, p.y]);
        let depths = hand.depth_px.iter().chain(hand.landmarks_m.iter().flat_map(|p| p.iter())).copied();
        let rest = hand.box_px.into_iter().chain([hand.score, hand.side_score, hand.label_right]);
        assert!(points.chain(depths).chain(rest).all(f32::is_finite), "{hand:?}");
    }
}

#[test]
fn one_hand_in_an_office_is_one_right_hand_in_every_frame() {
    let Some(frames) = track("webcam_one_hand_office") else { return };
    for (number, frame) in frames.iter().enumerate() {
        let hands: Vec<_> = frame.hands.iter().map(|hand| (hand.track, hand.side)).collect();
        assert_eq!(hands, [(TrackId(0), Side::Right)], "frame {number}");
    }
}

#[test]
fn two_fast_hands_are_two_tracks_that_keep_their_sides() {
    let Some(frames) = track("webcam_two_hands_tutting_a") else { return };
    let mut seen: BTreeMap<(TrackId, &str), usize> = BTreeMap::new();
    for hand in frames.iter().flat_map(|frame| &frame.hands) {
        *seen.entry((hand.track, hand.side.name())).or_default() += 1;
    }
    println!("{seen:?}");
    let tracks: Vec<_> = seen.keys().copied().collect();
    assert_eq!(tracks, [(TrackId(0), "right"), (TrackId(1), "left")]);
    assert!(seen.values().all(|&count| count >= 230), "{seen:?}");
}

#[test]
fn searched_behind_a_second_hand_is_seen_at_most_a_few_frames_later() {
    let clip = "webcam_two_hands_tutting_a";
    let (Some(path), Some(at_once)) = (shared(&format!("footage/video/{clip}.mp4")), track(clip)) else {
        return;
    };
    for (least, most_missing) in [(true, 40), (false, 10)] {
        let config = TrackerConfig { search: Search::Behind, ..TrackerConfig::default() };
        let Some(mut tracker) = tracker(config) else { return };
        let Some(frames) = video_frames(&path, HD) else { return };
        let mut missing = 0;
        for (frame, expected) in frames.zip(&at_once) {
            let detections = tracker.process(&frame, &InOrder);
            assert_sound(&detections);
            missing += expected.hands.len().saturating_sub(detections.hands.len());
            tracker.search_behind(&frame, &|| least);
        }
        println!("pauses at once: {least}; {missing} hands later than at once");
        assert!(missing <= most_missing, "{missing} hands missing, pauses at once: {least}");
    }
}

#[test]
fn pictures_no_camera_should_give_hold_no_hands_and_no_panic() {
    let Some(mut tracker) = tracker(TrackerConfig::default()) else { return };
    let sizes = [(1, 1), (1, 700), (2, 2), (3, 1), (7, 5), (641, 359), (8000, 6000), (0, 0), (0, 9)];
    for (width, height) in sizes {
        for value in [0u8, 255] {
            let size = PictureSize::new(width, height);
            let pixels = vec![value; size.rgb_bytes()];
            let frame = Frame { pixels, size, timestamp: Timestamp(0), sequence: 0 };
            let detections = tracker.process(&frame, &InOrder);
            assert_sound(&detections);
            assert!(detections.hands.is_empty(), "{size}: {:?}", detections.hands);
        }
    }
    let short = Frame { pixels: vec![9; 100], size: HD, timestamp: Timestamp(0), sequence: 0 };
    assert!(tracker.process(&short, &InOrder).hands.is_empty());
}

#[test]
fn a_hand_that_jumps_to_a_picture_of_another_size_is_looked_for_afresh() {
    let Some(path) = shared("footage/video/webcam_one_hand_office.mp4") else { return };
    let Some(mut tracker) = tracker(TrackerConfig::default()) else { return };
    let Some(mut frames) = video_frames(&path, HD) else { return };
    let frame = frames.next().expect("a first frame");
    assert_eq!(tracker.process(&frame, &InOrder).hands.len(), 1);
    for (width, height) in [(1, 1), (33, 17), (8000, 6000)] {
        let size = PictureSize::new(width, height);
        let pixels = vec![0; size.rgb_bytes()];
        let blank = Frame { pixels, size, timestamp: Timestamp(1), sequence: 1 };
        assert_sound(&tracker.process(&blank, &InOrder));
        assert_eq!(tracker.process(&frame, &InOrder).hands.len(), 1, "after {size}");
    }
}

#[test]
fn a_mirrored_source_swaps_the_sides() {
    let Some(path) = shared("footage/video/webcam_one_hand_office.mp4") else { return };
    let config = TrackerConfig { mirrored: true, detect_every_frame: true, ..TrackerConfig::default() };
    let Some(mut tracker) = tracker(config) else { return };
    let Some(mut frames) = video_frames(&path, HD) else { return };
    let hands = tracker.process(&frames.next().expect("a first frame"), &InOrder).hands;
    assert_eq!(hands.iter().map(|hand| hand.side).collect::<Vec<_>>(), [Side::Left]);
}

#[test]
fn the_models_in_the_wrong_order_are_told_apart() {
    let Some((palm, landmark)) = models() else { return };
    let error = HandTracker::new(&landmark, &palm, TrackerConfig::default()).err();
    let message = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("palm_detection_full.tflite"), "{message}");
    assert!(HandTracker::new(b"no model", &landmark, TrackerConfig::default()).is_err());
}
