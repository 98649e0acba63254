//! Released networks on a stream, with a network that only remembers what it is given.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use nalgebra::Vector3;

use super::{
    FullConfig, FullHand, FullHaptic, HandPictures, HeadRow, NetworkError, NetworkKind, NetworkShape, Slot,
    WindowNetwork,
};
use crate::event::{KEYPOINTS, Side, TrackId};
use crate::fit::HandObservation;
use crate::frame::{Frame, PictureSize, Timestamp};
use crate::geometry::{CameraModel, Pixel};
use crate::haptic::{HandInput, WINDOW};
use crate::jobs::{InOrder, Jobs};

const SIZE: PictureSize = PictureSize { width: 160, height: 120 };
const RATE: f64 = 30.0;

/// What a network was asked.
#[derive(Default)]
struct Seen {
    /// Frames encoded so far: the number of a frame is what it was then.
    encoded: usize,
    /// Number and brightness of the frame in each slot.
    slots: HashMap<usize, (usize, f32)>,
    /// Numbers of the frames of the last windows.
    windows: Vec<Vec<usize>>,
    /// Numbers of frames for which it answers with no numbers, and whether it fails.
    broken: Vec<usize>,
    fails: bool,
    whole_frames: usize,
}

struct Fake {
    shape: NetworkShape,
    seen: Arc<Mutex<Seen>>,
}

impl WindowNetwork for Fake {
    fn shape(&self) -> &NetworkShape {
        &self.shape
    }

    fn encode(&mut self, hands: &[(Slot, HandPictures<'_>)], _: &dyn Jobs) -> Result<(), NetworkError> {
        let mut seen = self.seen.lock().unwrap();
        seen.whole_frames = hands.iter().filter(|(_, pictures)| pictures.frame.is_some()).count();
        for (slot, pictures) in hands {
            // Heavier to the right, so that a mirrored picture is another one.
            let crop = pictures.crop.values().iter().enumerate();
            let brightness = crop.map(|(at, value)| (at % 192) as f32 / 192.0 * value).sum::<f32>() / 1e5;
            let number = seen.encoded;
            seen.slots.insert(slot.0, (number, brightness));
            seen.encoded += 1;
        }
        Ok(())
    }

    fn decode(
        &mut self,
        windows: &[&[Slot]],
        _: &dyn Jobs,
        out: &mut Vec<HeadRow>,
    ) -> Result<(), NetworkError> {
        let mut seen = self.seen.lock().unwrap();
        if seen.fails {
            return Err(NetworkError::Device("it was unplugged".to_owned()));
        }
        let of = |slot: &Slot| seen.slots.get(&slot.0).copied().ok_or(NetworkError::EmptySlot(slot.0));
        let rows = windows.iter().map(|window| window.iter().map(of).collect::<Result<Vec<_>, _>>());
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        for &(number, brightness) in rows.iter().flatten() {
            let scale = if seen.broken.contains(&number) { f32::NAN } else { 0.8 };
            out.push(HeadRow {
                rotations: [[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]; 16],
                betas: [brightness; 10],
                camera: [scale, 0.01, 0.02],
                depth: 0.001 * number as f32,
            });
        }
        seen.windows = rows.iter().map(|rows| rows.iter().map(|row| row.0).collect()).collect();
        Ok(())
    }
}

/// A stream and what its network sees.
fn stream(kind: NetworkKind) -> (FullHaptic, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let longest_window = if kind == NetworkKind::Hamer { 1 } else { 30 };
    let network = Fake { shape: NetworkShape { kind, longest_window }, seen: seen.clone() };
    (FullHaptic::new(Box::new(network), FullConfig::default()).unwrap(), seen)
}

fn frame(number: usize) -> Frame {
    let pixels = (0..SIZE.rgb_bytes()).map(|i| (i * i % 253 + number) as u8).collect();
    let timestamp = Timestamp::from_seconds(number as f64 / RATE);
    Frame { pixels, size: SIZE, timestamp, sequence: number as u64 }
}

/// Key points on a circle about a place.
fn hand(track: u32, side: Side, x: f32) -> HandInput {
    let point = |k: usize| {
        let turn = k as f32 / KEYPOINTS as f32 * std::f32::consts::TAU;
        Pixel::new(x + 15.0 * turn.cos(), 60.0 + 12.0 * turn.sin())
    };
    let observation = HandObservation {
        keypoints_px: std::array::from_fn(point),
        landmarks_m: [Vector3::zeros(); KEYPOINTS],
        score: 0.9,
        side,
    };
    HandInput { track: TrackId(track), observation }
}

fn step(full: &mut FullHaptic, number: usize, hands: &[HandInput]) -> Vec<Option<FullHand>> {
    full.update(&frame(number), hands, &CameraModel::guess(SIZE), &InOrder).unwrap()
}

#[test]
fn tracks_that_begin_pause_and_end_keep_their_own_windows_in_few_slots() {
    let (mut full, seen) = stream(NetworkKind::Haptic);
    let mut expected: HashMap<u32, (usize, Vec<usize>)> = HashMap::new();
    let mut next = 0;
    for number in 0..400 {
        // Three tracks of different rhythms: always there, with short pauses, with long ones.
        let there = |track: &u32| match track {
            0 => true,
            1 => number % 11 < 8,
            _ => number % 70 < 30,
        };
        let tracks: Vec<u32> = (0..3).filter(there).collect();
        let hands: Vec<HandInput> =
            tracks.iter().map(|&t| hand(t, Side::Right, 40.0 + 40.0 * t as f32)).collect();
        let answers = step(&mut full, number, &hands);
        assert!(answers.iter().all(Option::is_some), "frame {number}");
        let windows = seen.lock().unwrap().windows.clone();
        for (track, window) in tracks.iter().zip(windows) {
            let (last, frames) = expected.entry(*track).or_default();
            if number - *last > (0.5 * RATE) as usize {
                frames.clear();
            }
            frames.push(next);
            *last = number;
            next += 1;
            assert_eq!(window, frames[frames.len().saturating_sub(WINDOW)..], "frame {number} track {track}");
        }
    }
    let highest = seen.lock().unwrap().slots.keys().copied().max();
    assert!(highest.is_some_and(|slot| slot < 3 * (WINDOW + 1)), "{highest:?}");
}

#[test]
fn thousands_of_frames_and_many_short_tracks_leave_nothing_behind() {
    let (mut full, seen) = stream(NetworkKind::Haptic);
    for number in 0..2000 {
        step(&mut full, number, &[hand(number as u32 / 5, Side::Right, 80.0)]);
    }
    // Five frames a track, and tracks of the last fifteen frames are still remembered.
    let highest = seen.lock().unwrap().slots.keys().copied().max();
    assert!(highest.is_some_and(|slot| slot < 5 * 5), "{highest:?}");
}

#[test]
fn numbers_that_are_none_never_leave_and_their_frame_is_forgotten() {
    let (mut full, seen) = stream(NetworkKind::Haptic);
    seen.lock().unwrap().broken = vec![0, 5, 6];
    for number in 0..12 {
        let answers = step(&mut full, number, &[hand(0, Side::Right, 80.0)]);
        assert_eq!(answers[0].is_none(), [0, 5, 6].contains(&number), "frame {number}");
    }
    assert_eq!(seen.lock().unwrap().windows, [[2, 3, 4, 7, 8, 9, 10, 11]]);
}

#[test]
fn after_a_failure_every_track_begins_anew() {
    let (mut full, seen) = stream(NetworkKind::Haptic);
    for number in 0..3 {
        step(&mut full, number, &[hand(0, Side::Right, 80.0)]);
    }
    seen.lock().unwrap().fails = true;
    let failed = full.update(&frame(3), &[hand(0, Side::Right, 80.0)], &CameraModel::guess(SIZE), &InOrder);
    assert_eq!(failed.unwrap_err().to_string(), "the network's device failed: it was unplugged");
    seen.lock().unwrap().fails = false;
    assert!(step(&mut full, 4, &[hand(0, Side::Right, 80.0)])[0].is_some());
    assert_eq!(seen.lock().unwrap().windows, [[4]]);
}

#[test]
fn what_cannot_be_a_hand_has_no_answer_and_leaves_the_others_alone() {
    let (mut full, _) = stream(NetworkKind::Haptic);
    let with = |point: Pixel| {
        let mut odd = hand(1, Side::Left, 80.0);
        odd.observation.keypoints_px[4] = point;
        odd
    };
    let mut flat = hand(2, Side::Left, 80.0);
    flat.observation.keypoints_px = [Pixel::new(3.0, 3.0); KEYPOINTS];
    let odd = [with(Pixel::new(f32::NAN, 0.0)), flat, with(Pixel::new(1e9, 0.0))];
    let good = hand(0, Side::Right, 80.0);
    for odd in odd {
        let answers = step(&mut full, 0, &[odd, good.clone(), good.clone()]);
        assert_eq!(answers.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
    }
    let empty = Frame { pixels: Vec::new(), size: PictureSize::new(0, 0), ..frame(1) };
    let answers = full.update(&empty, &[good], &CameraModel::guess(SIZE), &InOrder).unwrap();
    assert_eq!(answers, [None]);
}

#[test]
fn a_track_that_swaps_its_side_begins_anew() {
    let (mut full, seen) = stream(NetworkKind::Haptic);
    for number in 0..5 {
        let side = if number < 3 { Side::Right } else { Side::Left };
        let answers = step(&mut full, number, &[hand(0, side, 80.0)]);
        let change = answers[0].as_ref().and_then(|hand| hand.depth_change);
        assert_eq!(change.is_none(), number == 0 || number == 3);
        assert!(change.is_none_or(|change| (change - 0.001).abs() < 1e-6));
    }
    assert_eq!(seen.lock().unwrap().windows, [[3, 4]]);
}

#[test]
fn hamer_sees_one_frame_and_no_whole_picture() {
    let (mut full, seen) = stream(NetworkKind::Hamer);
    for number in 0..4 {
        let answers = step(&mut full, number, &[hand(0, Side::Right, 80.0), hand(1, Side::Left, 50.0)]);
        let hand = answers[0].as_ref().unwrap();
        assert_eq!(hand.depth_change, None);
        assert_eq!(hand.translation.z, hand.weak2full_depth);
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.windows, [[6], [7]]);
    assert_eq!(seen.whole_frames, 0);
}

#[test]
fn a_left_hand_is_what_the_right_hand_of_the_mirrored_frame_is() {
    let last = SIZE.width as f64 - 1.0;
    let camera = CameraModel { cx: 70.0, ..CameraModel::guess(SIZE) };
    let mirrored_camera = CameraModel { cx: last - 70.0, ..camera.clone() };
    let ((mut left, seen), (mut right, _)) = (stream(NetworkKind::Haptic), stream(NetworkKind::Haptic));
    for number in 0..10 {
        let frame = frame(number);
        let mut mirrored = frame.clone();
        mirrored.pixels.chunks_exact_mut(SIZE.width * 3).for_each(|row| row.as_chunks_mut::<3>().0.reverse());
        let seen_left = hand(0, Side::Left, 50.0 + number as f32);
        let mut seen_right = seen_left.clone();
        seen_right.observation.side = Side::Right;
        for point in &mut seen_right.observation.keypoints_px {
            point.x = last as f32 - point.x;
        }
        let a = left.update(&frame, &[seen_left], &camera, &InOrder).unwrap();
        let b = right.update(&mirrored, &[seen_right], &mirrored_camera, &InOrder).unwrap();
        let (Some(a), Some(b)) = (&a[0], &b[0]) else { panic!("no answer") };
        assert!((a.translation - b.translation).norm() < 1e-5);
        assert!((a.betas[0] - b.betas[0]).abs() < 1e-3 * a.betas[0].abs());
    }
    assert_eq!(seen.lock().unwrap().whole_frames, 1);
}
