//! The released modules' numbers (shared fixtures of HaMeR and HaPTIC) from the device's networks.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::on_each_made_backend;
use crate::gpu::Precision;
use crate::gpu::backend::KernelBackend;
use crate::gpu::matrix::LoadError;
use crate::gpu::network::GpuNetwork;
use crate::haptic::full::{DecoderConfig, HandPictures, HeadRow, Picture, Slot, WindowNetwork};
use crate::jobs::InOrder;
use crate::net::{Checkpoint, VitConfig};

on_each_made_backend!(haptics_windows_have_the_released_numbers, hamers_pictures_have_the_released_numbers,);

/// The cases of HaPTIC and the frames of each clip in them.
const CASES: [(&str, usize); 4] =
    [("haptic_m8", 8), ("haptic_m3", 3), ("haptic_m1_video", 1), ("haptic_b2t3", 3)];
/// Of what leaves the network in 32 bits, relative to the larger of 1 and the largest number, as for the processor's form.
const TOLERANCE: f64 = 5e-5;
/// Every variant of the shared fixtures; none, with a printed reason, where they are absent.
fn variants() -> Vec<PathBuf> {
    let root = std::env::var_os("HANDSTREAM_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let Ok(folder) = std::fs::read_dir(root.join("fixtures/haptic")) else {
        println!("skipped: no fixtures/haptic (set HANDSTREAM_SHARED to the shared test material)");
        return Vec::new();
    };
    let folders = folder.map(|entry| entry.unwrap().path());
    folders.filter(|folder| folder.join("config.json").exists()).collect()
}

/// A tensor's numbers, whatever its shape.
fn numbers(file: &[u8], name: &str) -> Vec<f64> {
    let file = safetensors::SafeTensors::deserialize(file).unwrap();
    let tensor = file.tensor(name).unwrap_or_else(|_| panic!("no {name}"));
    let data = tensor.data();
    match tensor.dtype() {
        safetensors::Dtype::U8 => data.iter().map(|&byte| f64::from(byte)).collect(),
        safetensors::Dtype::I64 => {
            data.as_chunks::<8>().0.iter().map(|&number| i64::from_le_bytes(number) as f64).collect()
        }
        safetensors::Dtype::F32 => {
            data.as_chunks::<4>().0.iter().map(|&number| f64::from(f32::from_le_bytes(number))).collect()
        }
        other => panic!("{name} is {other:?}"),
    }
}

/// The network of a variant; none, with a printed reason, where its sizes are not the kernels'.
fn network<B: KernelBackend>(backend: B, folder: &Path, weights: &[u8]) -> Option<GpuNetwork<B>> {
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    let heads = |part: &str, name: &str| config[part][name].as_u64().map(|heads| heads as usize);
    let checkpoint = Checkpoint::parse(weights).unwrap();
    let root = checkpoint.root();
    let vit = VitConfig::read(&root.part("backbone"), heads("vit", "num_heads")).unwrap();
    let decoder = DecoderConfig::read(&root.part("mano_head"), heads("decoder", "heads")).unwrap();
    match GpuNetwork::read(backend, &root, &vit, &decoder, Precision::F32) {
        Ok(network) => Some(network),
        Err(LoadError::Gpu(reason)) => {
            println!("skipped: {}: {reason}", folder.display());
            None
        }
        Err(LoadError::Weights(fault)) => panic!("{fault}"),
    }
}

fn pictures(file: &[u8], name: &str) -> Vec<Picture> {
    let bytes: Vec<u8> = numbers(file, name).into_iter().map(|byte| byte as u8).collect();
    bytes.chunks_exact(3 * 256 * 256).map(|square| Picture::from_square(square).unwrap()).collect()
}

/// The largest difference of rows from a case's outputs.
fn off(rows: &[HeadRow], case: &[u8]) -> f64 {
    let matrices = |range: std::ops::Range<usize>| {
        let of = |row: &HeadRow| {
            let matrices = row.matrices()[range.clone()].to_vec();
            matrices
                .into_iter()
                .flat_map(|r| r.matrix().transpose().as_slice().to_vec())
                .collect::<Vec<f64>>()
        };
        rows.iter().flat_map(of).collect::<Vec<f64>>()
    };
    let outputs = [
        ("pred_mano_params.global_orient", matrices(0..1)),
        ("pred_mano_params.hand_pose", matrices(1..16)),
        ("pred_mano_params.betas", rows.iter().flat_map(|row| row.betas.map(f64::from)).collect()),
        ("pred_cam", rows.iter().flat_map(|row| row.camera.map(f64::from)).collect()),
    ];
    let worst = |(name, ours): (&str, Vec<f64>)| {
        let truth = numbers(case, &format!("out.{name}"));
        assert_eq!(ours.len(), truth.len(), "{name}");
        let largest = truth.iter().fold(1.0_f64, |most, number| most.max(number.abs()));
        let apart = ours.iter().zip(&truth).map(|(a, b)| (a - b).abs());
        apart.fold(0.0_f64, |most, apart| if apart <= most { most } else { apart }) / largest
    };
    outputs.into_iter().map(worst).fold(0.0, |most, off| if off <= most { most } else { off })
}

fn haptics_windows_have_the_released_numbers<B: KernelBackend>(backend: impl Fn() -> B) {
    for folder in variants() {
        let read = |name: &str| std::fs::read(folder.join(format!("{name}.safetensors"))).unwrap();
        let (weights, inputs) = (read("haptic_weights"), read("haptic_inputs"));
        let (crops, wholes) = (pictures(&inputs, "img_u8"), pictures(&inputs, "orig_img_u8"));
        let Some(mut network) = network(backend(), &folder, &weights) else { continue };
        let hands = crops.iter().zip(&wholes).enumerate();
        let hands =
            hands.map(|(slot, (crop, whole))| (Slot(slot), HandPictures { crop, frame: Some(whole) }));
        network.encode(&hands.collect::<Vec<_>>(), &InOrder).unwrap();
        for (name, length) in CASES {
            let case = read(name);
            let frames = numbers(&case, "in.frame_index");
            let slots: Vec<Slot> = frames.into_iter().map(|frame| Slot(frame as usize)).collect();
            let mut rows = Vec::new();
            network.decode(&slots.chunks(length).collect::<Vec<_>>(), &InOrder, &mut rows).unwrap();
            let off = off(&rows, &case);
            println!("{} {name}: {off:.1e}", folder.display());
            assert!(off < TOLERANCE, "{name}: {off:.1e}");
        }
    }
}

fn hamers_pictures_have_the_released_numbers<B: KernelBackend>(backend: impl Fn() -> B) {
    for folder in variants() {
        let read = |name: &str| std::fs::read(folder.join(format!("{name}.safetensors"))).unwrap();
        let (weights, case) = (read("hamer_weights"), read("hamer_forward"));
        let crops = pictures(&case, "in.img_u8");
        let Some(mut network) = network(backend(), &folder, &weights) else { continue };
        let hands = crops.iter().enumerate();
        let hands: Vec<_> =
            hands.map(|(slot, crop)| (Slot(slot), HandPictures { crop, frame: None })).collect();
        network.encode(&hands, &InOrder).unwrap();
        let windows: Vec<[Slot; 1]> = hands.iter().map(|(slot, _)| [*slot]).collect();
        let windows: Vec<&[Slot]> = windows.iter().map(<[Slot; 1]>::as_slice).collect();
        let mut rows = Vec::new();
        network.decode(&windows, &InOrder, &mut rows).unwrap();
        let off = off(&rows, &case);
        println!("{}: {off:.1e}", folder.display());
        assert!(off < TOLERANCE, "{off:.1e}");
    }
}
