//! Times the backbone on request; `bench/vit.py` drives it beside PyTorch.
//!
//! The argument is a checkpoint. Each line of the input is `THREADS PICTURES`; the answer is the milliseconds
//! of one pass. `features FILE` writes the features of one picture instead, and `flops` counts the operations
//! of backbone and head. Pictures are made up by a formula that `bench/vit.py` has too.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context;
use handstream::haptic::full::DecoderConfig;
use handstream::jobs::{InOrder, Job, Jobs};
use handstream::net::checkpoint::CheckpointFile;
use handstream::net::vit::{PICTURE, TOKENS};
use handstream::net::{Isa, Probe, Vit, VitConfig, VitMemory};
use serde_json::{Value, json};

/// Frames of a window.
const WINDOW: usize = 8;

/// A pool of threads and the thread that asks.
struct Threads(rayon::ThreadPool);

impl Jobs for Threads {
    fn run(&self, jobs: Vec<Job<'_>>) {
        let mut jobs = jobs.into_iter();
        let Some(own) = jobs.next() else { return };
        self.0.in_place_scope(|scope| {
            jobs.for_each(|job| scope.spawn(|_| job()));
            own();
        });
    }

    fn at_once(&self) -> usize {
        self.0.current_num_threads() + 1
    }
}

fn main() -> anyhow::Result<()> {
    // `cargo bench` appends `--bench`.
    let path = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let file = CheckpointFile::open(path.context("give a checkpoint")?)?;
    let checkpoint = file.checkpoint();
    let scope = checkpoint.root().part("backbone");
    let config = VitConfig::read(&scope, None)?;
    let vit = Vit::read(&scope, &config, Isa::best())?;
    let head = DecoderConfig::read(&checkpoint.root().part("mano_head"), None).ok();
    let (mut memory, mut out) = (VitMemory::default(), Vec::new());
    for line in std::io::stdin().lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["flops"] => println!("{}", json!({ "backbone": backbone(&config), "head": head.map(heads) })),
            ["features", path] => {
                vit.apply(&pictures(1), &mut memory, &InOrder, Probe::off(), &mut out);
                std::fs::write(path, bytemuck::cast_slice(&out))?;
                println!("written");
            }
            [threads, count] => {
                let (threads, pictures) = (threads.parse::<usize>()?, pictures(count.parse()?));
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.saturating_sub(1).max(1));
                let pool = Threads(pool.build()?);
                let jobs: &dyn Jobs = if threads > 1 { &pool } else { &InOrder };
                let start = Instant::now();
                vit.apply(&pictures, &mut memory, jobs, Probe::off(), &mut out);
                println!("{:.3}", start.elapsed().as_secs_f64() * 1e3);
                black_box(&out);
            }
            _ => anyhow::bail!("each line is THREADS PICTURES, features FILE or flops"),
        }
    }
    Ok(())
}

/// Numbers all over -2..2: times do not depend on the picture.
fn pictures(count: usize) -> Vec<f32> {
    let number = |i: usize| (i * 97 % 256) as f32 / 64.0 - 2.0;
    (0..count * PICTURE.iter().product::<usize>()).map(number).collect()
}

/// Operations of the product of `rows` rows with a matrix, two for each multiplication.
fn product(rows: usize, inputs: usize, outputs: usize) -> f64 {
    2.0 * rows as f64 * inputs as f64 * outputs as f64
}

fn giga(operations: f64) -> f64 {
    (operations / 1e6).round() / 1e3
}

/// Billions of operations for one picture.
fn backbone(config: &VitConfig) -> Value {
    let VitConfig { width, depth, hidden, .. } = *config;
    let [qkv, proj] = [product(TOKENS, width, 3 * width), product(TOKENS, width, width)];
    let mix = 2.0 * product(TOKENS, TOKENS, width);
    let feed = 2.0 * product(TOKENS, width, hidden);
    let patches = product(TOKENS, PICTURE[0] * 16 * 16, width);
    json!({
        "a block's queries, keys and values": giga(qkv),
        "a block's scores and mix": giga(mix),
        "a block's projection": giga(proj),
        "a block's feed-forward": giga(feed),
        "patches": giga(patches),
        "all": giga(patches + depth as f64 * (qkv + mix + proj + feed)),
    })
}

/// Billions of operations for one frame of a window of HaPTIC's head, as the layers are written and absorbed:
/// self-attention to one token is one matrix, queries go through the key matrix and mixes through the value
/// matrix instead of all features.
fn heads(config: DecoderConfig) -> Value {
    let DecoderConfig { width, depth, heads, inner, hidden, context, .. } = config;
    let out = product(1, inner, width);
    let own = product(1, width, 3 * inner) + out;
    let view = product(1, width, 3 * inner) + 2.0 * product(1, inner, WINDOW) + out;
    let query = product(1, width, inner);
    let keys_values = product(TOKENS, context, 2 * inner);
    let look = query + keys_values + 2.0 * product(1, inner, TOKENS) + out;
    let absorbed_look =
        query + 2.0 * product(1, inner, context) + 2.0 * product(heads, context, TOKENS) + out;
    let feed = 2.0 * product(1, width, hidden);
    let depth = depth as f64;
    json!({
        "plain": giga(depth * (own + 2.0 * look + view + feed)),
        "plain, of it keys and values of the features": giga(depth * 2.0 * keys_values),
        "absorbed": giga(depth * (product(1, width, width) + 2.0 * absorbed_look + view + feed)),
    })
}
