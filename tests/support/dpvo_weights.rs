//! Random weights of DPVO's full size, under the released names.

use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// A checkpoint of seeded random numbers, small enough that activations stay in range. Every edge is told to
/// move by about `(4, 2)` pixels, so that the odometry starts.
pub fn random_weights(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, shape) in shapes() {
        let fan_in: usize = shape.iter().skip(1).product();
        let scale = if shape.len() == 1 { 0.05 } else { (1.0 / fan_in as f32).sqrt() };
        let number = |index: usize| match name.as_str() {
            "update.d.1.bias" => [4.0, 2.0][index],
            _ => scale * signed(&mut state),
        };
        let numbers: Vec<f32> = (0..shape.iter().product()).map(number).collect();
        let norm = shape.len() == 1 && name.ends_with("weight");
        let bytes = numbers.iter().flat_map(|value| (value + f32::from(u8::from(norm))).to_le_bytes());
        tensors.push((name, shape, bytes.collect()));
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// A number in -1..1 (SplitMix64).
fn signed(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
}

/// Names and sizes of all 94 tensors.
fn shapes() -> Vec<(String, Vec<usize>)> {
    let mut shapes = Vec::new();
    let mut layer = |name: String, shape: &[usize]| {
        shapes.push((format!("{name}.bias"), vec![shape[0]]));
        shapes.push((format!("{name}.weight"), shape.to_vec()));
    };
    for (encoder, outputs) in [("fnet", 128), ("inet", 384)] {
        let encoder = format!("patchify.{encoder}");
        layer(format!("{encoder}.conv1"), &[32, 3, 7, 7]);
        for (block, from, to) in
            [("layer1.0", 32, 32), ("layer1.1", 32, 32), ("layer2.0", 32, 64), ("layer2.1", 64, 64)]
        {
            layer(format!("{encoder}.{block}.conv1"), &[to, from, 3, 3]);
            layer(format!("{encoder}.{block}.conv2"), &[to, to, 3, 3]);
        }
        layer(format!("{encoder}.layer2.0.downsample.0"), &[64, 32, 1, 1]);
        layer(format!("{encoder}.conv2"), &[outputs, 64, 1, 1]);
    }
    let squares = [
        "c1.0",
        "c1.2",
        "c2.0",
        "c2.2",
        "agg_kk.f",
        "agg_kk.g",
        "agg_kk.h",
        "agg_ij.f",
        "agg_ij.g",
        "agg_ij.h",
        "gru.1.gate.0",
        "gru.1.res.0",
        "gru.1.res.2",
        "gru.3.gate.0",
        "gru.3.res.0",
        "gru.3.res.2",
        "corr.2",
        "corr.5",
    ];
    for name in squares {
        layer(format!("update.{name}"), &[384, 384]);
    }
    layer("update.corr.0".to_owned(), &[384, 882]);
    for name in ["norm", "gru.0", "gru.2", "corr.3"] {
        layer(format!("update.{name}"), &[384]);
    }
    for name in ["d.1", "w.1"] {
        layer(format!("update.{name}"), &[2, 384]);
    }
    shapes
}
