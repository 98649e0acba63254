//! The card's numbers beside the processor's.

use anyhow::{Context, Result};
use handstream::gpu::{CudaBackend, GpuNetwork};
use handstream::hand::HandModel;
use handstream::haptic::full::{
    CpuNetwork, Cropper, Cut, HandPictures, HeadRow, Picture, Sampling, Slot, Square, WindowNetwork,
};
use handstream::jobs::InOrder;

use super::frames::{cuts, frame, joints};

/// The same frames through the card and the processor.
pub fn compare(
    mut network: GpuNetwork<CudaBackend>,
    [mut fine, mut exact]: [GpuNetwork<CudaBackend>; 2],
    processor: &mut CpuNetwork,
) -> Result<()> {
    const FRAMES: usize = 2;
    let model = HandModel::open();
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
        for network in [&mut network as &mut dyn WindowNetwork, &mut fine, &mut exact, &mut *processor] {
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
    for (name, rows) in
        [("bf16", decode(&mut network)?), ("f16", decode(&mut fine)?), ("f32", decode(&mut exact)?)]
    {
        let pose = error(&rows, &truth, |row| row.rotations.as_flattened().to_vec());
        let camera = error(&rows, &truth, |row| row.camera.to_vec());
        let joints = rows.iter().zip(&truth).map(|(a, b)| apart(&model, a, b)).fold(0.0, f64::max);
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
fn apart(model: &HandModel, a: &HeadRow, b: &HeadRow) -> f64 {
    let pairs = joints(model, a).into_iter().zip(joints(model, b));
    pairs.map(|(a, b)| 1e3 * f64::from((a.0 - b.0).norm())).fold(0.0, f64::max)
}
