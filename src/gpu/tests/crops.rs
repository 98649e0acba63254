//! Frames to patches.

use nalgebra::Vector2;

use super::{on_each_backend, relative_error};
use crate::event::Side;
use crate::frame::{Frame, PictureSize, Timestamp};
use crate::gpu::backend::KernelBackend;
use crate::gpu::ops::{CropsOp, FrameLayout, PATCH_NUMBERS};
use crate::gpu::{Buffer, Precision};
use crate::haptic::full::{Cropper, Cut, CutPlan, Picture, Sampling, Square};
use crate::net::vit::{PICTURE, TOKENS, patches_of};
use crate::random::Random;

on_each_backend!(
    every_crop_of_a_frame_is_the_processors_in_one_launch,
    camera_layouts_are_the_same_picture_as_rgb,
    pictures_cut_elsewhere_become_the_same_patches,
);

const SIZE: [usize; 2] = [98, 62];

fn frame(pixels: Vec<u8>, [width, height]: [usize; 2]) -> Frame {
    Frame { pixels, size: PictureSize::new(width, height), timestamp: Timestamp(0), sequence: 0 }
}

fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.below(256) as u8).collect()
}

fn cuts(size: PictureSize) -> Vec<Cut> {
    let square = |x, y, side| Square::new(Vector2::new(x, y), side, size).unwrap();
    let cut = |square, side, blurred| Cut { square, side, blurred };
    let mut cuts = vec![
        cut(square(40.3, 30.7, 50.0), Side::Right, false),
        cut(square(90.0, 5.0, 77.7), Side::Left, false),
        cut(Square::whole(size).unwrap(), Side::Left, false),
        cut(square(-40.0, 30.0, 20.0), Side::Right, false),
    ];
    if size.width > 600 {
        cuts.push(cut(square(700.0, 300.0, 900.0), Side::Left, true));
    }
    cuts
}

/// The patches of all cuts by the kernel.
fn ours<B: KernelBackend>(
    backend: &B,
    (bytes, layout, size): (&[u8], FrameLayout, [usize; 2]),
    cuts: &[Cut],
    sampling: Sampling,
    precision: Precision,
) -> Vec<f32> {
    let (mut plan, mut ints, mut shares) = (CutPlan::default(), Vec::new(), Vec::new());
    for cut in cuts {
        Cropper::new(sampling).plan_cut(PictureSize::new(size[0], size[1]), cut, &mut plan);
        CropsOp::<B>::lay_out(&plan, &mut ints, &mut shares);
    }
    let op = CropsOp::load(backend, precision).unwrap();
    let count = cuts.len() * TOKENS * PATCH_NUMBERS;
    let (frame, ints) = (Buffer::of_bytes(backend, bytes).unwrap(), Buffer::of_ints(backend, &ints).unwrap());
    let shares = Buffer::of_floats(backend, &shares).unwrap();
    let out = Buffer::of_elements(backend, &vec![f32::NAN; count], precision).unwrap();
    let plans = (ints.address(), shares.address(), cuts.len());
    // SAFETY: the plans are for this frame, and there is room for all patches.
    unsafe { op.crop(backend, (frame.address(), layout, size), plans, out.address()) }.unwrap();
    out.elements(backend, count, precision).unwrap()
}

/// The same by the processor.
fn truth(frame: &Frame, cuts: &[Cut], sampling: Sampling) -> Vec<f32> {
    let mut pictures = Vec::new();
    for cut in cuts {
        let mut picture = Picture::new();
        Cropper::new(sampling).cut(frame, cut, &mut picture);
        pictures.extend_from_slice(picture.values());
    }
    patches_of(&pictures)
}

fn every_crop_of_a_frame_is_the_processors_in_one_launch<B: KernelBackend>(backend: &B) {
    for size in [SIZE, [1000, 500]] {
        let frame = frame(noise(size[0] * size[1] * 3, 3), size);
        let cuts = cuts(frame.size);
        for sampling in [Sampling::Bilinear, Sampling::OpenCv4] {
            let rgb = (frame.pixels.as_slice(), FrameLayout::Rgb, size);
            let truth = truth(&frame, &cuts, sampling);
            let exact = ours(backend, rgb, &cuts, sampling, Precision::F32);
            assert!(exact.iter().zip(&truth).all(|(a, b)| (a - b).abs() < 2e-5), "{size:?} {sampling:?}");
        }
        for (precision, tolerance) in [(Precision::Bf16, 3e-3), (Precision::F16, 4e-4)] {
            let rgb = (frame.pixels.as_slice(), FrameLayout::Rgb, size);
            let short = ours(backend, rgb, &cuts, Sampling::Bilinear, precision);
            let error = relative_error(&short, &truth(&frame, &cuts, Sampling::Bilinear));
            assert!(error < tolerance, "{precision:?}: {error}");
        }
    }
}

/// One pixel by the rule for limited-range BT.601 in steps of 1/256.
fn rgb_of([y, u, v]: [u8; 3]) -> [u8; 3] {
    let (c, d, e) = (298 * (i32::from(y) - 16) + 128, i32::from(u) - 128, i32::from(v) - 128);
    [c + 409 * e, c - 100 * d - 208 * e, c + 516 * d].map(|sum| (sum >> 8).clamp(0, 255) as u8)
}

fn camera_layouts_are_the_same_picture_as_rgb<B: KernelBackend>(backend: &B) {
    let [width, height] = SIZE;
    for layout in [FrameLayout::Nv12, FrameLayout::Yuyv] {
        let bytes = noise(layout.bytes(width, height), 4);
        let colour = |x: usize, y: usize| match layout {
            FrameLayout::Yuyv => {
                let pair = (y * width + x / 2 * 2) * 2;
                [bytes[pair + x % 2 * 2], bytes[pair + 1], bytes[pair + 3]]
            }
            _ => {
                let pair = width * height + y / 2 * width + x / 2 * 2;
                [bytes[y * width + x], bytes[pair], bytes[pair + 1]]
            }
        };
        let pixels = (0..width * height).flat_map(|i| rgb_of(colour(i % width, i / width)));
        let frame = frame(pixels.collect(), SIZE);
        let cuts = cuts(frame.size);
        let ours = ours(backend, (&bytes, layout, SIZE), &cuts, Sampling::Bilinear, Precision::F32);
        let truth = truth(&frame, &cuts, Sampling::Bilinear);
        assert!(ours.iter().zip(&truth).all(|(a, b)| (a - b).abs() < 2e-5), "{layout:?}");
    }
}

fn pictures_cut_elsewhere_become_the_same_patches<B: KernelBackend>(backend: &B) {
    let pictures = super::numbers(2 * PICTURE.iter().product::<usize>(), 6);
    let op = CropsOp::load(backend, Precision::F32).unwrap();
    let count = 2 * TOKENS * PATCH_NUMBERS;
    let from = Buffer::of_floats(backend, &pictures).unwrap();
    let out = Buffer::of_floats(backend, &vec![f32::NAN; count]).unwrap();
    // SAFETY: two pictures are there, and room for their patches.
    unsafe { op.cut(backend, from.address(), 2, out.address()) }.unwrap();
    assert_eq!(out.floats(backend, count).unwrap(), patches_of(&pictures));
}
