//! The memory of a process that follows two hands with OmniHands: alone in its file, because it is the process's.
#![cfg(target_os = "linux")]

use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::geometry::CameraModel;
use handstream::haptic::HandInput;
use handstream::haptic::omni::{OmniConfig, OmniFile, OmniHands, RelationMode};
use handstream::jobs::InOrder;

#[path = "support/mod.rs"]
mod support;

use support::omni_release::OmniRelease;
use support::ring::{ring_hand, side_of};

const SIZE: PictureSize = PictureSize { width: 160, height: 120 };
/// Frames after which nothing should be taken any more, and frames of the clip.
const WARM: u64 = 300;
const FRAMES: u64 = 700;
/// What the system's accounting may add meanwhile, KiB. A crop kept of every frame would be 576 each.
const ALLOWED_KIB: u64 = 1024;

/// Memory that this process holds, KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// Two hands that come and go; every return after a long pause is a new track.
fn hands(number: u64) -> Vec<HandInput> {
    let seen = |hand: u64| (number + 30 * hand) % 90 >= 20;
    let of = |hand: u64| {
        let x = 45.0 + 55.0 * hand as f32 + 10.0 * (number as f32 / 20.0).sin();
        ring_hand((2 * (number / 90) + hand) as u32, side_of(hand as u32), x, [15.0, 12.0])
    };
    (0..2).filter(|&hand| seen(hand)).map(of).collect()
}

#[test]
fn a_clip_takes_no_more_memory_at_its_end_than_near_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let path = OmniRelease::small().install(folder.path(), "Demo_Video.pth");
    let network = OmniFile::open(path).unwrap().network(RelationMode::Release).unwrap();
    let config = OmniConfig { centre: true, gap: 5, ..OmniConfig::default() };
    let mut stream = OmniHands::new(Box::new(network), config);
    let camera = CameraModel::guess(SIZE);
    let mut pixels: Vec<u8> = (0..SIZE.rgb_bytes()).map(|i| (i * 7919 % 251) as u8).collect();
    let (mut warm, mut answered) = (0, 0);
    for number in 0..FRAMES {
        pixels.rotate_left(3);
        let timestamp = Timestamp(33_000_000 * number as i64);
        let frame = Frame { pixels: pixels.clone(), size: SIZE, timestamp, sequence: number };
        answered += stream.update(&frame, &hands(number), &camera, &InOrder).unwrap().hands.len();
        stream.centre(false, &InOrder).unwrap();
        if number == WARM {
            warm = resident();
        }
        if number % 100 == 0 {
            println!("frame {number}: {} KiB", resident());
        }
    }
    let end = resident();
    println!("{warm} KiB after {WARM} frames, {end} KiB after {FRAMES}, {answered} hands");
    assert!(answered > 700);
    assert!(end <= warm + ALLOWED_KIB, "{warm} KiB after {WARM} frames, {end} KiB after {FRAMES}");
}
