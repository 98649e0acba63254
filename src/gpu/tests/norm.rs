//! Layer normalisation and GELU.

use super::{numbers, on_each_backend, relative_error};
use crate::gpu::backend::{Address, KernelBackend};
use crate::gpu::ops::{GeluOp, LayerNormOp, NormTarget, NormWeights};
use crate::gpu::{Buffer, Precision};
use crate::net::{Isa, LayerNorm, gelu, room};

on_each_backend!(
    rows_are_normed_after_what_is_added_to_them,
    groups_of_rows_go_where_their_places_say,
    gelu_is_exact,
);

const EPSILON: f32 = 1e-6;
const ROWS: usize = 11;
const PERIOD: usize = 4;

/// Rows on the device, normed; the stream after it and the result.
fn normed<B: KernelBackend>(
    backend: &B,
    width: usize,
    precision: Precision,
    added: bool,
) -> (Vec<f32>, Vec<f32>) {
    let op = LayerNormOp::load(backend, width, precision).unwrap();
    let floats = |count, seed| Buffer::of_floats(backend, &numbers(count, seed)).unwrap();
    let (x, more) = (floats(ROWS * width, 1), floats(PERIOD * width, 2));
    let (weight, bias) = (floats(width, 3), floats(width, 4));
    let out = Buffer::of_elements(backend, &vec![f32::NAN; ROWS * width], precision).unwrap();
    let weights = NormWeights { weight: weight.address(), bias: bias.address(), epsilon: EPSILON };
    let more = if added { more.address() } else { Address::NONE };
    // SAFETY: all buffers have the rows.
    unsafe {
        op.launch(backend, (x.address(), ROWS), (more, PERIOD), &weights, &NormTarget::rows(out.address()))
    }
    .unwrap();
    (x.floats(backend, ROWS * width).unwrap(), out.elements(backend, ROWS * width, precision).unwrap())
}

fn rows_are_normed_after_what_is_added_to_them<B: KernelBackend>(backend: &B) {
    for (width, precision, added, tolerance) in [
        (1280, Precision::Bf16, true, 3e-3),
        (1280, Precision::F16, true, 4e-4),
        (1280, Precision::F32, false, 1e-6),
        (64, Precision::F32, true, 1e-6),
        (1028, Precision::F32, true, 1e-6),
    ] {
        let (stream, ours) = normed(backend, width, precision, added);
        let mut x = numbers(ROWS * width, 1);
        if added {
            let more = numbers(PERIOD * width, 2);
            x.iter_mut().enumerate().for_each(|(i, x)| *x += more[i / width % PERIOD * width + i % width]);
        }
        assert_eq!(stream, x, "the stream keeps what was added");
        let roomy: Vec<f32> =
            x.chunks_exact(width).flat_map(|row| [row, &vec![0.0; room(width) - width]].concat()).collect();
        let mut truth = Vec::new();
        LayerNorm::new(numbers(width, 3), numbers(width, 4), EPSILON).apply(&roomy, &mut truth);
        let truth: Vec<f32> = truth.chunks_exact(room(width)).flat_map(|row| row[..width].to_vec()).collect();
        let error = relative_error(&ours, &truth);
        assert!(error < tolerance, "{width} {precision:?}: {error}");
    }
}

fn groups_of_rows_go_where_their_places_say<B: KernelBackend>(backend: &B) {
    let (width, group) = (64, 3);
    let op = LayerNormOp::load(backend, width, Precision::F32).unwrap();
    let floats = |numbers: &[f32]| Buffer::of_floats(backend, numbers).unwrap();
    let (x, weight, bias) =
        (floats(&numbers(6 * width, 1)), floats(&vec![1.0; width]), floats(&vec![0.0; width]));
    let places = Buffer::of_ints(backend, &[2, 0]).unwrap();
    let weights = NormWeights { weight: weight.address(), bias: bias.address(), epsilon: EPSILON };
    let run = |target: NormTarget| {
        // SAFETY: the targets below have nine rows, all that the places name.
        unsafe { op.launch(backend, (x.address(), 6), (Address::NONE, 1), &weights, &target) }.unwrap();
    };
    let (ordered, placed) = (floats(&vec![7.0; 9 * width]), floats(&vec![7.0; 9 * width]));
    run(NormTarget::rows(ordered.address()));
    run(NormTarget { to: placed.address(), places: places.address(), group });
    let [ordered, placed] = [ordered, placed].map(|out| out.floats(backend, 9 * width).unwrap());
    let part = group * width;
    assert_eq!(placed[2 * part..], ordered[..part]);
    assert_eq!(placed[..part], ordered[part..2 * part]);
    assert!(placed[part..2 * part].iter().all(|&number| number == 7.0), "nobody named that place");
}

fn gelu_is_exact<B: KernelBackend>(backend: &B) {
    let mut truth: Vec<f32> = numbers(2000, 5).iter().map(|x| 6.0 * x).collect();
    let x = Buffer::of_floats(backend, &truth).unwrap();
    let op = GeluOp::load(backend, Precision::F32).unwrap();
    // SAFETY: there are as many numbers.
    unsafe { op.launch(backend, x.address(), truth.len()) }.unwrap();
    gelu(Isa::best(), &mut truth);
    let ours = x.floats(backend, truth.len()).unwrap();
    assert!(ours.iter().zip(&truth).all(|(a, b)| (a - b).abs() < 2e-6));
}
