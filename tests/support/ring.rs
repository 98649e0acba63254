//! Frames and hands that move, where only that they do matters.

use handstream::event::{Side, TrackId};
use handstream::fit::HandObservation;
use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::geometry::Pixel;
use handstream::haptic::HandInput;
use nalgebra::Vector3;

/// A noisy picture that is another one in every frame, `step` milliseconds apart.
pub fn noisy_frame(size: PictureSize, number: u64, step: i64) -> Frame {
    let pixel = |i: usize| ((i * 7919 + number as usize * 104_729) % 1009 + i % 97) as u8;
    let timestamp = Timestamp(step * 1_000_000 * number as i64);
    let pixels = (0..size.rgb_bytes()).map(pixel).collect();
    Frame { pixels, size, timestamp, sequence: number }
}

/// A hand whose key points lie on an ellipse, 60 pixels from the top.
pub fn ring_hand(track: u32, side: Side, x: f32, [width, height]: [f32; 2]) -> HandInput {
    let point = |k: usize| {
        let turn = k as f32 / 21.0 * std::f32::consts::TAU;
        Pixel::new(x + width * turn.cos(), 60.0 + height * turn.sin())
    };
    let observation = HandObservation {
        keypoints_px: std::array::from_fn(point),
        landmarks_m: [Vector3::zeros(); 21],
        score: 0.9,
        side,
    };
    HandInput { track: TrackId(track), observation }
}

/// The left hand for 1, the right one for every other number.
pub fn side_of(number: u32) -> Side {
    if number == 1 { Side::Left } else { Side::Right }
}
