//! Times the lite window transformer on one thread; writes `bench/results/lite.json`.
//!
//! `cargo bench --bench lite`, and beside candle
//! `RAYON_NUM_THREADS=1 cargo bench --bench lite --features candle`.
//! "cold" reads 64 MB between two frames, as the 2D tracker's networks and the pictures do in a real run, so
//! that weights come from memory again.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context;
use handstream::event::{KEYPOINTS, Side, TrackId};
use handstream::frame::Timestamp;
use handstream::haptic::{
    Batch, FrameToken, LiteConfig, LiteHaptic, LiteNetwork, NetworkMemory, SeenHand, SeenInput, WINDOW,
};
use handstream::jobs::InOrder;
use handstream::net::Isa;
use nalgebra::{Vector2, Vector3};
use serde_json::{Value, json};

const FRAMES: usize = 2000;
const WARM_UP: usize = 100;
const EVICTION_FLOATS: usize = 16 << 20;
const WEIGHTS: &[u8] = include_bytes!("../weights/lite_haptic.safetensors");

fn main() -> anyhow::Result<()> {
    let mut results = serde_json::Map::new();
    for (name, hands, cold) in [
        ("one_hand", 1, false),
        ("one_hand_cold", 1, true),
        ("two_hands", 2, false),
        ("two_hands_cold", 2, true),
    ] {
        results.insert(name.to_owned(), stream(hands, cold)?);
    }
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        results.insert(format!("pass of 8 rows, {isa}"), passes(isa)?);
    }
    #[cfg(feature = "candle")]
    results.insert("pass of 8 rows, candle".to_owned(), candle()?);
    let report = json!({
        "command": "RAYON_NUM_THREADS=1 cargo bench --bench lite --features candle",
        "what": "milliseconds of wall time on one thread: tokens, embedding of the window, decoder, placement",
        "frames": FRAMES,
        "results": results,
    });
    let text = serde_json::to_string_pretty(&report)?;
    println!("{text}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/results/lite.json");
    std::fs::write(path, text + "\n").context(path)
}

/// Whole updates of a stream with full windows.
fn stream(hands: u32, cold: bool) -> anyhow::Result<Value> {
    let mut lite = LiteHaptic::new(LiteConfig::default())?;
    let mut memory = vec![1.0_f32; if cold { EVICTION_FLOATS } else { 0 }];
    let mut times = Vec::with_capacity(FRAMES);
    let frames = if cold { FRAMES / 4 } else { FRAMES };
    for frame in 0..WARM_UP + frames {
        for value in memory.iter_mut().step_by(16) {
            *value += 1.0;
        }
        black_box(&memory);
        let inputs: Vec<SeenInput> = (0..hands)
            .map(|hand| SeenInput {
                track: TrackId(hand),
                side: if hand == 0 { Side::Right } else { Side::Left },
                seen: Some(hand_at(frame)),
            })
            .collect();
        let start = Instant::now();
        let answers =
            lite.update_seen(&inputs, half_fov(), Timestamp::from_seconds(frame as f64 / 30.0), &InOrder);
        times.push(start.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!(answers.iter().all(Option::is_some), "frame {frame} has no answer");
    }
    Ok(summary(&mut times[WARM_UP..]))
}

/// Both halves of a pass over one full window.
fn passes(isa: Isa) -> anyhow::Result<Value> {
    let network = LiteNetwork::with_isa(WEIGHTS, isa)?;
    let (batch, mut memory) = (full_window(), NetworkMemory::default());
    let (mut embedding, mut decoder) = (Vec::new(), Vec::new());
    for _ in 0..WARM_UP + FRAMES {
        let start = Instant::now();
        network.embed(&batch, &mut memory);
        embedding.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        black_box(network.decode(&batch, &mut memory).count());
        decoder.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(
        json!({ "embedding": summary(&mut embedding[WARM_UP..]), "decoder": summary(&mut decoder[WARM_UP..]) }),
    )
}

/// A whole pass on candle, which asks `RAYON_NUM_THREADS` how many threads it may use.
#[cfg(feature = "candle")]
fn candle() -> anyhow::Result<Value> {
    let network = handstream::haptic::ReferenceNetwork::from_bytes(WEIGHTS)?;
    let batch = full_window();
    let mut times = Vec::new();
    for _ in 0..WARM_UP + FRAMES {
        let start = Instant::now();
        black_box(network.run(&batch)?);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(summary(&mut times[WARM_UP..]))
}

fn full_window() -> Batch {
    let frames: Vec<FrameToken> =
        (0..WINDOW).filter_map(|frame| FrameToken::new(&hand_at(frame), None, half_fov())).collect();
    let mut batch = Batch::default();
    batch.push(frames.iter().enumerate().map(|(frame, token)| (token, (WINDOW - 1 - frame) as f64 / 30.0)));
    batch
}

fn summary(times: &mut [f64]) -> Value {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times.get(((times.len() - 1) as f64 * part) as usize).copied();
    let rounded = |part| at(part).map(|ms| (ms * 1e4).round() / 1e4);
    json!({ "min_ms": rounded(0.0), "p50_ms": rounded(0.5), "p99_ms": rounded(0.99) })
}

fn half_fov() -> Vector2<f64> {
    Vector2::new(0.6, 0.34)
}

/// Points of a hand's size that move.
fn hand_at(frame: usize) -> SeenHand {
    let place = |k: usize, axis: usize| {
        let phase = (k * 37 + axis * 11) as f64 + frame as f64 * 0.02;
        phase.sin() * 0.1
    };
    SeenHand {
        rays: std::array::from_fn(|k| Vector2::new(place(k, 0), place(k, 1))),
        confidence: [0.9; KEYPOINTS],
        landmarks: Some(std::array::from_fn(|k| Vector3::new(place(k, 0), place(k, 1), place(k, 2)))),
    }
}
