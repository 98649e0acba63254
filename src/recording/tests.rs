use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nalgebra::{Isometry3, Vector3};

use super::*;
use crate::event::{Event, FrameHands, HandPose, KEYPOINTS, PoseState, RunInfo, Side, TrackId, TrackedHand};
use crate::frame::{Frame, PictureSize, Timestamp};
use crate::geometry::{CameraModel, CameraPoint, Pixel};
use crate::random::Random;

const SIZE: PictureSize = PictureSize { width: 40, height: 30 };

fn head() -> RecordingHead {
    let run = RunInfo {
        source: "film".into(),
        size: SIZE,
        fps: 30.0,
        frame_count: None,
        camera: CameraModel::from_fov(61.7, SIZE),
        hand_model: "open".into(),
    };
    RecordingHead::new(&run, vec!["track".into(), "film".into()], PicturesFrom::Here, true)
}

/// Frame `sequence` with noise for a picture, and a hand of odd numbers.
fn event(sequence: u64) -> Event {
    let mut random = Random::new(sequence);
    let mut number = || random.signed() as f32;
    let mut vector = || Vector3::new(number(), number(), number());
    let pose = HandPose {
        global_orient: vector(),
        hand_pose: std::array::from_fn(|_| vector()),
        betas: [0.1; 10],
        translation: vector(),
    };
    let hand = TrackedHand {
        track: TrackId(1),
        side: Side::Left,
        score: 1.0 / 3.0,
        state: PoseState::Provisional,
        box_px: [0.1; 4],
        keypoints_px: [Pixel::new(0.1, 0.7); KEYPOINTS],
        joints_camera: [CameraPoint(vector()); KEYPOINTS],
        pose,
    };
    let timestamp = Timestamp(sequence as i64 * 33_333_333);
    let hands = FrameHands {
        sequence,
        timestamp,
        hands: vec![hand],
        world_from_camera: Some(Isometry3::translation(1.0 / 3.0, 0.0, 1e-17)),
        stages: Vec::new(),
        total: Duration::from_nanos(12_345),
    };
    let mut random = Random::new(sequence);
    let pixels = (0..SIZE.rgb_bytes()).map(|_| random.below(256) as u8).collect();
    Event::Frame {
        frame: Arc::new(Frame { pixels, size: SIZE, timestamp, sequence }),
        hands: Arc::new(hands),
    }
}

/// A recording of ten frames in `folder`, closed or not.
fn recorded(folder: &Path, closed: bool) -> PathBuf {
    let path = folder.join("run.hsr");
    let mut writer = RecordingWriter::create(&path, &head()).unwrap();
    for sequence in 0..10 {
        writer.event(&event(sequence)).unwrap();
    }
    writer.event(&Event::Dropped { count: 3 }).unwrap();
    writer.event(&Event::Paused { sequence: 4, looks: 17 }).unwrap();
    if closed {
        writer.finish().unwrap();
    }
    path
}

/// Frames and hands of a recording, and what is said of damage.
fn read(path: &Path) -> (Vec<Frame>, Vec<Vec<u8>>, Option<String>) {
    let mut reader = RecordingReader::open(path).unwrap();
    let (mut frames, mut hands) = (Vec::new(), Vec::new());
    while let Some(entry) = reader.next_entry() {
        match entry {
            Entry::Frame(frame) => frames.push(frame),
            Entry::Hands(line) => hands.push(line),
            _ => {}
        }
    }
    (frames, hands, reader.damage().map(str::to_owned))
}

#[test]
fn what_was_recorded_is_read_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = recorded(folder.path(), true);
    assert_eq!(*RecordingReader::open(&path).unwrap().head(), head());
    assert_eq!(head().run_info().camera, CameraModel::from_fov(61.7, SIZE));
    assert_eq!(RecordingReader::pauses(&path).unwrap(), HashMap::from([(4, 17)]));
    let (frames, hands, damage) = read(&path);
    assert_eq!((frames.len(), damage), (10, None));
    for (sequence, (read, line)) in frames.iter().zip(&hands).enumerate() {
        let Event::Frame { frame, hands } = event(sequence as u64) else { unreachable!() };
        assert_eq!(
            (&read.pixels, read.timestamp, read.sequence),
            (&frame.pixels, frame.timestamp, frame.sequence)
        );
        assert_eq!(*line, hands_line(&hands));
    }
}

#[test]
fn a_recording_cut_anywhere_gives_its_whole_frames_and_says_that_it_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(recorded(folder.path(), true)).unwrap();
    let cut = folder.path().join("cut.hsr");
    let mut random = Random::new(1);
    let first = whole.len() / 10;
    for _ in 0..60 {
        let length = first + random.below(whole.len() - first);
        std::fs::write(&cut, &whole[..length]).unwrap();
        let (frames, _, damage) = read(&cut);
        let expected = frames.len() as f64 / 10.0 - length as f64 / whole.len() as f64;
        assert!(expected.abs() < 0.15, "{} frames of {length} bytes", frames.len());
        assert!(damage.is_some());
    }
    let (frames, _, damage) = read(&recorded(folder.path(), false));
    assert_eq!(frames.len(), 10);
    assert!(damage.unwrap().contains("was not closed"));
}

#[test]
fn a_flipped_bit_cuts_the_recording_there_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(recorded(folder.path(), true)).unwrap();
    let damaged = folder.path().join("damaged.hsr");
    let mut random = Random::new(2);
    for _ in 0..200 {
        let at = random.below(whole.len());
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << random.below(8);
        std::fs::write(&damaged, &bytes).unwrap();
        let Ok(mut reader) = RecordingReader::open(&damaged) else { continue };
        let mut sequence = 0;
        while let Some(entry) = reader.next_entry() {
            let Entry::Frame(read) = entry else { continue };
            let Event::Frame { frame, .. } = event(sequence) else { unreachable!() };
            assert_eq!(read.pixels, frame.pixels);
            sequence += 1;
        }
        let said = reader.damage().expect("damage is told");
        assert!(said.contains("are cut off") && sequence <= 10, "{said}");
    }
}

#[test]
fn foreign_files_are_told_and_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign.hsr");
    for bytes in
        [&b""[..], b"handsrec", b"\x89PNG\r\n\x1a\n0000", b"handsrec\x01\0\0\0", b"handsrec\x09\0\0\0"]
    {
        std::fs::write(&path, bytes).unwrap();
        let said = RecordingReader::open(&path).err().expect("it is no recording").to_string();
        assert!(said.contains("foreign.hsr"), "{said}");
    }
}
