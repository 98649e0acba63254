//! Time of each part of DPVO on one core of this processor, with random weights of full size; writes
//! `bench/results/dpvo.json`.
//!
//! `cargo bench --bench dpvo`. `floor_ms` is what the same sums would take at least on a GPU of the stated
//! figures, counted and not measured.

#[path = "../tests/support/dpvo_weights.rs"]
mod dpvo_weights;

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context;
use handstream::net::{Checkpoint, Isa, Probe};
use handstream::slam::dpvo::bundle::StepRule;
use handstream::slam::dpvo::graph::{Edge, PatchGraph};
use handstream::slam::dpvo::net::{CORRELATIONS, EdgeSight, Map, Neighbours, WIDTH};
use handstream::slam::dpvo::projection::{Patch, PatchCamera, PatchView};
use handstream::slam::dpvo::schedule::adjust_window;
use handstream::slam::dpvo::{DpvoConfig, DpvoNetwork, FrameFeatures};
use nalgebra::{Isometry3, Vector2};
use serde_json::{Value, json};

const WIDTH_PIXELS: usize = 640;
const HEIGHT_PIXELS: usize = 480;
const ENCODINGS: usize = 5;
/// Edges that are correlated and updated for timing; times are scaled to all edges, to which they are
/// proportional.
const TIMED_EDGES: usize = 4800;
/// Sums of products of an edge in the update operator: 882 x 384, 16 times 384 x 384, and two heads.
const UPDATE_PRODUCTS: f64 = 882.0 * 384.0 + 16.0 * 384.0 * 384.0 + 4.0 * 384.0;
/// Sums of products of an edge in the correlation: 9 pixels, 2 levels, 8 x 8 places, 128 channels.
const CORRELATION_PRODUCTS: f64 = 9.0 * 2.0 * 64.0 * 128.0;
/// Sums of products of both encoders per pixel of the picture.
const ENCODER_PRODUCTS: f64 = 2.0
    * (147.0 * 32.0 / 4.0
        + 4.0 * 288.0 * 32.0 / 4.0
        + (288.0 * 64.0 + 3.0 * 576.0 * 64.0 + 32.0 * 64.0) / 16.0)
    + 64.0 * (128.0 + 384.0) / 16.0;
/// Times that rows of hidden numbers cross the GPU's memory in an update when each layer is one kernel.
const ROW_CROSSINGS: f64 = 40.0;
/// A laptop's GPU: half-precision operations and bytes per second that good kernels reach.
const GPU_OPERATIONS: f64 = 40e12;
const GPU_BYTES: f64 = 250e9;

fn main() -> anyhow::Result<()> {
    let weights = dpvo_weights::random_weights(1);
    let network = DpvoNetwork::read(&Checkpoint::parse(&weights)?, Isa::best())?;
    let mut results = serde_json::Map::new();
    for (name, config) in [("default", DpvoConfig::default()), ("fast", DpvoConfig::fast())] {
        results.insert(name.to_owned(), parts(&network, &config));
    }
    let report = json!({
        "command": "cargo bench --bench dpvo",
        "what": "milliseconds on one thread for a frame with full windows, least of several; encoders see \
                 640x480",
        "kernels": Isa::best().to_string(),
        "floor_of": format!("a GPU of {GPU_OPERATIONS:.0e} half-precision operations and {GPU_BYTES:.0e} bytes \
                             per second"),
        "results": results,
    });
    let text = serde_json::to_string_pretty(&report)?;
    println!("{text}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/results/dpvo.json");
    std::fs::write(path, text + "\n").context(path)
}

fn parts(network: &DpvoNetwork, config: &DpvoConfig) -> Value {
    let (graph, encode_ms) = full_graph(network, config);
    let edges = graph.edges.list.len();
    let some: Vec<Edge> = graph.edges.list.iter().copied().take(TIMED_EDGES).collect();
    let share = edges as f64 / some.len() as f64;

    let start = Instant::now();
    let views: Vec<PatchView> = graph.edges.list.iter().map(|edge| graph.seen(edge)).collect();
    let reproject_ms = elapsed(start);

    let mut correlations = vec![0.0; CORRELATIONS];
    let start = Instant::now();
    for (edge, view) in some.iter().zip(&views) {
        let features = &graph.features[edge.source];
        let patch = &features.patches[edge.patch % graph.per_frame * 9 * 128..];
        graph.features[edge.frame].maps.correlate(patch, view, Isa::best(), &mut correlations);
        black_box(&correlations);
    }
    let correlation_ms = elapsed(start) * share;

    let mut hidden = vec![0.0; some.len() * WIDTH];
    let neighbours = Neighbours::of(&some);
    let start = Instant::now();
    black_box(network.update().apply(&Zeros, &neighbours, &mut hidden, Probe::off()));
    let update_ms = elapsed(start) * share;

    let mut graph = graph;
    let first_free = graph.len() - config.optimisation_window;
    let start = Instant::now();
    adjust_window(&mut graph, first_free, StepRule::Always);
    let bundle_ms = elapsed(start);

    let pixels = (WIDTH_PIXELS * HEIGHT_PIXELS) as f64;
    let products = ENCODER_PRODUCTS * pixels + (UPDATE_PRODUCTS + CORRELATION_PRODUCTS) * edges as f64;
    let bytes = ROW_CROSSINGS * edges as f64 * WIDTH as f64 * 2.0;
    json!({
        "edges": edges,
        "encoders_and_patches_ms": encode_ms,
        "reprojection_ms": reproject_ms,
        "correlation_ms": correlation_ms,
        "update_operator_ms": update_ms,
        "bundle_adjustment_ms": bundle_ms,
        "sum_ms": encode_ms + reproject_ms + correlation_ms + update_ms + bundle_ms,
        "operations": 2.0 * products,
        "floor_ms": (2.0 * products / GPU_OPERATIONS).max(bytes / GPU_BYTES) * 1e3,
    })
}

fn elapsed(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// A camera that moves sideways past a wall, with all edges of full windows; and the time of an encoding.
fn full_graph(network: &DpvoNetwork, config: &DpvoConfig) -> (PatchGraph<FrameFeatures>, f64) {
    let camera = PatchCamera { fx: 130.0, fy: 130.0, cx: 80.0, cy: 60.0 };
    let mut picture = Map::zeros(WIDTH_PIXELS, HEIGHT_PIXELS, 3);
    for (at, value) in picture.data.iter_mut().enumerate() {
        *value = ((at * 7919) % 1009) as f32 / 504.5 - 0.5;
    }
    let patch = |at: usize| Patch {
        centre: Vector2::new((at * 37 % 150 + 5) as f64, (at * 61 % 110 + 5) as f64),
        inverse_depth: 0.5,
    };
    let patches: Vec<Patch> = (0..config.patches_per_frame).map(patch).collect();
    let mut least = f64::INFINITY;
    let mut features = FrameFeatures::default();
    for _ in 0..ENCODINGS {
        let start = Instant::now();
        features = network.encode(&picture, &patches, &[], Probe::off());
        least = least.min(elapsed(start));
    }
    let mut graph = PatchGraph::new(camera, config.patches_per_frame, 0);
    let frames = config.removal_window + config.patch_lifetime;
    for frame in 0..frames {
        let pose = Isometry3::translation(-0.05 * frame as f64, 0.0, 0.0);
        graph.push(frame, pose, &patches, features.clone());
    }
    let followed = graph.patches_of(frames - config.removal_window).start..graph.patches.len();
    let edges: Vec<Edge> = followed
        .flat_map(|patch| {
            let source = patch / config.patches_per_frame;
            let seen = source + 1 - config.patch_lifetime..(source + config.patch_lifetime).min(frames);
            seen.map(move |frame| (patch, frame))
        })
        .map(|(patch, frame)| {
            let edge = graph.edge(patch, frame);
            Edge {
                target: graph.seen(&edge)[4] + Vector2::new(0.3, -0.2),
                weight: Vector2::new(0.8, 0.6),
                ..edge
            }
        })
        .collect();
    graph.edges.extend(edges);
    (graph, least)
}

/// Edges that see nothing.
struct Zeros;

impl EdgeSight for Zeros {
    fn context(&self, _: usize) -> &[f32] {
        &[0.0; WIDTH]
    }

    fn correlations(&self, edge: usize, out: &mut [f32]) {
        out.fill((edge % 7) as f32 * 0.1);
    }
}
