//! `handstream bench gpu`: the released network at full size on the card: its numbers beside the processor's, the time
//! of a frame and of every part, beside what the card could do at best.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use handstream::event::{HandPose, Side};
use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::gpu::backend::{Address, Into, KernelBackend, Product};
use handstream::gpu::ops::{AttentionOp, LayerNormOp, NormTarget, NormWeights};
use handstream::gpu::{
    Buffer, CudaBackend, FULL_SIZE, GpuError, GpuNetwork, KernelCache, Precision, write_random_release,
};
use handstream::hand::HandModel;
use handstream::haptic::full::{
    CpuNetwork, Cropper, Cut, DecoderForm, HandPictures, HeadRow, Picture, ReleasedFile, Sampling, Slot,
    Square, WindowNetwork,
};
use handstream::home::DataFolder;
use handstream::jobs::InOrder;
use handstream::net::vit::TOKENS;
use nalgebra::Vector2;

/// Frames of a window, and the frame that is measured.
const WINDOW: usize = 8;
const FRAME: PictureSize = PictureSize { width: 1280, height: 720 };
/// Pictures of a frame of two hands.
const PICTURES: usize = 4;
/// Bytes that are copied for the memory's ceiling, and the side of the product for the other one.
const COPIED: usize = 1 << 30;
const SIDE: usize = 8192;
/// Start of the random numbers.
const SEED: u64 = 1;

#[derive(Args)]
pub struct GpuArgs {
    /// A HaPTIC checkpoint; default: random weights of the released size, made once and kept in the data folder.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// How often each part is timed; medians are told.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Leave out the comparison with the processor, which takes a minute.
    #[arg(long)]
    without_processor: bool,
}

/// What the card could do at best, measured.
struct Ceilings {
    /// Bytes per second, read and written.
    bytes: f64,
    /// Operations per second of 16-bit products.
    operations: f64,
}

impl GpuArgs {
    /// Measures and prints.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn run(self) -> Result<()> {
        let folder = DataFolder::locate()?;
        let cache = KernelCache::of(&folder);
        let card = CudaBackend::open(0, cache.clone())?;
        let runs = usize::from(self.runs);
        println!("{} ({})\n", card.info().name, card.info().architecture());
        let ceilings = ceilings(&card, runs)?;
        kernels(&card, &ceilings, runs)?;
        let weights = match self.weights {
            Some(path) => path,
            None => random_weights(&folder)?,
        };
        let file = ReleasedFile::open(&weights)?;
        let mut network = GpuNetwork::open(card, &file, Precision::Bf16)?;
        frames(&mut network, runs)?;
        if !self.without_processor {
            let mut processor = CpuNetwork::open(&file, DecoderForm::Absorbed)?;
            let exact = GpuNetwork::open(CudaBackend::open(0, cache)?, &file, Precision::F32)?;
            compare(&mut network, exact, &mut processor)?;
        }
        Ok(())
    }
}

/// Random weights of the released size, from the data folder or made now.
fn random_weights(folder: &DataFolder) -> Result<PathBuf> {
    let path = folder.path().join("random_haptic.safetensors");
    if !path.is_file() {
        std::fs::create_dir_all(folder.path())
            .with_context(|| format!("cannot make {}", folder.path().display()))?;
        write_random_release(&path, &FULL_SIZE, SEED)?;
    }
    Ok(path)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn ceilings(card: &CudaBackend, runs: usize) -> Result<Ceilings> {
    let runs = runs.min(20);
    let floats = COPIED / size_of::<f32>();
    let rows = floats / 1280;
    let stream = Buffer::zeros(card, COPIED)?;
    let out = Buffer::zeros(card, COPIED)?;
    // A norm reads and writes each number once, and computes next to nothing.
    let norm = LayerNormOp::load(card, 1280, Precision::F32)?;
    let (weight, bias) = (Buffer::zeros(card, 1280 * 4)?, Buffer::zeros(card, 1280 * 4)?);
    let weights = NormWeights { weight: weight.address(), bias: bias.address(), epsilon: 1e-6 };
    let copied = card.time(runs, || {
        // SAFETY: both buffers have the rows.
        unsafe {
            norm.launch(
                card,
                (stream.address(), rows),
                (Address::NONE, 1),
                &weights,
                &NormTarget::rows(out.address()),
            )
        }
    })?;
    let square = noise(card, SIDE * SIDE)?;
    let other = noise(card, SIDE * SIDE)?;
    let bias = Buffer::zeros(card, SIDE * 2)?;
    let product = Product {
        rows: SIDE,
        inputs: SIDE,
        outputs: SIDE,
        x: square.address(),
        weight: other.address(),
        bias: bias.address(),
        y: out.address(),
        precision: Precision::Bf16,
        into: Into::Elements,
    };
    // SAFETY: the buffers have the numbers.
    let multiplied = card.time(runs, || unsafe { card.product(&product) })?;
    let ceilings = Ceilings {
        bytes: 2.0 * COPIED as f64 / (median(copied) * 1e-3),
        operations: 2.0 * (SIDE as f64).powi(3) / (median(multiplied) * 1e-3),
    };
    println!(
        "Measured ceilings: {:.2} TB/s read and written, {:.0} TFLOP/s in a product of {SIDE} x {SIDE} x {SIDE}.\n",
        ceilings.bytes * 1e-12,
        ceilings.operations * 1e-12
    );
    Ok(ceilings)
}

/// Numbers of no pattern, 16-bit: a product of zeros is faster than one of numbers.
fn noise(card: &CudaBackend, count: usize) -> Result<Buffer<CudaBackend>, GpuError> {
    let number = |i: usize| ((i.wrapping_mul(2_654_435_761) >> 7) % 4093) as f32 / 2046.0 - 1.0;
    Buffer::of_elements(card, &(0..count).map(number).collect::<Vec<f32>>(), Precision::Bf16)
}

fn kernels(card: &CudaBackend, ceilings: &Ceilings, runs: usize) -> Result<()> {
    let (vit, _) = FULL_SIZE;
    let rows = PICTURES * TOKENS;
    println!("| part, {PICTURES} pictures | floor us | measured us | of the floor |\n|---|---|---|---|");
    let tell = |name: &str, (bytes, operations): (f64, f64), times: Vec<f64>| {
        let floor = (bytes / ceilings.bytes).max(operations / ceilings.operations) * 1e6;
        let measured = median(times) * 1e3;
        println!("| {name} | {floor:.1} | {measured:.1} | {:.0} % |", 100.0 * floor / measured);
    };
    let size = |count: usize| count as f64;
    let hidden = noise(card, rows * vit.hidden)?;
    let wide = noise(card, vit.hidden * vit.width)?;
    let out = Buffer::zeros(card, rows * vit.hidden * size_of::<f32>())?;
    let bias = Buffer::zeros(card, vit.hidden * size_of::<f32>())?;
    for (name, inputs, outputs, into) in [
        ("queries, keys, values", vit.width, 3 * vit.width, Into::Elements),
        ("attention's output", vit.width, vit.width, Into::AddedToStream),
        ("feed-forward, first", vit.width, vit.hidden, Into::Gelu),
        ("feed-forward, second", vit.hidden, vit.width, Into::AddedToStream),
    ] {
        let product = Product {
            rows,
            inputs,
            outputs,
            x: hidden.address(),
            weight: wide.address(),
            bias: bias.address(),
            y: out.address(),
            precision: Precision::Bf16,
            into,
        };
        // SAFETY: the buffers have the numbers of the largest of these.
        let times = card.time(runs, || unsafe { card.product(&product) })?;
        let result = if into == Into::AddedToStream { 8 } else { 2 };
        let bytes = size(2 * (rows * inputs + inputs * outputs) + result * rows * outputs);
        tell(name, (bytes, size(2 * rows * inputs) * size(outputs)), times);
    }
    let attention = AttentionOp::load(card, vit.heads, vit.width / vit.heads, Precision::Bf16)?;
    // SAFETY: the buffers have the rows.
    let times =
        card.time(runs, || unsafe { attention.launch(card, hidden.address(), PICTURES, out.address()) })?;
    tell("attention", (size(2 * rows * 4 * vit.width), size(4 * rows * TOKENS * vit.width)), times);
    let norm = LayerNormOp::load(card, vit.width, Precision::Bf16)?;
    let weights = NormWeights { weight: bias.address(), bias: bias.address(), epsilon: 1e-6 };
    let stream = Buffer::zeros(card, rows * vit.width * size_of::<f32>())?;
    let times = card.time(runs, || {
        // SAFETY: the buffers have the rows.
        unsafe {
            norm.launch(
                card,
                (stream.address(), rows),
                (Address::NONE, 1),
                &weights,
                &NormTarget::rows(out.address()),
            )
        }
    })?;
    tell("layer norm", (size(6 * rows * vit.width), 0.0), times);
    println!(
        "\nParts run over one set of buffers, which the second cache holds; the floors are the memory's.\n"
    );
    Ok(())
}

/// A frame of noise.
fn frame(number: usize) -> Frame {
    let value = |i: usize| ((i + 31 * number).wrapping_mul(2_654_435_761) >> 11) as u8;
    Frame {
        pixels: (0..FRAME.rgb_bytes()).map(value).collect(),
        size: FRAME,
        timestamp: Timestamp(0),
        sequence: number as u64,
    }
}

/// Crops of both hands.
fn cuts() -> Result<[Cut; 2]> {
    let cut = |x: f64, side| {
        let square = Square::new(Vector2::new(x, 400.0), 260.0, FRAME)?;
        Some(Cut { square, side, blurred: false })
    };
    let both = [cut(500.0, Side::Left), cut(800.0, Side::Right)];
    let [Some(left), Some(right)] = both else { anyhow::bail!("the crops lie outside of the frame") };
    Ok([left, right])
}

/// Times whole frames: bytes in, the heads' numbers of all windows out, copies and waiting included.
fn frames(network: &mut GpuNetwork<CudaBackend>, runs: usize) -> Result<()> {
    println!(
        "| frame of {FRAME}, from bytes to the heads' numbers | median ms | fastest ms |\n|---|---|---|"
    );
    let (frame, cuts) = (frame(0), cuts()?);
    for count in [1, 2] {
        let slots = |number: usize| -> Vec<(Slot, Cut)> {
            (0..count).map(|hand| (Slot(hand * WINDOW + number % WINDOW), cuts[hand])).collect()
        };
        let windows: Vec<Vec<Slot>> =
            (0..count).map(|hand| (0..WINDOW).map(|at| Slot(hand * WINDOW + at)).collect()).collect();
        let windows: Vec<&[Slot]> = windows.iter().map(Vec::as_slice).collect();
        let (mut times, mut rows) = (Vec::new(), Vec::new());
        for number in 0..2 * WINDOW + runs {
            let start = Instant::now();
            network.encode_frame(&frame, &slots(number), Sampling::Bilinear)?;
            if number + 1 < WINDOW {
                continue;
            }
            rows.clear();
            network.decode(&windows, &InOrder, &mut rows)?;
            if number >= 2 * WINDOW {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        let fastest = times.iter().copied().fold(f64::INFINITY, f64::min);
        println!(
            "| {count} {}, features of {} frames kept | {:.2} | {fastest:.2} |",
            if count == 1 { "hand" } else { "hands" },
            WINDOW - 1,
            median(times)
        );
    }
    println!();
    Ok(())
}

/// The same frames through the card and the processor.
fn compare(
    network: &mut GpuNetwork<CudaBackend>,
    mut exact: GpuNetwork<CudaBackend>,
    processor: &mut CpuNetwork,
) -> Result<()> {
    const FRAMES: usize = 2;
    let cuts = cuts()?;
    let mut cropper = Cropper::new(Sampling::Bilinear);
    for number in 0..FRAMES {
        let frame = frame(number);
        let whole = Square::whole(frame.size).context("a frame without pixels")?;
        let mut picture = |cut: Cut| {
            let mut picture = Picture::new();
            cropper.cut(&frame, &cut, &mut picture);
            picture
        };
        let pictures = cuts.map(|own| [picture(own), picture(Cut { square: whole, ..own })]);
        let hands: Vec<(Slot, HandPictures)> = pictures
            .iter()
            .enumerate()
            .map(|(hand, [crop, frame])| {
                (Slot(hand * FRAMES + number), HandPictures { crop, frame: Some(frame) })
            })
            .collect();
        for network in [&mut *network as &mut dyn WindowNetwork, &mut exact, &mut *processor] {
            network.encode(&hands, &InOrder)?;
        }
    }
    let windows: [&[Slot]; 2] = [&[Slot(0), Slot(1)], &[Slot(2), Slot(3)]];
    let decode = |network: &mut dyn WindowNetwork| -> Result<Vec<HeadRow>> {
        let mut rows = Vec::new();
        network.decode(&windows, &InOrder, &mut rows)?;
        Ok(rows)
    };
    let truth = decode(processor)?;
    println!(
        "| beside the processor in 32 bits | pose, relative | camera, relative | joints, largest mm |\n|---|---|---|---|"
    );
    for (name, rows) in [("bf16", decode(network)?), ("f32", decode(&mut exact)?)] {
        let pose = error(&rows, &truth, |row| row.rotations.as_flattened().to_vec());
        let camera = error(&rows, &truth, |row| row.camera.to_vec());
        let joints = rows.iter().zip(&truth).map(|(a, b)| apart(a, b)).fold(0.0, f64::max);
        println!("| {name} | {pose:.1e} | {camera:.1e} | {joints:.3} |");
    }
    Ok(())
}

/// The difference over the size of the truth.
fn error(ours: &[HeadRow], truth: &[HeadRow], of: impl Fn(&HeadRow) -> Vec<f32>) -> f64 {
    let pairs = ours.iter().zip(truth).flat_map(|(a, b)| of(a).into_iter().zip(of(b)));
    let (difference, size) = pairs.fold((0.0, 0.0), |(difference, size), (a, b)| {
        let (a, b) = (f64::from(a), f64::from(b));
        (difference + (a - b) * (a - b), size + b * b)
    });
    (difference / size).sqrt()
}

/// How far the joints of two poses of the open hand are apart at most, millimetres.
fn apart(a: &HeadRow, b: &HeadRow) -> f64 {
    let model = HandModel::open();
    let joints = |row: &HeadRow| {
        let [wrist, fingers @ ..] = row.matrices().map(|rotation| rotation.scaled_axis().cast::<f32>());
        let translation = nalgebra::Vector3::zeros();
        let pose = HandPose { global_orient: wrist, hand_pose: fingers, betas: row.betas, translation };
        model.posed(&pose, Side::Right).joints
    };
    let pairs = joints(a).into_iter().zip(joints(b));
    pairs.map(|(a, b)| 1e3 * f64::from((a.0 - b.0).norm())).fold(0.0, f64::max)
}
