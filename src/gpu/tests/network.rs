//! Whole networks against the same weights on the processor.

use nalgebra::Vector2;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};

use super::{numbers, on_each_made_backend, relative_error};
use crate::event::Side;
use crate::frame::{Frame, PictureSize, Timestamp};
use crate::gpu::Precision;
use crate::gpu::backend::KernelBackend;
use crate::gpu::network::GpuNetwork;
use crate::gpu::random_release::{FULL_SIZE, random_release};
use crate::haptic::full::{
    CpuNetwork, Cropper, Cut, DecoderConfig, DecoderForm, HandPictures, HeadRow, NetworkError, NetworkKind,
    Picture, Sampling, Slot, Square, WindowNetwork,
};
use crate::jobs::InOrder;
use crate::net::{Checkpoint, VitConfig};

on_each_made_backend!(
    streams_of_two_hands_give_the_processors_numbers,
    single_pictures_give_the_processors_numbers,
    frames_cut_on_the_device_are_the_frames_cut_before,
    windows_of_frames_that_were_never_encoded_are_refused,
    a_layer_of_the_released_size_gives_the_processors_numbers,
);

const VIT: VitConfig = VitConfig { width: 64, depth: 2, heads: 4, hidden: 112 };

fn decoder(kind: NetworkKind) -> DecoderConfig {
    let longest_window = if kind == NetworkKind::Hamer { 1 } else { 30 };
    // No two sizes are alike, and some fill no tile.
    DecoderConfig { kind, width: 52, depth: 2, heads: 4, inner: 48, hidden: 76, context: 64, longest_window }
}

/// A random network as a safetensors file.
fn checkpoint(vit: &VitConfig, decoder: &DecoderConfig) -> Vec<u8> {
    let tensors = random_release(vit, decoder);
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .enumerate()
        .map(|(at, tensor)| bytemuck::cast_slice(&tensor.numbers(1, at)).to_vec())
        .collect();
    let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
        (tensor.name(), TensorView::new(Dtype::F32, tensor.shape().to_vec(), bytes).unwrap())
    });
    serialize(views, None).unwrap()
}

/// The same network on both.
fn both<B: KernelBackend>(
    backend: B,
    (vit, decoder): (&VitConfig, &DecoderConfig),
    precision: Precision,
) -> (GpuNetwork<B>, CpuNetwork) {
    let bytes = checkpoint(vit, decoder);
    let checkpoint = Checkpoint::parse(&bytes).unwrap();
    let root = checkpoint.root();
    (
        GpuNetwork::read(backend, &root, vit, decoder, precision).unwrap(),
        CpuNetwork::read(&root, vit, decoder, DecoderForm::Plain).unwrap(),
    )
}

fn picture(seed: u64) -> Picture {
    Picture::from_values(numbers(Picture::LEN, seed)).unwrap()
}

/// All numbers of rows.
fn flat(rows: &[HeadRow]) -> Vec<f32> {
    let of = |row: &HeadRow| [row.rotations.as_flattened(), &row.betas, &row.camera, &[row.depth]].concat();
    rows.iter().flat_map(of).collect()
}

fn decoded(network: &mut dyn WindowNetwork, windows: &[&[Slot]]) -> Vec<f32> {
    let mut rows = Vec::new();
    network.decode(windows, &InOrder, &mut rows).unwrap();
    flat(&rows)
}

fn streams_of_two_hands_give_the_processors_numbers<B: KernelBackend>(backend: impl Fn() -> B) {
    let config = decoder(NetworkKind::Haptic);
    for (precision, tolerance) in [(Precision::F32, 2e-6), (Precision::Bf16, 1e-2), (Precision::F16, 1.5e-3)]
    {
        let (mut ours, mut truth) = both(backend(), (&VIT, &config), precision);
        // Two windows that grow, then slide: frames of both hands in slots that are used again, and a third hand
        // in a slot that there is no room for at first.
        let mut windows = [Vec::new(), Vec::new()];
        for frame in 0..4_usize {
            let slots = [Slot(frame % 3 * 2), Slot(frame % 3 * 2 + if frame == 2 { 40 } else { 1 })];
            let pictures: Vec<Picture> = (0..4).map(|k| picture(10 * frame as u64 + k)).collect();
            let hands: Vec<_> = slots
                .iter()
                .enumerate()
                .map(|(k, &slot)| (slot, HandPictures { crop: &pictures[k], frame: Some(&pictures[2 + k]) }))
                .collect();
            for (window, slot) in windows.iter_mut().zip(slots) {
                if window.len() == 3 {
                    window.remove(0);
                }
                window.push(slot);
            }
            let seen: Vec<&[Slot]> = windows.iter().map(Vec::as_slice).collect();
            let results = [&mut ours as &mut dyn WindowNetwork, &mut truth].map(|network| {
                network.encode(&hands, &InOrder).unwrap();
                decoded(network, &seen)
            });
            let error = relative_error(&results[0], &results[1]);
            assert!(error < tolerance, "frame {frame} {precision:?}: {error}");
        }
        // A window alone, of another length, that starts elsewhere.
        let alone: &[&[Slot]] = &[&windows[1][1..]];
        let error = relative_error(&decoded(&mut ours, alone), &decoded(&mut truth, alone));
        assert!(error < tolerance, "{precision:?}: {error}");
    }
}

fn single_pictures_give_the_processors_numbers<B: KernelBackend>(backend: impl Fn() -> B) {
    let config = decoder(NetworkKind::Hamer);
    let (mut ours, mut truth) = both(backend(), (&VIT, &config), Precision::F32);
    let pictures = [picture(1), picture(2), picture(3)];
    let hand = |k: usize| (Slot(k), HandPictures { crop: &pictures[k], frame: None });
    let windows: [&[Slot]; 3] = [&[Slot(2)], &[Slot(0)], &[Slot(1)]];
    let results = [&mut ours as &mut dyn WindowNetwork, &mut truth].map(|network| {
        network.encode(&[hand(0), hand(1), hand(2)], &InOrder).unwrap();
        decoded(network, &windows)
    });
    let error = relative_error(&results[0], &results[1]);
    assert!(error < 2e-6, "{error}");
}

fn frames_cut_on_the_device_are_the_frames_cut_before<B: KernelBackend>(backend: impl Fn() -> B) {
    let config = decoder(NetworkKind::Haptic);
    let (mut ours, _) = both(backend(), (&VIT, &config), Precision::F32);
    for size in [PictureSize::new(120, 90), PictureSize::new(160, 40)] {
        let pixels = numbers(size.rgb_bytes(), 4).iter().map(|x| (x * 120.0 + 128.0) as u8).collect();
        let frame = Frame { pixels, size, timestamp: Timestamp(0), sequence: 0 };
        let square = |x: f64| Square::new(Vector2::new(x, 30.0), 50.0, size).unwrap();
        let cut = |square, side| Cut { square, side, blurred: false };
        let cuts = [cut(square(70.0), Side::Right), cut(square(30.5), Side::Left)];
        let hands = [(Slot(0), cuts[0]), (Slot(1), cuts[1])];
        let windows: [&[Slot]; 2] = [&[Slot(0)], &[Slot(1)]];
        let mut rows = Vec::new();
        assert!(ours.see(&frame, (&hands, Sampling::OpenCv4), &windows, &mut rows).unwrap());
        let on_device = flat(&rows);
        assert_eq!(decoded(&mut ours, &windows), on_device, "what was encoded stays");
        let mut cropper = Cropper::new(Sampling::OpenCv4);
        let mut picture = |cut: Cut| {
            let mut picture = Picture::new();
            cropper.cut(&frame, &cut, &mut picture);
            picture
        };
        let whole = Square::whole(size).unwrap();
        let pictures = cuts.map(|own| [picture(own), picture(cut(whole, own.side))]);
        let hands: Vec<_> = pictures
            .iter()
            .enumerate()
            .map(|(k, [crop, frame])| (Slot(k), HandPictures { crop, frame: Some(frame) }))
            .collect();
        ours.encode(&hands, &InOrder).unwrap();
        let before = decoded(&mut ours, &windows);
        assert!(relative_error(&on_device, &before) < 1e-5);
    }
    let short =
        Frame { pixels: vec![3; 5], size: PictureSize::new(9, 9), timestamp: Timestamp(0), sequence: 0 };
    let square = Square::whole(short.size).unwrap();
    let hands = [(Slot(0), Cut { square, side: Side::Left, blurred: false })];
    assert!(!ours.see(&short, (&hands, Sampling::Bilinear), &[&[Slot(0)]], &mut Vec::new()).unwrap());
}

fn windows_of_frames_that_were_never_encoded_are_refused<B: KernelBackend>(backend: impl Fn() -> B) {
    let (mut ours, _) = both(backend(), (&VIT, &decoder(NetworkKind::Haptic)), Precision::F32);
    let mut decode = |windows: &[&[Slot]]| ours.decode(windows, &InOrder, &mut Vec::new()).unwrap_err();
    assert_eq!(decode(&[&[Slot(3)]]), NetworkError::EmptySlot(3));
    assert_eq!(decode(&[&[Slot(3_000)]]), NetworkError::EmptySlot(3_000));
    assert!(matches!(decode(&[&[]]), NetworkError::Window { length: 0, .. }));
    assert!(matches!(decode(&[&[Slot(0); 31]]), NetworkError::Window { length: 31, .. }));
    let picture = picture(1);
    let hand = HandPictures { crop: &picture, frame: None };
    assert_eq!(ours.encode(&[(Slot(0), hand)], &InOrder).unwrap_err(), NetworkError::FrameMissing);
}

fn a_layer_of_the_released_size_gives_the_processors_numbers<B: KernelBackend>(backend: impl Fn() -> B) {
    let (vit, decoder) = FULL_SIZE;
    let (vit, decoder) = (VitConfig { depth: 0, ..vit }, DecoderConfig { depth: 2, ..decoder });
    let (mut ours, mut truth) = both(backend(), (&vit, &decoder), Precision::Bf16);
    let pictures = [picture(1), picture(2)];
    let hand = HandPictures { crop: &pictures[0], frame: Some(&pictures[1]) };
    let other = HandPictures { crop: &pictures[1], frame: Some(&pictures[0]) };
    let results = [&mut ours as &mut dyn WindowNetwork, &mut truth].map(|network| {
        network.encode(&[(Slot(0), hand), (Slot(1), other)], &InOrder).unwrap();
        decoded(network, &[&[Slot(0), Slot(1)]])
    });
    let error = relative_error(&results[0], &results[1]);
    assert!(error < 1e-2, "{error}");
}
