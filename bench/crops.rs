//! Times what the networks' pictures cost at 1280 x 720 on one thread: `cargo bench --bench crops`.

use std::hint::black_box;
use std::time::Instant;

use handstream::event::Side;
use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::haptic::full::{Cropper, Cut, Picture, Sampling, Square};
use nalgebra::Vector2;

const SIZE: PictureSize = PictureSize { width: 1280, height: 720 };
const RUNS: usize = 300;

fn main() {
    let pixels = (0..SIZE.rgb_bytes()).map(|i| ((i * 2_654_435_761) >> 13) as u8).collect();
    let frame = Frame { pixels, size: SIZE, timestamp: Timestamp(0), sequence: 0 };
    let hand = |x: f64, side: f64| Square::new(Vector2::new(x, 350.2), side, SIZE);
    let cuts = [
        ("right hand, 250 px", hand(820.3, 250.0), Side::Right, false),
        ("left hand, 330 px", hand(400.3, 330.7), Side::Left, false),
        ("hand, 560 px", hand(400.3, 560.0), Side::Right, false),
        ("whole frame", Square::whole(SIZE), Side::Right, false),
        ("whole frame, mirrored", Square::whole(SIZE), Side::Left, false),
        ("hand, 700 px, blurred", hand(640.3, 700.0), Side::Right, true),
        ("hand, 1400 px, blurred", hand(640.3, 1400.0), Side::Right, true),
    ];
    for sampling in [Sampling::Bilinear, Sampling::OpenCv4] {
        for (name, square, side, blurred) in cuts {
            let Some(square) = square else { continue };
            let (mut cropper, mut picture) = (Cropper::new(sampling), Picture::new());
            let mut times: Vec<f64> = (0..RUNS)
                .map(|_| {
                    let start = Instant::now();
                    cropper.cut(black_box(&frame), &Cut { square, side, blurred }, &mut picture);
                    start.elapsed().as_secs_f64() * 1e3
                })
                .collect();
            black_box(&picture);
            times.sort_by(f64::total_cmp);
            println!("{sampling:?} {name}: least {:.3} ms, median {:.3} ms", times[0], times[RUNS / 2]);
        }
    }
}
