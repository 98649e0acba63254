//! Attention of a picture's tokens.

use super::{numbers, on_each_backend, relative_error, rounded};
use crate::gpu::backend::KernelBackend;
use crate::gpu::ops::AttentionOp;
use crate::gpu::{Buffer, Precision};
use crate::net::vit::TOKENS;

on_each_backend!(tokens_gather_the_softmax_weighted_values, one_token_can_take_all_attention);

/// The definition: softmax of scaled products, then the values' weighted sums.
fn truth(qkv: &[f32], heads: usize, width: usize) -> Vec<f32> {
    let size = width / heads;
    let mut out = vec![0.0; qkv.len() / 3];
    let pictures = qkv.chunks_exact(TOKENS * 3 * width).zip(out.chunks_exact_mut(TOKENS * width));
    for (qkv, out) in pictures {
        for (token, head) in (0..TOKENS).flat_map(|token| (0..heads).map(move |head| (token, head))) {
            let part = |of: usize, token: usize| &qkv[(token * 3 + of) * width + head * size..][..size];
            let dot = |key: &[f32]| {
                part(0, token).iter().zip(key).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
            };
            let scores: Vec<f64> = (0..TOKENS).map(|k| dot(part(1, k)) / (size as f64).sqrt()).collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let shares: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
            let total: f64 = shares.iter().sum();
            for (d, out) in out[token * width + head * size..][..size].iter_mut().enumerate() {
                let mixed = shares.iter().enumerate().map(|(k, share)| share * f64::from(part(2, k)[d]));
                *out = (mixed.sum::<f64>() / total) as f32;
            }
        }
    }
    out
}

/// What the kernel makes of them.
fn ours<B: KernelBackend>(
    backend: &B,
    qkv: &[f32],
    heads: usize,
    size: usize,
    precision: Precision,
) -> Vec<f32> {
    let count = qkv.len() / 3;
    let op = AttentionOp::load(backend, heads, size, precision).unwrap();
    let qkv = Buffer::of_elements(backend, qkv, precision).unwrap();
    let out = Buffer::of_elements(backend, &vec![f32::NAN; count], precision).unwrap();
    // SAFETY: both buffers have the rows of whole pictures.
    unsafe { op.launch(backend, qkv.address(), count / (TOKENS * heads * size), out.address()) }.unwrap();
    out.elements(backend, count, precision).unwrap()
}

fn tokens_gather_the_softmax_weighted_values<B: KernelBackend>(backend: &B) {
    for (heads, size, pictures, precision, tolerance) in [
        (2, 80, 2, Precision::Bf16, 5e-3),
        (3, 16, 1, Precision::Bf16, 5e-3),
        (2, 80, 2, Precision::F16, 7e-4),
        (3, 16, 1, Precision::F16, 7e-4),
        (2, 80, 1, Precision::F32, 1e-6),
        (4, 16, 2, Precision::F32, 1e-6),
    ] {
        let width = heads * size;
        // Queries and keys that are large enough for the softmax to choose.
        let qkv: Vec<f32> = numbers(pictures * TOKENS * 3 * width, 7).iter().map(|x| 2.0 * x).collect();
        let qkv = rounded(&qkv, precision);
        let error = relative_error(&ours(backend, &qkv, heads, size, precision), &truth(&qkv, heads, width));
        assert!(error < tolerance, "{heads} x {size} {precision:?}: {error}");
    }
}

fn one_token_can_take_all_attention<B: KernelBackend>(backend: &B) {
    let (size, chosen) = (80, 101);
    let mut qkv = numbers(TOKENS * 3 * size, 8);
    for (token, row) in qkv.chunks_exact_mut(3 * size).enumerate() {
        row[..size].fill(8.0);
        row[size..2 * size].fill(if token == chosen { 8.0 } else { -8.0 });
    }
    let qkv = rounded(&qkv, Precision::Bf16);
    let value = &qkv[chosen * 3 * size + 2 * size..][..size];
    for row in ours(backend, &qkv, 1, size, Precision::Bf16).chunks_exact(size) {
        assert_eq!(row, value);
    }
}
