//! Whole frames, and the work of a frame on the card by the card's own clock.

use std::time::Instant;

use anyhow::{Result, bail};
use handstream::event::{HandPose, Side};
use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::geometry::CameraPoint;
use handstream::gpu::{CudaBackend, FULL_SIZE, GpuNetwork};
use handstream::hand::HandModel;
use handstream::haptic::full::{Cut, HeadRow, Sampling, Slot, Square, WindowNetwork};
use handstream::jobs::InOrder;
use handstream::net::vit::TOKENS;
use nalgebra::{Vector2, Vector3};

use super::ceilings::Ceilings;
use super::median;

/// Frames of a window, and the frame that is measured.
const WINDOW: usize = 8;
pub const FRAME: PictureSize = PictureSize { width: 1280, height: 720 };
/// The decoder's weights with keys and values absorbed, and the features that it reads of each frame of a window.
const DECODER_WEIGHTS: usize = 58_900_000;

/// A frame of noise.
pub fn frame(number: usize) -> Frame {
    let value = |i: usize| ((i + 31 * number).wrapping_mul(2_654_435_761) >> 11) as u8;
    Frame {
        pixels: (0..FRAME.rgb_bytes()).map(value).collect(),
        size: FRAME,
        timestamp: Timestamp(0),
        sequence: number as u64,
    }
}

/// Crops of both hands.
pub fn cuts() -> Result<[Cut; 2]> {
    let cut = |x: f64, side| {
        let square = Square::new(Vector2::new(x, 400.0), 260.0, FRAME)?;
        Some(Cut { square, side, blurred: false })
    };
    let both = [cut(500.0, Side::Left), cut(800.0, Side::Right)];
    let [Some(left), Some(right)] = both else { bail!("the crops lie outside of the frame") };
    Ok([left, right])
}

/// Joints of the open hand in a row's pose, about the wrist.
pub fn joints(model: &HandModel, row: &HeadRow) -> [CameraPoint; 21] {
    let [wrist, fingers @ ..] = row.matrices().map(|rotation| rotation.scaled_axis().cast::<f32>());
    let pose = HandPose {
        global_orient: wrist,
        hand_pose: fingers,
        betas: row.betas,
        translation: Vector3::zeros(),
    };
    model.posed(&pose, Side::Right).joints
}

/// Least time of a frame of `hands` hands on the card, seconds: every weight once, every product.
fn floor(ceilings: &Ceilings, hands: usize) -> f64 {
    let (vit, _) = FULL_SIZE;
    let block = 4 * vit.width * vit.width + 2 * vit.width * vit.hidden;
    let rows = 2 * hands * TOKENS;
    let backbone = ceilings.floor(2.0 * (vit.depth * block) as f64, 2.0 * (rows * vit.depth * block) as f64);
    backbone + decoder_floor(ceilings, hands)
}

fn decoder_floor(ceilings: &Ceilings, hands: usize) -> f64 {
    let (vit, _) = FULL_SIZE;
    let features = 2 * hands * WINDOW * TOKENS * vit.width;
    ceilings.floor(2.0 * (DECODER_WEIGHTS + features) as f64, 0.0)
}

/// Times whole frames, bytes in, joints out, copies and waiting included; then the card alone.
pub fn frames(network: &mut GpuNetwork<CudaBackend>, ceilings: &Ceilings, runs: usize) -> Result<()> {
    println!(
        "| frame of {FRAME}, {WINDOW} frames a window | floor ms | median ms | fastest ms |\n|---|---|---|---|"
    );
    let tell = |name: &str, floor: f64, times: Vec<f64>| {
        let fastest = times.iter().copied().fold(f64::INFINITY, f64::min);
        println!("| {name} | {:.2} | {:.3} | {fastest:.3} |", 1e3 * floor, median(times));
    };
    let model = HandModel::open();
    let (frame, cuts) = (frame(0), cuts()?);
    for count in [1, 2] {
        let hands = if count == 1 { "one hand" } else { "two hands" };
        let slots = |number: usize| -> Vec<(Slot, Cut)> {
            cuts.iter()
                .take(count)
                .enumerate()
                .map(|(hand, cut)| (Slot(hand * WINDOW + number % WINDOW), *cut))
                .collect()
        };
        let windows: Vec<Vec<Slot>> =
            (0..count).map(|hand| (0..WINDOW).map(|at| Slot(hand * WINDOW + at)).collect()).collect();
        let (mut times, mut rows) = (Vec::new(), Vec::new());
        for number in 0..2 * WINDOW + runs {
            let known = (number + 1).min(WINDOW);
            let windows: Vec<&[Slot]> = windows.iter().map(|window| &window[..known]).collect();
            let start = Instant::now();
            rows.clear();
            network.see(&frame, (&slots(number), Sampling::Bilinear), &windows, &mut rows)?;
            for newest in rows.chunks(known).filter_map(<[HeadRow]>::last) {
                std::hint::black_box(joints(&model, newest));
            }
            if number >= 2 * WINDOW {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        let least = floor(ceilings, count);
        tell(&format!("{hands}, from bytes to joints"), least, times);
        let again = network.backend().time(runs, || network.repeat())?;
        tell(&format!("{hands}, the card alone"), least, again);
        let windows: Vec<&[Slot]> = windows.iter().map(Vec::as_slice).collect();
        rows.clear();
        network.decode(&windows, &InOrder, &mut rows)?;
        let again = network.backend().time(runs, || network.repeat())?;
        tell(&format!("{hands}, of it the decoder"), decoder_floor(ceilings, count), again);
    }
    println!();
    Ok(())
}
