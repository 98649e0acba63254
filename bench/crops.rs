//! Times what the networks' pictures cost at 1280 x 720 on one thread: `cargo bench --bench crops`, results in
//! `bench/results/crops.json`.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context;
use handstream::event::Side;
use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::haptic::full::{Cropper, Cut, Picture, Sampling, Square};
use nalgebra::Vector2;
use serde_json::json;

const SIZE: PictureSize = PictureSize { width: 1280, height: 720 };
const RUNS: usize = 300;

fn main() -> anyhow::Result<()> {
    let pixels = (0..SIZE.rgb_bytes()).map(|i| ((i * 2_654_435_761) >> 13) as u8).collect();
    let frame = Frame { pixels, size: SIZE, timestamp: Timestamp(0), sequence: 0 };
    let cut = |x: f64, length: f64, side, blurred| {
        let square = Square::new(Vector2::new(x, 350.2), length, SIZE).context("a square of the frame")?;
        anyhow::Ok(Cut { square, side, blurred })
    };
    let square = Square::whole(SIZE).context("a frame with pixels")?;
    let right = cut(820.3, 250.0, Side::Right, false)?;
    let left = cut(400.3, 330.7, Side::Left, false)?;
    let whole = Cut { square, side: Side::Right, blurred: false };
    let cases = [
        ("right hand, 250 px", vec![right]),
        ("left hand, 331 px", vec![left]),
        ("whole frame", vec![whole]),
        ("both hands and whole frame", vec![right, left, whole]),
        ("hand, 700 px, blurred", vec![cut(640.3, 700.0, Side::Right, true)?]),
        ("hand, 1400 px, blurred", vec![cut(640.3, 1400.0, Side::Right, true)?]),
    ];
    let mut results = serde_json::Map::new();
    for sampling in [Sampling::Bilinear, Sampling::OpenCv4] {
        for (name, cuts) in &cases {
            results.insert(format!("{sampling:?}, {name}"), time(&frame, cuts, sampling));
        }
    }
    let report = json!({
        "command": "cargo bench --bench crops",
        "what": "milliseconds of wall time on one thread for pictures cut out of a 1280 x 720 frame",
        "results": results,
    });
    let text = serde_json::to_string_pretty(&report)?;
    println!("{text}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/results/crops.json");
    std::fs::write(path, text + "\n").context(path)
}

fn time(frame: &Frame, cuts: &[Cut], sampling: Sampling) -> serde_json::Value {
    let mut pictures: Vec<(Cropper, Picture)> =
        cuts.iter().map(|_| (Cropper::new(sampling), Picture::new())).collect();
    let mut run = || {
        let start = Instant::now();
        for (cut, (cropper, picture)) in cuts.iter().zip(&mut pictures) {
            cropper.cut(black_box(frame), cut, picture);
        }
        black_box(&pictures);
        start.elapsed().as_secs_f64() * 1e3
    };
    let mut times: Vec<f64> = (0..RUNS).map(|_| run()).collect();
    times.sort_by(f64::total_cmp);
    let rounded = |ms: f64| (ms * 1e3).round() / 1e3;
    json!({ "min_ms": rounded(times[0]), "p50_ms": rounded(times[RUNS / 2]) })
}
