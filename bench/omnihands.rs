//! Counts and times OmniHands at the released size for a frame with two hands, with random weights; writes
//! `bench/results/omnihands.json`.
//!
//! `cargo bench --bench omnihands`. Needs 12 GB of memory. Times do not depend on the weights. "one hand" is a
//! frame in which the other is missing: the backbone then sees one picture.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context;
use handstream::frame::{Frame, PictureSize, Timestamp};
use handstream::geometry::CameraModel;
use handstream::haptic::HandInput;
use handstream::haptic::full::{DecoderConfig, HandBox, Picture};
use handstream::haptic::omni::{
    CpuPairNetwork, OmniConfig, OmniFrame, OmniHands, OmniShape, PairNetwork, PairPictures, PairTokens,
    PairWindow, RelationMode, SeenHand, WINDOW,
};
use handstream::jobs::{InOrder, Job, Jobs};
use handstream::net::vit::{PICTURE, TOKENS};
use handstream::net::{Checkpoint, Isa, VitConfig};
use nalgebra::Vector2;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde_json::{Value, json};

#[path = "../tests/support/omni_release.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod omni_release;
#[path = "../tests/support/release.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod release;
#[path = "../tests/support/ring.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod ring;
#[path = "../tests/support/torch_zip.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod torch_zip;

use omni_release::OmniRelease;
use ring::{ring_hand, side_of};

/// Frames of which the least and the median time are told.
const PASSES: usize = 5;
/// Passes of the temporal part.
const SHORT_PASSES: usize = 40;

/// Frames of the small film, and their size.
const FILM: u64 = 150;
const SIZE: PictureSize = PictureSize { width: 160, height: 120 };

/// A pool beside the calling thread.
struct Threads(ThreadPool);

impl Jobs for Threads {
    fn run(&self, jobs: Vec<Job<'_>>) {
        let mut jobs = jobs.into_iter();
        let Some(first) = jobs.next() else { return };
        self.0.in_place_scope_fifo(|scope| {
            jobs.for_each(|job| scope.spawn_fifo(move |_| job()));
            first();
        });
    }

    fn at_once(&self) -> usize {
        self.0.current_num_threads() + 1
    }
}

fn main() -> anyhow::Result<()> {
    let bytes = OmniRelease::full().bytes();
    let checkpoint = Checkpoint::parse(&bytes)?;
    let root = checkpoint.root();
    let (shape, vit) = (OmniShape::read(&root, None)?, VitConfig::read(&root.part("backbone"), None)?);
    let mut network = CpuPairNetwork::read(&root, &vit, &shape, RelationMode::Release, WINDOW)?;
    let jobs = Threads(ThreadPoolBuilder::new().num_threads(1).build()?);

    let crop = Picture::from_values((0..Picture::LEN).map(|i| (i * 97 % 256) as f32 / 64.0 - 2.0).collect())?;
    let hand = |x: f64| {
        let place = HandBox { centre: Vector2::new(x, 200.0), size: Vector2::new(180.0, 180.0) };
        Some(SeenHand { crop: &crop, place })
    };
    let two = PairPictures { right: hand(300.0), left: hand(200.0) };
    let one = PairPictures { left: None, ..two };
    let mut tokens: Vec<PairTokens> = Vec::new();
    let (mut both, mut single) = (Vec::new(), Vec::new());
    for _ in 0..PASSES {
        for (pair, times) in [(two, &mut both), (one, &mut single)] {
            tokens.clear();
            let start = Instant::now();
            network.encode(&[pair], &jobs, &mut tokens)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    network.encode(&[two], &jobs, &mut tokens)?;
    let kept = tokens.pop().unwrap_or_default();
    let window = |token: &Option<Vec<f32>>| vec![token.clone().unwrap_or_default(); WINDOW];
    let (right, left) = (window(&kept.right), window(&kept.left));
    let mut decoding = Vec::new();
    for _ in 0..SHORT_PASSES {
        let pair = PairWindow {
            right: right.iter().map(Vec::as_slice).collect(),
            left: left.iter().map(Vec::as_slice).collect(),
        };
        let mut out = Vec::new();
        let start = Instant::now();
        network.decode(&[pair], &jobs, &mut out)?;
        decoding.push(start.elapsed().as_secs_f64() * 1e3);
        black_box(out);
    }
    let report = json!({
        "command": "cargo bench --bench omnihands",
        "newest frame beside the middle of its window": lag()?,
        "what": "a frame with two hands at the released size, f32, two threads: operations (two a multiplication) \
                 and milliseconds of wall time; the backbone alone is in vit.json",
        "instruction set": Isa::best().to_string(),
        "gflop": operations(&vit, &shape),
        "kept of a frame, bytes": 4 * 2 * shape.decoder.width,
        "results": {
            "frame to tokens, two hands": summary(&mut both),
            "frame to tokens, one hand": summary(&mut single),
            "tokens to hands, two hands": summary(&mut decoding),
        },
    });
    let text = serde_json::to_string_pretty(&report)?;
    println!("{text}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/results/omnihands.json");
    std::fs::write(path, text + "\n").context(path)
}

/// How far what is said at once is from what is said half a window later, by a small network with random weights:
/// what the missing half of the window changes at most where nothing was learned. Real weights will differ.
fn lag() -> anyhow::Result<Value> {
    let bytes = OmniRelease::small().bytes();
    let checkpoint = Checkpoint::parse(&bytes)?;
    let root = checkpoint.root();
    let (shape, vit) = (OmniShape::read(&root, None)?, VitConfig::read(&root.part("backbone"), Some(2))?);
    let network = CpuPairNetwork::read(&root, &vit, &shape, RelationMode::Release, WINDOW)?;
    let config = OmniConfig { centre: true, gap: 5, ..OmniConfig::default() };
    let mut stream = OmniHands::new(Box::new(network), config);
    let camera = CameraModel::guess(SIZE);
    let (mut newest, mut centres): (Vec<OmniFrame>, Vec<OmniFrame>) = (Vec::new(), Vec::new());
    for number in 0..FILM {
        newest.push(stream.update(&frame(number), &[hand(0, number), hand(1, number)], &camera, &InOrder)?);
        centres.extend(stream.centre(false, &InOrder)?);
    }
    let mut later: Vec<[f64; 2]> = newest.iter().zip(&centres).flat_map(|(a, b)| apart(a, b)).collect();
    let mut frames: Vec<[f64; 2]> = newest.windows(2).flat_map(|pair| apart(&pair[0], &pair[1])).collect();
    Ok(json!({
        "what": "small random network on a made-up film, gap 5, median over hands: turn of the wrist and change of \
                 depth; beside it from one frame to the next",
        "half a window later": medians(&mut later),
        "one frame later": medians(&mut frames),
    }))
}

/// Turn of the wrist in degrees and change of depth in percent, for each hand of both.
fn apart(a: &OmniFrame, b: &OmniFrame) -> Vec<[f64; 2]> {
    let both = a.hands.iter().filter_map(|a| Some((a, b.hands.iter().find(|b| b.track == a.track)?)));
    both.map(|(a, b)| {
        let (a, b) = (&a.hand, &b.hand);
        let depth = 100.0 * (b.weak2full_depth / a.weak2full_depth - 1.0).abs();
        [a.rotations[0].angle_to(&b.rotations[0]).to_degrees(), depth]
    })
    .collect()
}

fn medians(rows: &mut [[f64; 2]]) -> Value {
    let mut median = |column: usize| {
        rows.sort_by(|a, b| a[column].total_cmp(&b[column]));
        rows.get(rows.len() / 2).map(|row| (row[column] * 1e3).round() / 1e3)
    };
    json!({ "wrist_degrees": median(0), "depth_percent": median(1) })
}

/// A picture that moves slowly.
fn frame(number: u64) -> Frame {
    let pixel = |i: usize| {
        let (x, y) = ((i / 3 % SIZE.width) as f32 + number as f32, (i / 3 / SIZE.width) as f32);
        (127.0 + 60.0 * (x / 9.0).sin() + 60.0 * (y / 7.0 + (i % 3) as f32).cos()) as u8
    };
    let pixels = (0..SIZE.rgb_bytes()).map(pixel).collect();
    Frame { pixels, size: SIZE, timestamp: Timestamp(33_000_000 * number as i64), sequence: number }
}

/// Key points on a circle that sways.
fn hand(track: u32, number: u64) -> HandInput {
    let x = 50.0 + 60.0 * track as f32 + 12.0 * (number as f32 / 15.0).sin();
    ring_hand(track, side_of(track), x, [18.0, 15.0])
}

fn summary(times: &mut [f64]) -> Value {
    times.sort_by(f64::total_cmp);
    let at = |place: usize| times.get(place).map(|ms| (ms * 1e2).round() / 1e2);
    json!({ "min_ms": at(0), "p50_ms": at(times.len() / 2) })
}

/// Operations of the product of `rows` rows with a matrix, two for each multiplication.
fn product(rows: usize, inputs: usize, outputs: usize) -> f64 {
    2.0 * rows as f64 * inputs as f64 * outputs as f64
}

/// Billions of operations of each part for a frame with two hands.
fn operations(vit: &VitConfig, shape: &OmniShape) -> Value {
    let giga = |operations: f64| (operations / 1e6).round() / 1e3;
    let block = |tokens: usize, group: usize, width: usize, inner: usize, hidden: usize| {
        product(tokens, width, 3 * inner)
            + 2.0 * product(tokens, group, inner)
            + product(tokens, inner, width)
            + 2.0 * product(tokens, width, hidden)
    };
    let both = 2 * TOKENS;
    let patches = product(both, PICTURE[0] * 16 * 16, vit.width);
    let backbone = patches + vit.depth as f64 * block(both, TOKENS, vit.width, vit.width, vit.hidden);
    let relation = product(both, RelationMode::Release.channels(), shape.relation_hidden)
        + product(both, shape.relation_hidden, shape.context);
    let OmniShape { context, spatial_inner, spatial_hidden, .. } = *shape;
    let between = shape.spatial_depth as f64 * block(both, both, context, spatial_inner, spatial_hidden);
    let [token, window] = [(&shape.decoder, TOKENS), (&shape.temporal, WINDOW)];
    let [token, window] = [token, window].map(|(decoder, seen)| gather(decoder, seen));
    let [first, second] = shape.regression;
    let width = shape.temporal.width;
    let heads = product(2, width, first)
        + product(2, first, second)
        + product(2, second, 96 + 3)
        + product(2, width, 10)
        + product(1, 2 * second, 3);
    let [[plain, absorbed], [plain_window, absorbed_window]] = [token, window];
    let all = backbone + relation + between + absorbed + absorbed_window + heads;
    json!({
        "backbone, once for each hand": giga(backbone),
        "relation and its embedding": giga(relation),
        "both hands' tokens to each other": giga(between),
        "a token of each hand": giga(absorbed),
        "a token of each hand, as the layers are written": giga(plain),
        "a token of each window": giga(absorbed_window),
        "a token of each window, as the layers are written": giga(plain_window),
        "regression": giga(heads),
        "all": giga(all),
    })
}

/// Two tokens that gather `seen` rows each: as the layers are written, and absorbed (no keys and values).
fn gather(decoder: &DecoderConfig, seen: usize) -> [f64; 2] {
    let DecoderConfig { width, depth, heads, inner, hidden, context, .. } = *decoder;
    let (query, out) = (product(1, width, inner), product(1, inner, width));
    let feed = 2.0 * product(1, width, hidden);
    let plain = product(1, width, 3 * inner) + out + query + out + product(seen, context, 2 * inner) + feed;
    let plain = plain + 2.0 * product(1, inner, seen);
    let look = query + 2.0 * product(1, inner, context) + 2.0 * product(heads, context, seen) + out;
    let absorbed = product(1, width, width) + look + feed;
    [plain, absorbed].map(|operations| 2.0 * depth as f64 * operations)
}
