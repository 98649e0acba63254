//! Times HaPTIC's decoder and heads at the released size on one thread, in both forms; writes
//! `bench/results/head.json`.
//!
//! `cargo bench --bench head`. Weights and features are made up: times do not depend on them. "start" is what a
//! new frame needs before it meets its window.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context;
use handstream::haptic::full::{Decoder, DecoderConfig, DecoderForm, DecoderMemory, FrameFeatures};
use handstream::net::vit::TOKENS;
use handstream::net::{Checkpoint, Isa, Probe, room};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

/// Sizes of the released decoder.
const WIDTH: usize = 1024;
const INNER: usize = 512;
const CONTEXT: usize = 1280;
const DEPTH: usize = 6;
/// Frames of a window.
const WINDOW: usize = 8;
/// Passes of which the least and the median are told.
const PASSES: usize = 15;

fn main() -> anyhow::Result<()> {
    let bytes = weights()?;
    let checkpoint = Checkpoint::parse(&bytes)?;
    let scope = checkpoint.root().part("mano_head");
    let config = DecoderConfig::read(&scope, None)?;
    let mut results = serde_json::Map::new();
    for (name, form) in [("plain", DecoderForm::Plain), ("absorbed", DecoderForm::Absorbed)] {
        let start = Instant::now();
        let decoder = Decoder::read(&scope, &config, form, Isa::best())?;
        let reading = start.elapsed().as_secs_f64();
        let mut result = times(&decoder);
        result["reading the weights, s"] = json!((reading * 1e2).round() / 1e2);
        results.insert(name.to_owned(), result);
    }
    let report = json!({
        "command": "cargo bench --bench head",
        "what": "milliseconds of wall time on one thread for one hand, window of 8 frames, f32",
        "instruction set": Isa::best().to_string(),
        "results": results,
    });
    let text = serde_json::to_string_pretty(&report)?;
    println!("{text}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/results/head.json");
    std::fs::write(path, text + "\n").context(path)
}

fn times(decoder: &Decoder) -> Value {
    let frame = |frame: usize| numbers(TOKENS * room(CONTEXT), frame + 1);
    let pictures: Vec<[Vec<f32>; 2]> = (0..WINDOW).map(|at| [frame(at), frame(at + WINDOW)]).collect();
    let crops: Vec<&[f32]> = pictures.iter().map(|[crop, _]| crop.as_slice()).collect();
    let (mut memory, mut tokens, mut rows) = (DecoderMemory::default(), Vec::new(), Vec::new());
    let (mut starts, mut windows) = (Vec::new(), Vec::new());
    for _ in 0..PASSES {
        let start = Instant::now();
        decoder.start(&crops[..1], &mut memory, &mut tokens);
        starts.push(start.elapsed().as_secs_f64() * 1e3);
        decoder.start(&crops, &mut memory, &mut tokens);
        let frames = tokens.chunks_exact(room(WIDTH)).zip(&pictures);
        let frames: Vec<FrameFeatures> =
            frames.map(|(token, [crop, whole])| FrameFeatures { token, crop, whole }).collect();
        rows.clear();
        let start = Instant::now();
        decoder.apply(&[&frames], &mut memory, Probe::off(), &mut rows);
        windows.push(start.elapsed().as_secs_f64() * 1e3);
        black_box(&rows);
    }
    json!({ "start of a frame": summary(&mut starts), "window": summary(&mut windows) })
}

fn summary(times: &mut [f64]) -> Value {
    times.sort_by(f64::total_cmp);
    let at = |place: usize| times.get(place).map(|ms| (ms * 1e2).round() / 1e2);
    json!({ "min_ms": at(0), "p50_ms": at(times.len() / 2) })
}

/// Numbers all over -0.03..0.03.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 16_144.0 - 0.03).collect()
}

/// Made-up weights under the released names.
fn weights() -> anyhow::Result<Vec<u8>> {
    let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
    let mut add = |name: String, shape: &[usize]| shapes.push((format!("mano_head.{name}"), shape.to_vec()));
    for (head, mean, outputs) in [
        ("decpose", "init_hand_pose", 96),
        ("decshape", "init_betas", 10),
        ("deccam", "init_cam", 3),
        ("decaux", "init_aux", 1),
    ] {
        add(format!("{head}.weight"), &[outputs, WIDTH]);
        add(format!("{head}.bias"), &[outputs]);
        add(mean.to_owned(), &[1, outputs]);
    }
    add("transformer.to_token_embedding.bias".to_owned(), &[WIDTH]);
    add("transformer.pos_embedding".to_owned(), &[1, 1, WIDTH]);
    let stacks = "transformer.transformer";
    add(format!("{stacks}.pos_enc_f.pos_table"), &[1, 30, WIDTH]);
    for l in 0..DEPTH {
        let [own, near, feed] = [0, 1, 2].map(|i| format!("{stacks}.layers.{l}.{i}"));
        let [view, far] = ["cross_view", "global"].map(|stack| format!("{stacks}.{stack}_layers.{l}.0"));
        for layer in [&own, &near, &feed, &view, &far] {
            add(format!("{layer}.norm.weight"), &[WIDTH]);
            add(format!("{layer}.norm.bias"), &[WIDTH]);
        }
        for layer in [&own, &near, &view, &far] {
            add(format!("{layer}.fn.to_out.0.weight"), &[WIDTH, INNER]);
            add(format!("{layer}.fn.to_out.0.bias"), &[WIDTH]);
        }
        for layer in [&own, &view] {
            add(format!("{layer}.fn.to_qkv.weight"), &[3 * INNER, WIDTH]);
        }
        for layer in [&near, &far] {
            add(format!("{layer}.fn.to_q.weight"), &[INNER, WIDTH]);
            add(format!("{layer}.fn.to_kv.weight"), &[2 * INNER, CONTEXT]);
        }
        for net in [0, 3] {
            add(format!("{feed}.fn.net.{net}.weight"), &[WIDTH, WIDTH]);
            add(format!("{feed}.fn.net.{net}.bias"), &[WIDTH]);
        }
    }
    let data: Vec<Vec<u8>> = shapes
        .iter()
        .enumerate()
        .map(|(seed, (_, shape))| bytemuck::cast_slice(&numbers(shape.iter().product(), seed)).to_vec())
        .collect();
    let tensors = shapes
        .iter()
        .zip(&data)
        .map(|((name, shape), data)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data)?)));
    Ok(safetensors::serialize(tensors.collect::<anyhow::Result<Vec<_>>>()?, None)?)
}
