//! Weights of the released sizes, made by the fixtures' recipe: they are not stored.

use handstream::net::{Checkpoint, Isa};
use handstream::refine::prior::hmp::{
    Features, HmpNetwork, MotionEncoder, MotionField, RootEncoder, Statistics,
};
use nalgebra::Vector3;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::variant::{floats, folders};
use crate::tensors::Fixture;

/// The network of a variant, as large as the released one.
pub struct FullNetwork {
    pub network: HmpNetwork,
    pub root_encoder: RootEncoder,
    /// From each joint's parent to it at rest, metres.
    pub offsets: [Vector3<f64>; 16],
}

/// The networks of all variants by name.
///
/// # Panics
/// When the recipe gives other numbers than it did.
pub fn full_networks() -> Vec<(String, FullNetwork)> {
    let folders = folders().into_iter();
    folders
        .map(|folder| {
            let variant = folder.file_name().unwrap().to_string_lossy().into_owned();
            let path = folder.join(format!("hmp_full_{variant}_recipe_checksums.json"));
            let sums: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            let bytes = |module: &str| checkpoint(&variant, module, &sums[module]);
            let (encoder, field) = (bytes("local_encoder"), bytes("nemf"));
            let root_encoder = bytes("global_encoder");
            let root_encoder = Checkpoint::parse(&root_encoder).unwrap();
            let encoder = Checkpoint::parse(&encoder).unwrap();
            let field = Checkpoint::parse(&field).unwrap();
            let io = Fixture::open(&folder.join(format!("hmp_full_{variant}_io.safetensors")));
            let statistics = Statistics::from_tensors::<()>(
                |name, _| Ok(io.numbers(&format!("mean_{name}"))),
                |name, _| Ok(io.numbers(&format!("std_{name}"))),
            );
            let network = HmpNetwork {
                encoder: MotionEncoder::read(&encoder.root()).unwrap(),
                field: MotionField::read(&field.root(), Isa::best()).unwrap(),
                usual: statistics.unwrap(),
            };
            let network = FullNetwork {
                network,
                root_encoder: RootEncoder::read(&root_encoder.root()).unwrap(),
                offsets: io.points("positions_rest_offsets").try_into().unwrap(),
            };
            (variant, network)
        })
        .collect()
}

/// The tensors of one module as a file.
fn checkpoint(variant: &str, module: &str, sums: &serde_json::Value) -> Vec<u8> {
    let tensors: Vec<(&String, Vec<usize>, Vec<u8>)> = sums
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, facts)| {
            let shape: Vec<usize> = serde_json::from_value(facts["shape"].clone()).unwrap();
            let numbers = numbers(&format!("{variant}/{module}/{name}"), name, &shape);
            let sum: f64 = numbers.iter().map(|&number| f64::from(number)).sum();
            assert!(
                (sum - facts["sum_f64"].as_f64().unwrap()).abs() < 1e-6,
                "{module} {name} sums up to {sum}"
            );
            (name, shape, numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, data)| (name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// SplitMix64 seeded with the FNV-1a hash of the tensor's whole name.
fn numbers(seed: &str, name: &str, shape: &[usize]) -> Vec<f32> {
    let seed = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let inputs: usize = shape.iter().skip(1).product();
    let count: usize = shape.iter().product();
    let number = |i: u64| {
        let mut z = seed.wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let x = 2.0 * ((z >> 40) as f64 / f64::from(1_u32 << 24)) - 1.0;
        let value = if shape.len() >= 2 {
            1.7 * x / (inputs as f64).sqrt()
        } else if name.ends_with("norm_layer.weight") || name.ends_with("residual.1.weight") {
            1.0 + 0.1 * x
        } else {
            0.05 * x
        };
        value as f32
    };
    (0..count as u64).map(number).collect()
}

/// A tensor `[frames, 16, 3]` of axis-angles as each joint's rotations.
pub fn rotations(fixture: &Fixture, name: &str) -> Vec<handstream::hand::Rotations> {
    let points = fixture.points(name);
    let matrices = points.as_chunks::<16>().0.iter();
    matrices.map(|joints| joints.map(handstream::geometry::rotation::matrix_from_axis_angle)).collect()
}

/// The features of a fixture's motion.
pub fn features(fixture: &Fixture, network: &FullNetwork) -> Features {
    Features::of(&rotations(fixture, "pose_aa"), &network.offsets)
}

/// The code that a fixture draws from its Gaussian: `mean + eps exp(log_variance / 2)`.
pub fn drawn(mean: &[f32], log_variance: &[f32], fixture: &Fixture) -> Vec<f32> {
    let eps = floats(fixture, "eps");
    mean.iter().zip(log_variance).zip(eps).map(|((mean, l), eps)| mean + eps * (l / 2.0).exp()).collect()
}
